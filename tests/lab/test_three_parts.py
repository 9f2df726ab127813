"""Programs of more parts than two, as users write them: verified, taken apart, run, saved, replayed, explained."""

from __future__ import annotations

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from own_programs import line_of
from rich.console import Console

import amp
from amp.cli.timeline import render_timeline
from amp.errors import UsageError
from amp.lab.machine import Machine
from amp.lab.plan import make_plan
from amp.lab.witness import load
from amp.machine.config import Mode

LIMIT_S = 120
RELAY = '''
import amp

box = amp.Layout(data=amp.u32, ready=amp.u32, flag=amp.u32)
publish = amp.Site("publish", "data before ready", needs="WW", kind="wmb", pairs_with="relay")
relay = amp.Site("relay", "ready before flag", needs="RW", kind="mb", pairs_with="consume")
consume = amp.Site("consume", "flag before data", needs="RR", kind="rmb", pairs_with="relay")


@amp.program(layout=box, sites=[publish, relay, consume]{options})
class Relay:
    """One processor writes, a second announces it, a third reads."""

    def {first}(self, cpu, at):
        cpu.store(at.data, 42)
        cpu.barrier(publish)  # line of publish
        cpu.store(at.ready, 1)

    def {second}(self, cpu, at):
        cpu.poll(at.ready, lambda ready: ready == 1)
        cpu.barrier(relay)  # line of relay
        cpu.store(at.flag, 1)

    def {third}(self, cpu, at):
        cpu.poll(at.flag, lambda flag: flag == 1)
        cpu.barrier(consume)
        assert cpu.load(at.data) == 42
'''
FOUR = """
import amp

box = amp.Layout(data=amp.u32[4], flag=amp.u32[4])
SITE = amp.Site("publish", "data before flag", needs="WW", kind="wmb")


@amp.program(layout=box, sites=[SITE])
class Crowd:
    def host(self, cpu, at):
        for each in range(3):
            cpu.store(at.data[each], each + 1)
        cpu.barrier(SITE)
        for each in range(3):
            cpu.store(at.flag[each], 1)

    def look(self, cpu, at, each):
        cpu.poll(lambda: cpu.load_acquire(at.flag[each]) or None)
        assert cpu.load(at.data[each]) == each + 1

    def host2(self, cpu, at):
        self.look(cpu, at, 0)

    def remote(self, cpu, at):
        self.look(cpu, at, 1)

    def remote2(self, cpu, at):
        self.look(cpu, at, 2)
"""
PLACES = (("host", "host2", "remote"), ("host", "remote", "host2"), ("host", "remote", "remote2"))


def relay(folder: Path, names: tuple[str, ...] = PLACES[0], options: str = "") -> Path:
    path = folder / "relay.py"
    path.write_text(RELAY.format(first=names[0], second=names[1], third=names[2], options=options))
    return path


def amp_(*words: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("amp")), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)


