"""Whatever ends a run in its middle: nobody hangs, nothing is left, and one line says who died of what.

The moment of a kill is drawn from a printed seed: after so many events of the model, or after so long a delay where
there is no model. The delay is the fault that is injected; nothing waits for it.
"""

import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from cli_runs import WAIT_LIMIT_S, planned, run_seed, sides_of, started, until, watched
from in_time import Stopwatch
from slow_sizes import size

from amp._core import _bridge
from amp.lab.machine import STOP_LIMIT_S, Machine, SideDied
from amp.lab.plan import Plan
from amp.lab.run import SideFailed, run
from amp.machine.config import Mode
from amp.port.port import CPU_NAMES
from amp.region.names import SHM_DIRECTORY, creator_of

ENDLESS = 1 << 40  # messages
SURVIVED = re.compile(
    r"the (host|remote)'s process \(pid (\d+)\) was killed by SIGKILL; "
    r"the (host|remote) (?:noticed after \d+ messages and stopped|(was idle))"
)
PLANS = {mode: planned(None if mode is Mode.DIRECT else "paranoid", messages=ENDLESS, mode=mode) for mode in Mode}


def moment(machine: Machine, mode: Mode, chance: random.Random) -> Callable[[], None]:
    """Waits until the moment drawn has come, or for WAIT_LIMIT_S."""
    delay_s, events = chance.random() ** 2 / 2, chance.randrange(1, 30_000)

    def wait() -> None:
        if mode is Mode.DIRECT:
            time.sleep(delay_s)
            return
        deadline = time.monotonic() + WAIT_LIMIT_S
        while _events(machine) < events and time.monotonic() < deadline:
            os.sched_yield()

    return wait


def _events(machine: Machine) -> int:
    try:
        return int(_bridge.model_state(machine.region.memory, machine.model_offset)["events"])
    except ValueError:  # no run has prepared the model yet
        return 0


@contextmanager
def meanwhile(machine: Machine, fault: Callable[[], None]) -> Iterator[None]:
    """Runs `fault` in a thread of its own beside the block. If it fails the sides are killed, and the block fails."""

    def guarded() -> None:
        pids = machine.pids
        try:
            fault()
        except BaseException:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            raise

    with ThreadPoolExecutor(1) as pool:
        injected = pool.submit(guarded)
        try:
            yield
        finally:
            injected.result()


def kill_at_a_random_moment(seed: int) -> None:
    """One run, one kill of either side; everything that must hold of it."""
    chance = random.Random(seed)
    mode, victim = chance.choice(list(Mode)), chance.randrange(2)
    plan = PLANS[mode]
    with Machine(plan.at_seed(seed)) as machine, watched(*machine.pids) as all_ended:
        wait, pid, since = moment(machine, mode, chance), machine.pids[victim], Stopwatch()

        def kill() -> None:
            nonlocal since
            wait()
            since = Stopwatch()
            os.kill(pid, signal.SIGKILL)

        with meanwhile(machine, kill), pytest.raises(SideDied) as died:
            run_seed(machine, plan, seed)
        machine.close()
        took_s = since.uncrowded_s
        all_ended()
    print(f"seed {seed}, {mode}: {died.value}; {took_s * 1e3:.0f} ms")
    said = SURVIVED.fullmatch(str(died.value))
    assert said, died.value
    *who, idle = said.groups()
    assert who == [CPU_NAMES[victim], str(pid), CPU_NAMES[1 - victim]]
    assert not idle or mode is Mode.DIRECT, "only a delay may end before the run has begun"
    assert took_s < STOP_LIMIT_S


def objects_of(pid: int) -> list[str]:
    """What is in /dev/shm by the hand of this process."""
    creators = ((entry, creator_of("/" + entry.removeprefix("sem."))) for entry in os.listdir(SHM_DIRECTORY))
    return [entry for entry, creator in creators if creator is not None and creator.pid == pid]


def test_either_side_killed_at_a_random_moment_is_noticed_by_the_other() -> None:
    for seed in (3, 4, 5, 6, 7, 9):  # either side in every mode
        kill_at_a_random_moment(seed)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_random_kills_leave_no_deadlock_and_nothing_behind() -> None:
    for seed in range(1000, 1000 + size(60, 200)):
        kill_at_a_random_moment(seed)


