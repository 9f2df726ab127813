"""A virtio device whose registers are a table entry in memory: what the host writes, in which order, and refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from rproc_machine import DOORS, TABLE_DA, TEXT, Listener, QuietCore, image, make_rproc, make_soc, vdev

from amp.errors import RprocError
from amp.machine.soc import Soc
from amp.port.doors import RecordingPort
from amp.port.port import HOST
from amp.remoteproc.table import VDEV_STATUS_AT
from amp.virtio.device import RING_FEATURES, Status
from amp.virtio.sites import K1
from hostside.remoteproc.memory import DeviceMemory
from hostside.remoteproc.resources import VdevPlan, allocate, handle
from hostside.remoteproc.session import table_of
from hostside.remoteproc.vdev import RprocVdev, VirtioDriver


class Board:
    """One device's entry in memory, with a recording host port and the core's own."""

    def __init__(self, soc: Soc, **entry: Any) -> None:
        firmware = image(TEXT, vdev(**entry))
        assert firmware.table is not None
        resources, memory = handle(table_of(firmware)), DeviceMemory(soc.pools)
        allocate(resources, memory)
        table = soc.pools["resources"][0]
        soc.load(table, firmware.table)
        soc.power_on()
        self.plan: VdevPlan = resources.vdevs[0]
        self.at, self.memory, self.soc = table + self.plan.offset, memory, soc
        self.host, self.remote = RecordingPort(soc.open_port(HOST)), soc.open_port(1)
        self.vdev = RprocVdev(self.host, self.plan, memory, at=self.at)

    def stored(self) -> list[tuple[str, Any]]:
        """The host's writes and doorbells, in order: fields by their offset in the entry."""
        rows = []
        for call in self.host.calls:
            if call.method.startswith(("store", "write")):
                value = call.arguments[1]
                rows.append((f"+{call.arguments[0] - self.at}", value))
            elif call.method in {"fence", "barrier", "kick"}:
                rows.append((call.method, call.arguments[0]))
        return rows


@pytest.fixture(params=DOORS)
def soc(request: pytest.FixtureRequest) -> Iterator[Soc]:
    with make_soc(request.param) as made:
        yield made


def test_the_handshake_writes_each_status_behind_a_barrier_then_rings(soc: Soc) -> None:
    board, listener = Board(soc, dfeatures=0b101), Listener()
    assert board.vdev.bring_up(listener.driver(features=0b1)) is listener
    status, gfeatures, wmb, k1 = "+24", "+16", ("fence", 4), ("barrier", K1)
    assert board.stored() == [
        *(wmb, (status, 0)),
        *(wmb, (status, 1)),
        *(wmb, (status, 3)),
        (gfeatures, 1),
        *(wmb, (status, 11)),
        *(wmb, (status, 15)),
        *(k1, ("kick", 1)),
    ]
    assert listener.told == ["probe vdev0", "ready"]
    assert board.vdev.feature_names() == ("RPMSG_F_NS",)


def test_offsets_of_status_and_features_are_those_of_the_header_file() -> None:
    """fw_rsc_hdr: 4 bytes; fw_rsc_vdev: id 0, notifyid 4, dfeatures 8, gfeatures 12, config_len 16, status 20."""
    assert VDEV_STATUS_AT == 4 + 20


def test_features_are_what_both_sides_know_and_rings_can_do(soc: Soc) -> None:
    board = Board(soc, dfeatures=0xFFFF_FFFF)
    assert board.vdev.finalize_features(1 | RING_FEATURES | 1 << 31) == 1 | RING_FEATURES
    assert board.vdev.gfeatures == 1 | RING_FEATURES
    assert board.vdev.finalize_features(0) == 0


def test_a_device_without_a_driver_stays_acknowledged_and_is_not_rung(soc: Soc) -> None:
    board = Board(soc)
    assert board.vdev.bring_up(None) is None
    assert board.vdev.status == Status.ACKNOWLEDGE
    assert "kick" not in {call.method for call in board.host.calls}


def test_a_device_that_takes_features_ok_back_is_failed(soc: Soc) -> None:
    """virtio 1.2, 3.1.1 step 6. The device's part is played within the host's own write."""
    board = Board(soc)
    write = board.vdev._write_status

    def refuse(status: int) -> None:
        write(status & ~Status.FEATURES_OK if status == 11 else status)

    board.vdev._write_status = refuse  # type: ignore[method-assign]
    listener = Listener()
    with pytest.raises(RprocError, match="vdev0: the device refused the features RPMSG_F_NS"):
        board.vdev.bring_up(listener.driver())
    assert board.vdev.status == Status.FAILED | Status.ACKNOWLEDGE | Status.DRIVER
    assert listener.told == []


