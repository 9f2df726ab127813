"""What a Python program calls: plain records that print, convert to JSON, and load neither click nor rich."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from own_programs import handover, line_of

import amp
from amp.errors import UsageError

LIMIT_S = 120


def test_verify_gives_a_cell_for_each_platform_and_the_smallest_finding(tmp_path: Path) -> None:
    path = handover(tmp_path)
    found = amp.verify(str(path), platform="arm64,arm64-domains", barriers=["smp", "mandatory"])
    assert (found.status, found.verified) == ("violation", False)
    assert [(cell.platform, cell.barriers, cell.status) for cell in found.cells] == [
        ("arm64", "smp", "verified"),
        ("arm64", "mandatory", "verified"),
        ("arm64-domains", "smp", "violation"),
        ("arm64-domains", "mandatory", "verified"),
    ]
    finding = found.finding
    assert finding is not None
    assert (finding.part, finding.kind, finding.site) == ("remote", "FailedCheck", "publish")
    assert finding.schedule.startswith("s1.")
    assert finding.schedule in finding.command
    assert any(f"handover.py:{line_of(path, 'line of publish')}" in line for line in finding.story)
    assert dict(finding.why)["Site"].startswith("publish, at the host")
    assert "violation by the remote on arm64-domains" in str(found)
    assert json.loads(json.dumps(found.as_dict()))["violations"] == 1
    assert json.loads(json.dumps(finding.as_dict()))["kind"] == "FailedCheck"


def test_a_verification_is_no_truth_value_by_itself(tmp_path: Path) -> None:
    found = amp.verify(str(handover(tmp_path)))
    assert found.verified
    assert found.finding is None
    with pytest.raises(UsageError, match=r"ask for \.verified"):
        bool(found)


def test_a_finding_is_saved_explained_and_replayed(tmp_path: Path) -> None:
    finding = amp.verify(str(handover(tmp_path)), barriers="smp").finding
    assert finding is not None
    saved = str(tmp_path / "w.json")
    finding.save(saved)
    told = amp.explain(saved)
    assert (told.text, told.site, told.story, told.why) == (finding.text, finding.site, finding.story, finding.why)
    again = amp.replay(saved)
    assert (again.same, again.finding) == (True, told)


def test_run_gives_every_violation_and_a_sample_that_holds_says_so(tmp_path: Path) -> None:
    path = str(handover(tmp_path))
    broken = amp.run(path, barriers="smp", platform="paranoid", seeds=40)
    assert (broken.runs, broken.holds) == (40, False)
    assert {finding.site for finding in broken.findings} <= {"publish", "consume"}
    assert amp.run(path, seeds=5).holds
    with pytest.raises(UsageError, match="mode is 'fast'"):
        amp.run(path, mode="fast")
    with pytest.raises(UsageError, match="seeds is 0"):
        amp.run(path, seeds=0)


def test_the_matrix_prints_and_converts(tmp_path: Path) -> None:
    matrix = amp.sites(str(handover(tmp_path)), platform="arm64")
    assert "publish (data before flag) needs smp" in str(matrix)
    assert json.loads(json.dumps(matrix.as_dict()))["program"] == "Handover"


def test_a_bound_makes_a_verdict_inconclusive_never_verified() -> None:
    found = amp.verify("vring-flags", max_executions=3)
    assert (found.status, found.verified, found.cells[0].bound) == ("inconclusive", False, "3 runs")


def test_a_program_made_inside_a_function_is_explored_and_says_why_no_process_can_repeat_it() -> None:
    site = amp.Site("s", "x before y", needs="WW", kind="wmb")

    @amp.program(layout=amp.Layout(x=amp.u32, y=amp.u32), sites=[site])
    class Inside:
        def host(self, cpu: amp.Port, at: object) -> None:
            cpu.store(at.x, 1)  # type: ignore[attr-defined]
            cpu.barrier(site)
            cpu.store(at.y, 1)  # type: ignore[attr-defined]

        def remote(self, cpu: amp.Port, at: object) -> None:
            cpu.poll(at.y, lambda y: y == 1)  # type: ignore[attr-defined]
            cpu.barrier(site)
            assert cpu.load(at.x) == 1  # type: ignore[attr-defined]

    assert amp.verify(Inside, platform="sc").verified
    found = amp.verify(Inside, barriers="none").finding
    assert found is not None
    assert (found.schedule, found.command) == ("", "")
    assert found.story
    with pytest.raises(UsageError, match="made inside a function"):
        amp.run(Inside)


IMPORTS = """
import sys, time
started = time.process_time()
import amp
first = time.process_time() - started
amp.verify
{use}
loaded = {{name.partition(".")[0] for name in sys.modules}}
print(first, time.process_time() - started, *sorted(loaded & {{"click", "rich", "numpy"}}))
"""


def imported(use: str) -> tuple[float, float, list[str]]:
    """CPU seconds of importing amp, and of that and `use`; the large libraries that came along. The best of five."""
    tries = []
    for _ in range(5):
        told = subprocess.run(
            [sys.executable, "-c", IMPORTS.format(use=use)], capture_output=True, text=True, timeout=LIMIT_S, check=True
        ).stdout.split()
        tries.append((float(told[0]), float(told[1]), told[2:]))
    return min(tries)


def test_importing_is_quick_and_brings_neither_click_nor_rich_nor_numpy() -> None:
    first, verify, libraries = imported('amp.verify("spsc-vring")')
    print(f"import amp {first:.3f} s, verify {verify:.3f} s of CPU")
    assert libraries == []
    assert first <= 0.15
    assert verify <= 0.6, "0.3 s on an idle machine; CPU time grows when caches are shared"


def test_every_public_name_is_there_and_has_a_docstring() -> None:
    for name in amp.__all__:
        value = getattr(amp, name)
        assert value.__doc__, name
    assert set(amp.__all__) <= set(dir(amp))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = amp.nothing


def test_sites_are_weakened_by_a_mapping_or_by_the_words_of_the_command_line() -> None:
    said = [amp.verify("vring", weaken=weaken) for weaken in ((), ["S1=smp"], {"S1": "smp"})]
    assert [each.status for each in said] == ["verified", "violation", "violation"]
    assert said[1].title == said[2].title


def test_a_finding_without_a_trace_cannot_be_saved(tmp_path: Path) -> None:
    platform = amp.platform("arm64")
    mine = dataclasses.replace(platform, name="mine")
    found = amp.verify("vring", platform=mine, barriers="none").finding
    assert found is not None
    assert found.command == ""
    with pytest.raises(UsageError, match="platform mine is no name and no file"):
        found.save(str(tmp_path / "w.json"))


def test_platforms_are_names_and_records_in_one_list() -> None:
    cells = amp.verify("doorbell", platform=["sc", amp.platform("arm64")]).cells
    assert [cell.platform for cell in cells] == ["sc", "arm64"]


def test_idle_and_symptoms_of_a_users_program_take_no_site_away(tmp_path: Path) -> None:
    path = handover(tmp_path)
    idle = "sites=[publish, consume], idle={consume: 'x'}"
    path.write_text(path.read_text().replace("sites=[publish, consume]", idle))
    assert not amp.verify(str(path), platform="arm64", weaken={"publish": "none"}).verified


def test_a_program_that_calls_a_site_idle_and_a_symptom_is_refused(tmp_path: Path) -> None:
    path = handover(tmp_path)
    both = "sites=[publish, consume], idle={consume: 'x'}, symptoms={consume: 'y'}"
    path.write_text(path.read_text().replace("sites=[publish, consume]", both))
    with pytest.raises(UsageError, match="consume stands in symptoms and in idle, expected one"):
        amp.verify(str(path))
