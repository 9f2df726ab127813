"""What firmware is given when it starts: `main(firmware)`. Its memory, its table, its watchdog, its way to the host.

Firmware runs in the core's main thread, and everything here is for that thread. It knows the region by device address,
its mailbox and its resource table; nothing of the host but what that has written there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NoReturn

from amp.machine.core import Boot
from amp.machine.mailbox import Mailbox
from amp.ordering.barriers import Primitive
from amp.port.port import HOST, Port
from remoteside.memory import Memory

# What not every firmware needs is imported where it is used: a recovery waits for every import.
if TYPE_CHECKING:
    from amp.remoteproc.table import Table
    from amp.rpmsg.bus import Bus
    from remoteside.trace import TraceBuffer

PET_S: Final = 0.25  # a wait is cut into slices of at most this, and of a quarter of the watchdog's time
PETS: Final = 4


class Panic(BaseException):
    """The firmware gave up (`Firmware.panic`). Not an Exception: no handler of the firmware's keeps it alive."""


class Firmware:
    """The machine as one firmware sees it.

    `port`: accesses by offset in the region, barriers, doorbells. `memory`: accesses by device address. A wait through
    `port.wait` does not pet the watchdog; `wait` does.
    """

    clock = staticmethod(time.monotonic)  # in seconds, from any start

    def __init__(self, port: Port, boot: Boot, mailbox: Mailbox) -> None:
        self.port, self.boot = port, boot
        self.memory = Memory(port, boot.windows)
        self._heartbeat, self._links = mailbox.heartbeat, mailbox.links
        self._slice_s = min(PET_S, boot.watchdog_s / PETS) if boot.watchdog_s else PET_S
        self._trace: TraceBuffer | None = None
        self._trace_known = False

    @property
    def table(self) -> Table:
        """The resource table as it is in memory now, the host's answers included; decoded anew each time.

        A boot without a table has an empty one. FirmwareError if it is malformed, MmuFault if it is in no window.
        """
        from amp.remoteproc.table import Table, decode  # noqa: PLC0415

        if not self.boot.table_bytes:
            return Table(())
        return decode(bytes(self.memory.read(self.boot.table_da, self.boot.table_bytes)))

    def print(self, *values: object, sep: str = " ", end: str = "\n") -> None:
        """As the built-in, into the first trace buffer of the table; to nowhere if it has none."""
        if not self._trace_known:
            self._trace, self._trace_known = self._open_trace(), True
        if self._trace is not None:
            self._trace.write(sep.join(map(str, values)) + end)

    def _open_trace(self) -> TraceBuffer | None:
        from amp.remoteproc.table import Trace  # noqa: PLC0415
        from remoteside.trace import TraceBuffer  # noqa: PLC0415

        for _, entry in self.table.each(Trace):
            return TraceBuffer(self.port, self.memory, entry.da, entry.length)
        return None

    def pet(self) -> None:
        """Tell the watchdog that the firmware makes progress. Long computations do this now and then."""
        self._heartbeat.bump()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Take the next kick, petting the watchdog meanwhile. False if the time was up first. Raises as `port.wait`.

        Without a limit this is no wait that can stall: somebody outside the machine may ring at any time.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self.pet()
            left = self._slice_s if end is None else min(self._slice_s, max(0.0, end - time.monotonic()))
            if self.port.wait(left):
                return True
            if end is not None and time.monotonic() >= end:
                return False

    def wait_driver_ok(self, vdev: int = 0, timeout_s: float | None = None) -> bool:
        """Wait until the host's driver of that device is ready (DRIVER_OK in its status). False if time was up first.

        Looks after every kick, and once a slice of `wait`, as OpenAMP's firmware polls (lib/remoteproc/
        remoteproc_virtio.c, rproc_virtio_wait_remote_ready). A kick that comes meanwhile is taken: look at the rings
        before the next wait. What the host wrote before the status is read after this. IndexError: no such device.
        """
        from amp.virtio.device import Status  # noqa: PLC0415

        address = self._status_da(vdev)
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while not self.memory.load_u8(address) & Status.DRIVER_OK:
            left = self._slice_s if end is None else min(self._slice_s, end - time.monotonic())
            if left <= 0:
                return False
            self.wait(left)
        # R->R, at no site: the status before features, vring addresses and rings. Pairs with the host's write barrier
        # before it sets the status.
        self.port.fence(Primitive.RMB)
        return True

    def link_opened(self) -> None:
        """A device's rings are in use from here on."""
        self._links.open()

    def link_closed(self, status_address: int) -> None:
        """The host has reset the device, whose rings are touched no more: it may make them anew.

        Nothing of ours may still be on its way to them: with a full barrier, a load comes after every store before it
        is visible.
        """
        self.port.fence(Primitive.MB)
        self.port.load_u8(status_address)
        self._links.close()
        self.port.kick(HOST)

    def status_address(self, vdev: int) -> int:
        """Where that device's status byte is, for the port. IndexError: no such device."""
        return self.memory.pa(self._status_da(vdev), 1)

    def _status_da(self, vdev: int) -> int:
        from amp.remoteproc.table import VDEV_STATUS_AT, Vdev  # noqa: PLC0415

        offsets = [offset for offset, _ in self.table.each(Vdev)]
        if not 0 <= vdev < len(offsets):
            raise IndexError(f"vdev is {vdev}, the resource table has {len(offsets)}")
        return self.boot.table_da + offsets[vdev] + VDEV_STATUS_AT

    def panic(self, text: str) -> NoReturn:
        """Give up: the core crashes with this text."""
        raise Panic(text)

    def rpmsg(self, vdev: int = 0, timeout_s: float | None = None) -> Bus:
        """The rpmsg bus of that virtio device, once the host's driver is ready. TimeoutError if it is not in time."""
        from remoteside.rpmsg import open_bus  # noqa: PLC0415

        if not self.wait_driver_ok(vdev, timeout_s):
            raise TimeoutError(f"vdev {vdev}: the host's driver was not ready within {timeout_s:g} s")
        return open_bus(self, vdev)
