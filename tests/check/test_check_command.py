"""`amp check`: what it says and ends with, where all is as expected, where it is not, and where nobody knows."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest
from check_projects import LINE_OF_CONSUME, LINE_OF_PUBLISH, checked, project, told
from commands import AMP, here

from amp.check.config import load
from amp.check.judged import Mark, judge
from amp.check.records import Asked, CellFinding, CellOutcome

LITMUS = Path(__file__).parents[1] / "litmus" / "data"
WEAK = """
[defaults]
platforms = ["arm64-domains", "omap4-2011"]

[checks.handover]
program = "handover.py"
barriers = "smp"
"""


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose gate is red on two platforms for one site."""
    return project(tmp_path_factory.mktemp("weak"), WEAK)


def test_a_weak_site_is_one_finding_at_its_line_wherever_it_is_seen(weak: Path) -> None:
    data = told(weak)
    assert (data["status"], data["violations"]) == ("violation", 1)
    [finding] = data["findings"]
    assert (finding["file"], finding["line"], finding["site"]) == ("handover.py", LINE_OF_PUBLISH, "publish")
    assert finding["cells"] == ["arm64-domains smp", "omap4-2011 smp"]
    assert (weak / finding["witness"]).is_file()
    assert [cell["mark"] for cell in data["cells"]] == ["failed", "failed"]


def test_a_weakened_site_is_one_finding_at_its_own_line(tmp_path: Path) -> None:
    table = '[checks.{0}]\nprogram = "handover.py"\nplatforms = "arm64-domains"\nweaken = "{0}=none"\n'
    data = told(project(tmp_path, "".join(map(table.format, ("publish", "consume")))))
    found = [(each["check"], each["file"], each["line"], each["site"]) for each in data["findings"]]
    assert found == [
        ("publish", "handover.py", LINE_OF_PUBLISH, "publish"),
        ("consume", "handover.py", LINE_OF_CONSUME, "consume"),
    ]


def test_the_table_fits_80_columns_and_the_story_follows(weak: Path) -> None:
    checked(weak)
    done = checked(weak)
    assert done.returncode == 1
    table, _, rest = done.stdout.partition("handover.py:")
    assert max(map(len, table.splitlines())) <= 80
    assert rest.startswith(f"{LINE_OF_PUBLISH}: handover: violation by the remote: check failed at handover.py:")
    assert "  Cure: dma_wmb (dmb oshst) at publish" in rest
    for what, command in (("Explain", "explain"), ("Repeat", "replay")):
        assert f"\n  {what}: amp {command} .amp/witnesses/handover.py-arm64-domains-smp-" in rest
    [explain] = re.findall(r"\n  Explain: amp (.*)", rest)
    head = subprocess.run([*AMP, *explain.split()], cwd=weak, capture_output=True, text=True, check=False).stdout
    # One platform of the two is the finding's; the head line names the program and that.
    assert re.match(r"Violation at publish: \w+ on (arm64-domains|omap4-2011), smp barriers, lockstep; by ", head), head
    assert done.stdout.splitlines()[-1].startswith("0 of 2 cells as expected, 2 failed, 2 unchanged; ")
    quiet = checked(weak, "--quiet").stdout
    assert quiet.startswith("handover.py:")
    assert "as expected" not in quiet


def test_the_page_of_what_was_kept_is_that_of_what_was_explored(weak: Path) -> None:
    fresh = checked(weak, "--no-cache", "--quiet", "--html", "fresh.html")
    kept = checked(weak, "--quiet", "--html", "kept.html")
    assert (fresh.returncode, fresh.stderr, kept.stderr) == (1, "amp: wrote fresh.html\n", "amp: wrote kept.html\n")
    assert fresh.stdout == kept.stdout == checked(weak, "--quiet").stdout
    assert told(weak)["cells"][0]["cached"]
    page = (weak / "fresh.html").read_bytes()
    assert (weak / "kept.html").read_bytes() == page
    assert page.count(b'<article class="finding"') == page.count(b'role="application"') == 1


