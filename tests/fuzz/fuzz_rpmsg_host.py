"""A hostile core: what it writes to used rings and message buffers, as the host's bus sees it. Not a test."""

from __future__ import annotations

from fuzz_arena import Range, WatchedPort
from fuzz_bus import BUFFER_BYTES, BusRun
from fuzz_input import Input

from amp.port.port import HOST
from amp.rpmsg import Buffer, Bus
from amp.virtio.split import INDEX_MASK, SplitLayout
from hostside.rpmsg import DriverLink
from hostside.virtqueue import DriverQueue


class HostRun(BusRun):
    def open(self) -> tuple[Bus, WatchedPort]:
        start, end = self.memory
        half = start + self.num * BUFFER_BYTES
        mine = [(ring.desc, ring.used_event + 2) for ring in (self.input, self.output)]
        port = self.arena.port(HOST, loads=self.places(), stores=[*mine, (half, end)])
        port.begin(100 * self.num)
        self.link = DriverLink(
            port, self.input, self.output, start, 2 * self.num, buffer_bytes=BUFFER_BYTES, event_idx=self.event_idx
        )
        return Bus(port, self.link, clock=lambda: 0.0, log=self.lines.append), port

    def places(self) -> tuple[Range, ...]:
        return *((ring.used, ring.end) for ring in (self.input, self.output)), self.memory

    def check_books(self) -> None:
        assert self.link.rx.in_flight + self.kept == self.num
        assert self.link.tx.in_flight + len(self.link._free) + len(self.outgoing) == self.num

    # --- the peer: what a device knows from its own books, it takes from the driver's

    def give_back(self, queue: DriverQueue[Buffer], ring: SplitLayout, head: int, written: int, more: int = 1) -> None:
        """The next entry of the used ring, then the index."""
        entry = ring.used_ring + 8 * (queue._used_idx & self.num - 1)
        self.arena.poke(entry, head, 4)
        self.arena.poke(entry + 4, written, 4)
        self.arena.poke(ring.used_idx, queue._used_idx + more & INDEX_MASK, 2)

    def heads(self, queue: DriverQueue[Buffer]) -> list[int]:
        return [head for head, descriptors in enumerate(queue._descriptors) if descriptors]

    def deliver(self, message: bytes) -> None:
        """A message as a core sends it that behaves."""
        head = self.heads(self.link.rx)[0]
        self.arena.fill(self.arena.peek(self.input.desc + 16 * head, 8), message)
        self.give_back(self.link.rx, self.input, head, len(message))

    def peer_acts(self) -> None:
        source = self.source
        queue, ring = (self.link.rx, self.input) if source.below(4) else (self.link.tx, self.output)
        heads = self.heads(queue)
        head = source.choice(heads) if heads and source.below(16) else source.value(4)
        written = 0
        if queue is self.link.rx and head < self.num:
            message = self.message()
            self.arena.fill(self.arena.peek(ring.desc + 16 * head, 8) or self.memory[0], message)
            written = len(message)
        if source.below(8) == 0:
            written = source.value(4)
        self.give_back(queue, ring, head, written, 1 if source.below(8) else source.value(2))

    def recover(self) -> None:
        for queue, ring in ((self.link.rx, self.input), (self.link.tx, self.output)):
            self.arena.poke(ring.used_idx, queue._used_idx, 2)
        self.let_go()
        self.expect_clean(self.deliver)
        for head in self.heads(self.link.tx):
            self.give_back(self.link.tx, self.output, head, 0)
            self.begin()
            buffer = self.link.claim()
            assert buffer is not None
            self.link.give_up(buffer)
            assert self.link._reclaim() or not self.link.tx._descriptors[head]
        for _ in range(self.num):
            self.begin()
            self.queued.trysendto(b"clean", 7)
        self.check_books()


def one_input(data: bytes) -> None:
    """Raises for an input that the host's bus does not stand."""
    run = HostRun(Input(data))
    run.run()
    run.recover()
    run.begin()
    run.bus.down("over")
