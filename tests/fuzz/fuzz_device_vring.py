"""A hostile driver: whatever it writes to the table, the ring and its indirect tables, and whenever, the device reads
and returns nothing from outside its memory, and its own books stay right. Not a test.
"""

from __future__ import annotations

from fuzz_arena import START, Arena, ring_refused
from fuzz_input import Input

from amp.errors import BadRing
from amp.port.port import REMOTE
from amp.virtio.split import DESC_BYTES, DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, INDEX_MASK, SplitLayout
from remoteside.virtqueue import DeviceQueue

OPERATIONS = 96
BUFFERS_BYTES = 512
FIELDS = {
    *("avail.idx", "avail.ring head", "desc.addr", "desc.len", "desc.next", "desc.flags", "desc chain length"),
}
FLAGS = (0, DESC_F_NEXT, DESC_F_WRITE, DESC_F_NEXT | DESC_F_WRITE, DESC_F_INDIRECT)


class _Run:
    """One queue, its driver, and the books of a test that keeps them for itself."""

    def __init__(self, source: Input) -> None:
        self.source = source
        num, event_idx, indirect = 1 << source.below(4), bool(source.below(2)), bool(source.below(2))
        self.layout = layout = SplitLayout(num, START, source.choice((4, 16, 64)))
        start = layout.end + -layout.end % DESC_BYTES
        self.memory = start, start + BUFFERS_BYTES
        self.arena = Arena(self.memory[1] + 64 - START)  # there is memory behind what a buffer may lie in
        self.places = layout.desc, layout.used_event + 2
        self.port = self.arena.port(
            REMOTE, loads=[self.places, self.memory], stores=[(layout.used, layout.end), self.memory]
        )
        self.device = DeviceQueue(self.port, layout, self.memory, event_idx=event_idx, indirect=indirect)
        self.taken = self.device._avail_idx = self.device._used_idx = source.choice((0, 0xFFFE))
        self.arena.poke(layout.avail_idx, self.taken, 2)
        self.held: list[int] = []
        self.num = num

    def describe(self) -> None:
        """A descriptor, near what is right."""
        source, (start, end) = self.source, self.memory
        table = source.choice((self.layout.desc, self.layout.desc, start, start + 64))
        room = self.num if table == self.layout.desc else 4
        at = table + DESC_BYTES * source.below(room)
        address = source.choice((start, start, start + 8, start + 64, end - 16, end, source.value(8)))
        length = source.choice((0, 16, 16, 32, 64, BUFFERS_BYTES, source.value(4)))
        flags = source.choice((*FLAGS, *FLAGS, source.value(2)))
        following = source.below(self.num + 1) if source.below(8) else source.value(2)
        self.arena.poke(at, address, 8)
        self.arena.poke(at + 8, length, 4)
        self.arena.poke(at + 12, flags, 2)
        self.arena.poke(at + 14, following, 2)

    def expose(self) -> None:
        """An entry of the ring and the index, near what is right."""
        source = self.source
        head = source.below(self.num) if source.below(8) else source.value(2)
        self.arena.poke(self.layout.avail_ring + 2 * (self.taken & self.num - 1), head, 2)
        more = 1 if source.below(4) else source.value(2)
        self.arena.poke(self.layout.avail_idx, self.taken + more, 2)

    def scribble(self) -> None:
        self.arena.scribble(self.source, self.source.choice((self.places, self.memory)))

    def next_chain(self) -> int | None:
        before = self.device.held
        self.port.begin(3 + 2 * (self.num + 2))  # whatever the driver has linked
        try:
            chain = self.device.next_chain()
        except BadRing as error:
            ring_refused(error, FIELDS, "host")
            assert self.device.held == before, "a refused buffer is not taken"
            return None
        if chain is None:
            return None
        start, end = self.memory
        assert chain.head < self.num
        assert 1 <= len(chain.readable) + len(chain.writable) <= self.num
        for address, length in (*chain.readable, *chain.writable):
            assert start <= address <= address + length <= end, "a buffer outside the memory"
        self.held.append(chain.head)
        self.taken = self.taken + 1 & INDEX_MASK
        return chain.head

    def push_used(self) -> None:
        if self.held:
            self.port.begin(8)
            self.device.push_used(self.held.pop(self.source.below(len(self.held))), 0)

    def step(self) -> None:
        match self.source.below(12):
            case 0 | 1 | 2:
                self.describe()
            case 3 | 4:
                self.expose()
            case 5:
                self.scribble()
            case 6:
                self.arena.arm(self.source.below(16), self.source.choice((self.scribble, self.describe, self.expose)))
            case 7 | 8:
                self.next_chain()
            case 9:
                self.push_used()
            case 10:
                self.port.begin(8)
                self.device.call()
            case 11:
                self.port.begin(8)
                if self.source.below(2):
                    self.device.enable_notifications()
                else:
                    self.device.disable_notifications()
        assert self.device.held == len(self.held) <= self.num

    def recover(self) -> None:
        """From here on the driver behaves: whatever is exposed is taken, as it is, and can be given back."""
        self.arena.peer.clear()
        while self.held:
            self.push_used()
        for number in range(2 * self.num):
            head = number % self.num
            at = self.layout.desc + DESC_BYTES * head
            self.arena.poke(at, self.memory[0], 8)
            self.arena.poke(at + 8, 16, 8)
            self.arena.poke(self.layout.avail_ring + 2 * (self.taken & self.num - 1), head, 2)
            self.arena.poke(self.layout.avail_idx, self.taken + 1, 2)
            assert self.next_chain() == head, "a clean buffer was not taken"
            self.push_used()


def one_input(data: bytes) -> None:
    """Raises for an input that the device does not stand."""
    run = _Run(Input(data))
    for _ in range(OPERATIONS):
        if not run.source.left:
            break
        run.step()
    run.recover()
