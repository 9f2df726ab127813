"""What fuzzing found, each in words; the inputs themselves are in seeds/."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from fuzz_arena import START, Arena
from fuzz_input import Input
from fuzz_resource_table import POOLS, TEXT_DA, handled, image_of
from fuzz_rpmsg_remote import RemoteRun

from amp.errors import BadMessage, BadRing, FirmwareError, RprocError
from amp.port.port import HOST
from amp.region import PAGE_SIZE
from amp.remoteproc import table as rsc
from amp.remoteproc.table import FW_RSC_ADDR_ANY, Table
from amp.rpmsg import ADDR_ANY
from amp.rpmsg.names import Channel, NameService
from amp.rpmsg.wire import Announcement
from amp.virtio.device import ID_RPMSG
from amp.virtio.split import DESC_F_WRITE
from hostside.remoteproc.memory import DeviceMemory
from hostside.remoteproc.session import planned
from hostside.remoteproc.vdev import RprocVdev

TEXT = rsc.Carveout(TEXT_DA, 0, 8192, 0, "text")
RING = rsc.Vring(FW_RSC_ADDR_ANY, 4096, 8, 0, 0)
RPMSG = rsc.Vdev(ID_RPMSG, 0, 1, 0, b"", 0, (RING, RING))


@pytest.mark.parametrize("skew", range(9))
def test_what_is_aligned_by_device_address_is_aligned_in_the_region(skew: int) -> None:
    memory = DeviceMemory(POOLS)
    for _ in range(2):
        entry = memory.allocate(f"at {len(memory)}", 100, pool="buffers", da=TEXT_DA + 4096 * len(memory) + skew)
        assert (entry.da - entry.pa) % 8 == 0


def test_device_memory_whose_two_addresses_are_not_aligned_alike_is_refused() -> None:
    with pytest.raises(FirmwareError, match=r"'dev': pa is 0x9004 for da 0x30000000, expected a multiple of 8"):
        DeviceMemory(POOLS).place("dev", da=0x3000_0000, pa=9 * PAGE_SIZE + 4, length=64)


def test_a_resource_table_at_an_odd_address_is_refused() -> None:
    image = image_of(Table((TEXT, RPMSG)).encode())
    assert image.table is not None
    text, table = image.segments
    odd = replace(image, segments=(text, replace(table, da=table.da + 2)), table_da=table.da + 2)
    resources = handled(rsc.decode(image.table))
    with pytest.raises(FirmwareError, match=r"resource table da is 0x10000402, expected a multiple of 4"):
        planned(odd, resources, POOLS, watchdog_s=0)


@pytest.mark.parametrize("name", ["vdev0vring0", "vdev0buffer"])
def test_device_memory_that_is_not_aligned_serves_no_device(name: str) -> None:
    device_memory = rsc.Devmem(FW_RSC_ADDR_ANY, 20 * PAGE_SIZE + 4, 8192, 0, name)
    image = image_of(Table((TEXT, device_memory, RPMSG)).encode())
    assert image.table is not None
    with pytest.raises(FirmwareError, match=rf"'{name}' pa is 0x14004, the device needs a multiple of (4096|8);"):
        planned(image, handled(rsc.decode(image.table)), POOLS, watchdog_s=0)


def test_a_core_that_writes_its_status_while_a_host_attaches_is_told_off() -> None:
    image = image_of(Table((TEXT, RPMSG)).encode())
    assert image.table is not None
    session = planned(image, handled(rsc.decode(image.table)), POOLS, watchdog_s=0)
    arena = Arena(POOLS["resources"][1] - START)
    everything = [(START, arena.end)]
    port = arena.port(HOST, loads=everything, stores=everything)
    port.begin(100)
    assert session.table_at is not None
    [plan] = session.resources.vdevs
    at = session.table_at + plan.offset
    arena.arm(0, lambda: arena.poke(at + rsc.VDEV_STATUS_AT, 0x35, 1))
    vdev = RprocVdev(port, plan, session.memory, at=at)
    with pytest.raises(RprocError, match=r"vdev0: status is .*expected a device that is reset; written by the core"):
        vdev.bring_up(None, used_before=True)


@pytest.mark.parametrize("sending", [False, True], ids=["receiving", "sending"])
def test_as_many_wrong_buffers_as_the_ring_has_do_not_stop_it(sending: bool) -> None:
    run = RemoteRun(Input(b""))
    queue, ring = (run.link.tx, run.input) if sending else (run.link.rx, run.output)
    wrong, act = (0, run.link.claim) if sending else (DESC_F_WRITE, run.link.receive)
    for number in range(3 * run.num):
        run.describe(ring, number % run.num, run.memory[0], 16, wrong)
        run.expose(queue, ring, number % run.num)
        run.begin()
        with pytest.raises(BadRing, match="segments of an rpmsg buffer"):
            act()
        assert queue.held == 0
    assert run.arena.peek(ring.used_idx, 2) == 3 * run.num
    run.describe(ring, 0, run.memory[0], 16, DESC_F_WRITE - wrong)
    run.expose(queue, ring, 0)
    assert act() is not None


def test_a_driver_that_refused_a_channel_is_not_told_of_its_end() -> None:
    class Picky:
        removed: list[Channel] = []  # noqa: RUF012

        def probe(self, _: Channel) -> None:
            raise RprocError("not this one")

        def remove(self, channel: Channel) -> None:
            self.removed.append(channel)

    names = NameService(print)
    names.register("svc", Picky())
    with pytest.raises(RprocError, match="not this one"):
        names.take(Announcement("svc", 1024))
    assert names.find("svc") is not None, "the service is there, whether or not the driver wants it"
    names.clear()
    assert not Picky.removed


def test_a_service_at_no_address_is_no_service() -> None:
    with pytest.raises(BadMessage, match=r"name service addr is 4294967295, allowed is below 0xffffffff"):
        Announcement.decode(struct.pack("<32sII", b"svc", ADDR_ANY, 0), writer="remote")