@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.parametrize("mode", list(Mode))
def test_a_side_killed_between_two_runs_is_noticed_at_the_next(mode: Mode, victim: int) -> None:
    plan = planned(None if mode is Mode.DIRECT else "sc", messages=10, mode=mode)
    with Machine(plan.config) as machine, watched(*machine.pids) as all_ended, watched(machine.pids[victim]) as ended:
        run_seed(machine, plan, 1)
        os.kill(machine.pids[victim], signal.SIGKILL)
        ended()
        since = Stopwatch()
        # The host is asked first, so the remote has not been asked yet when its death is seen.
        other = "the remote was idle" if victim == 0 else "the host noticed"
        with pytest.raises(SideDied, match=rf"the {CPU_NAMES[victim]}'s process .* was killed by SIGKILL; {other}"):
            run_seed(machine, plan, 2)
        machine.close()
        assert since.uncrowded_s < STOP_LIMIT_S, "nobody waits for a report that is not due"
        all_ended()


def test_both_sides_killed_at_once_are_both_named() -> None:
    plan = PLANS[Mode.FREE]
    with Machine(plan.config) as machine:
        pids = machine.pids

        def kill() -> None:
            until(lambda: _events(machine) > 100, "events")
            for pid in pids:
                os.kill(pid, signal.SIGKILL)

        with (
            meanwhile(machine, kill),
            pytest.raises(SideDied, match=r"was killed by SIGKILL; the (host|remote) died as well"),
        ):
            run_seed(machine, plan, 1)


def test_a_side_that_is_stopped_for_a_while_costs_nothing() -> None:
    """SIGSTOP is no death: the other one waits, and nothing is reported."""
    plan = planned("omap4-2011", messages=3000, mode=Mode.FREE)
    with Machine(plan.config) as machine:
        pid = machine.pids[1]

        def stop() -> None:
            until(lambda: _events(machine) > 1000, "events")
            os.kill(pid, signal.SIGSTOP)
            before = _events(machine)
            os.kill(pid, signal.SIGCONT)
            until(lambda: _events(machine) > before, "it goes on")

        with meanwhile(machine, stop):
            outcome = run_seed(machine, plan, 1)
    assert [(report.outcome, report.messages) for report in outcome.reports] == [("done", 3000)] * 2


# --- the command's own process ----------------------------------------------------------------------------------------


@pytest.fixture
def big_file(tmp_path: Path) -> Iterator[Path]:
    """Some seconds' worth of demo."""
    path = tmp_path / "big"
    path.write_bytes(random.Random(1).randbytes(8_000_000))
    return path


COMMANDS = ["direct", "free", "lockstep", "demo"]


def command(name: str, file: Path) -> list[str]:
    if name == "demo":
        return ["demo", "--file", str(file)]
    return ["run", "echo", "--mode", name, "--messages", str(ENDLESS)]


@pytest.mark.a_few(4)
@pytest.mark.parametrize(
    ("number", "to_all", "status"),
    [(signal.SIGINT, True, 130), (signal.SIGTERM, False, 143), (signal.SIGKILL, False, -signal.SIGKILL)],
    ids=["ctrl-c", "term", "kill"],
)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_to_amp_ends_both_sides_and_leaves_nothing(
    name: str, number: signal.Signals, to_all: bool, status: int, big_file: Path
) -> None:
    chance = random.Random(f"{name} {number}")
    delay_s = chance.choice([0, chance.random() / 3])  # the sides still start, or are at work
    with started(*command(name, big_file)) as process:
        sides = until(lambda: sides_of(process.pid), "both sides")
        with watched(*sides) as all_ended:
            time.sleep(delay_s)
            since = Stopwatch()
            (os.killpg if to_all else os.kill)(process.pid, number)
            _, stderr = process.communicate(timeout=WAIT_LIMIT_S)
            all_ended()
            took_s = since.uncrowded_s
        assert process.returncode == status
        assert "Traceback" not in stderr
        assert took_s < STOP_LIMIT_S
        assert not objects_of(process.pid)


# --- a program that fails ---------------------------------------------------------------------------------------------


def streaming(plan: Plan, path: Path) -> Plan:
    """A stream whose file has become a directory by the time the host reads it."""
    return replace(plan, config=msgspec.structs.replace(plan.config, program="stream", file=str(path)))


@pytest.mark.parametrize("mode", list(Mode))
def test_an_exception_in_a_program_is_named_and_the_other_side_ends_at_once(mode: Mode, tmp_path: Path) -> None:
    plan = planned(None if mode is Mode.DIRECT else "sc", messages=100, mode=mode)
    since = Stopwatch()
    with pytest.raises(SideFailed, match=r"the host's program failed: .*IsADirectoryError"):
        run(streaming(plan, tmp_path), range(1, 2))
    assert since.uncrowded_s < STOP_LIMIT_S


def test_a_machine_serves_on_after_an_exception_in_a_program(tmp_path: Path) -> None:
    plan = planned("sc", messages=50)
    with Machine(plan.config) as machine:
        failed = run_seed(machine, streaming(plan, tmp_path), 1)
        assert [report.outcome for report in failed.reports] == ["error", "finished"]
        assert run_seed(machine, plan, 1).messages == 50
