"""One core's life: every row of the table, every way a start can fail, and what is left afterwards: nothing."""

from __future__ import annotations

import io
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st
from rproc_machine import (
    DOORS,
    TABLE_DA,
    TEXT,
    TEXT_DA,
    TRACE,
    Listener,
    QuietCore,
    image,
    make_rproc,
    make_soc,
    vdev,
)

from amp.errors import FirmwareError, PeerDied, RprocError
from amp.machine.core import CoreState, CrashKind
from amp.machine.process_core import ProcessCore
from amp.remoteproc.build import build
from amp.remoteproc.image import EntryNote, Image, Segment, read_image
from amp.remoteproc.spec import Firmware
from amp.remoteproc.table import Carveout, Devmem, Unknown, Vdev, decode, vring_da_at
from hostside.remoteproc.rproc import Rproc
from hostside.remoteproc.states import TRANSITIONS, Event, RprocState, after, allowed

FIRMWARE = image(TEXT, TRACE, vdev())
[FIRMWARE_VDEV] = [offset for offset, _ in decode(FIRMWARE.table or b"").each(Vdev)]


@pytest.mark.parametrize("state", list(RprocState))
@pytest.mark.parametrize("event", list(Event))
def test_an_event_leads_where_its_row_says_or_is_refused_with_what_is_allowed(state: RprocState, event: Event) -> None:
    rows = [row.to for row in TRANSITIONS if (row.origin, row.event) == (state, event)]
    if rows:
        assert [after(state, event)] == rows
        return
    with pytest.raises(RprocError) as error:
        after(state, event)
    names = ", ".join(allowed(state)) or "none"
    assert str(error.value) == f"{event}: the remote processor is {state}, which allows {names}"


def test_every_state_but_suspended_can_be_entered_and_left() -> None:
    states = set(RprocState) - {RprocState.SUSPENDED}
    assert {row.origin for row in TRANSITIONS} == {row.to for row in TRANSITIONS} == states
    assert all(row.source for row in TRANSITIONS)


OPERATIONS: dict[Event, Callable[[Rproc], object]] = {
    Event.START: Rproc.start,
    Event.STOP: Rproc.stop,
    Event.ATTACH: Rproc.attach,
    Event.DETACH: Rproc.detach,
    Event.CRASH: lambda rproc: rproc.report_crash(CrashKind.FATAL, "told so"),
    Event.RECOVER: Rproc.recover,
}
WAYS = {
    RprocState.OFFLINE: (),
    RprocState.RUNNING: (Event.START,),
    RprocState.DETACHED: (Event.START, Event.DETACH),
    RprocState.ATTACHED: (Event.START, Event.DETACH, Event.ATTACH),
    RprocState.CRASHED: (Event.START, Event.CRASH),
}


@pytest.mark.parametrize("state", WAYS)
@pytest.mark.parametrize("event", OPERATIONS)
def test_every_operation_in_every_state_does_as_the_table_says(state: RprocState, event: Event) -> None:
    with make_soc() as soc:
        rproc = make_rproc(soc, listener=Listener(), recovery=False)
        rproc.load(FIRMWARE)
        for each in WAYS[state]:
            OPERATIONS[each](rproc)
        assert rproc.state is state
        if event in allowed(state):
            OPERATIONS[event](rproc)
            assert rproc.state is after(state, event)
        else:
            with pytest.raises(RprocError, match=f"the remote processor is {state}"):
                OPERATIONS[event](rproc)
            assert rproc.state is state


