"""A finding is reported whatever becomes of its replay; schedules of strangers are one line and status 2."""

from __future__ import annotations

import json
import resource
import subprocess
from pathlib import Path
from random import Random

import pytest
from commands import AMP
from commands import here as amp

from amp.errors import ScheduleMismatch, UsageError
from amp.explore.explorer import Bounds, Chooser
from amp.lab.machine import Machine
from amp.lab.plan import Plan, make_plan
from amp.lab.run import check_ended
from amp.lab.verify import along, sample, verify
from amp.machine.schedule import COUNT_LIMIT, Goal, Read, Schedule, Taken, Visible

BOUNDS = Bounds(executions=200_000, seconds=120)
REGION_LIMIT_BYTES = 200 << 10  # no region of two processes is as small

# A DMB orders memory accesses and does not complete: the tail pointer register of a DMA is no memory.
DMB_BEFORE_DEVICE = """
name = "dmb"
summary = "A Cortex-M whose dmb does not hold back a register of a device"
source = "Arm ARM DDI 0403E, A3.7.3: dmb orders explicit memory accesses, dsb completes them"
base = "omap4-2011"

[[remote.rows]]
primitive = "smp_wmb"
instruction = "dmb"
orders = ["RR", "RW", "WR", "WW"]
reach = "system"
source = "Arm ARM DDI 0403E, A3.7.3"
"""


def planned(scenario: str, platform: str, *weaken: str, messages: int = 2) -> Plan:
    return make_plan(scenario, platform=platform, weaken=weaken, messages=messages)


@pytest.mark.parametrize("pairs", ['"WR"', '"RR", "RW", "WR", "WW"', '"WR", "WD"', '"WW"', '"RW", "WW", "WR", "WD"'])
def test_findings_behind_a_barrier_of_any_pairs_are_repeated(tmp_path: Path, pairs: str) -> None:
    path = tmp_path / "dmb.toml"
    path.write_text(DMB_BEFORE_DEVICE.replace('"RR", "RW", "WR", "WW"', pairs))
    told = amp("verify", "doorbell", "--platform", path, "--weaken", "K1=smp", "--json")
    found = json.loads(told.stdout)
    assert (told.returncode, found["status"]) == (1, "violation"), told.stderr
    assert (found["counterexample"]["repeated"], found["counterexample"]["not_repeated"]) == (True, None)
    assert found["counterexample"]["finding"]["replay"]


