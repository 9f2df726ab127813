"""A processor that runs one function of an image: the emulator, its memory, and the rows of what it executes.

Each part has an engine of its own, and with it a copy of the image: whatever is not in a shared window is private to
it.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from amp._core import _bridge
from amp.code import emulator, riscv
from amp.code.elf import PAGE, Image
from amp.code.isa import ISAS
from amp.code.listing import Listing
from amp.code.liveness import Liveness
from amp.code.rows import Device, Flag, Kind, Row, Service
from amp.errors import AmpError, LoopBound, UsageError, Violation
from amp.ordering.instructions import RISCV32, RISCV64

_WILD: Final = re.compile(r"wild access: (\w+) .* at (0x[0-9a-f]+)$")
STACK_BYTES: Final = 1 << 16
MAX_LOOP: Final = 200
MAX_STEPS: Final = 5_000_000
_GLOBAL_POINTER: Final = "__global_pointer$"  # RISC-V psABI: where start code lets gp point
_READ, _WRITE, _EXEC = 1, 2, 4
_PF_X, _PF_W, _PF_R = 1, 2, 4
_VIOLATED: Final = 1  # AMP_VIOLATED, amp.h
_ELOOP, _E2BIG = -40, -7


@dataclass(frozen=True, slots=True)
class Window:
    """Shared memory: `size` bytes at `start` for the code, at `region` in the region. Whole pages."""

    start: int
    size: int
    region: int


@dataclass(frozen=True, slots=True)
class Settings:
    """What a part may do before nothing more is known of it. `devices` are registers: what, address, value."""

    max_loop: int = MAX_LOOP
    max_steps: int = MAX_STEPS
    devices: tuple[tuple[Device, int, int], ...] = ()


class Engine:
    """Runs `entry` with `arguments`.

    `sites` are the numbers of barrier sites by address of the instruction, `ahead` those of sites right before it.
    """

    def __init__(
        self,
        listing: Listing,
        entry: int,
        arguments: Sequence[int],
        *,
        windows: Sequence[Window],
        settings: Settings,
        sites: Mapping[int, int],
        ahead: Mapping[int, int],
    ) -> None:
        self.listing, self.entry, self.sites, self.ahead = listing, entry, sites, ahead
        self._windows = [(each.start, each.size) for each in windows]
        self._done: set[int] = set()
        isa = self.isa = ISAS[listing.image.isa]
        self._emulator = emulator.Emulator(*isa.emulator)
        self.core: Any = _bridge.Code(
            weakref.proxy(self),  # the core is this engine's: with a reference back neither would ever go
            emulator.functions(),
            self._emulator.handle.value or 0,
            isa.registers,
            (isa.pc, isa.flags, isa.stack, isa.frame, isa.link, isa.arguments[0]),
            isa.shift,
            isa.thumb,
        )
        self._check(listing.image, windows, settings)
        try:
            self._map(listing.image, windows, settings)
        except ValueError as error:  # more of them than the core has room for
            raise UsageError(f"{listing.image.path}: {error}") from None
        return_at = isa.stack_top + PAGE
        self.core.map(return_at, isa.nothing * (PAGE // len(isa.nothing)), _READ | _EXEC)
        self.core.rows([(return_at, Row(Kind.SERVICE, detail=int(Service.RETURN)).pack())])
        for slot, value in zip(isa.arguments, arguments, strict=False):
            self._emulator.set_register(isa.registers[slot], value)
        for register, value in isa.starts_with:
            self._emulator.set_register(register, value)
        self._emulator.set_register(isa.registers[isa.stack], isa.stack_top - (16 if isa.link >= 0 else 24))
        pointer = listing.image.symbols.get(_GLOBAL_POINTER)
        if pointer is not None and isa.name in (RISCV32, RISCV64):
            self._emulator.set_register(isa.registers[riscv.GP], pointer.start)
        symbol = listing.image.function_at(entry)
        thumb = int(symbol is not None and symbol.thumb)
        if isa.link >= 0:
            self._emulator.set_register(isa.registers[isa.link], return_at | thumb)
        self._emulator.set_register(isa.pc, entry | thumb)
        self.core.open(settings.max_loop, settings.max_steps)

    def _check(self, image: Image, windows: Sequence[Window], settings: Settings) -> None:
        """Raises UsageError for memory that lies where the processor has no addresses, or where something else lies."""
        top = self.isa.stack_top
        stack = [(top - STACK_BYTES, STACK_BYTES + 2 * PAGE, "the stack")]
        shared = [(each.start, each.size, "shared memory") for each in windows]
        mailboxes = [(at & -PAGE, PAGE, "a mailbox") for kind, at, _ in settings.devices if kind is not Device.DRAIN]
        segments = [(each.start, each.size, "a segment") for each in image.segments]
        for start, size, what in (*shared, *mailboxes, *segments):
            if start < 0 or start + size > self.isa.space:
                raise UsageError(f"{image.path}: {what} at {start:#x}: {self.isa.title} ends at {self.isa.space:#x}")
            for other, length, name in stack + (shared if what == "a mailbox" else []):
                if start < other + length and other < start + size:
                    raise UsageError(f"{image.path}: {what} at {start:#x}, where {name} is")

    def _map(self, image: Image, windows: Sequence[Window], settings: Settings) -> None:
        pages: dict[int, tuple[bytearray, int]] = {}
        for segment in image.segments:
            self._take(pages, segment.start, segment.data, segment.size, segment.flags)
        for window in windows:
            for page in range(window.start, window.start + window.size, PAGE):
                if page in pages and any(pages.pop(page)[0]):
                    raise UsageError(
                        f"{image.path}: it has contents at {page:#x}, in shared memory, which begins as zeroes"
                    )
        top = self.isa.stack_top
        self._take(pages, top - STACK_BYTES, b"", STACK_BYTES, _PF_R | _PF_W)
        if self.isa.link < 0:  # the return address lies on the stack
            self._take(pages, top - 24, (top + PAGE).to_bytes(8, "little"), 8, _PF_R | _PF_W)
        for _, address, _ in settings.devices:
            self._take(pages, address & -PAGE, b"", PAGE, _PF_R | _PF_W)
        self.core.stack(top - STACK_BYTES, STACK_BYTES, self.isa.red_zone)
        for start, data, flags in _runs(pages):
            permissions = _READ | (_WRITE if flags & _PF_W else 0) | (_EXEC if flags & _PF_X else 0)
            self.core.map(start, bytes(data), permissions)
        for window in windows:
            self.core.window(window.start, window.size, window.region)
        for device in settings.devices:
            self.core.device(*device)

    @staticmethod
    def _take(pages: dict[int, tuple[bytearray, int]], start: int, data: bytes, size: int, flags: int) -> None:
        for page in range(start & -PAGE, start + size, PAGE):
            found, before = pages.get(page, (bytearray(PAGE), 0))
            low, high = max(page, start), min(page + PAGE, start + len(data))
            if low < high:
                found[low - page : high - page] = data[low - start : high - start]
            pages[page] = found, before | flags

    # --- what the core calls

    def compile(self, pc: int) -> None:
        """Give the core the rows of the function at `pc`."""
        rows = []
        for address, line in self.listing.function(pc).items():
            if address not in self._done:
                line.row.site, line.row.ahead = self.sites.get(address, 0), self.ahead.get(address, 0)
                if line.row.flags & Flag.LOOKS:
                    line.row.dead = self._liveness.dead(address)
                rows.append((address, line.row.pack()))
                self._done.add(address)
        if not any(address == pc for address, _ in rows):
            raise Violation(f"jump to {pc:#x}, where there is no code")
        self.core.rows(rows)

    @cached_property
    def _liveness(self) -> Liveness:
        return Liveness(self.listing.reachable(self.entry), self.isa)

    def ended(self, error: int, text: str, pc: int, before: int) -> AmpError:
        """The exception for a part that has ended early, at `pc`; `before` is the instruction that it came from."""
        line = self.listing.at(pc)
        called = line is not None and (line.row.kind is Kind.SERVICE or bool(line.row.flags & Flag.NAMED))
        place = self.listing.place(before if called else pc)
        if error == _VIOLATED:
            # What the code says itself stands where it says it; what the processor finds has an address as well.
            return Violation(f"{text} ({place})" if called else f"{text} ({place}, pc {pc:#x}){self._beyond(text)}")
        if error == _ELOOP:
            return LoopBound(f"{text} ({place})")
        if error == _E2BIG:
            return UsageError(f"{place}: an execution is too large to explore: fewer messages, or a smaller payload")
        why = line.row.why if line is not None and line.row.why else text
        shown = f" `{line.text}`" if line is not None else ""
        return UsageError(f"{place}:{shown}: {why}")

    def _beyond(self, text: str) -> str:
        """Of a wild access: what is at that address after all, and where the shared memory is."""
        found = _WILD.match(text)
        if found is None:
            return ""
        image, at = self.listing.image, int(found[2], 16)
        symbol = image.function_at(at)
        name = image.name_at(at) or (symbol.name if symbol is not None else "")
        if not name and any(each.start <= at < each.start + each.size for each in image.segments):
            name = "a segment of the file"
        why = "is no code" if found[1] == "fetch" else "is read-only"
        windows = ", ".join(f"{start:#x}:{size:#x}" for start, size in self._windows)
        return f"; {f'{name} {why}' if name else 'nothing is there'}, shared memory is {windows}"


def _runs(pages: Mapping[int, tuple[bytearray, int]]) -> list[tuple[int, bytearray, int]]:
    """Pages next to each other with the same flags, together."""
    runs: list[tuple[int, bytearray, int]] = []
    for page in sorted(pages):
        data, flags = pages[page]
        if runs and runs[-1][0] + len(runs[-1][1]) == page and runs[-1][2] == flags:
            runs[-1][1].extend(data)
        else:
            runs.append((page, bytearray(data), flags))
    return runs