@pytest.mark.slow
def test_a_finding_says_what_shows_it_again_from_where_one_stands(weak: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(weak.parent)
    lines = here("check", "--config", weak / "amp.toml").stdout.splitlines()
    said = dict(line.strip().split(": ", 1) for line in lines if line.startswith(("  Explain: ", "  Repeat: ")))
    explained, repeated = (here(*shlex.split(said[what])[1:]) for what in ("Explain", "Repeat"))
    assert (explained.returncode, repeated.returncode) == (1, 1)
    assert "dma_wmb (dmb oshst) at publish" in explained.stdout
    assert repeated.stdout.startswith("the same violation, the same trace: ")
    assert told(weak, "--config", "amp.toml")["findings"][0]["again"][0].startswith("amp explain .amp/witnesses/")


@pytest.mark.slow
def test_how_many_work_at_a_time_changes_nothing_of_what_is_said(weak: Path) -> None:
    def said(*options: object) -> list[object]:
        data = told(weak, *options)
        return [data["findings"], [[cell["platform"], cell["status"]] for cell in data["cells"]]]

    assert said() == said("--jobs", 1, "--no-cache")


def test_a_violation_that_is_expected_at_its_site_is_as_expected(weak: Path) -> None:
    text = WEAK + 'expect = "violation"\nsite = "{}"\n'
    for site, status in (("publish", 0), ("consume", 1), ("publsh", 2)):
        (weak / "other.toml").write_text(text.format(site))
        done = checked(weak, "--config", "other.toml", "--quiet")
        assert done.returncode == status
    assert done.stdout.splitlines()[0] == (
        "other.toml:5: checks.handover.site: no site 'publsh' (it has publish, consume)"
    )


def test_a_bound_that_is_reached_is_inconclusive_and_no_verdict(tmp_path: Path) -> None:
    text = '[checks.ring]\nprogram = "vring"\nplatforms = "sc"\nmax_executions = 2\n'
    done = checked(project(tmp_path, text), "--quiet")
    assert (done.returncode, done.stdout) == (3, "ring: sc mandatory: inconclusive: 2 runs\n")
    assert not list((tmp_path / ".amp").rglob("*.json")), "nothing of it is kept"


def test_litmus_tests_are_compared_with_their_conditions(tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "SB+po+mfence.litmus").write_text((LITMUS / "X86" / "SB+po+mfence.litmus").read_text())
    text = '[checks.suite]\nlitmus = "tests"\n{}'
    data = told(project(tmp_path, text.format("")))
    [cell] = data["cells"]
    expected = "holds" if cell["mark"] == "ok" else "violation"
    assert data["status"] == expected
    seen = cell["status"]
    assert seen in ("never", "sometimes", "always")
    (tmp_path / "amp.toml").write_text(text.format(f'expect = "{seen}"\n'))
    data = told(tmp_path)
    assert (data["status"], data["cells"][0]["cached"]) == ("holds", True)
    other = "never" if seen != "never" else "sometimes"
    (tmp_path / "amp.toml").write_text(text.format(f'expect = "{other}"\n'))
    data = told(tmp_path)
    [finding] = data["findings"]
    assert finding["file"] == "tests/SB+po+mfence.litmus"
    line = (tests / "SB+po+mfence.litmus").read_text().splitlines()[finding["line"] - 1]
    assert line.startswith(("exists", "forall", "~exists"))


WRONG_PROGRAMS = {
    "import nowhere": "handover.py:2: ModuleNotFoundError: No module named 'nowhere'",
    "def": "handover.py:2: SyntaxError: invalid syntax",
    "raise ValueError('no')": "handover.py:2: ValueError: no",
    "import os; os.kill(os.getpid(), 9)": "inconclusive: the process that explored it ended with signal SIGKILL",
    "import os; os._exit(3)": "inconclusive: the process that explored it ended with exit status 3",
}


@pytest.mark.parametrize(
    "line",
    [each if each == "import nowhere" else pytest.param(each, marks=pytest.mark.slow) for each in WRONG_PROGRAMS],
)
def test_a_program_that_is_wrong_is_one_line_and_the_others_are_explored(line: str, tmp_path: Path) -> None:
    text = '[checks.a]\nprogram = "handover.py"\n[checks.b]\nprogram = "vring"\nplatforms = "sc"\n'
    folder = project(tmp_path, text)
    (folder / "handover.py").write_text(f"print('not the gate says this')\n{line}")
    done = checked(folder, "--quiet")
    [said] = done.stdout.splitlines()
    assert WRONG_PROGRAMS[line] in said
    assert done.returncode == (3 if "inconclusive" in said else 2)


@pytest.mark.parametrize("as_json", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_ctrl_c_tells_what_was_found_so_far(as_json: bool, tmp_path: Path) -> None:
    """The second cell would take days; what is there of the first is there."""
    text = '[checks.a]\nprogram = "vring"\nplatforms = "sc"\n[checks.b]\nprogram = "endless.py"\nplatforms = "sc"\n'
    folder = project(tmp_path, text)
    ready = folder / "ready"
    (folder / "endless.py").write_text(f"open({str(ready)!r}, 'w').close()\nimport time\ntime.sleep(86400)\n")
    os.mkfifo(ready)
    command = [*AMP, "check", "--jobs", "1", *(["--json"] if as_json else [])]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, start_new_session=True, text=True) as process:
        ready.open("rb").close()  # the first is done, the second has begun
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=240)
    assert process.returncode == 130
    if as_json:
        assert [cell["status"] for cell in json.loads(out)["cells"]] == ["verified", "not run"]
    else:
        assert "1 of 2 cells as expected, 1 not run; " in out


@pytest.mark.parametrize(
    ("expect", "status", "mark"),
    [
        ("verified", "verified", Mark.OK),
        ("verified", "violation", Mark.FAILED),
        ("verified", "inconclusive", Mark.INCONCLUSIVE),
        ("violation", "violation", Mark.OK),
        ("violation", "verified", Mark.FAILED),
        ("violation", "inconclusive", Mark.INCONCLUSIVE),
        ("inconclusive", "inconclusive", Mark.OK),
        ("inconclusive", "verified", Mark.FAILED),
        ("inconclusive", "violation", Mark.FAILED),
        ("verified", "error", Mark.ERROR),
        ("inconclusive", "error", Mark.ERROR),
        ("verified", "not run", Mark.NOT_RUN),
        ("inconclusive", "not run", Mark.NOT_RUN),
    ],
)
def test_each_verdict_against_each_expectation(expect: str, status: str, mark: Mark, tmp_path: Path) -> None:
    text = f'[checks.a]\nprogram = "vring"\nexpect = "{expect}"\n'
    [check] = load(project(tmp_path, text) / "amp.toml").checks
    found = CellFinding(kind="FailedCheck", text="wrong", site="S1") if status == "violation" else None
    assert judge(check, Asked(program="vring"), CellOutcome(status=status, found=found)).mark is mark  # type: ignore[arg-type]