def without_room(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command where no region can be made."""
    limit = (REGION_LIMIT_BYTES, REGION_LIMIT_BYTES)
    return subprocess.run(
        [*AMP, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )


class TestNoRoomForTwoProcesses:
    def test_the_finding_is_reported_with_its_story_and_says_why_it_is_not_repeated(self) -> None:
        told = without_room("verify", "vring", "--weaken", "S1=smp")
        text = " ".join(told.stdout.split())
        assert told.returncode == 1, told.stderr
        assert "violation by the remote" in text
        assert "not repeated in two processes: cannot create a region" in text
        assert "repeated in two processes: yes" not in text
        assert "early: the value it had at the start" in text
        assert "Site S1, at the host (driver, virtqueue.py:" in text
        assert "Replay" not in text

    def test_so_says_its_data(self) -> None:
        told = without_room("verify", "vring", "--weaken", "S1=smp", "--json")
        found = json.loads(told.stdout)
        assert (told.returncode, found["status"], found["violations"]) == (1, "violation", 1)
        assert not found["counterexample"]["repeated"]
        assert "cannot create a region" in found["counterexample"]["not_repeated"]
        assert found["counterexample"]["finding"]["replay"] is None
        assert found["counterexample"]["finding"]["story"]

    def test_what_is_saved_is_explained_and_not_replayed(self, tmp_path: Path) -> None:
        path = tmp_path / "witness.json"
        assert without_room("verify", "vring", "--weaken", "S1=smp", "--save", path).returncode == 1
        explained, replayed = amp("explain", path), amp("replay", path)
        assert explained.returncode == 1
        assert "not repeated in two processes: cannot create a region" in " ".join(explained.stdout.split())
        assert "B visible: avail.idx = 1; A is not" in explained.stdout
        assert (replayed.returncode, replayed.stdout) == (2, "")
        assert len(replayed.stderr.splitlines()) == 1
        assert "its processes did not repeat it when it was found" in replayed.stderr
        drawn = amp("explain", path, "--html", tmp_path / "page.html")
        assert (drawn.returncode, drawn.stderr) == (1, f"amp: wrote {tmp_path / 'page.html'}\n")
        assert json.loads(amp("explain", path, "--json").stdout)["not_repeated"]

    def test_the_matrix_has_the_cell_all_the_same(self) -> None:
        told = without_room("sites", "spsc-vring", "--platform", "arm64", "--json")
        assert told.returncode == 0, told.stderr
        assert '"broken"' in told.stdout


@pytest.mark.a_few(2)
@pytest.mark.parametrize("chooser", [Chooser.RANDOM, Chooser.PCT])
@pytest.mark.parametrize(("scenario", "weakened"), [("vring-flags", "S7=none"), ("vring", "B1=none")])
def test_what_chance_finds_is_a_violation_and_repeated(chooser: Chooser, scenario: str, weakened: str) -> None:
    verdict = sample(planned(scenario, "paranoid", weakened, messages=3), chooser, 5, 3, Bounds(5000, 60))
    assert verdict.status == "violation"
    assert verdict.counterexample is not None
    assert verdict.counterexample.repeated, verdict.counterexample.witness.not_repeated


# --- schedules by strangers -------------------------------------------------------------------------------------------


def any_goal(chance: Random, cpus: int) -> Goal:
    cpu, count = chance.randrange(cpus), chance.choice((*range(20), COUNT_LIMIT))
    part = chance.choice((0, 0, 0, 1))
    source = chance.choice((None, (chance.randrange(cpus), chance.randrange(20))))
    return chance.choice((Visible(cpu, count, part), Read(cpu, count, part, source), Taken(cpu)))


def strange_schedules(known: Schedule, number: int) -> list[Schedule]:
    """A good one that was changed here and there, or goals of any kind."""
    chance, schedules = Random(number), []
    for _ in range(number):
        goals = list(known.goals) if chance.random() < 0.5 else []
        for _ in range(chance.randrange(1, 4) if goals else chance.randrange(12)):
            at = chance.randrange(len(goals) + 1)
            goals[at : at + chance.randrange(2)] = [any_goal(chance, chance.choice((2, 2, 2, 6)))]
        schedules.append(Schedule(tuple(goals)))
    return schedules


@pytest.fixture(scope="module")
def known() -> Schedule:
    found = verify(planned("vring", "omap4-2011", "S1=smp"), BOUNDS).counterexample
    assert found is not None
    assert found.shrunk.schedule is not None
    return found.shrunk.schedule


def assert_one_line(error: Exception) -> None:
    assert getattr(error, "exit_status", None) == 2
    assert "\n" not in str(error)


@pytest.mark.parametrize("scenario", ["vring", "vring-flags", "doorbell"])
def test_the_explorer_goes_along_a_stranger_s_schedule_or_says_in_a_line_why_not(
    known: Schedule, scenario: str
) -> None:
    refused = 0
    for schedule in strange_schedules(known, 40):
        try:
            verdict = along(planned(scenario, "paranoid", messages=1), schedule)
            assert verdict.exit_status in (1, 3)
        except UsageError as error:
            assert_one_line(error)
            refused += 1
    assert refused > 10


@pytest.mark.a_few(2)
@pytest.mark.parametrize("scenario", ["vring", "vring-flags", "doorbell"])
def test_so_do_two_processes(known: Schedule, scenario: str) -> None:
    plan, refused = planned(scenario, "paranoid", messages=1), 0
    with Machine(plan.config) as machine:
        for schedule in strange_schedules(known, 60):
            try:
                token = schedule.token()
                outcome = machine.run(plan.with_config(schedule=token).config, plan.platform, plan.sites)
                check_ended(outcome, plan.program.part_names)
            except (ScheduleMismatch, UsageError) as error:
                assert_one_line(error)
                refused += 1
    assert refused > 10


@pytest.mark.parametrize("command", [("run", "vring", "--mode", "lockstep"), ("verify", "vring")])
def test_the_command_line_refuses_them_with_one_line_and_status_2(command: tuple[str, ...], known: Schedule) -> None:
    foreign = Schedule((*known.goals[:3], Read(5, 0), Taken(0)))
    misfit = Schedule((Visible(0, 0), Read(1, 0, source=(0, 7))))
    for token in (foreign.token(), misfit.token(), known.token()[:-2], "s1.", "", "s1." + "A" * 100_000):
        told = amp(*command, "--platform", "omap4-2011", "--schedule", token)
        assert (told.returncode, told.stdout) == (2, ""), token
        assert len(told.stderr.splitlines()) == 1, told.stderr


# --- without Python's assertions --------------------------------------------------------------------------------------


def without_assertions(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [AMP[0], "-O", *AMP[1:], *map(str, arguments)], capture_output=True, text=True, timeout=100, check=False
    )


@pytest.mark.a_few(2)
@pytest.mark.parametrize(
    "command",
    [
        ("verify", "vring", "--weaken", "S1=smp", "--json"),
        ("verify", "vring-flags", "--platform", "paranoid", "--weaken", "S7=none", "--json"),
        ("verify", "spsc-vring", "--json"),
        ("verify", "vring", "--platform", "paranoid", "--weaken", "S1=none", "--chooser", "random", "--json"),
    ],
    ids=" ".join,
)
def test_verdicts_are_the_same_without_python_s_assertions(command: tuple[str, ...]) -> None:
    with_them, without = amp(*command), without_assertions(*command)
    told, again = json.loads(with_them.stdout), json.loads(without.stdout)
    told.pop("seconds")
    again.pop("seconds")
    assert (with_them.returncode, told) == (without.returncode, again)


def test_refusals_are_the_same_without_python_s_assertions(known: Schedule) -> None:
    foreign = Schedule((*known.goals[:3], Read(5, 0))).token()
    for command in (("run", "vring", "--schedule", foreign), ("verify", "vring", "--schedule", foreign)):
        with_them, without = amp(*command), without_assertions(*command)
        assert (with_them.returncode, with_them.stderr) == (without.returncode, without.stderr)
        assert with_them.returncode == 2
