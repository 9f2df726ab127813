"""One side hands four numbers to the other: it writes them, then raises a flag.

The smallest protocol there is, and the heart of all others here. Without `publish` the flag may be seen before the
data; without `consume` the data may be read before the flag. Whether an SMP barrier is enough is up to the machine:
on an OMAP4 of 2011 it is not (Linux 7b21e34fd1c2, virtio: harsher barriers for rpmsg).
"""

import amp

box = amp.Layout(flag=amp.u32, data=amp.u32[4])  # the shared memory, by name
publish = amp.Site("publish", "data before flag", needs="WW", kind="wmb", pairs_with="consume")
consume = amp.Site("consume", "flag before data", needs="RR", kind="rmb", pairs_with="publish")


class Handover:
    """The host writes, the remote reads. What stands before the flag is what differs."""

    def remote(self, cpu: amp.Port, at) -> None:
        cpu.poll(at.flag, lambda flag: flag == 1)
        cpu.barrier(consume)
        assert [cpu.load(place) for place in at.data] == [40, 41, 42, 43]


@amp.program(layout=box, sites=[publish, consume])
class Broken(Handover):
    """The flag may be seen before the data."""

    def host(self, cpu: amp.Port, at) -> None:
        for place, value in zip(at.data, (40, 41, 42, 43), strict=True):
            cpu.store(place, value)
        cpu.store(at.flag, 1)


@amp.program(layout=box, sites=[publish, consume])
class Fixed(Handover):
    """A write barrier before the flag."""

    def host(self, cpu: amp.Port, at) -> None:
        for place, value in zip(at.data, (40, 41, 42, 43), strict=True):
            cpu.store(place, value)
        cpu.barrier(publish)
        cpu.store(at.flag, 1)
