"""Two processors count in one cell: load, add one, store.

If both load before either stores, one count is gone. Nothing is out of order, and no barrier helps: the three steps
have to be one. It is the textbook's first race, and still being made, in hardware as well: XiangShan's control
registers wrote back what an instruction had read, over a counter-overflow request that had come in between
(OpenXiangShan/XiangShan pull request 6522).
"""

import amp

memory = amp.Layout(count=amp.u32, done=amp.u32)
publish = amp.Site("publish", "count before done", needs="WW", kind="mb", pairs_with="consume")
consume = amp.Site("consume", "done before count", needs="RR", kind="rmb", pairs_with="publish")
SITES = [publish, consume]


class Counter:
    """Both count once; the host looks when the remote has."""

    def host(self, cpu: amp.Port, at) -> None:
        self.count(cpu, at)
        cpu.poll(at.done, lambda done: done == 1)
        cpu.barrier(consume)
        assert cpu.load(at.count) == 2

    def remote(self, cpu: amp.Port, at) -> None:
        self.count(cpu, at)
        cpu.barrier(publish)
        cpu.store(at.done, 1)

    def count(self, cpu: amp.Port, at) -> None:
        raise NotImplementedError


@amp.program(layout=memory, sites=SITES)
class Broken(Counter):
    """Three steps."""

    def count(self, cpu: amp.Port, at) -> None:
        cpu.store(at.count, cpu.load(at.count) + 1)


@amp.program(layout=memory, sites=SITES)
class Fixed(Counter):
    """One atomic."""

    def count(self, cpu: amp.Port, at) -> None:
        cpu.fetch_add(at.count, 1)