@pytest.mark.parametrize("door", DOORS)
def test_a_start_lays_out_memory_before_the_core_runs_and_brings_the_device_up_after(door: str) -> None:
    with make_soc(door) as soc:
        core, listener = QuietCore(soc), Listener()
        soc.load(soc.pools["buffers"][0], b"\xee" * 0x9000)  # what an earlier firmware left
        rproc = make_rproc(soc, listener=listener, core=core, watchdog_s=1.5)
        rproc.load(FIRMWARE)
        rproc.start()
        [boot] = core.boots
        assert core.at_boot(TEXT_DA, 8192) == b"text" + bytes(8188)
        [*_, device] = decode(core.at_boot(TABLE_DA, boot.table_bytes)).entries
        assert (device.status, [ring.notifyid for ring in device.vrings]) == (0, [0, 1])  # type: ignore[union-attr]
        names = {row.name: row.da for row in boot.windows}
        assert [ring.da for ring in device.vrings] == [names["vdev0vring0"], names["vdev0vring1"]]  # type: ignore[union-attr]
        assert (boot.entry_da, boot.runtime, boot.entry, boot.watchdog_s) == (TEXT_DA, "none", "main", 1.5)
        assert boot.table_da == TABLE_DA
        assert int(rproc.vdevs[0].status) == 15
        assert listener.told == ["probe vdev0", "ready"]
        assert listener.buffers == (names["vdev0buffer"], names["vdev0buffer"] + 8192), "one to one"
        rproc.interrupt()
        assert listener.told[-1] == "interrupt"
        rproc.stop()
        assert listener.told[-1] == "down: stopped"
        assert (core.state, rproc.carveouts, rproc.vdevs, rproc.traces) == (CoreState.OFF, (), (), ())


def broken(**changes: object) -> Image:
    return replace(FIRMWARE, **changes)  # type: ignore[arg-type]


def table_in_a_segment_of(length: int) -> Image:
    """Data of the firmware's follows the table in its segment, for which the table asks for no carveout."""
    *others, segment = FIRMWARE.segments
    return broken(segments=(*others, replace(segment, memsz=length)))


CANNOT_BE_SERVED = [
    (image(TEXT, Carveout(0x3000_0000, 0, 64 << 20, 0, "huge")), "carveout 'huge': length is 67108864, and no free"),
    (image(TEXT, segments=(Segment(0x100, b"x", 1, 5),)), "segment da is 0x100, 1 bytes, expected inside one carveout"),
    (image(TEXT, segments=(Segment(TEXT_DA, b"x", 8193, 5),)), "segment da is 0x10000000, 8193 bytes"),
    (image(TEXT, Devmem(0x4000_0000, 0x4800_2000, 64, 0, "uart")), "memory 'uart': pa is 0x48002000"),
    (
        broken(table=None, table_da=None),
        "segment da is 0x10000000, 4096 bytes, expected inside one carveout, and the image has no resource table",
    ),
    (
        image(TEXT, segments=(Segment(0x1001_0000, b"x", 16, 5),)),
        "segment da is 0x10010000, 16 bytes, expected inside one carveout of its resource table "
        "(it has text 0x10000000 to 0x10002000)",
    ),
    (
        table_in_a_segment_of(64 << 20),
        "the segment at 0x20000000, which holds the resource table: length is 67108864, and no free piece",
    ),
]


@pytest.mark.parametrize(("firmware", "why"), CANNOT_BE_SERVED)
def test_an_image_that_cannot_be_served_starts_nothing_and_takes_nothing(firmware: Image, why: str) -> None:
    with make_soc() as soc:
        core, listener = QuietCore(soc), Listener()
        start, end = soc.region.layout.shared
        before = soc.dump(start, end - start)
        rproc = make_rproc(soc, listener=listener, core=core)
        rproc.load(firmware)
        with pytest.raises(FirmwareError) as error:
            rproc.start()
        assert why in str(error.value)
        assert (rproc.state, core.boots, listener.told, rproc.carveouts) == (RprocState.OFFLINE, [], [], ())
        assert soc.dump(start, end - start) == before
        rproc.load(FIRMWARE)
        rproc.start()
        rproc.stop()


