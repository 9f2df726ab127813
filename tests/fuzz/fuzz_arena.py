"""Shared memory without a machine around it, and a port that watches whoever uses it. Not a test.

The memory is one bytearray: under AddressSanitizer an access behind it is an access behind an allocation. The hostile
peer writes to it directly, between the calls of the code under test and, once armed, before one of its loads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Final

from fuzz_input import Input

from amp.errors import BadRing
from amp.port.doors import DirectPort, site_bytes
from amp.port.port import CPU_NAMES, Port
from amp.virtio.sites import linux_choice

if TYPE_CHECKING:
    from typing_extensions import Buffer

START: Final = 64  # of the memory that both sides share; the doorbells lie before it
Range = tuple[int, int]  # start, end; end is not part of it

_MANDATORY: Final = linux_choice(weak_barriers=False)


class Escape(AssertionError):
    """The code under test touched what is not its to touch, or would not come to an end."""


class Arena:
    """`size` bytes from START on. `port` gives one CPU its watched port."""

    def __init__(self, size: int) -> None:
        self.end = START + -(-size // 8) * 8
        self.memory = bytearray(self.end)
        self.peer: list[tuple[int, Callable[[], None]]] = []  # loads still to come, and what the peer does then

    def port(self, cpu: int, *, loads: Iterable[Range], stores: Iterable[Range]) -> WatchedPort:
        sites = (site_bytes(_MANDATORY), _MANDATORY.sites.numbers)
        door = DirectPort(self.memory, START, self.end, 0, cpu, len(CPU_NAMES), *sites)
        return WatchedPort(self, door, tuple(loads), tuple(stores))

    def poke(self, address: int, value: int, size: int) -> None:
        """What the peer writes, in no order; it stays in the memory."""
        assert START <= address <= self.end - size, "the peer is bound to the memory, too"
        self.memory[address : address + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")

    def fill(self, address: int, data: bytes) -> None:
        assert START <= address <= self.end - len(data)
        self.memory[address : address + len(data)] = data

    def peek(self, address: int, size: int) -> int:
        return int.from_bytes(self.memory[address : address + size], "little")

    def scribble(self, source: Input, places: Range) -> None:
        """One to eight bytes of the peer's choice somewhere in `places`."""
        size = source.choice((1, 2, 4, 8))
        address = places[0] + source.number(2) % (places[1] - places[0] - size)
        self.poke(address, source.value(size), size)

    def arm(self, loads: int, act: Callable[[], None]) -> None:
        """The peer acts before the load after the next `loads` ones."""
        if len(self.peer) < 4:
            self.peer.append((loads, act))

    def loaded(self) -> None:
        """A load is about to be made."""
        due, self.peer = self.peer, []
        for left, act in due:
            if left:
                self.peer.append((left - 1, act))
            else:
                act()


class WatchedPort:
    """A port that raises Escape for a load outside of `loads`, a store outside of `stores`, and a step too many.

    A step is any call; `begin` allows so many until the next `begin`.
    """

    def __init__(self, arena: Arena, door: Port, loads: tuple[Range, ...], stores: tuple[Range, ...]) -> None:
        self._arena, self._door, self._loads, self._stores = arena, door, loads, stores
        self._left = 0

    def begin(self, steps: int) -> None:
        """The code under test is called, and may take `steps`."""
        self._left = steps

    def _step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Escape("more steps than the call may take")

    def _check(self, what: str, allowed: tuple[Range, ...], address: int, size: int) -> None:
        self._step()
        if not any(start <= address and address + size <= end for start, end in allowed):
            raise Escape(f"{what} of {size} bytes at {int(address):#x}, allowed are {allowed}")

    def __getattr__(self, name: str) -> Any:
        """Scalars by name: load_u16 and its like."""
        what, _, width = name.partition("_u")
        if what not in {"load", "store"} or not width.isdigit():
            raise AttributeError(name)
        method, size = getattr(self._door, name), int(width) // 8

        def load(address: int) -> int:
            self._check(name, self._loads, address, size)
            self._arena.loaded()
            return int(method(address))

        def store(address: int, value: int) -> None:
            self._check(name, self._stores, address, size)
            method(address, value)

        access = load if what == "load" else store
        setattr(self, name, access)  # the next one is found at once
        return access

    def read(self, address: int, length: int) -> bytes:
        self._check("read", self._loads, address, length)
        self._arena.loaded()
        return bytes(self._door.read(address, length))

    def write(self, address: int, data: Buffer) -> None:
        self._check("write", self._stores, address, memoryview(data).nbytes)
        self._door.write(address, data)

    def barrier(self, site: int) -> None:
        self._step()
        self._door.barrier(site)

    def fence(self, primitive: int) -> None:
        self._step()
        self._door.fence(primitive)

    def kick(self, cpu: int) -> None:
        self._step()
        self._door.kick(cpu)

    def wait(self, timeout_s: float | None = None) -> bool:
        self._step()
        del timeout_s  # nobody is there to ring: whoever sleeps finds that the time is up
        return self._door.wait(0)


def ring_refused(error: BadRing, fields: Collection[str], writer: str) -> None:
    """A refusal names a field of the ring and who writes it."""
    one_line(error)
    assert error.field in fields, error.field
    assert error.writer == writer, error.writer


def one_line(error: BaseException) -> None:
    """What is raised for the user is one line that does no harm to a terminal."""
    text = str(error)
    assert text
    assert text.isprintable(), ascii(text)
