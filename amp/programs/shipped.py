"""The shipped programs by name. Each file is imported when its program is first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final, cast

from amp.programs.program import Program

_PLACES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "echo": "exchange:ECHO",
        "stream": "exchange:STREAM",
        "spsc-vring": "spsc_vring:PROGRAM",
        "vring": "vring:PROGRAM",
        "vring-flags": "vring_flags:PROGRAM",
        "vring-event-idx": "vring_event_idx:PROGRAM",
        "vring-indirect": "vring_indirect:PROGRAM",
        "doorbell": "doorbell:PROGRAM",
        "rpmsg-ping": "rpmsg_ping:PROGRAM",
    }
)
_HIDDEN: Final = MappingProxyType({"silicon": "silicon:PROGRAM"})  # the demo's own
_EXCHANGES: Final = ("echo", "stream")


class _Shipped(Mapping[str, Program]):
    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def __getitem__(self, name: str) -> Program:
        place = {**_PLACES, **_HIDDEN}[name]
        module, _, attribute = place.partition(":")
        return cast(Program, getattr(import_module(f"amp.programs.{module}"), attribute))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names or name in _HIDDEN


SHIPPED: Final[Mapping[str, Program]] = _Shipped(tuple(_PLACES))
EXPLORABLE: Final[Mapping[str, Program]] = _Shipped(tuple(name for name in _PLACES if name not in _EXCHANGES))
