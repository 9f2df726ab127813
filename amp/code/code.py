"""Functions of an ELF file as parts: what a program file says, `host = amp.Code("ring.elf").function("send", 3)`.

A Function is called as a method of a program's class is: with the processor's port and the places of the layout. The
shared memory of the code is the program's, from its first byte on: `shared` says where the code has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from amp.code.elf import PAGE, Image, read
from amp.code.engine import MAX_LOOP, Engine, Settings, Window
from amp.code.kept import instructions, keep, places
from amp.code.listing import Listing
from amp.code.rows import Device
from amp.errors import Stall, UsageError
from amp.machine.wiring import VRINGS_AT
from amp.ordering.instructions import A64, ARMV7_A
from amp.port.port import Port

ARGUMENTS_LIMIT: Final = 8
SHARED_LIMIT_BYTES: Final = 1 << 20
MAILBOXES_LIMIT: Final = 8  # of each kind of its registers, as amp/_core/code/code.h has room
DRAINS_LIMIT: Final = 4


class Code:
    """An executable file: its path, or what was read of it.

    `shared` are the windows of shared memory, (address, bytes), whole pages; in a program's layout they lie one behind
    the other. Without it they are where the file's AMP_SHARED variables lie. `mailboxes` are addresses at which a store
    rings a processor's doorbell: (address, CPU). `statuses` are addresses where a load tells whether one's own has rung
    and is not taken: (address, what is loaded then; else 0). A store to one of `acknowledges` takes it. `drains` are
    addresses at which a store drains the outer cache, of Armv7-A code: with the `dsb` before it, it is Linux's `dsb;
    outer_sync`. `max_loop` is how often a part may go round a loop that does not only wait.

    Raises UsageError for a file that cannot be used, and for AMP_SHARED variables outside of `shared`.
    """

    def __init__(
        self,
        file: str | Image,
        *,
        shared: Iterable[tuple[int, int]] = (),
        mailboxes: Iterable[tuple[int, int]] = (),
        statuses: Iterable[tuple[int, int]] = (),
        acknowledges: Iterable[int] = (),
        drains: Iterable[int] = (),
        max_loop: int = MAX_LOOP,
    ) -> None:
        self.image: Image = read(file) if isinstance(file, str) else file
        self.listing = Listing(self.image)
        given = list(shared) or ([self.image.own_window] if self.image.own_window is not None else [])
        _check_inside(self.image, given)
        self.windows = placed(given)
        drained = [(address, 0) for address in drains] if self.listing.isa.name == ARMV7_A else []
        self.settings = Settings(
            max_loop=max_loop,
            devices=(
                *_registers(Device.DOORBELL, "mailbox", mailboxes, MAILBOXES_LIMIT),
                *_registers(Device.STATUS, "status", statuses, MAILBOXES_LIMIT),
                *_registers(Device.ACKNOWLEDGE, "ack", [(each, 0) for each in acknowledges], MAILBOXES_LIMIT),
                *_registers(Device.DRAIN, "drain", drained, DRAINS_LIMIT),
            ),
        )
        _check_apart(self.settings.devices)

    def function(self, name: str, *arguments: int) -> Function:
        """The function as a part, called with these numbers. Raises UsageError if the file has none of that name."""
        if len(arguments) > ARGUMENTS_LIMIT:
            raise UsageError(f"{name}: {len(arguments)} arguments, expected at most {ARGUMENTS_LIMIT}")
        return Function(self, self.image.function(name).start, name, arguments)


def _registers(
    kind: Device, what: str, given: Iterable[tuple[int, int]], limit: int
) -> Iterator[tuple[Device, int, int]]:
    registers = list(given)
    if len(registers) > limit:
        raise UsageError(f"{len(registers)} addresses of a {what}, expected at most {limit}")
    for address, value in registers:
        if not 0 <= value < 1 << 64 or (kind is Device.STATUS and not value):
            raise UsageError(f"{what} at {address:#x}: its value is {value:#x}, expected 1 to 0xffffffffffffffff")
        yield kind, address, value


def _check_apart(devices: Iterable[tuple[Device, int, int]]) -> None:
    """A load and a store may be two registers at one address, two stores may not. Raises UsageError."""
    stored: dict[int, Device] = {}
    for kind, address, _ in devices:
        if kind is not Device.STATUS and stored.setdefault(address, kind) is not kind:
            both = f"{stored[address].name.lower()} and {kind.name.lower()}"
            raise UsageError(f"a store to {address:#x} would be two things: {both}")


def _check_inside(image: Image, shared: Sequence[tuple[int, int]]) -> None:
    """Raises UsageError for AMP_SHARED variables elsewhere: each part would have a copy of its own."""
    if image.shared is None or any(start <= image.shared[0] < start + size for start, size in shared):
        return
    name = image.name_at(image.shared[0]) or "section .amp_shared"
    windows = ", ".join(f"{start:#x}:{size:#x}" for start, size in shared)
    raise UsageError(
        f"{image.path}: {name}, an AMP_SHARED variable, lies at {image.shared[0]:#x}, and shared memory at {windows}"
    )


def placed(shared: Iterable[tuple[int, int]]) -> tuple[Window, ...]:
    """The windows, one behind the other in the region. Raises UsageError for what are no whole pages, or overlaps."""
    windows: list[Window] = []
    at = VRINGS_AT
    for start, size in shared:
        if start % PAGE or size % PAGE or size <= 0:
            raise UsageError(f"shared memory at {start:#x}, {size:#x} bytes: expected whole pages of {PAGE:#x}")
        if any(start < each.start + each.size and each.start < start + size for each in windows):
            raise UsageError(f"shared memory at {start:#x}, {size:#x} bytes overlaps another window")
        windows.append(Window(start, size, at))
        at += size
    if at - VRINGS_AT > SHARED_LIMIT_BYTES:
        raise UsageError(f"{at - VRINGS_AT} bytes of shared memory, expected at most {SHARED_LIMIT_BYTES}")
    return tuple(windows)


class Function:
    """A part: a function, and what it is called with."""

    is_compiled = True  # what a program's class looks for

    @property
    def hazards(self) -> bool:
        """Whether reads of several widths are ordered as Arm has it (Explorer.set_hazards)."""
        return self.code.listing.isa.name == A64

    def __init__(self, code: Code, entry: int, name: str, arguments: Sequence[int]) -> None:
        self.code, self.entry, self.name, self.arguments = code, entry, name, tuple(arguments)
        # Site numbers by address, the program's, once it has any: of what stands there, and of what may right before.
        self.sites: dict[int, int] = {}
        self.ahead: dict[int, int] = {}
        self._engine: Engine | None = None

    def again(self) -> Function:
        """The same, to be part of another program."""
        return Function(self.code, self.entry, self.name, self.arguments)

    @property
    def engine(self) -> Engine:
        """Made when it is first needed. Raises UsageError."""
        if self._engine is None:
            code = self.code
            self._engine = Engine(
                code.listing,
                self.entry,
                self.arguments,
                windows=code.windows,
                settings=code.settings,
                sites=self.sites,
                ahead=self.ahead,
            )
        return self._engine

    def reached(self) -> frozenset[int]:
        """The numbers of the sites that its runs have come to since this was last asked."""
        return frozenset(self.engine.core.reached())

    def __call__(self, port: Port, _at: Any = None, /) -> None:
        take = getattr(port, "take", None)
        if take is None:
            self._run(port)
            return
        keep(self.engine)
        try:
            self._run(port)
        finally:
            take(places(self.engine), instructions(self.engine, self.entry))

    def _run(self, port: Any) -> None:
        """Raises Stall with the place where the code waits for ever."""
        try:
            port.run_code(self.engine.core)
        except Stall as error:
            pc, watched = self.engine.core.standing()
            found = Stall(f"waits for ever at {self.code.listing.place(pc)}: {error}")
            found.watched = watched or None
            raise found from None

    def place_at(self, address: int) -> str | None:
        """The line of an access, as a site before it would name it; None where there can be none."""
        from amp.code.sites import place_at  # noqa: PLC0415  (sites are made of functions)

        return place_at(self.code.listing, address)

    def __repr__(self) -> str:
        return f"<{self.name} of {self.code.image.path}>"
