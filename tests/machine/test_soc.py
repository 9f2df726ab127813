"""The SoC: its pools, its loader's door, its doorbells from outside, and power-ons after anything."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Iterator

import pytest
from core_machine import LIMIT_S, open_soc

from amp._core import _bridge
from amp.errors import AccessFault, PeerDied, UsageError
from amp.machine.config import Mode
from amp.machine.mailbox import Heartbeat
from amp.machine.soc import Soc
from amp.ordering.barriers import BarrierClass
from amp.ordering.sites import SiteMap
from amp.port.port import HOST, REMOTE
from amp.region import PAGE_SIZE
from amp.virtio.sites import SITES as VIRTIO

MODES = (Mode.DIRECT, Mode.FREE)
SITES = SiteMap.for_class(BarrierClass.MANDATORY, VIRTIO)


@pytest.fixture(params=MODES, ids=str)
def soc(request: pytest.FixtureRequest) -> Iterator[Soc]:
    with open_soc(request.param) as made:
        made.power_on()
        yield made


def test_the_pools_are_the_shared_memory_without_gaps(soc: Soc) -> None:
    pools = soc.pools
    assert list(pools) == ["vrings", "buffers", "resources"]
    assert pools["vrings"][1] == pools["buffers"][0]
    assert pools["buffers"][1] == pools["resources"][0]
    assert (pools["vrings"][0], pools["resources"][1]) == soc.region.layout.shared
    assert pools["resources"][1] - pools["vrings"][0] == 512 << 10


def test_what_is_loaded_is_dumped_and_read_through_a_port(soc: Soc) -> None:
    start = soc.pools["buffers"][0]
    soc.load(start + 1, b"firmware")
    assert soc.dump(start, 10) == b"\0firmware\0"
    soc.power_on()  # what was loaded before is memory's initial state
    assert bytes(soc.open_port(REMOTE).read(start + 1, 8)) == b"firmware"


def test_an_array_is_loaded_as_its_bytes(soc: Soc) -> None:
    start = soc.pools["buffers"][0]
    soc.load(start, memoryview(b"\1\2\3\4\5\6\7\x08").cast("I"))
    assert soc.dump(start, 9) == b"\1\2\3\4\5\6\7\x08\0"


@pytest.mark.parametrize(("where", "length"), [("before", 1), ("last", 2), ("behind", 1), ("start", 1 << 32)])
def test_the_loader_stays_within_the_shared_memory(soc: Soc, where: str, length: int) -> None:
    start, end = soc.region.layout.shared
    pa = {"before": start - 1, "last": end - 1, "behind": end, "start": start}[where]
    with pytest.raises(AccessFault, match=f"dump of {length} bytes at {pa:#x}: outside"):
        soc.dump(pa, length)
    if length < 3:
        with pytest.raises(AccessFault, match=f"load of {length} bytes at {pa:#x}: outside"):
            soc.load(pa, bytes(length))


def test_an_interrupt_from_outside_ends_a_wait(soc: Soc) -> None:
    port = soc.open_port(HOST)
    other = threading.Thread(target=soc.ring, args=(HOST,))
    other.start()
    assert port.wait(LIMIT_S)
    other.join()
    assert not port.wait(0.0), "one interrupt, taken twice"


def test_an_interrupt_is_for_one_cpu(soc: Soc) -> None:
    soc.ring(REMOTE)
    assert not soc.open_port(HOST).wait(0.0)
    assert soc.open_port(REMOTE).wait(0.0)


def test_no_such_cpu_can_be_rung(soc: Soc) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        soc.ring(_bridge.CPUS)


def test_who_waits_is_told_of_a_loss_and_power_on_makes_it_good(soc: Soc) -> None:
    port = soc.open_port(HOST)
    other = threading.Thread(target=soc.lost)
    other.start()
    with pytest.raises(PeerDied):
        port.wait(LIMIT_S)
    other.join()
    soc.power_on()
    assert not soc.open_port(HOST).wait(0.0)


def test_memory_keeps_its_bytes_over_a_power_on_and_registers_do_not(soc: Soc) -> None:
    start = soc.pools["vrings"][0]
    soc.load(start, b"kept")
    soc.heartbeat.bump()
    soc.ring(HOST)
    soc.power_on()
    assert soc.dump(start, 4) == b"kept"
    assert soc.heartbeat.value == 0
    assert not soc.open_port(HOST).wait(0.0)


def test_stores_under_way_are_lost_with_the_power() -> None:
    with open_soc(Mode.FREE) as soc:
        soc.power_on()
        at = soc.pools["buffers"][0]
        port = soc.open_port(REMOTE)
        for number in range(32):
            port.store_u64(at + 8 * number, 1)
        visible = soc.dump(at, 256)
        assert visible.count(1) < 32, "all visible at once: nothing was under way"
        soc.power_on()
        reader = soc.open_port(HOST)
        assert [reader.load_u64(at + 8 * number) for number in range(32)] == [*memoryview(visible).cast("Q")]


def test_the_heartbeat_counts_and_skips_the_zero_of_power_on(soc: Soc) -> None:
    register = Heartbeat(soc.region)
    assert soc.heartbeat.value == 0
    register.bump()
    register.bump()
    assert soc.heartbeat.value == 2
    at = soc.region.layout["mailbox"].offset + 64
    soc.region.memory[at : at + 8] = b"\xff" * 8
    register.bump()
    assert soc.heartbeat.value == 1
    register.release()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"mode": Mode.LOCKSTEP}, "mode is lockstep, expected direct or free"),
        ({"mode": Mode.FREE}, "platform is none"),
        ({"mode": Mode.DIRECT, "memory_bytes": PAGE_SIZE}, f"memory is {PAGE_SIZE} bytes, expected at least"),
        ({"mode": Mode.DIRECT, "vrings_bytes": 0}, "carveout vrings: size is 0 bytes"),
        ({"mode": Mode.DIRECT, "seed": -1}, "seed is -1, expected 0 to"),
    ],
)
def test_a_machine_that_cannot_be_is_refused_in_one_line(options: dict[str, object], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        Soc(sites=SITES, **options)  # type: ignore[arg-type]


def test_a_model_in_lockstep_takes_no_interrupt_from_outside() -> None:
    config = (2, _bridge.LOCKSTEP, 0, 4096, 8, 64, 64, 1)
    with mmap.mmap(-1, _bridge.model_room(config)) as room:
        _bridge.model_init(room, 0, config)
        with pytest.raises(OSError, match="Invalid argument"):
            _bridge.model_ring(room, 0, HOST)