@pytest.mark.parametrize(("step", "told"), [("probe", 1), ("ready", 3)])
def test_a_driver_that_fails_leaves_failed_behind(step: str, told: int) -> None:
    with make_soc() as soc:
        board, listener = Board(soc), Listener(fails_in=step)
        with pytest.raises(RprocError, match=f"no {step} today"):
            board.vdev.bring_up(listener.driver())
        assert board.vdev.status & Status.FAILED
        assert len(listener.told) == told, "a driver that had probed is told that it is over"


def test_a_status_out_of_turn_is_refused_and_not_written(soc: Soc) -> None:
    board = Board(soc)
    board.vdev.add_status(Status.ACKNOWLEDGE)
    with pytest.raises(RprocError, match=r"vdev0: device status ACKNOWLEDGE -> ACKNOWLEDGE\|DRIVER_OK by the driver"):
        board.vdev.add_status(Status.DRIVER_OK)
    assert board.vdev.status == Status.ACKNOWLEDGE


def test_the_device_says_that_it_needs_a_reset_and_gets_one() -> None:
    with make_soc() as soc:
        board = Board(soc)
        board.vdev.bring_up(Listener().driver())
        assert not board.vdev.needs_reset
        board.remote.store_u8(board.at + VDEV_STATUS_AT, 0x4F)
        assert board.vdev.needs_reset
        board.vdev.reset()
        assert board.remote.load_u8(board.at + VDEV_STATUS_AT) == 0
        assert board.remote.wait(240.0), "and is told"


def test_config_space_is_read_and_written_inside_its_length_only(soc: Soc) -> None:
    board = Board(soc, config=b"\x10\x20\x30\x40\x50")
    assert board.vdev.config_get(0, 5) == b"\x10\x20\x30\x40\x50"
    board.vdev.config_set(3, b"\xaa\xbb")
    assert board.vdev.config_get(2, 3) == b"\x30\xaa\xbb"
    for offset, length in ((0, 6), (5, 1), (-1, 1), (6, 0)):
        with pytest.raises(RprocError, match=f"config access is at {offset}, {length} bytes, config_len is 5"):
            board.vdev.config_get(offset, length)
    with pytest.raises(RprocError, match="config access"):
        board.vdev.config_set(4, b"xy")


def test_a_kick_is_for_one_of_the_devices_own_rings(soc: Soc) -> None:
    board = Board(soc)
    assert [(ring.name, ring.notifyid) for ring in board.vdev.vrings()] == [("vdev0vring0", 0), ("vdev0vring1", 1)]
    board.vdev.kick(1)
    assert board.remote.wait(240.0)
    with pytest.raises(RprocError, match=r"vdev0: notifyid is 2, its rings have \[0, 1\]"):
        board.vdev.kick(2)


def test_barriers_are_not_the_weak_ones_unless_asked_for(soc: Soc) -> None:
    board = Board(soc)
    assert board.vdev.weak_barriers is False
    assert RprocVdev(board.host, board.plan, board.memory, at=board.at, weak_barriers=True).weak_barriers


def test_rings_are_made_new_only_for_a_device_that_is_reset() -> None:
    with make_soc() as soc:
        board = Board(soc)
        for ring in board.vdev.vrings():
            soc.load(ring.layout.base, b"\xff" * (ring.layout.end - ring.layout.base))
        board.vdev.bring_up(Listener().driver(), used_before=True)
        for ring in board.vdev.vrings():
            assert not any(soc.dump(ring.layout.base, ring.layout.end - ring.layout.base))
        with pytest.raises(RprocError, match="DRIVER_OK"):
            board.vdev.clear_vrings()


def test_two_devices_have_rings_buffers_and_status_of_their_own() -> None:
    with make_soc() as soc:
        core = QuietCore(soc)
        listener = Listener()
        rproc = make_rproc(soc, listener=listener, core=core)
        rproc.load(image(TEXT, vdev(), vdev(num=16)))
        rproc.start()
        first, second = rproc.vdevs
        first.reset()
        assert (int(first.status), int(second.status)) == (0, 15)
        assert [ring.layout.num for ring in second.vrings()] == [16, 16]
        assert [ring.notifyid for ring in second.vrings()] == [2, 3]
        assert first.buffers[1] <= second.buffers[0]
        assert core.at_boot(TABLE_DA, 8) == b"\1\0\0\0\3\0\0\0"
        rproc.stop()


def test_a_driver_is_a_record_that_says_what_it_can_do() -> None:
    driver = VirtioDriver("rpmsg", 1, lambda entry: 512 * 2 * entry.vrings[0].num, Listener().probe)
    assert driver.buffer_bytes(vdev(num=8)) == 8192
