"""C functions as the parts of an exploration: how the tests compile them and find them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from pathlib import Path

from core_objects import CORE, SOURCES, STRICT, cc

from amp.port.port import Port

FLAGS = (*STRICT, "-g", "-O1", "-fPIC", f"-I{CORE / 'include'}")


def shared_object(to: Path, sources: list[Path], *flags: str) -> ctypes.CDLL:
    """The sources as a library of their own, with what they need of the core."""
    ported = [SOURCES[name] for name in ("port.c", "bell.c")]
    cc(*FLAGS, *flags, "-shared", *sources, *ported, "-o", to)
    return ctypes.CDLL(str(to))


def c_part(
    library: ctypes.CDLL, name: str, argument: int = 0, sites: Mapping[int, int] | None = None
) -> Callable[[Port], None]:
    """The function as a part; `sites` says which primitive stands at which site."""
    function = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    assert function is not None
    table = bytes((sites or {}).get(site, 0) for site in range(256))

    def part(port: Port) -> None:
        port.run_c(function, argument, table)  # type: ignore[attr-defined]  # the three doors have it

    return part
