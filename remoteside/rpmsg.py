"""The firmware's rpmsg: the device of both virtqueues (after open-amp lib/rpmsg/rpmsg_virtio.c, device role, in what it
does).

Virtqueue 0 holds the host's empty buffers: the remote takes one, writes a message to it and gives it back. Virtqueue 1
brings the host's messages. The remote is kicked for every message that comes; for empty buffers only while it waits for
one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from amp.errors import BadRing, FirmwareError, UsageError
from amp.port.port import HOST, Port, cpu_name
from amp.rpmsg.bus import Bus
from amp.rpmsg.link import Buffer, Sent
from amp.virtio.batch import write_rows
from amp.virtio.device import RPMSG_F_NS, Status
from amp.virtio.queue import Chain, DeviceSide
from amp.virtio.split import RING_F_EVENT_IDX, SplitLayout
from remoteside.virtqueue import device_queue

if TYPE_CHECKING:
    from amp.remoteproc.table import Vring
    from amp.rpmsg.many import Frames
    from remoteside.firmware import Firmware

DRIVER_OK = int(Status.DRIVER_OK)  # an IntFlag's & costs more than the load, and this is asked before every message


class Rings(NamedTuple):
    """Where the host has put the rings and the buffers: `memory` is (start, end) of what a descriptor may point to."""

    sending: SplitLayout  # virtqueue 0, the host's input
    receiving: SplitLayout
    memory: tuple[int, int]
    event_idx: bool = False


class DeviceLink:
    """Both virtqueues as their device sees them."""

    message_bytes = 0  # as large as the host's buffers are

    def __init__(self, port: Port, rings: Rings, *, driver_cpu: int = HOST) -> None:
        self.writer = cpu_name(driver_cpu)
        self.tx = device_queue(port, rings.sending, rings.memory, event_idx=rings.event_idx, driver_cpu=driver_cpu)
        self.rx = device_queue(port, rings.receiving, rings.memory, event_idx=rings.event_idx, driver_cpu=driver_cpu)
        self._port, self._event_idx = port, rings.event_idx
        self._given_up: list[Buffer] = []
        self._wants_buffer = False
        self._recycled = False
        self.tx.disable_notifications()

    def receive(self) -> Buffer | None:
        chain = self.rx.next_chain()
        if chain is None:
            return None
        if len(chain.readable) != 1 or chain.writable:
            raise self._refused(self.rx, chain, self._bad("readable", len(chain.readable), len(chain.writable)))
        [(address, length)] = chain.readable
        if address % 8:  # the header is read as two u64; no driver of ours or Linux's puts a buffer elsewhere
            error = BadRing("desc.addr", address, limit="a multiple of 8 (rpmsg header)", writer=self.writer)
            raise self._refused(self.rx, chain, error)
        return Buffer(chain.head, address, length)

    def recycle(self, buffer: Buffer) -> None:
        self.rx.finish_reading()
        self.rx.push_used(buffer.token, 0)
        self._recycled = True

    def flush(self) -> None:
        if self._recycled:
            self._recycled = False
            self.rx.call()

    def claim(self) -> Buffer | None:
        chain = self.tx.next_chain()
        if chain is None:  # those given up last: one that was too small would else come up again and again
            return self._given_up.pop(0) if self._given_up else None
        if len(chain.writable) != 1 or chain.readable:
            raise self._refused(self.tx, chain, self._bad("writable", len(chain.writable), len(chain.readable)))
        self._found_buffer()
        [(address, length)] = chain.writable
        return Buffer(chain.head, address, int(length))

    def _found_buffer(self) -> None:
        if self._wants_buffer:
            self._wants_buffer = False
            self.tx.disable_notifications()

    def submit(self, buffer: Buffer, length: int, _: Sent) -> None:
        self.tx.push_used(buffer.token, length)
        self.tx.call()

    def post_many(self, frames: Frames, sent: Sequence[Sent]) -> int:
        """0 where a buffer was given up before, or the host's buffers are of the wrong kind or too small: `claim` has
        the words for that."""
        if self._given_up:
            return 0
        try:
            heads, addresses, rooms = self.tx.take_many(len(sent), writable=True)
        except UsageError:
            return 0
        count = len(heads)
        if not count:
            return 0
        lengths = frames.lengths[:count]
        if (lengths > rooms).any():
            taken = zip(heads.tolist(), addresses.tolist(), rooms.tolist(), strict=True)
            self._given_up = [Buffer(*each) for each in taken][::-1]
            return 0
        self._found_buffer()
        write_rows(self._port, addresses, lengths, frames.rows[:count])
        self.tx.add_many(heads, lengths)
        self.tx.call()
        return count

    def give_up(self, buffer: Buffer) -> None:
        self._given_up.append(buffer)

    def await_buffer(self) -> bool:
        self._wants_buffer = True
        return self.tx.enable_notifications()

    def await_message(self) -> bool:
        # With flags the remote's notifications stay enabled; with an event index they are for the next message only.
        return self.rx.enable_notifications() if self._event_idx else True

    def unacknowledged(self) -> tuple[Sent, ...]:
        """None: a device is not told what became of a buffer that it has given back."""
        return ()

    @staticmethod
    def _refused(queue: DeviceSide, chain: Chain, error: BadRing) -> BadRing:
        """The buffer goes back unused, whatever becomes of the error: else as many of them as the ring has stop it."""
        queue.push_used(chain.head, 0)
        queue.call()
        return error

    def _bad(self, kind: str, right: int, wrong: int) -> BadRing:
        limit = f"1, and none of the other kind ({wrong} came)"
        return BadRing(f"segments of an rpmsg buffer, {kind} ones", right, limit=limit, writer=self.writer)


def rings_of(firmware: Firmware, vdev: int) -> tuple[Rings, int]:
    """Where that device's rings and buffers are, and which features the host took, by the table as it is now.

    Raises FirmwareError for a device that is no rpmsg device, MmuFault for rings outside the core's windows.
    """
    from amp.remoteproc.table import Vdev  # noqa: PLC0415  (a firmware without a device needs no table)

    entry = [entry for _, entry in firmware.table.each(Vdev)][vdev]
    if len(entry.vrings) != 2:
        raise FirmwareError(f"vdev {vdev}: num_of_vrings is {len(entry.vrings)}, an rpmsg device has 2")
    first, second = (_layout(firmware, ring) for ring in entry.vrings)
    buffers = f"vdev{vdev}buffer"
    window = next((window for window in firmware.memory.windows if window.name == buffers), None)
    if window is None:
        raise FirmwareError(f"vdev {vdev}: the host has opened no window {buffers!r} for its messages")
    memory = (window.pa, window.pa + window.length)
    return Rings(first, second, memory, bool(entry.gfeatures & 1 << RING_F_EVENT_IDX)), entry.gfeatures


def _layout(firmware: Firmware, ring: Vring) -> SplitLayout:
    """A ring by the port's addresses; all of it must lie in one window."""
    length = SplitLayout(ring.num, 0, ring.align).end
    return SplitLayout(ring.num, firmware.memory.pa(ring.da, length), ring.align)


