"""A core that is a process: it boots, stops, and leaves nothing behind."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from core_machine import DATA_DA, LIMIT_S, CoreMachine
from in_time import quick

from amp.errors import PeerFinished, RprocError
from amp.machine.config import Mode
from amp.machine.core import Core, CoreState
from amp.region.names import SHM_DIRECTORY

MODES = (Mode.DIRECT, Mode.FREE)

KICKS = """
def main(firmware):
    firmware.port.kick(0)
"""

STUBBORN = """
def main(firmware):
    while True:
        try:
            firmware.port.kick(0)
            while True:
                firmware.wait()
        except BaseException:
            pass
"""


@pytest.fixture(params=MODES, ids=str)
def machine(request: pytest.FixtureRequest) -> Iterator[CoreMachine]:
    with CoreMachine(request.param) as made:
        yield made


def test_a_core_boots_and_stops(machine: CoreMachine) -> None:
    core: Core = machine.core
    assert core.state is CoreState.OFF
    machine.boot(KICKS)
    assert core.state is CoreState.RUNNING
    machine.rung()
    core.stop()
    assert core.state is CoreState.OFF
    assert core.crash is None
    with pytest.raises(PeerFinished):
        machine.port.wait(LIMIT_S)


def test_a_stop_unwinds_the_firmware(machine: CoreMachine) -> None:
    machine.boot(
        f"""
        def main(firmware):
            try:
                firmware.port.kick(0)
                while True:
                    try:
                        firmware.wait()
                    except Exception:
                        pass
            finally:
                firmware.memory.store_u32({DATA_DA:#x}, 7)
        """
    )
    machine.rung()
    machine.core.stop()
    with pytest.raises(PeerFinished):  # once its last stores are visible
        machine.port.wait(LIMIT_S)
    assert machine.data() == 7


def test_a_firmware_that_will_not_stop_is_killed_in_time() -> None:
    with CoreMachine(Mode.DIRECT, stop_limit_s=0.2) as machine:

        def started() -> None:
            machine.boot(STUBBORN)
            machine.rung()

        quick(machine.core.stop, 2, before=started)
        assert machine.core.state is CoreState.OFF


def test_stop_and_kill_of_a_core_that_is_off_do_nothing(machine: CoreMachine) -> None:
    machine.core.stop()
    machine.core.kill()
    assert machine.core.state is CoreState.OFF
    assert machine.core.pid is None


def test_a_stop_right_after_boot_is_no_crash(machine: CoreMachine) -> None:
    machine.boot(KICKS)
    machine.core.stop()
    assert machine.core.state is CoreState.OFF
    assert not machine.died.is_set()


def test_a_running_core_cannot_be_booted(machine: CoreMachine) -> None:
    machine.boot(KICKS)
    machine.rung()
    with pytest.raises(RprocError, match="the core is running, expected off"):
        machine.boot(KICKS)


def test_another_runtime_is_refused_and_nothing_started(machine: CoreMachine) -> None:
    with pytest.raises(RprocError, match="runtime is 'armv7', this core runs 'python'"):
        machine.boot(KICKS, runtime="armv7")
    assert machine.core.state is CoreState.OFF


def _held() -> tuple[list[str], set[int], set[str]]:
    """Descriptors by what they are, threads, objects in /dev/shm that are this process's."""
    gc.collect()  # ports of earlier tests, which keep a region mapped
    descriptors = []
    for entry in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the listing's own
            descriptors.append(os.readlink(f"/proc/self/fd/{entry}"))
    threads = {thread.ident or 0 for thread in threading.enumerate()}
    ours = {entry for entry in os.listdir(SHM_DIRECTORY) if entry.startswith(f"amp.{os.getpid()}.")}
    return sorted(descriptors), threads, ours


def _children() -> str:
    return Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text()


@pytest.mark.a_few(1)
@pytest.mark.parametrize(
    "end", ["stop", pytest.param("kill", marks=pytest.mark.slow), pytest.param("death", marks=pytest.mark.slow)]
)
def test_twenty_cycles_leave_nothing(machine: CoreMachine, end: str) -> None:
    children, held = _children(), _held()
    for _ in range(20):
        machine.boot(KICKS if end != "death" else "1 / 0")
        if end == "death":
            machine.crash()
        elif end == "stop":
            machine.rung()
        getattr(machine.core, "kill" if end == "kill" else "stop")()
    assert _children() == children
    assert _held() == held


def test_a_leak_would_be_seen(machine: CoreMachine) -> None:
    held, children = _held(), _children()
    machine.boot(KICKS)
    assert [now != then for now, then in zip(_held(), held, strict=True)] == [True, True, False]
    assert _children() != children
