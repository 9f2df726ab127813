"""NVMe's shadow doorbell: a queue tail in memory, and an event index that says when to ring.

The driver of an emulated disk stores its submission queue's tail to memory, then reads the controller's `event_index`
and writes the real doorbell only if the tail has passed it. Nothing kept the load of `event_index` behind the store of
the tail, and x86 reorders just that pair: the driver saw an old index and did not ring, the controller saw an old tail
and slept, and I/O hung on Google's cloud. Linux f1ed3df20d2d (drivers/nvme/host/pci.c) put a full barrier there; SPDK's
driver followed (lib/nvme, review 468188).
"""

import amp

queue = amp.Layout(entry=amp.u32[4], tail=amp.u32, event_index=amp.u32)
submit = amp.Site("submit", "entry before tail", needs="WW", kind="wmb", pairs_with="fetch")
fetch = amp.Site("fetch", "tail before entry", needs="RR", kind="rmb", pairs_with="submit")
check = amp.Site(
    "check", "tail before event_index is read, and before the doorbell", needs="WR WD", kind="mb", pairs_with="rest"
)
rest = amp.Site("rest", "event_index before tail is read again", needs="WR", kind="mb", pairs_with="check")
ring = amp.Site("ring", "tail before the doorbell", needs="WD", kind="wmb")
SITES = [submit, fetch, check, rest, ring]
SIZES = {"messages": amp.Size(2, most=3)}


class Queue:
    """The remote is the controller. `messages` commands, each submitted by itself."""

    def remote(self, cpu: amp.Port, at) -> None:
        done = 0
        while done < self.messages:
            if cpu.load(at.tail) == done:
                cpu.store(at.event_index, done)
                cpu.barrier(rest)
                if cpu.load(at.tail) == done:
                    cpu.wait()
                continue
            cpu.barrier(fetch)
            done += 1
            assert cpu.load(at.entry[done]) == done

    def ring_if_passed(self, cpu: amp.Port, at, tail: int) -> bool:
        """Has the tail, one further than before, passed the event index?"""
        return (tail - cpu.load(at.event_index) - 1) & 0xFFFF < 1


@amp.program(layout=queue, sites=SITES, sizes=SIZES)
class Broken(Queue):
    """The event index may be read before the tail is visible."""

    def host(self, cpu: amp.Port, at) -> None:
        for tail in range(1, self.messages + 1):
            cpu.store(at.entry[tail], tail)
            cpu.barrier(submit)
            cpu.store(at.tail, tail)
            if self.ring_if_passed(cpu, at, tail):
                cpu.barrier(ring)
                cpu.kick(amp.REMOTE)


@amp.program(layout=queue, sites=SITES, sizes=SIZES)
class Fixed(Queue):
    """A full barrier between the two."""

    def host(self, cpu: amp.Port, at) -> None:
        for tail in range(1, self.messages + 1):
            cpu.store(at.entry[tail], tail)
            cpu.barrier(submit)
            cpu.store(at.tail, tail)
            cpu.barrier(check)
            if self.ring_if_passed(cpu, at, tail):
                cpu.kick(amp.REMOTE)