@pytest.mark.parametrize("names", PLACES, ids="-".join)
def test_a_relay_holds_with_mandatory_barriers_wherever_its_parts_stand(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = str(relay(tmp_path, names))
    assert amp.verify(path, platform="arm64,arm64-domains,riscv,x86-wb,x86-wc,sc", barriers="mandatory").verified


@pytest.mark.a_few(1)
@pytest.mark.parametrize(("names", "site"), list(zip(PLACES, ("relay", None, None), strict=True)))
def test_a_counterexample_is_repeated_by_a_process_for_each_part(
    tmp_path: Path, names: tuple[str, ...], site: str | None
) -> None:
    path = relay(tmp_path, names)
    found = amp.verify(str(path), platform="arm64-domains", barriers="smp").finding
    assert found is not None
    assert (found.part, found.kind) == (names[2], "FailedCheck")
    assert found.schedule.startswith("s1.")
    if site is not None:
        assert found.site == site
        assert any(f"relay.py:{line_of(path, f'line of {site}')}" in line for line in found.story)
        assert dict(found.why)["Site"].startswith(f"{site}, at the host2")
    saved = str(tmp_path / "w.json")
    found.save(saved)
    again = amp.replay(saved)
    assert again.same
    assert (again.finding.text, again.finding.site) == (found.text, found.site)


def test_siblings_alone_need_no_more_than_smp_barriers(tmp_path: Path) -> None:
    path = str(relay(tmp_path, ("host", "host2", "host3")))
    assert amp.verify(path, platform="arm64-domains", barriers="smp").verified
    assert not amp.verify(path, platform="arm64-domains", barriers="none").verified


def test_a_part_that_is_apart_has_no_siblings(tmp_path: Path) -> None:
    names, apart = ("host", "host2", "host3"), ', apart=["host3"]'
    assert not amp.verify(str(relay(tmp_path, names, apart)), platform="arm64-domains", barriers="smp").verified
    with pytest.raises(UsageError, match=r"Relay: apart names 'remote', its parts are host, host2, host3"):
        amp.verify(str(relay(tmp_path, names, ', apart=["remote"]')), platform="arm64")


def test_the_matrix_tells_classes_apart_by_what_they_are_worth_to_siblings(tmp_path: Path) -> None:
    """Towards the others smp and none are one there. What the remote has seen its writer's sibling saw before.

    The store behind the poll waits for it anyway, but not for what a sibling's store is carried along with.
    """
    needs = {}
    for names in (*PLACES[:2], ("host", "host2", "host3")):
        told = str(amp.sites(str(relay(tmp_path, names)), platform="arm64-domains"))
        needs[names] = [line.split(" needs ")[1].split(":")[0] for line in told.splitlines() if " needs " in line][:3]
    assert list(needs.values()) == [["dma", "dma", "dma"], ["smp", "none", "dma"], ["smp", "none", "smp"]]


@pytest.mark.parametrize("mode", [Mode.FREE, Mode.LOCKSTEP])
def test_seeded_runs_of_a_process_each_show_what_the_explorer_finds(tmp_path: Path, mode: Mode) -> None:
    path = str(relay(tmp_path))
    broken = amp.run(path, platform="arm64-domains", barriers="smp", mode=mode.value, seeds=20)
    assert {finding.part for finding in broken.findings} == {"remote"}
    assert {finding.site for finding in broken.findings} <= {"publish", "relay", "consume"}
    assert amp.run(path, platform="arm64-domains", barriers="mandatory", mode=mode.value, seeds=12).holds


def test_each_part_is_a_process_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "crowd.py"
    path.write_text(FOUR)
    plan = make_plan(str(path), mode=Mode.FREE, platform="arm64")
    with Machine(plan.config) as machine:
        assert len(set(machine.pids)) == 4
        outcome = machine.run(plan.config, plan.platform, plan.sites)
        assert [report.outcome for report in outcome.reports] == ["done"] * 4
    assert amp.verify(str(path), platform="arm64,arm64-domains,riscv").verified
    assert amp.run(str(path), mode="direct").holds


LATE = """
import amp

box = amp.Layout(data=amp.u32, flag=amp.u32)
relay = amp.Site("relay", "data before flag", needs="RW", kind="mb", pairs_with="consume")
consume = amp.Site("consume", "flag before data", needs="RR", kind="rmb", pairs_with="relay")


@amp.program(layout=box, sites=[relay, consume], apart=["host2", "remote"])
class Late:
    '''One processor writes, a second passes on what it has read, a third reads.'''

    def host(self, cpu, at):
        cpu.store(at.data, 1)

    def host2(self, cpu, at):
        data = cpu.load(at.data)
        {relay}
        cpu.store(at.flag, data)

    def remote(self, cpu, at):
        if cpu.load(at.flag) == 1:
            cpu.barrier(consume)
            assert cpu.load(at.data) == 1
"""


def test_a_store_that_one_has_seen_and_another_has_not_is_found_where_the_platform_has_it(tmp_path: Path) -> None:
    path, saved = tmp_path / "late.py", str(tmp_path / "w.json")
    path.write_text(LATE.format(relay="pass  # the data dependency is no barrier"))
    assert amp.verify(str(path), platform="arm64").verified
    found = amp.verify(str(path), platform="armv7-smp").finding
    assert found is not None
    assert "reach one observer before another" in found.as_dict()["not_repeated"]
    found.save(saved)
    told = " ".join(amp_("explain", saved).stdout.split())
    assert "host: store 0 is made, and reaches the others one by one: data" in told
    assert "load 1 of data returns initial memory, not what step 1 has made: that has not reached the remote" in told
    assert amp_("replay", saved).returncode == 2
    path.write_text(LATE.format(relay="cpu.barrier(relay)"))
    assert amp.verify(str(path), platform="armv7-smp", barriers="mandatory").verified


def test_runs_say_that_they_do_not_show_it(tmp_path: Path) -> None:
    path = str(relay(tmp_path))
    held = amp_("run", path, "--platform", "armv7-smp", "--barriers", "mandatory")
    assert held.returncode == 0
    assert "a store may reach one observer before another: by chance, and by no schedule" in held.stdout
    held = amp_("run", path, "--platform", "arm64", "--barriers", "mandatory")
    assert "one observer before another" not in held.stdout


def test_a_table_has_every_platform(tmp_path: Path) -> None:
    table = amp_("verify", str(relay(tmp_path)), "--platform", "all", "--barriers", "mandatory")
    assert table.returncode == 0
    assert table.stdout.count(" verified ") == 10


@pytest.mark.parametrize(("columns", "heading"), [(100, "host2"), (80, "host2"), (60, "part")])
def test_the_story_fits_the_terminal(tmp_path: Path, columns: int, heading: str) -> None:
    saved, out = str(tmp_path / "w.json"), StringIO()
    found = amp.verify(str(relay(tmp_path)), platform="arm64-domains", barriers="smp").finding
    assert found is not None
    found.save(saved)
    plan, shown = load(saved)
    assert shown.trace is not None
    assert shown.explanation is not None
    render_timeline(Console(file=out, width=columns), shown.trace, shown.explanation, plan.name_of)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= columns
    assert any(f"│ {heading}" in line for line in lines)
    assert any("siblings see: data" in line for line in lines)


def test_the_story_is_told_by_the_command(tmp_path: Path) -> None:
    shown = amp_("verify", str(relay(tmp_path)), "--platform", "arm64-domains", "--barriers", "smp")
    assert shown.returncode == 1
    assert "repeated in three processes: yes" in shown.stdout
    assert "siblings see: data = 42" in shown.stdout
