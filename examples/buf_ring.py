"""FreeBSD's buf_ring: a slot is free when the consumer's tail says so, not before it has been read.

The consumer reads the slot's pointer, then moves `cons_tail`. Nothing ordered the load before the store, and a weakly
ordered CPU may perform it after: the producer sees the room, puts the next pointer there, and the consumer takes that
one twice and the old one never. A write barrier is no cure, for a load is what comes first. FreeBSD 44e1cfca417c
(review D46152, sys/sys/buf_ring.h) stores the tail with release.
"""

import amp


def ring_of(slots: int) -> amp.Layout:
    return amp.Layout(prod_tail=amp.u32, cons_tail=amp.u32, slot=amp.Bytes(8)[slots])


enqueue = amp.Site("enqueue", "slot before prod_tail", needs="WW", kind="wmb", pairs_with="peek")
peek = amp.Site("peek", "prod_tail before slot", needs="RR", kind="rmb", pairs_with="enqueue")
dequeue = amp.Site("dequeue", "slot is read before cons_tail", needs="RW", kind="release")
dequeue_by_wmb = amp.Site("dequeue", "slot is read before cons_tail", needs="RW", kind="wmb")


def pointer(number: int) -> bytes:
    return (0xFFFF_0000 + 64 * number).to_bytes(8, "little")


class Ring:
    """The remote produces, the host consumes. What stands before the consumer's tail is what differs."""

    read: amp.Site

    def remote(self, cpu: amp.Port, at) -> None:
        for number in range(self.messages):
            if number >= self.slots:
                cpu.poll(at.cons_tail, lambda tail, number=number: tail > number - self.slots)
            cpu.store(at.slot[number % self.slots], pointer(number))
            cpu.barrier(enqueue)
            cpu.store(at.prod_tail, number + 1)

    def host(self, cpu: amp.Port, at) -> None:
        for number in range(self.messages):
            cpu.poll(at.prod_tail, lambda tail, number=number: tail > number)
            cpu.barrier(peek)
            taken = cpu.load(at.slot[number % self.slots])
            cpu.barrier(self.read)
            cpu.store(at.cons_tail, number + 1)
            assert bytes(taken) == pointer(number)


SIZES = {"messages": 2, "slots": amp.Size(1, most=8)}


@amp.program(layout=ring_of, sites=[enqueue, peek, dequeue_by_wmb], sizes=SIZES)
class Broken(Ring):
    """A write barrier before the consumer's tail."""

    read = dequeue_by_wmb


@amp.program(layout=ring_of, sites=[enqueue, peek, dequeue], sizes=SIZES)
class Fixed(Ring):
    """A release before it."""

    read = dequeue
