"""A hostile host: what it writes to descriptors, available rings and message buffers, as the firmware's bus sees it.
Not a test.
"""

from __future__ import annotations

from fuzz_arena import Range, WatchedPort
from fuzz_bus import BUFFER_BYTES, BusRun
from fuzz_input import Input

from amp.port.port import REMOTE
from amp.rpmsg import Bus
from amp.virtio.split import DESC_F_WRITE, INDEX_MASK, SplitLayout
from remoteside.rpmsg import DeviceLink, Rings
from remoteside.virtqueue import DeviceQueue


class RemoteRun(BusRun):
    def open(self) -> tuple[Bus, WatchedPort]:
        mine = [(ring.used, ring.end) for ring in (self.input, self.output)]
        port = self.arena.port(REMOTE, loads=self.places(), stores=[*mine, self.memory])
        port.begin(100)
        rings = Rings(self.input, self.output, self.memory, event_idx=self.event_idx)
        self.link = DeviceLink(port, rings)
        return Bus(port, self.link, clock=lambda: 0.0, log=self.lines.append, binds_first_sender=True), port

    def places(self) -> tuple[Range, ...]:
        return *((ring.desc, ring.used_event + 2) for ring in (self.input, self.output)), self.memory

    def check_books(self) -> None:
        assert self.link.rx.held == self.kept
        assert self.link.tx.held == len(self.link._given_up) + len(self.outgoing)

    # --- the peer: what a driver knows from its own books, it takes from the device's

    def expose(self, queue: DeviceQueue, ring: SplitLayout, head: int, more: int = 1) -> None:
        """The next entry of the available ring, then the index."""
        self.arena.poke(ring.avail_ring + 2 * (queue._avail_idx & self.num - 1), head, 2)
        self.arena.poke(ring.avail_idx, queue._avail_idx + more & INDEX_MASK, 2)

    def describe(self, ring: SplitLayout, head: int, address: int, length: int, flags: int) -> None:
        at = ring.desc + 16 * head
        self.arena.poke(at, address, 8)
        self.arena.poke(at + 8, length, 4)
        self.arena.poke(at + 12, flags, 4)

    def deliver(self, message: bytes) -> None:
        """A message as a host sends it that behaves."""
        self.arena.fill(self.memory[0], message)
        self.describe(self.output, 0, self.memory[0], len(message), 0)
        self.expose(self.link.rx, self.output, 0)

    def peer_acts(self) -> None:
        source, (start, end) = self.source, self.memory
        queue, ring, right = (
            (self.link.rx, self.output, 0) if source.below(3) else (self.link.tx, self.input, DESC_F_WRITE)
        )
        head = source.below(self.num)
        address = start + BUFFER_BYTES * source.below(2 * self.num)
        length = BUFFER_BYTES
        if queue is self.link.rx:
            message = self.message()
            self.arena.fill(address, message)
            length = len(message)
        if source.below(8) == 0:
            address = source.choice((start + 4, end - 16, end - 8, end, start - 8, source.value(8)))
        if source.below(8) == 0:
            length = source.value(4)
        flags = right if source.below(8) else source.value(4)
        self.describe(ring, head, address, length, flags)
        self.expose(
            queue, ring, head if source.below(16) else source.value(2), 1 if source.below(8) else source.value(2)
        )

    def recover(self) -> None:
        for queue, ring in ((self.link.rx, self.output), (self.link.tx, self.input)):
            self.arena.poke(ring.avail_idx, queue._avail_idx, 2)
        self.let_go()
        self.expect_clean(self.deliver)
        self.begin()
        while self.link._given_up:  # however small the buffers are that the host has given
            buffer = self.link.claim()
            assert buffer is not None
            self.link.tx.push_used(buffer.token, 0)
        for number in range(2 * self.num):
            self.describe(self.input, number % self.num, self.memory[0], BUFFER_BYTES, DESC_F_WRITE)
            self.expose(self.link.tx, self.input, number % self.num)
            self.begin()
            self.queued.trysendto(b"clean", 7)
        self.check_books()


def one_input(data: bytes) -> None:
    """Raises for an input that the firmware's bus does not stand."""
    run = RemoteRun(Input(data))
    run.run()
    run.recover()
