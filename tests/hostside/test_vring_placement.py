"""Where Linux puts an rpmsg device's rings and buffers, byte for byte, for 8 to 512 buffers and both usual alignments.

The numbers are written out, not computed by the code under test. They follow from, all of Linux v6.1:
The numbers are written out, not computed by the code under test. They follow from, all of it Linux v6.1:
  16 num + 2 (3 + num), which is `used`; used ring of 6 + 8 num bytes, whose end is `size` (the event index included);
- drivers/remoteproc/remoteproc_core.c, rproc_alloc_vring: PAGE_ALIGN(vring_size) bytes each, the da written back;
- drivers/rpmsg/virtio_rpmsg_bus.c, rpmsg_probe: min(2 num, 512) buffers of 512 bytes, the first half exposed on
  virtqueue 0 in order, device-writable; virtqueue 1 empty with NO_INTERRUPT.
"""

from __future__ import annotations

import struct

import pytest
from rproc_machine import TEXT, QuietCore, image, make_soc, vdev

from amp.remoteproc.table import Vdev, decode
from amp.rpmsg.bus import Bus
from amp.virtio.device import ID_RPMSG, Status
from hostside.remoteproc.rproc import Rproc
from hostside.rpmsg import buffers_needed, rpmsg_driver

# num, align, used, size, and the size in whole pages
PLACEMENT = (
    (4, 4096, 4096, 4134, 8192),
    (8, 4096, 4096, 4166, 8192),
    (16, 4096, 4096, 4230, 8192),
    (32, 4096, 4096, 4358, 8192),
    (64, 4096, 4096, 4614, 8192),
    (128, 4096, 4096, 5126, 8192),
    (256, 4096, 8192, 10246, 12288),
    (4, 16, 80, 118, 4096),
    (8, 16, 160, 230, 4096),
    (16, 16, 304, 438, 4096),
    (32, 16, 592, 854, 4096),
    (64, 16, 1168, 1686, 4096),
    (128, 16, 2320, 3350, 4096),
    (256, 16, 4624, 6678, 8192),
)
WRITE = 2  # VRING_DESC_F_WRITE
NO_INTERRUPT = 1  # VRING_AVAIL_F_NO_INTERRUPT


@pytest.mark.parametrize(("num", "align", "used", "size", "pages"), PLACEMENT)
def test_rings_and_buffers_lie_where_linux_puts_them(num: int, align: int, used: int, size: int, pages: int) -> None:
    buses: list[Bus] = []
    with make_soc() as soc:
        core = QuietCore(soc)
        rproc = Rproc(soc, core, drivers={ID_RPMSG: rpmsg_driver(buses.append, clock=lambda: 0.0)})
        rproc.load(image(TEXT, vdev(num=num, align=align)))
        rproc.start()
        boot, port = core.boots[0], core.port
        table = decode(bytes(port.read(_pa(boot.windows, boot.table_da), boot.table_bytes)))
        [(_, device)] = table.each(Vdev)
        first, second = (ring.da for ring in device.vrings)
        assert first == soc.pools["vrings"][0]
        assert second == first + pages, "PAGE_ALIGN(vring_size)"
        assert [ring.notifyid for ring in device.vrings] == [0, 1]
        assert device.status == Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK | Status.DRIVER_OK

        buffers = next(window for window in boot.windows if window.name == "vdev0buffer")
        count = 2 * num if num <= 256 else 512
        assert (buffers_needed(num), buffers.da) == (count, buffers.pa)
        assert buffers.length >= count * 512
        assert buffers.pa % 4096 == 0

        ring = bytes(port.read(first, size))
        descriptors = [struct.unpack_from("<QIHH", ring, 16 * index) for index in range(num)]
        assert [each[:3] for each in descriptors] == [(buffers.pa + 512 * index, 512, WRITE) for index in range(num)]
        flags, idx, *heads = struct.unpack_from(f"<HH{num}H", ring, 16 * num)
        assert (flags, idx, heads) == (0, num, list(range(num)))
        assert not any(ring[used:]), "the device has used nothing"
        assert size == used + 6 + 8 * num

        empty = bytes(port.read(second, size))
        assert struct.unpack_from("<HH", empty, 16 * num) == (NO_INTERRUPT, 0)

        # The first message goes into the first buffer of the second half (get_a_tx_buf).
        buses[0].create_endpoint(addr=99).sendto(b"hello", 100)
        message = buffers.pa + 512 * num
        assert struct.unpack("<QIHH", bytes(port.read(second, 16))) == (message, 16 + 5, 0, 0)
        assert bytes(port.read(message, 21)) == struct.pack("<IIIHH", 99, 100, 0, 5, 0) + b"hello"
        rproc.stop()


def _pa(windows: tuple[object, ...], da: int) -> int:
    for window in windows:
        if window.da <= da < window.da + window.length:  # type: ignore[attr-defined]
            return window.pa + da - window.da  # type: ignore[attr-defined,no-any-return]
    raise LookupError(hex(da))
