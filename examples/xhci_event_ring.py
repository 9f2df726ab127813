"""xHCI's event ring: an event is there when its cycle bit is the one of this round.

A USB controller writes the data of a transfer to memory, then an event whose cycle bit tells the driver that both are
there; the driver may look without an interrupt. usbvfiod, a controller in software, wrote the event with nothing that
kept it behind the data: on Arm the driver finds the event, and reads what the buffer held before
(cyberus-technology/usbvfiod pull request 50). The driver's half, a read barrier between the cycle bit and the rest,
stands in Linux's drivers/usb/host/xhci-ring.c.
"""

import amp

EVENTS = 2  # of the ring


class Ring:
    """The remote is the controller, the host the driver. Three transfers, so that the cycle bit turns round."""

    def host(self, cpu: amp.Port, at) -> None:
        for number in range(self.messages):
            event, cycle = at.event[number % EVENTS], 1 - number // EVENTS % 2
            cpu.poll(event.control, lambda control, cycle=cycle: control & 1 == cycle)
            cpu.barrier(valid)
            assert cpu.load(event.length) == 8
            assert bytes(cpu.load(at.buffer[number])) == data(number)
            cpu.barrier(done)
            cpu.store(at.dequeue, number + 1)

    def remote(self, cpu: amp.Port, at) -> None:
        for number in range(self.messages):
            if number >= EVENTS:
                cpu.poll(at.dequeue, lambda dequeue, number=number: dequeue > number - EVENTS)
            cpu.store(at.buffer[number], data(number))
            event, cycle = at.event[number % EVENTS], 1 - number // EVENTS % 2
            self.write_event(cpu, event, cycle)

    def write_event(self, cpu: amp.Port, event, cycle: int) -> None:
        raise NotImplementedError


def data(number: int) -> bytes:
    return bytes([number + 1]) * 8


memory = amp.Layout(
    buffer=amp.Bytes(8)[4],
    event=amp.Struct(length=amp.u32, control=amp.u32)[EVENTS],  # bit 0 of control is the cycle bit
    dequeue=amp.u32,
)
complete = amp.Site("complete", "data and length before the cycle bit", needs="WW", kind="wmb", pairs_with="valid")
valid = amp.Site("valid", "the cycle bit before length and data", needs="RR", kind="rmb", pairs_with="complete")
done = amp.Site("done", "event and data are read before dequeue", needs="RW", kind="mb")
SITES = [complete, valid, done]
SIZES = {"messages": amp.Size(3, most=4)}


@amp.program(layout=memory, sites=SITES, sizes=SIZES)
class Broken(Ring):
    """The event is written at once."""

    def write_event(self, cpu: amp.Port, event, cycle: int) -> None:
        cpu.store(event.length, 8)
        cpu.store(event.control, cycle)


@amp.program(layout=memory, sites=SITES, sizes=SIZES)
class Fixed(Ring):
    """A write barrier before the cycle bit."""

    def write_event(self, cpu: amp.Port, event, cycle: int) -> None:
        cpu.store(event.length, 8)
        cpu.barrier(complete)
        cpu.store(event.control, cycle)
