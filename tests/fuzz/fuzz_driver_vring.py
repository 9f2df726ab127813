"""A hostile device: whatever it writes to the used ring, and whenever, the driver's books stay right. Not a test."""

from __future__ import annotations

from fuzz_arena import START, Arena, ring_refused
from fuzz_input import Input

from amp.errors import BadRing, UsageError
from amp.port.port import HOST
from amp.virtio.split import DESC_BYTES, INDEX_MASK, Segment, SplitLayout
from hostside.virtqueue import DriverQueue, IndirectTables

OPERATIONS = 96
ENTRIES = 4  # of an indirect table
BUFFERS_BYTES = 256
FIELDS = {"used.idx", "used.ring id", "used.ring len"}


class _Run:
    """One queue, its device, and the books of a test that keeps them for itself."""

    def __init__(self, source: Input) -> None:
        self.source = source
        num, self.event_idx = 1 << source.below(4), bool(source.below(2))
        self.layout = layout = SplitLayout(num, START, source.choice((4, 16, 64)))
        tables = layout.end + -layout.end % DESC_BYTES
        self.buffers = tables + num * ENTRIES * DESC_BYTES
        self.arena = Arena(self.buffers + BUFFERS_BYTES - START)
        self.places = layout.used, layout.end
        stores = (layout.desc, layout.used_event + 2), (tables, self.buffers)
        self.port = self.arena.port(HOST, loads=[self.places], stores=stores)
        self.driver: DriverQueue[int] = DriverQueue(
            self.port,
            layout,
            event_idx=self.event_idx,
            indirect=IndirectTables(tables, ENTRIES) if source.below(2) else None,
        )
        self.taken = source.choice((0, 0xFFFE))  # how many came back; the queues as they are after as many
        self.driver._avail_idx = self.driver._used_idx = self.taken
        self.in_flight: dict[int, tuple[int, int, int]] = {}  # by token: head, descriptors, bytes the device may write
        self.tokens = 0
        self.num, self.indirect = num, self.driver._indirect is not None

    def add(self, count: int, *, writable: int) -> None:
        segments = [Segment(self.buffers + 8 * number, 8) for number in range(count)]
        readable, behind = segments[: count - writable], segments[count - writable :]
        before, needed = self.driver.free, 1 if self.indirect and count > 1 else count
        self.port.begin(2 * count + 8)
        try:
            head = self.driver.add(readable, behind, self.tokens)
        except UsageError:
            fits = needed <= before and not (self.indirect and count > min(ENTRIES, self.num)) and count > 0
            assert not fits, "a buffer that fits was refused"
            assert self.driver.free == before
            return
        self.in_flight[self.tokens] = head, needed, 8 * len(behind)
        self.tokens += 1

    def get_used(self) -> None:
        books = self.driver.free, self.driver.in_flight
        self.port.begin(8)
        try:
            found = self.driver.get_used()
        except BadRing as error:
            ring_refused(error, FIELDS, "remote")
            assert (self.driver.free, self.driver.in_flight) == books, "a refused entry changes nothing"
            return
        if found is not None:
            token, written = found
            _, _, limit = self.in_flight.pop(token)
            assert 0 <= written <= limit
            self.taken = self.taken + 1 & INDEX_MASK

    def give_back(self, head: int, written: int) -> None:
        """As a device does that behaves: the next entry, then the index."""
        entry = self.layout.used_ring + 8 * (self.taken & self.num - 1)
        self.arena.poke(entry, head, 4)
        self.arena.poke(entry + 4, written, 4)
        self.arena.poke(self.layout.used_idx, self.taken + 1, 2)

    def lie(self) -> None:
        """The next entry, near what is right."""
        source = self.source
        heads = [head for head, _, _ in self.in_flight.values()] or [0]
        head = source.choice(heads) if source.below(4) else source.value(4)
        self.give_back(head, source.value(4) if source.below(3) == 0 else source.below(24))
        if source.below(4) == 0:
            self.arena.poke(self.layout.used_idx, self.taken + source.value(2), 2)

    def step(self) -> None:
        source, driver = self.source, self.driver
        match source.below(12):
            case 0 | 1:
                count = source.below(ENTRIES + 3)
                self.add(count, writable=source.below(count + 1))
            case 2 | 3 | 4:
                self.get_used()
            case 5 | 6:
                self.lie()
            case 7:
                self.arena.scribble(source, self.places)
            case 8:
                loads = source.below(4)
                self.arena.arm(loads, self.lie if source.below(2) else self.scribble)
            case 9:
                self.port.begin(8)
                driver.kick()
            case 10:
                self.port.begin(8)
                driver.disable_interrupts()
            case 11:
                self.port.begin(8)
                driver.enable_interrupts()
        self.check_books()

    def scribble(self) -> None:
        self.arena.scribble(self.source, self.places)

    def check_books(self) -> None:
        assert self.driver.in_flight == len(self.in_flight)
        assert self.driver.free + sum(row[1] for row in self.in_flight.values()) == self.num

    def recover(self) -> None:
        """From here on the device behaves: every buffer comes home, and the ring takes as many as at first."""
        self.arena.peer.clear()
        for _ in range(2):
            while self.in_flight:
                head, _, limit = next(iter(self.in_flight.values()))
                before = len(self.in_flight)
                self.give_back(head, limit)
                self.get_used()
                assert len(self.in_flight) == before - 1, "a buffer that was given back did not come home"
            assert self.driver.free == self.num, "a descriptor is lost"
            for _ in range(self.num):
                self.add(1, writable=1)
            assert len(self.in_flight) == self.num


def one_input(data: bytes) -> None:
    """Raises for an input that the driver does not stand."""
    run = _Run(Input(data))
    for _ in range(OPERATIONS):
        if not run.source.left:
            break
        run.step()
    run.arena.peer.clear()
    run.recover()
