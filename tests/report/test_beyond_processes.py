"""Findings that no run of processes shows have their story, site and picture; a hang tells what was watched in vain."""

from __future__ import annotations

from pathlib import Path

import pytest

import amp
from amp.lab import witness
from amp.report.html import render_html
from amp.report.shapes import Shape

LATE = """
import amp
box = amp.Layout(flag=amp.u32, ack=amp.u32, data=amp.u32)
publish = amp.Site("publish", "data before flag", needs="WW", kind="wmb")
release = amp.Site("release", "data read before ack", needs="RW", kind="mb")

@amp.program(layout=box, sites=[publish, release])
class Late:
    "The data are written again as soon as they are acknowledged."

    def host(self, cpu, at):
        cpu.store(at.data, 1)
        cpu.barrier(publish)
        cpu.store(at.flag, 1)
        cpu.poll(at.ack, lambda ack: ack == 1)
        cpu.store(at.data, 2)

    def remote(self, cpu, at):
        cpu.poll(at.flag, lambda flag: flag == 1)
        got = cpu.load(at.data)
        cpu.barrier(release)
        cpu.store(at.ack, 1)
        assert got != 2

@amp.program(layout=box, sites=[publish])
class Hang:
    "The acknowledgement is another one than what is waited for."

    def host(self, cpu, at):
        cpu.store(at.flag, 1)
        cpu.poll(at.ack, lambda ack: ack == 2)

    def remote(self, cpu, at):
        cpu.poll(at.flag, lambda flag: flag == 1)
        cpu.store(at.ack, 1)
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("beyond") / "beyond.py"
    path.write_text(LATE)
    return str(path)


@pytest.fixture(scope="module")
def late(program: str) -> amp.Finding:
    found = amp.verify(f"{program}:Late", platform="arm64", weaken=["release=none"]).finding
    assert found is not None
    return found


def told(finding: amp.Finding) -> dict[str, str]:
    return dict(finding.why)


def test_an_acknowledgement_that_overtook_the_load_has_its_pair_its_site_and_its_cure(
    program: str, late: amp.Finding
) -> None:
    said = told(late)
    assert said["What"] == (
        "The remote read data at beyond.py:20 (A), then handed it back with ack at beyond.py:22 (B). A was performed "
        "after B: the host had written the buffer again."
    )
    assert late.site == "release"
    assert said["Cure"] == "smp_mb (dmb ish) at release: the least of its kind that orders it here, class smp"
    assert said["Tried"].startswith("no: this is the explorer's own execution, for processes do not repeat it: a load")
    assert amp.verify(f"{program}:Late", platform="arm64", weaken=["release=smp"]).verified


def test_each_access_of_it_has_its_line_of_the_program_also_one_that_the_explorer_makes_for_a_poll(
    late: amp.Finding,
) -> None:
    assert "load flag -> 1  beyond.py:19" in str(late)
    assert "load ack -> 1  beyond.py:15" in str(late)


def test_it_is_drawn_and_what_was_saved_of_it_is_told_again(late: amp.Finding, tmp_path: Path) -> None:
    saved = tmp_path / "w.json"
    late.save(str(saved))
    plan, again = witness.load(str(saved))
    assert amp.explain(str(saved)).why == late.why
    assert again.trace is not None
    assert again.explanation is not None
    assert again.explanation.shape is Shape.LATE_LOAD
    page = render_html(again.trace, again.explanation, plan.name_of, verdict="", replay=None)
    assert "store ack = 1" in page
    assert "too new: value of #" in page


@pytest.mark.parametrize("barriers", ["smp", "mandatory"])
def test_a_barrier_that_orders_the_load_leaves_nothing_to_tell(program: str, barriers: str) -> None:
    assert amp.verify(f"{program}:Late", platform="arm64", barriers=barriers).verified


@pytest.mark.slow
def test_a_hang_says_what_was_watched_and_who_wrote_it_last(program: str) -> None:
    found = amp.verify(f"{program}:Hang", platform="arm64").finding
    assert found is not None
    waits = told(found)["Waits"]
    assert "The host loaded ack" in waits
    assert "and got 1" in waits
    assert "the remote's store ack = 1" in waits
    assert waits.endswith("that is the last store there.")
    assert "doorbell" not in waits


def test_a_lost_kick_says_what_came_after_the_last_look() -> None:
    found = amp.verify("vring-flags", platform="paranoid", weaken=["S7=none"]).finding
    assert found is not None
    waits = told(found)["Waits"]
    assert "it missed the remote's store used.idx = 1" in waits
    assert "and it never looked again. It sleeps since #" in waits
    assert waits.endswith("nobody has rung its doorbell.")