@pytest.mark.parametrize("length", [8192, 8193, 100_000])
def test_a_segment_that_holds_the_table_may_be_as_long_as_memory_goes(length: int) -> None:
    with make_soc() as soc:
        core = QuietCore(soc)
        rproc = make_rproc(soc, core=core)
        rproc.load(table_in_a_segment_of(length))
        rproc.start()
        [boot] = core.boots
        window = next(row for row in boot.windows if row.da == TABLE_DA)
        assert window.length == length
        assert decode(core.at_boot(boot.table_da, boot.table_bytes)).entries[1:2] == (TRACE,)
        rproc.stop()


def test_a_table_in_no_segment_finds_room_beside_a_carveout_that_has_its_name() -> None:
    loose = image(TEXT, Carveout(0x3000_0000, 0, 64, 0, "resource_table"))
    loose = replace(loose, segments=loose.segments[:-1], table_da=None)
    with make_soc() as soc:
        core = QuietCore(soc)
        rproc = make_rproc(soc, core=core)
        rproc.load(loose)
        rproc.start()
        [boot] = core.boots
        assert len(decode(core.at_boot(boot.table_da, boot.table_bytes)).entries) == 2
        rproc.stop()


def test_what_is_skipped_of_a_table_is_logged_at_each_boot() -> None:
    with make_soc() as soc:
        log: list[str] = []
        rproc = make_rproc(soc, log=log.append)
        rproc.load(image(Unknown(77, b""), TEXT))
        rproc.start()
        rproc.report_crash(CrashKind.FATAL, "told so")
        assert log == ["resource table: entry at offset 24: unsupported resource 77, skipped"] * 2
        rproc.stop()


@pytest.mark.parametrize(
    ("note", "why"),
    [
        (None, "firmware image: has no AMP note, so this core cannot run it"),
        (EntryNote("elf", "main"), "AMP note's runtime is 'elf', this core runs 'python'"),
        (EntryNote("python", "os.abort"), "AMP note's entry is 'os.abort', expected a name that the image's own text"),
    ],
)
def test_what_the_core_cannot_run_is_refused_at_load(note: EntryNote | None, why: str) -> None:
    with make_soc() as soc:
        core = ProcessCore(soc, "remoteside.core")
        rproc = Rproc(soc, core)
        with pytest.raises(FirmwareError) as error:
            rproc.load(broken(note=note))
        assert why in str(error.value)
        assert error.value.exit_status == 2
        with pytest.raises(RprocError, match="no firmware is loaded"):
            rproc.start()


def test_a_malformed_table_is_refused_at_load_and_the_image_before_it_stays() -> None:
    with make_soc() as soc:
        rproc = make_rproc(soc)
        rproc.load(FIRMWARE)
        with pytest.raises(FirmwareError, match="resource table: ver is 2, allowed is 1"):
            rproc.load(broken(table=b"\2" + (FIRMWARE.table or b"")[1:]))
        rproc.start()
        with pytest.raises(RprocError, match="load: the remote processor is running, expected offline"):
            rproc.load(FIRMWARE)
        rproc.stop()


@pytest.mark.parametrize("step", ["boot", "probe", "ready"])
@pytest.mark.parametrize("door", DOORS)
def test_a_start_that_fails_at_any_step_is_undone_and_the_next_one_works(step: str, door: str) -> None:
    with make_soc(door) as soc:
        core, listener = QuietCore(soc), Listener(fails_in=step)
        core.fails = RprocError("no boot today") if step == "boot" else None
        rproc = make_rproc(soc, listener=listener, core=core)
        rproc.load(FIRMWARE)
        for _ in range(2):
            with pytest.raises(RprocError, match=f"no {step} today"):
                rproc.start()
            assert (rproc.state, core.state) == (RprocState.OFFLINE, CoreState.OFF)
            assert (rproc.carveouts, rproc.vdevs, rproc.boot) == ((), (), None)
        core.fails, listener.fails_in = None, ""
        rproc.start()
        rproc.stop()


