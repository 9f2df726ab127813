"""A SoC with one Python core, and firmware as a few lines of text, for the tests of both. Not a test.

What the core sees: its text, a page of data, the resource table, each at a device address of its own.
"""

from __future__ import annotations

import textwrap
import threading
from types import TracebackType
from typing import Any

from amp.machine.config import Mode
from amp.machine.core import Boot, CoreState, Crash, Window
from amp.machine.process_core import ProcessCore
from amp.machine.soc import Soc
from amp.ordering import platform
from amp.ordering.barriers import BarrierClass
from amp.ordering.sites import SiteMap
from amp.port.port import HOST, Port
from amp.remoteproc.table import Table
from amp.virtio.sites import SITES

ROM = "remoteside.core"
TEXT_DA, DATA_DA, TABLE_DA = 0x0010_0000, 0x2000_0000, 0x3000_0000
TEXT_BYTES, DATA_BYTES = 8192, 4096
LIMIT_S = 240.0  # for what takes milliseconds, on any machine: a hang is a failure, not a wait


def open_soc(mode: Mode, **options: Any) -> Soc:
    """A small one; in free mode on arm64-domains, every site MANDATORY."""
    chosen = platform("arm64-domains") if mode is Mode.FREE else None
    sites = SiteMap.for_class(BarrierClass.MANDATORY, SITES)
    return Soc(mode=mode, platform=chosen, sites=sites, memory_bytes=512 << 10, **options)


class CoreMachine:
    """`boot(source)` powers on and boots; `port` is then the host's, new. Leaves nothing, whatever happened."""

    def __init__(
        self,
        mode: Mode,
        *,
        table: Table | None = None,
        rom: str = ROM,
        stop_limit_s: float = LIMIT_S,
        confined: bool = False,
    ) -> None:
        self.soc = open_soc(mode)
        self.died = threading.Event()
        self.core = ProcessCore(
            self.soc, rom, on_change=lambda _core: self.died.set(), stop_limit_s=stop_limit_s, confined=confined
        )
        self.table = table.encode() if table is not None else b""
        self.text_pa = self.soc.pools["buffers"][0]
        self.data_pa = self.text_pa + TEXT_BYTES
        self.table_pa = self.soc.pools["resources"][0]
        self.port: Port

    def __enter__(self) -> CoreMachine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.core.kill()
        self.soc.close()

    def boot(self, source: str, *, watchdog_s: float = 0.0, **changes: Any) -> None:
        """`source` is dedented. `changes` are other fields of Boot."""
        self.soc.load(self.text_pa, textwrap.dedent(source).encode().ljust(TEXT_BYTES, b"\0"))
        self.soc.load(self.data_pa, bytes(DATA_BYTES))
        self.soc.load(self.table_pa, self.table)
        windows = [Window(TEXT_DA, self.text_pa, TEXT_BYTES, "text"), Window(DATA_DA, self.data_pa, DATA_BYTES, "data")]
        if self.table:
            windows.append(Window(TABLE_DA, self.table_pa, len(self.table), "table"))
        fields = {
            "entry_da": TEXT_DA,
            "runtime": "python",
            "entry": "main",
            "table_da": TABLE_DA,
            "table_bytes": len(self.table),
            "windows": tuple(windows),
            "watchdog_s": watchdog_s,
        }
        self.died.clear()
        self.soc.power_on()
        self.port = self.soc.open_port(HOST)
        self.core.boot(Boot(**{**fields, **changes}))

    def rung(self) -> None:
        """The firmware has kicked the host."""
        assert self.port.wait(LIMIT_S), f"no kick; the core is {self.core.state}: {self.core.crash}"

    def data(self, offset: int = 0, length: int = 4) -> int:
        """What the firmware has written into its data and is visible, little endian."""
        return int.from_bytes(self.soc.dump(self.data_pa + offset, length), "little")

    def crash(self) -> Crash:
        """Why the core died; it must."""
        assert self.died.wait(LIMIT_S), f"the core is {self.core.state}"
        assert self.core.state is CoreState.DEAD
        assert self.core.crash is not None
        return self.core.crash
