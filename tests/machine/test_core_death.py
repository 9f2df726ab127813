"""A core that dies: what it is recorded as, who is told, and that the next one boots."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest
from core_machine import DATA_DA, LIMIT_S, CoreMachine
from in_time import quick

from amp.errors import PeerDied
from amp.machine.config import Mode
from amp.machine.core import CoreState, Crash, CrashKind

MODES = (Mode.DIRECT, Mode.FREE)

KICKS = """
def main(firmware):
    firmware.port.kick(0)
"""

# Makes accesses until it is killed: sooner or later inside the model's lock, if there is one.
BUSY = f"""
def main(firmware):
    firmware.port.kick(0)
    while True:
        firmware.memory.write({DATA_DA:#x}, bytes(4096))
        firmware.pet()
"""

WAITS = """
def main(firmware):
    firmware.wait(0.4)
    firmware.port.kick(0)
"""

HANGS = """
def main(firmware):
    firmware.port.kick(0)
    while True:
        pass
"""


@pytest.fixture(params=MODES, ids=str)
def machine(request: pytest.FixtureRequest) -> Iterator[CoreMachine]:
    with CoreMachine(request.param) as made:
        yield made


def test_a_rom_that_is_not_there_is_a_crash() -> None:
    with CoreMachine(Mode.DIRECT, rom="amp.no_such_rom") as machine:
        machine.boot(KICKS)
        assert "ended with status 1" in machine.crash().text


def test_last_words_are_one_line_of_bounded_length_whatever_the_core_says() -> None:
    with CoreMachine(Mode.DIRECT) as machine:
        machine.boot(
            r"""
            import os, sys
            def main(firmware):
                said = b'{"kind": "fatal error", "text": "first\\nsecond ' + b"x" * 100_000 + b'"}' + bytes([10])
                os.write(int(sys.argv[2]), said)
                os._exit(1)
            """
        )
        crash = machine.crash()
    assert crash.text == "first second " + "x" * (4096 - 13)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_is_killed_is_a_crash_and_who_waits_is_told(
    machine: CoreMachine, number: signal.Signals
) -> None:
    machine.boot(BUSY)
    machine.rung()
    pid = machine.core.pid
    assert pid is not None
    os.kill(pid, number)
    with pytest.raises(PeerDied):
        machine.port.wait(LIMIT_S)
    with pytest.raises(PeerDied):
        machine.port.wait(0.0)
    kind = CrashKind.MMUFAULT if number is signal.SIGSEGV else CrashKind.FATAL
    assert machine.crash() == Crash(kind, f"the core's process (pid {pid}) was killed by {number.name}")
    machine.core.stop()  # clears it
    assert (machine.core.state, machine.core.crash) == (CoreState.OFF, None)
    machine.boot(KICKS)
    machine.rung()


def test_a_core_that_dies_with_the_models_lock_does_not_keep_the_next_from_it() -> None:
    with CoreMachine(Mode.FREE) as machine:
        for _ in range(5):
            machine.boot(BUSY)
            machine.rung()
            assert machine.core.pid is not None
            os.kill(machine.core.pid, signal.SIGKILL)
            machine.crash()
            machine.core.kill()
        machine.boot(KICKS)
        machine.rung()


@pytest.mark.parametrize("magic", ["gone", "kept"])
def test_the_death_of_a_core_that_has_written_over_the_model_is_told(magic: str) -> None:
    with CoreMachine(Mode.FREE) as machine:
        machine.boot(
            f"""
            import mmap, os, sys
            def main(firmware):
                fd = int(sys.argv[1])
                region = mmap.mmap(fd, os.fstat(fd).st_size)
                at = region.find(b"AModel" + b"06") + {8 if magic == "kept" else 0}  # this text is in the region, too
                assert at >= 8, "where is the model?"
                region[at : at + 4096] = b"\\xff" * 4096
                os._exit(3)
            """
        )
        assert "ended with status 3" in machine.crash().text
        machine.core.kill()
        machine.boot(KICKS)
        machine.rung()


def test_a_firmware_that_hangs_is_bitten(machine: CoreMachine) -> None:
    def bitten() -> None:
        crash = machine.crash()
        assert crash.kind is CrashKind.WATCHDOG
        assert "the heartbeat stood still at 1 for 0.2 s" in crash.text

    def hangs() -> None:
        machine.core.kill()
        machine.boot(HANGS, watchdog_s=0.2)
        machine.rung()

    quick(bitten, 2, before=hangs)


@pytest.mark.parametrize("source", [KICKS, WAITS], ids=["idle", "waits"])
def test_a_firmware_that_waits_is_not_bitten(source: str) -> None:
    with CoreMachine(Mode.DIRECT) as machine:
        machine.boot(source, watchdog_s=0.1)
        machine.rung()
        assert not machine.died.wait(0.4)
        assert machine.core.state is CoreState.RUNNING


def test_a_firmware_without_a_watchdog_may_be_busy_for_long() -> None:
    with CoreMachine(Mode.DIRECT) as machine:
        machine.boot(HANGS)
        machine.rung()
        assert not machine.died.wait(0.4)


def test_a_stopped_process_is_bitten_too(machine: CoreMachine) -> None:
    machine.boot(KICKS, watchdog_s=0.2)
    machine.rung()
    assert machine.core.pid is not None
    os.kill(machine.core.pid, signal.SIGSTOP)
    assert machine.crash().kind is CrashKind.WATCHDOG


def test_a_firmware_that_leaves_its_process_has_crashed(machine: CoreMachine) -> None:
    machine.boot("import os\ndef main(firmware):\n    os._exit(3)\n")
    crash = machine.crash()
    assert crash.kind is CrashKind.FATAL
    assert crash.text.endswith("ended with status 3")


def test_threads_of_the_firmware_do_not_outlive_its_crash(machine: CoreMachine) -> None:
    machine.boot(
        """
        import threading
        def main(firmware):
            threading.Thread(target=threading.Event().wait).start()
            firmware.panic("out of coffee")
        """
    )
    assert machine.crash().text == "Panic: out of coffee (text, line 5)"


def test_what_a_firmware_writes_to_the_control_channel_is_not_believed() -> None:
    with CoreMachine(Mode.DIRECT) as machine:
        machine.boot(
            """
            import os, sys
            def main(firmware):
                os.write(int(sys.argv[2]), b'{"kind": "tea", "text": ""}\\n')
                os._exit(0)
            """
        )
        crash = machine.crash()
        assert crash.kind is CrashKind.FATAL
        assert "the core's report cannot be read" in crash.text


def test_the_death_of_the_owner_is_the_death_of_the_core() -> None:
    with CoreMachine(Mode.DIRECT) as machine:
        owner = threading.Thread(target=lambda: (machine.boot(KICKS), machine.rung()))
        owner.start()
        owner.join()  # the kernel ends what the thread had started
        assert "SIGKILL" in machine.crash().text