def test_a_core_that_dies_while_its_devices_come_up_is_a_boot_that_failed_and_says_why() -> None:
    with make_soc() as soc:
        core, listener = QuietCore(soc), Listener()
        listener.ready = lambda: core.dies("undefined instruction")  # type: ignore[method-assign]
        rproc = make_rproc(soc, listener=listener, core=core)
        rproc.load(FIRMWARE)
        with pytest.raises(RprocError) as error:
            rproc.start()
        assert str(error.value) == "start: the core died while its devices came up: fatal error: undefined instruction"
        assert (rproc.state, core.state) == (RprocState.OFFLINE, CoreState.OFF)


def test_nothing_is_started_without_firmware() -> None:
    with make_soc() as soc, pytest.raises(RprocError, match="start: no firmware is loaded"):
        make_rproc(soc).start()


@pytest.mark.parametrize("door", DOORS)
def test_detach_leaves_the_core_and_attach_finds_it_by_its_table_with_new_rings(door: str) -> None:
    with make_soc(door) as soc:
        core, listener = QuietCore(soc), Listener(unacknowledged=("a message",))
        rproc = make_rproc(soc, listener=listener, core=core)
        rproc.load(FIRMWARE)
        rproc.start()
        before, rings = rproc.carveouts, rproc.vdevs[0].vrings()
        rproc.port.store_u16(rings[0].layout.avail_idx, 7)
        rproc.detach()
        assert (rproc.state, core.state, len(core.boots)) == (RprocState.DETACHED, CoreState.RUNNING, 1)
        assert rproc.unacknowledged == ("a message",)
        rproc.attach()
        assert (rproc.state, len(core.boots)) == (RprocState.ATTACHED, 1)
        assert sorted(rproc.carveouts, key=str) == sorted(before, key=str)
        assert rproc.vdevs[0].vrings() == rings
        assert rproc.port.load_u16(rings[0].layout.avail_idx) == 0
        assert listener.told == ["probe vdev0", "ready", "down: detached", "probe vdev0", "ready"]
        rproc.stop()
        assert core.state is CoreState.OFF


def test_another_host_takes_over_from_what_the_first_one_booted() -> None:
    with make_soc() as soc:
        core = QuietCore(soc)
        first = make_rproc(soc, listener=Listener(), core=core)
        first.load(FIRMWARE)
        first.start()
        boot = first.boot
        assert boot is not None
        first.detach()
        listener = Listener()
        second = Rproc.of_running(soc, core, boot, drivers={7: listener.driver()})
        assert second.state is RprocState.DETACHED
        second.start()  # which attaches to what runs
        assert (second.state, listener.told) == (RprocState.ATTACHED, ["probe vdev0", "ready"])
        assert second.read_trace("trace0") == bytes(1024)
        second.stop()
        assert core.state is CoreState.OFF


def test_an_attach_that_fails_leaves_core_and_state_alone() -> None:
    with make_soc() as soc:
        core, listener = QuietCore(soc), Listener()
        rproc = make_rproc(soc, listener=listener, core=core)
        rproc.load(FIRMWARE)
        rproc.start()
        rproc.detach()
        listener.fails_in = "ready"
        with pytest.raises(RprocError, match="no ready today"):
            rproc.attach()
        greedy = make_rproc(soc, core=core, drivers={7: Listener().driver(lambda _: 1 << 16)})
        greedy._state, greedy._boot = RprocState.DETACHED, rproc.boot
        with pytest.raises(FirmwareError, match="'vdev0buffer' is 8192 bytes, the resource table asks for 65536"):
            greedy.attach()
        assert (rproc.state, core.state, rproc.carveouts) == (RprocState.DETACHED, CoreState.RUNNING, ())
        [row] = [row for row in core.boots[0].windows if row.name == "resource_table"]
        ring_da = FIRMWARE_VDEV + vring_da_at(1)
        there = soc.dump(row.pa + ring_da, 4)
        soc.load(row.pa + ring_da, b"\0\0\0\x70")
        with pytest.raises(FirmwareError, match=r"'vdev0vring1' da is 0x[0-9a-f]+, the resource table says 0x70000000"):
            rproc.attach()
        soc.load(row.pa + ring_da, there)
        listener.fails_in = ""
        rproc.attach()
        rproc.detach()
        core.kill()
        with pytest.raises(RprocError, match="attach: the core is off, expected running"):
            rproc.attach()