class _Reset:
    """The host may reset the device, and set it up again, while the firmware runs (amp.rpmsg.bus.Reset)."""

    def __init__(self, firmware: Firmware, vdev: int) -> None:
        self._firmware, self._vdev = firmware, vdev
        self._port, self._status_at = firmware.port, firmware.status_address(vdev)

    def seen(self) -> bool:
        return not self._port.load_u8(self._status_at) & DRIVER_OK

    def new_link(self) -> DeviceLink:
        self._firmware.link_closed(self._status_at)
        self._firmware.wait_driver_ok(self._vdev)
        self._firmware.link_opened()
        return DeviceLink(self._port, rings_of(self._firmware, self._vdev)[0])


def open_bus(firmware: Firmware, vdev: int = 0) -> Bus:
    """The bus of a device whose driver is ready. Should the host reset the device, the bus waits for the next driver,
    and announces its endpoints again.
    """
    rings, features = rings_of(firmware, vdev)
    port = firmware.port
    firmware.link_opened()
    return Bus(
        port,
        DeviceLink(port, rings),
        wait=firmware.wait,
        clock=firmware.clock,
        log=firmware.print,
        name_service=bool(features & 1 << RPMSG_F_NS),
        binds_first_sender=True,
        reset=_Reset(firmware, vdev),
    )
