"""What the model costs compiled code: the one-message ring explored, and the same instructions emulated plainly.

    .venv/bin/python bench/bench_code.py RING.ELF [EXECUTIONS]

RING.ELF is tests/code/ring.c for AArch64. Plain emulation runs both functions on memory in which the other side has
done its part, without a hook: registers are set, nothing is restored. Figures are of the process's own CPU time, on a
machine that may be shared. The explorer counts complete executions only.
"""

from __future__ import annotations

import ctypes
import sys
import time

from amp.code import emulator
from amp.code.code import Code
from amp.code.elf import PAGE
from amp.code.isa import AARCH64
from amp.code.program import load
from amp.explore.explorer import Chooser, Ending
from amp.lab.plan import make_plan
from amp.lab.verify import explorer_of

WINDOW = 0x40000000
USED_IDX, USED, AVAIL_IDX = 0x16, 0x18, 0x14


def explored(path: str, executions: int) -> float:
    """Complete executions a second, by chance: each a run of both parts from their start."""
    program = load(f"{path}?host=send&remote=receive&shared={WINDOW:#x}:{PAGE}")
    explorer = explorer_of(make_plan(program, platform="arm64"))
    explorer.run()
    explorer.core.set_chooser(Chooser.SC, 1, 3)
    complete, start = 0, time.process_time()
    while complete < executions:
        complete += explorer.run() is Ending.COMPLETE
    return complete / (time.process_time() - start)


def plain(path: str, executions: int) -> float:
    """Pairs of the two functions a second."""
    code, uc, library = Code(path), emulator.Emulator(*AARCH64.emulator), emulator.unicorn()
    top = AARCH64.stack_top
    pages = [(segment.start & -PAGE, segment.data, segment.size) for segment in code.image.segments]
    pages += [(WINDOW, b"", PAGE), (top - 4 * PAGE, b"", 4 * PAGE), (top + PAGE, b"", PAGE)]
    for start, data, size in pages:
        whole = ctypes.c_size_t(-(-max(size, len(data)) // PAGE) * PAGE)
        library.uc_mem_map(uc.handle, ctypes.c_uint64(start), whole, 7)
        library.uc_mem_write(uc.handle, ctypes.c_uint64(start), data, ctypes.c_size_t(len(data)))
    for offset in (USED_IDX, USED, AVAIL_IDX):
        library.uc_mem_write(uc.handle, ctypes.c_uint64(WINDOW + offset), b"\x01\0", ctypes.c_size_t(2))
    entries = [code.image.function(name).start for name in ("send", "receive")]
    nothing, began = ctypes.c_uint64(0), time.process_time()
    for _ in range(executions):
        for entry in entries:
            uc.set_register(AARCH64.registers[AARCH64.stack], top - 16)
            uc.set_register(AARCH64.registers[AARCH64.link], top + PAGE)
            until = ctypes.c_uint64(top + PAGE)
            error = library.uc_emu_start(uc.handle, ctypes.c_uint64(entry), until, nothing, ctypes.c_size_t(0))
            assert error == 0, error
    return executions / (time.process_time() - began)


if __name__ == "__main__":
    elf, number = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    with_model, without = explored(elf, number), plain(elf, number)
    print(
        f"explored: {with_model:,.0f} executions/s; plain emulation: {without:,.0f}/s; ratio {without / with_model:.1f}"
    )
