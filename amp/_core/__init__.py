"""The C core. `core.h` is its interface; `_bridge` is what Python sees of it.

| folder   | has                                                                                      |
|----------|------------------------------------------------------------------------------------------|
| include  | amp.h, the port for C programs; it inlines core.h, direct.h, fences.h, granule.h          |
| model    | the running machine: pending stores, stale loads, stages, turns, schedules                |
| explore  | executions as graphs: what must come before what, the search, its keys, litmus threads   |
| explored | the port of a program that is explored                                                    |
| port     | the ports of C programs: direct, model, and what all share                               |
| code     | compiled code under the emulator                                                          |
| virtio   | the split ring in C, both sides                                                           |
| bench    | what is measured: barriers, the ring, the bare silicon                                    |
| native   | what a litmus test on this machine's own CPU is compiled with                             |
| bridge   | py_*: Python's view of all of it, and the only files that know Python                     |
"""