@pytest.mark.parametrize("door", DOORS)
def test_a_crash_is_dumped_reported_and_recovered_from(door: str) -> None:
    with make_soc(door) as soc:
        core, listener = QuietCore(soc), Listener(unacknowledged=(3, 4))
        rproc = make_rproc(soc, listener=listener, core=core)
        rproc.load(FIRMWARE)
        rproc.start()
        assert rproc.check() is None
        for number in (1, 2):
            soc.load(rproc.vdevs[0].buffers[0], b"last words")
            core.dies("heartbeat stood still", CrashKind.WATCHDOG)
            with pytest.raises(PeerDied):
                rproc.port.wait(240.0)
            report = rproc.check()
            assert report is not None
            assert (report.number, report.kind, report.text) == (number, "watchdog", "heartbeat stood still")
            assert (report.unacknowledged, report.recovered, report.failure) == ((3, 4), True, None)
            assert (rproc.state, core.state, rproc.crash_count) == (RprocState.RUNNING, CoreState.RUNNING, number)
            assert listener.told[-3:] == ["down: watchdog: heartbeat stood still", "probe vdev0", "ready"]
        dump = ELFFile(io.BytesIO(rproc.coredump()))
        names = {section.name: section.data() for section in dump.iter_sections()}
        assert names["vdev0buffer"].startswith(b"last words")
        assert {"text", "resource_table", "vdev0vring0", "vdev0vring1", "vdev0buffer"} <= set(names)
        assert (dump.elfclass, dump["e_machine"], dump["e_entry"]) == (32, "EM_ARM", TEXT_DA)
        rproc.stop()


def test_without_recovery_a_crash_stays_and_can_be_looked_at_until_it_is_stopped() -> None:
    with make_soc() as soc:
        core = QuietCore(soc)
        rproc = make_rproc(soc, listener=Listener(), core=core, recovery=False, coredump=False)
        rproc.load(FIRMWARE)
        rproc.start()
        soc.load(rproc.carveouts[0].pa + 4096, b"panic: out of tea")
        report = rproc.report_crash(CrashKind.FATAL, "told so", 0x1234)
        assert (report.recovered, report.da, core.state) == (False, 0x1234, CoreState.OFF)
        assert rproc.state is RprocState.CRASHED
        assert rproc.check() is None, "reported already"
        assert rproc.read_trace("trace0").startswith(b"panic: out of tea\0")
        with pytest.raises(RprocError, match="trace 'log': the firmware has trace0"):
            rproc.read_trace("log")
        with pytest.raises(RprocError, match="no coredump: 1 crashes, dumps off"):
            rproc.coredump()
        rproc.stop()
        rproc.start()
        rproc.stop()


def test_a_recovery_that_fails_is_reported_and_leaves_the_core_offline() -> None:
    with make_soc() as soc:
        core = QuietCore(soc)
        rproc = make_rproc(soc, listener=Listener(), core=core)
        rproc.load(FIRMWARE)
        rproc.start()
        core.dies("tired")
        core.fails = RprocError("no boot today")
        report = rproc.check()
        assert report is not None
        assert (report.recovered, report.failure) == (False, "no boot today")
        assert (rproc.state, core.state, rproc.carveouts) == (RprocState.OFFLINE, CoreState.OFF, ())
        core.fails = None
        rproc.start()
        core.kill()  # by somebody who is not its host
        report = rproc.check()
        assert report is not None
        assert report.text == "the core is off, and its host did not stop it"
        rproc.stop()


