"""Qualcomm's GLINK over shared memory: a fifo with a head of the writer and a tail of the reader.

The writer copies a message into the fifo and moves `head`; the reader takes it and moves `tail`, after which the writer
may use the room again. drivers/rpmsg/qcom_glink_smem.c moved `head` with no barrier behind the copy, so that the other
processor found an index to bytes that had not arrived: wrong commands, and intents that nobody had asked for. Linux
9d32497361ff put a write barrier there; 786439ad5876 did the same for the receiving direction.
"""

import amp


def fifo_of(units: int) -> amp.Layout:
    return amp.Layout(head=amp.u32, tail=amp.u32, fifo=amp.Bytes(8)[units])


fill = amp.Site("fill", "fifo before head", needs="WW", kind="wmb", pairs_with="seen", symptom="stale bytes")
seen = amp.Site("seen", "head before fifo", needs="RR", kind="rmb", pairs_with="fill", symptom="stale bytes")
drained = amp.Site("drained", "fifo is read before tail", needs="RW", kind="mb", symptom="overwritten while read")


def message(number: int) -> bytes:
    return bytes([number]) * 8


class Fifo:
    """The remote reads; how the host writes is what differs. `units` is how many messages have room."""

    def remote(self, cpu: amp.Port, at) -> None:
        for number in range(self.messages):
            cpu.poll(at.head, lambda head, number=number: head > number)
            cpu.barrier(seen)
            got = cpu.load(at.fifo[number % self.units])
            cpu.barrier(drained)
            cpu.store(at.tail, number + 1)
            assert bytes(got) == message(number + 1)

    def wait_for_room(self, cpu: amp.Port, at, number: int) -> None:
        """That `tail` has been looked at orders the stores behind it: a branch is between them."""
        if number >= self.units:
            cpu.poll(at.tail, lambda tail: tail > number - self.units)


SITES = [fill, seen, drained]
SIZES = {"messages": 3, "units": amp.Size(2, most=8)}


@amp.program(layout=fifo_of, sites=SITES, sizes=SIZES)
class Broken(Fifo):
    """Nothing between the copy and the head."""

    def host(self, cpu: amp.Port, at) -> None:
        for number in range(self.messages):
            self.wait_for_room(cpu, at, number)
            cpu.store(at.fifo[number % self.units], message(number + 1))
            cpu.store(at.head, number + 1)


@amp.program(layout=fifo_of, sites=SITES, sizes=SIZES)
class Fixed(Fifo):
    """A write barrier between them."""

    def host(self, cpu: amp.Port, at) -> None:
        for number in range(self.messages):
            self.wait_for_room(cpu, at, number)
            cpu.store(at.fifo[number % self.units], message(number + 1))
            cpu.barrier(fill)
            cpu.store(at.head, number + 1)
