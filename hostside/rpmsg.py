"""The host's rpmsg: the driver of both virtqueues (Linux v6.1 drivers/rpmsg/virtio_rpmsg_bus.c, rpmsg_probe).

Virtqueue 0, "input", carries messages to the host and is filled with empty buffers; virtqueue 1, "output", carries the
host's. The buffers are one block: the first half to receive, the second half to send. The host is interrupted for every
message that comes; for its own buffers only while it waits for one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from amp.errors import AmpError, RprocError, UsageError
from amp.port.port import REMOTE, Port, cpu_name
from amp.remoteproc.table import Vdev
from amp.rpmsg.bus import Bus
from amp.rpmsg.hooks import Clock, Log
from amp.rpmsg.link import Buffer, Sent
from amp.rpmsg.wire import BUFFER_BYTES, BUFFERS_LIMIT, HEADER_BYTES
from amp.virtio.batch import addresses_of, write_rows
from amp.virtio.device import RPMSG_F_NS
from amp.virtio.queue import DriverSide
from amp.virtio.split import RING_F_EVENT_IDX, Segment, SplitLayout
from hostside.remoteproc.vdev import RprocVdev, VirtioDriver
from hostside.virtqueue import driver_queue

if TYPE_CHECKING:
    from amp.rpmsg.many import Frames

BUFFER_BYTES_LIMIT: Final = 1 << 16  # the header's len is 16 bits


def buffers_needed(ring_size: int) -> int:
    """How many buffers two rings of that size get (rpmsg_probe: twice the ring, at most MAX_RPMSG_NUM_BUFS)."""
    return min(2 * ring_size, BUFFERS_LIMIT)


class DriverLink:
    """Both virtqueues as their driver sees them. `at` is the buffers' first address, `count` their number.

    `last_look` gives a port for `unacknowledged`, when the one that the queues were used through has failed.
    Raises UsageError for sizes that cannot be.
    """

    def __init__(
        self,
        port: Port,
        receiving: SplitLayout,
        sending: SplitLayout,
        at: int,
        count: int,
        *,
        buffer_bytes: int = BUFFER_BYTES,
        event_idx: bool = False,
        device_cpu: int = REMOTE,
        last_look: Callable[[], Port] | None = None,
    ) -> None:
        _check_sizes(receiving, sending, count, buffer_bytes)
        self.writer = cpu_name(device_cpu)
        self.message_bytes = buffer_bytes
        self.rx: DriverSide[Buffer] = driver_queue(port, receiving, event_idx=event_idx, device_cpu=device_cpu)
        self.tx: DriverSide[Buffer | int] = driver_queue(port, sending, event_idx=event_idx, device_cpu=device_cpu)
        self._event_idx = event_idx
        self._port, self._last_look = port, last_look
        buffers = [Buffer(number, at + number * buffer_bytes, buffer_bytes) for number in range(count)]
        self._free = buffers[count // 2 :]
        self._free.reverse()
        self._sent: dict[int, Sent] = {}  # by buffer, oldest first
        # What was sent from each head: the token of a buffer of post_many is its head, and take_many knows heads alone.
        self._by_head: dict[int, Buffer] = {}
        self._wants_buffer = False
        self._recycled = False
        for buffer in buffers[: count // 2]:
            self.recycle(buffer)
        self.tx.disable_interrupts()

    def receive(self) -> Buffer | None:
        used = self.rx.get_used()
        if used is None:
            return None
        (number, address, _), written = used
        return Buffer(number, address, written)

    def recycle(self, buffer: Buffer) -> None:
        self.rx.finish_reading()
        whole = Buffer(buffer.token, buffer.address, self.message_bytes)
        self.rx.add((), (Segment(buffer.address, self.message_bytes),), whole)
        self._recycled = True

    def flush(self) -> None:
        if self._recycled:
            self._recycled = False
            self.rx.kick()

    def claim(self) -> Buffer | None:
        if not self._free and not self._reclaim():
            return None
        self._found_buffer()
        return self._free.pop()

    def _found_buffer(self) -> None:
        if self._wants_buffer:
            self._wants_buffer = False
            self.tx.disable_interrupts()

    def _reclaim(self) -> bool:
        """Take one sent buffer back, if there is one."""
        used = self.tx.get_used()
        if used is None:
            return False
        token = used[0]
        self._came_back(self._by_head[token] if isinstance(token, int) else token)
        return True

    def _came_back(self, buffer: Buffer) -> None:
        del self._sent[buffer.token]
        self._free.append(buffer)

    def submit(self, buffer: Buffer, length: int, sent: Sent) -> None:
        self._sent[buffer.token] = sent
        self._by_head[self.tx.add((Segment(buffer.address, length),), (), buffer)] = buffer
        self.tx.kick()

    def post_many(self, frames: Frames, sent: Sequence[Sent]) -> int:
        """Buffers that came back are taken first."""
        if len(self._free) < len(sent):
            self._reclaim_all()
        count = min(len(self._free), len(sent))
        if not count:
            return 0
        self._found_buffer()
        buffers = [self._free.pop() for _ in range(count)]
        addresses = addresses_of([buffer.address for buffer in buffers])
        write_rows(self._port, addresses, frames.lengths[:count], frames.rows[:count])
        heads = self.tx.add_many(addresses, frames.lengths[:count])
        for head, buffer, each in zip(heads.tolist(), buffers, sent, strict=False):
            self._by_head[head], self._sent[buffer.token] = buffer, each
        self.tx.kick()
        return count

    def _reclaim_all(self) -> None:
        for head in self.tx.take_many()[0].tolist():
            self._came_back(self._by_head[head])

    def give_up(self, buffer: Buffer) -> None:
        self._free.append(buffer)

    def await_buffer(self) -> bool:
        self._wants_buffer = True
        return self.tx.enable_interrupts()

    def await_message(self) -> bool:
        # With flags the host's interrupts stay enabled; with an event index they are for the next message only.
        return self.rx.enable_interrupts() if self._event_idx else True

    def unacknowledged(self) -> tuple[Sent, ...]:
        """Takes back what the remote had returned, then says what it had not. The remote must be gone."""
        if self._last_look is not None:
            self.tx.look_through(self._last_look())
        try:
            while self._reclaim():
                pass
        except AmpError:  # what a dying core wrote need not make sense: what is in doubt counts as not acknowledged
            pass
        return tuple(self._sent.values())


def _check_sizes(receiving: SplitLayout, sending: SplitLayout, count: int, buffer_bytes: int) -> None:
    most = min(receiving.num, sending.num)
    if not 2 <= count <= BUFFERS_LIMIT or count % 2:
        raise UsageError(f"rpmsg buffers: number is {count}, expected an even one from 2 to {BUFFERS_LIMIT}")
    if count // 2 > most:
        raise UsageError(f"rpmsg buffers: {count // 2} in each direction, the rings hold {most}")
    if not HEADER_BYTES < buffer_bytes <= BUFFER_BYTES_LIMIT or buffer_bytes % 8:
        raise UsageError(
            f"rpmsg buffers: size is {buffer_bytes} bytes, expected a multiple of 8 from {HEADER_BYTES + 8} "
            f"to {BUFFER_BYTES_LIMIT}"
        )


class RpmsgDevice:
    """The bus of one virtio device: what remoteproc starts, interrupts and takes down (VdevDriver)."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    def ready(self) -> None:
        """remoteproc rings after this: the core looks at both rings."""
        self.bus.link.flush()

    def interrupt(self) -> None:
        self.bus.process()

    def down(self, reason: str) -> tuple[object, ...]:
        return self.bus.down(reason)