def test_a_core_that_dies_just_before_a_stop_is_stopped_all_the_same() -> None:
    with make_soc() as soc:
        core, listener = QuietCore(soc), Listener()
        rproc = make_rproc(soc, listener=listener, core=core)
        rproc.load(FIRMWARE)
        rproc.start()
        core.dies("now")
        rproc.stop()
        assert (rproc.state, core.state, listener.told[-1]) == (RprocState.OFFLINE, CoreState.OFF, "down: stopped")


def test_start_and_stop_many_times_takes_the_same_memory_every_time() -> None:
    with make_soc() as soc:
        core = QuietCore(soc)
        rproc = make_rproc(soc, listener=Listener(), core=core)
        rproc.load(FIRMWARE)
        for _ in range(50):
            rproc.start()
            rproc.stop()
        assert all(boot == core.boots[0] for boot in core.boots)
        assert len(os.listdir("/proc/self/fd")) < 100


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_mutated_table_is_served_or_refused_and_an_attach_to_it_as_well(changes: list[tuple[int, int]]) -> None:
    with make_soc(memory_bytes=512 << 10) as soc:
        core = QuietCore(soc)
        rproc = make_rproc(soc, listener=Listener(), core=core)
        rproc.load(FIRMWARE)
        rproc.start()
        rproc.detach()
        assert FIRMWARE.table is not None
        table = bytearray(FIRMWARE.table)
        at = next(row.pa for row in core.boots[-1].windows if row.name == "resource_table")
        for offset, value in changes:
            table[offset % len(table)] = value
            soc.load(at + offset % len(table), bytes([value]))  # by a core that has gone mad
        with suppress(FirmwareError, RprocError):
            rproc.attach()
        if rproc.state is RprocState.DETACHED:
            assert rproc.vdevs == ()
            rproc.report_crash(CrashKind.FATAL, "mad")
            assert rproc.state is RprocState.RUNNING
        rproc.stop()
        boots = len(core.boots)
        with suppress(FirmwareError):
            rproc.load(replace(FIRMWARE, table=bytes(table)))
            rproc.start()
        if rproc.state is RprocState.RUNNING:
            rproc.stop()
        else:
            assert (rproc.state, core.state, rproc.carveouts, len(core.boots)) == ("offline", "off", (), boots)


SOURCE = """
def main(firmware):
    firmware.print("up")
"""


@pytest.mark.parametrize("door", DOORS)
def test_a_real_core_boots_is_killed_recovers_and_stops_without_a_trace(door: str, tmp_path: Path) -> None:
    (tmp_path / "quiet.py").write_text(SOURCE)
    firmware = read_image(build(tmp_path / "quiet.py", Firmware()))
    with make_soc(door) as soc:
        core = ProcessCore(soc, "remoteside.core")
        rproc = Rproc(soc, core, drivers={7: Listener().driver()})
        rproc.load(firmware)
        descriptors = len(os.listdir("/proc/self/fd"))
        rproc.start()
        first = core.pid
        assert first is not None
        until(lambda: rproc.read_trace("trace0").startswith(b"up"))
        os.kill(first, signal.SIGKILL)
        until(lambda: core.state is CoreState.DEAD)
        report = rproc.check()
        assert report is not None
        assert (report.recovered, report.failure) == (True, None)
        assert "SIGKILL" in report.text
        second = core.pid
        assert second not in {None, first}
        until(lambda: rproc.read_trace("trace0").startswith(b"up"))
        rproc.stop()
        assert core.pid is None
        assert len(os.listdir("/proc/self/fd")) == descriptors
        with pytest.raises(ProcessLookupError):
            os.kill(second or 0, 0)


def until(seen: Callable[[], bool]) -> None:
    """Look until it is so. Each look lasts a moment, so that the bound is one of time on any machine."""
    moment = threading.Event()
    for _ in range(3000):
        if seen():
            return
        moment.wait(0.01)
    raise AssertionError("never seen")
