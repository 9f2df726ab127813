"""An AMP machine in software: the memory, the vrings and the doorbells between processors, and how they reorder.

`amp` is the SoC and knows no side; `hostside` is Linux, `remoteside` is the firmware. What a user imports is here, and
loaded when it is first used:

    import amp

    box = amp.Layout(flag=amp.u32, data=amp.u32[4])
    publish = amp.Site("publish", "data before flag", needs="WW", kind="wmb", pairs_with="consume")
    consume = amp.Site("consume", "flag before data", needs="RR", kind="rmb", pairs_with="publish")

    @amp.program(layout=box, sites=[publish, consume])
    class Handover:
        def host(self, cpu: amp.Port, at) -> None: ...
        def remote(self, cpu: amp.Port, at) -> None: ...
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

__version__ = "0.1.0"

if TYPE_CHECKING:
    from amp.code.code import Code as Code
    from amp.errors import AmpError as AmpError
    from amp.errors import FailedCheck as FailedCheck
    from amp.errors import ProgramError as ProgramError
    from amp.errors import Stall as Stall
    from amp.errors import UsageError as UsageError
    from amp.errors import Violation as Violation
    from amp.lab.api import Finding as Finding
    from amp.lab.api import Replay as Replay
    from amp.lab.api import Runs as Runs
    from amp.lab.api import TableCell as TableCell
    from amp.lab.api import Verification as Verification
    from amp.lab.api import explain as explain
    from amp.lab.api import replay as replay
    from amp.lab.api import run as run
    from amp.lab.api import sites as sites
    from amp.lab.api import verify as verify
    from amp.layout import Bytes as Bytes
    from amp.layout import Layout as Layout
    from amp.layout import Struct as Struct
    from amp.layout import u8 as u8
    from amp.layout import u16 as u16
    from amp.layout import u32 as u32
    from amp.layout import u64 as u64
    from amp.ordering import platform as platform
    from amp.ordering.sites import Site as Site
    from amp.ordering.sites import Sites as Sites
    from amp.port.port import HOST as HOST
    from amp.port.port import REMOTE as REMOTE
    from amp.port.port import Port as Port
    from amp.programs import load as load
    from amp.programs.decorator import program as program
    from amp.programs.program import Program as Program
    from amp.programs.program import Size as Size
    from amp.pytest_plugin import explore as explore

_PLACES: Final = {
    "HOST": "amp.port.port",
    "REMOTE": "amp.port.port",
    "AmpError": "amp.errors",
    "Bytes": "amp.layout",
    "Code": "amp.code.code",
    "FailedCheck": "amp.errors",
    "Finding": "amp.lab.api",
    "Layout": "amp.layout",
    "Port": "amp.port.port",
    "Program": "amp.programs.program",
    "ProgramError": "amp.errors",
    "Replay": "amp.lab.api",
    "Runs": "amp.lab.api",
    "Site": "amp.ordering.sites",
    "Sites": "amp.ordering.sites",
    "Size": "amp.programs.program",
    "Stall": "amp.errors",
    "Struct": "amp.layout",
    "UsageError": "amp.errors",
    "Verification": "amp.lab.api",
    "Violation": "amp.errors",
    "explain": "amp.lab.api",
    "explore": "amp.explore",
    "load": "amp.programs",
    "platform": "amp.ordering",
    "program": "amp.programs.decorator",
    "replay": "amp.lab.api",
    "run": "amp.lab.api",
    "sites": "amp.lab.api",
    "TableCell": "amp.lab.api",
    "u16": "amp.layout",
    "u32": "amp.layout",
    "u64": "amp.layout",
    "u8": "amp.layout",
    "verify": "amp.lab.api",
}
__all__ = list(_PLACES)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'amp' has no attribute {name!r}")
    place = import_module(_PLACES[name])
    value = globals()[name] = place if place.__name__ == f"amp.{name}" else getattr(place, name)
    return value


def __dir__() -> list[str]:
    return __all__
