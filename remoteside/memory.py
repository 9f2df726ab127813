"""Memory as the core's code sees it: device addresses, translated by the core's IOMMU, one window a row.

An access lies in one window as a whole, or it is an MMU fault. Order, atomicity and lazy values are the port's.
"""

from __future__ import annotations

from collections.abc import Sequence

from amp.errors import MmuFault
from amp.machine.core import Window
from amp.port.port import Payload, Port


class Memory:
    """Accesses by device address. Scalars are unsigned, little endian, aligned to their size.

    Every method raises MmuFault outside the windows, and what the port raises. An address computed from a loaded value
    keeps its dependency.
    """

    def __init__(self, port: Port, windows: Sequence[Window]) -> None:
        self._port, self.windows = port, tuple(windows)

    def window(self, da: int, length: int = 1) -> Window:
        """The first window that has all `length` bytes at `da`."""
        for window in self.windows:
            if window.da <= da and 0 <= length <= window.da + window.length - da:
                return window
        raise MmuFault(f"{length} bytes at device address {int(da):#x}: in no window", da=int(da), length=length)

    def pa(self, da: int, length: int) -> int:
        """Where in the region `length` bytes at `da` lie: the address for the port."""
        window = self.window(da, length)
        return window.pa + (da - window.da)

    def read(self, da: int, length: int) -> Payload:
        """Bulk load; `bytes()` of it is its value."""
        return self._port.read(self.pa(da, length), length)

    def write(self, da: int, data: bytes | bytearray | memoryview) -> None:
        """Bulk store."""
        self._port.write(self.pa(da, memoryview(data).nbytes), data)

    def load_u8(self, da: int) -> int:
        return self._port.load_u8(self.pa(da, 1))

    def load_u16(self, da: int) -> int:
        return self._port.load_u16(self.pa(da, 2))

    def load_u32(self, da: int) -> int:
        return self._port.load_u32(self.pa(da, 4))

    def load_u64(self, da: int) -> int:
        return self._port.load_u64(self.pa(da, 8))

    def store_u8(self, da: int, value: int) -> None:
        self._port.store_u8(self.pa(da, 1), value)

    def store_u16(self, da: int, value: int) -> None:
        self._port.store_u16(self.pa(da, 2), value)

    def store_u32(self, da: int, value: int) -> None:
        self._port.store_u32(self.pa(da, 4), value)

    def store_u64(self, da: int, value: int) -> None:
        self._port.store_u64(self.pa(da, 8), value)