def rpmsg_driver(
    on_probe: Callable[[Bus], None],
    *,
    clock: Clock,
    log: Log | None = None,
    buffer_bytes: int = BUFFER_BYTES,
    buffers: int | None = None,
    last_look: Callable[[], Port] | None = None,
) -> VirtioDriver:
    """The driver for devices of id 7. `on_probe` is given each new bus, before the core can send anything.

    `buffers` is the number of both directions together; None: twice the ring, at most BUFFERS_LIMIT. `last_look` opens
    a port that works after the core's death (DriverLink).
    """

    def count(ring_size: int) -> int:
        return buffers_needed(ring_size) if buffers is None else buffers

    def bytes_needed(vdev: Vdev) -> int:
        return count(min((ring.num for ring in vdev.vrings), default=0)) * buffer_bytes

    def probe(port: Port, vdev: RprocVdev, memory: tuple[int, int]) -> RpmsgDevice:
        rings = vdev.vrings()
        if len(rings) != 2:
            raise RprocError(f"{vdev.name}: an rpmsg device has 2 vrings, this one {len(rings)}")
        receiving, sending = rings[0].layout, rings[1].layout
        features = vdev.gfeatures
        link = DriverLink(
            port,
            receiving,
            sending,
            memory[0],
            count(min(receiving.num, sending.num)),
            buffer_bytes=buffer_bytes,
            event_idx=bool(features & 1 << RING_F_EVENT_IDX),
            last_look=last_look,
        )
        bus = Bus(port, link, clock=clock, log=log, name_service=bool(features & 1 << RPMSG_F_NS))
        on_probe(bus)
        return RpmsgDevice(bus)

    features = 1 << RPMSG_F_NS | 1 << RING_F_EVENT_IDX  # no INDIRECT: a message is one segment
    return VirtioDriver("virtio_rpmsg_bus", features, bytes_needed, probe)
