"""What a table asks for, and the copy that the core reads: byte for byte against include/linux/remoteproc.h."""

import struct

import pytest
from rproc_machine import ANY, TEXT, TEXT_DA, TRACE, vdev

from amp.errors import FirmwareError
from amp.remoteproc.table import Carveout, Devmem, Entry, Table, Trace, Unknown, Vdev, Vendor, Vring, decode
from amp.virtio.device import ID_RPMSG
from hostside.remoteproc.memory import DeviceMemory
from hostside.remoteproc.resources import LOADING_HANDLERS, Resources, VendorAnswer, allocate, handle, negotiated

POOLS = {"vrings": (0x1000, 0x11000), "buffers": (0x11000, 0x41000), "resources": (0x41000, 0x43000)}


def served(*entries: Entry, buffer_bytes: int = 0) -> tuple[Resources, DeviceMemory, bytes]:
    table, memory = Table(entries), DeviceMemory(POOLS)
    resources = handle(table, buffer_bytes={ID_RPMSG: lambda _: buffer_bytes})
    allocate(resources, memory)
    return resources, memory, negotiated(table.encode(), resources, memory)


def changed(before: bytes, after: bytes) -> dict[int, int]:
    """The 32-bit words that differ, by offset."""
    assert len(before) == len(after)
    words = [struct.unpack(f"<{len(each) // 4}I", each[: len(each) // 4 * 4]) for each in (before, after)]
    assert before[len(before) // 4 * 4 :] == after[len(after) // 4 * 4 :]
    return {4 * at: new for at, (old, new) in enumerate(zip(*words, strict=True)) if old != new}


def test_the_host_writes_these_words_of_the_table_and_no_others() -> None:
    """Offsets counted by hand from struct resource_table, fw_rsc_hdr, fw_rsc_carveout and fw_rsc_vdev."""
    entries = (TEXT, Carveout(ANY, 0, 4096, 0, "heap"), vdev(config=b"\x05\x06"))
    _, memory, table = served(*entries)
    carveout = 16 + 3 * 4  # header, offset[3]
    heap = carveout + 4 + 52
    ring = heap + 4 + 52 + 4 + 24  # fw_rsc_vdev is 24 bytes, each fw_rsc_vdev_vring 20
    assert changed(Table(entries).encode(), table) == {
        carveout + 4 + 4: 0x11000,  # pa; da was fixed
        heap + 4: 0x13000,  # da, which was open
        heap + 4 + 4: 0x13000,  # pa
        ring: 0x1000,  # vring[0].da; its notifyid is 0
        ring + 20: 0x3000,  # vring[1].da
        ring + 20 + 12: 1,  # vring[1].notifyid
    }
    assert memory["heap"].pa == 0x13000


def test_a_negotiated_table_is_a_table_and_is_negotiated_to_itself() -> None:
    entries = (TEXT, TRACE, Vendor(130, b"abcd"), vdev(num=64), vdev(num=32, align=16))
    resources, memory, table = served(*entries, buffer_bytes=100)
    assert decode(table).entries[:3] == (TEXT.__class__(TEXT_DA, 0x11000, 8192, 0, "text"), TRACE, Vendor(130, b"abcd"))
    assert negotiated(table, resources, memory) == table


def test_notify_ids_are_counted_over_all_devices_from_0() -> None:
    resources, _, _ = served(vdev(), vdev(), vdev())
    assert [ring.notifyid for device in resources.vdevs for ring in device.vrings] == [0, 1, 2, 3, 4, 5]


PAGES = [
    # num, align, bytes: PAGE_ALIGN(vring_size(num, align)), include/uapi/linux/virtio_ring.h
    (8, 4096, 8192),
    (256, 4096, 12288),
    (512, 4096, 20480),
    (8, 16, 4096),
    (256, 16, 8192),
    (512, 16, 16384),
]


@pytest.mark.parametrize(("num", "align", "length"), PAGES)
def test_a_ring_gets_whole_pages_as_rproc_alloc_vring_gives_them(num: int, align: int, length: int) -> None:
    _, memory, _ = served(vdev(num=num, align=align))
    assert [(each.name, each.pa, each.length) for each in memory] == [
        ("vdev0vring0", 0x1000, length),
        ("vdev0vring1", 0x1000 + length, length),
    ]


def test_a_devices_driver_says_how_much_buffer_it_gets_and_who_has_none_gets_none() -> None:
    resources, memory, _ = served(vdev(), vdev(device=42), buffer_bytes=5000)
    assert [device.buffers for device in resources.vdevs] == ["vdev0buffer", None]
    assert (memory["vdev0buffer"].da, memory["vdev0buffer"].pa, memory["vdev0buffer"].length) == (
        0x11000,
        0x11000,
        8192,
    )


def test_a_carveout_of_a_rings_name_is_the_rings() -> None:
    ring = Vring(ANY, 4096, 8, 0, 0)
    device = Vdev(ID_RPMSG, 0, 1, 0, b"", 0, (ring, ring))
    _, memory, table = served(Carveout(0x7000_0000, 0, 8192, 0, "vdev0vring1"), device)
    assert decode(table).entries[1].vrings[1].da == 0x7000_0000  # type: ignore[union-attr]
    assert len(memory) == 2


def test_device_memory_is_mapped_where_the_firmware_says_and_carveouts_go_around_it() -> None:
    _, memory, _ = served(TEXT, Devmem(0x4800_0000, 0x11000, 4096, 0, "gpio"))
    assert memory.to_pa(0x4800_0010, 4) == 0x11010
    assert memory["text"].pa == 0x12000
    assert not memory["gpio"].dumped


REFUSED = [
    ((Devmem(0, 0x4800_0000, 4096, 0, "gpio"),), "memory 'gpio': pa is 0x48000000 to 0x48001000, allowed is 0x1000 to"),
    ((Carveout(ANY, 0, 0x30001, 0, "big"),), "carveout 'big': length is 196609, and no free piece"),
    ((TEXT, Trace(0x100, 16, "log")), "trace 'log' da is 0x100, 16 bytes, expected inside one carveout"),
    ((TEXT, Trace(TEXT_DA + 8190, 16, "log")), "trace 'log' da is 0x10001ffe"),
    ((TEXT, Carveout(ANY, 0, 16, 0, "text")), "name is 'text' for two carveouts"),
    ((vdev(), Carveout(ANY, 0, 16, 0, "vdev0vring1")), "name is 'vdev0vring1' for two carveouts"),
    ((Carveout(ANY, 0, 16, 0, "vdev0vring0"), vdev()), "carveout 'vdev0vring0' length is 16, the device needs 8192"),
    (
        (Carveout(0x7000_0010, 0, 8192, 0, "vdev0vring0"), vdev()),
        "da is 0x70000010, the device needs a multiple of 4096",
    ),
    ((vdev(num=512), vdev(num=512)), "carveout 'vdev1vring1': length is 20480, and no free piece"),
]


@pytest.mark.parametrize(("entries", "why"), REFUSED)
def test_what_cannot_be_served_is_refused_in_one_line(entries: tuple[Entry, ...], why: str) -> None:
    with pytest.raises(FirmwareError) as error:
        served(*entries)
    assert why in str(error.value)
    assert "\n" not in str(error.value)


def test_vendor_entries_go_to_the_hook_of_their_type_and_are_ignored_without_one() -> None:
    seen = []

    def hook(entry: Vendor, offset: int) -> VendorAnswer:
        seen.append((entry, offset))
        return VendorAnswer.HANDLED if entry.data[0] else VendorAnswer.IGNORED

    entries = (Vendor(128, b"\1two"), Vendor(512, b"four"), Vendor(128, b"\0two"))
    resources = handle(Table(entries), hooks={128: hook})
    assert seen == [(entries[0], 28), (entries[2], 44)]
    assert resources.vendor == [
        (128, VendorAnswer.HANDLED),
        (512, VendorAnswer.IGNORED),
        (128, VendorAnswer.IGNORED),
    ]


def test_a_hook_can_refuse_the_firmware() -> None:
    def hook(_entry: Vendor, _offset: int) -> VendorAnswer:
        raise FirmwareError("no such clock")

    with pytest.raises(FirmwareError, match="no such clock"):
        handle(Table((Vendor(200, b""),)), hooks={200: hook})


def test_entries_that_nobody_serves_are_skipped_with_a_warning_each_as_linux_does() -> None:
    """rproc_handle_resources: "unsupported resource" and "unsupported vendor resource", then on with the next."""
    resources, memory, table = served(Unknown(77, b"what"), Vendor(200, b""), TEXT)
    assert resources.warnings == [
        "resource table: entry at offset 28: unsupported resource 77, skipped",
        "resource table: entry at offset 36: unsupported vendor resource 200, skipped",
    ]
    assert memory["text"].length == 8192
    assert table[28:40] == struct.pack("<I4sI", 77, b"what", 200), "as the firmware wrote it"
    hooked = handle(Table((Vendor(200, b""),)), hooks={200: lambda _entry, _offset: VendorAnswer.HANDLED})
    assert hooked.warnings == []


def test_every_kind_of_entry_has_its_handler() -> None:
    assert set(LOADING_HANDLERS) == {Carveout, Devmem, Trace, Vdev, Vendor, Unknown}
