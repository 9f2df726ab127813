"""What the gate writes for CI: JUnit, SARIF, GitHub's commands and step summary, and the baseline of known findings."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import msgspec
import pytest
import xmlschema
from check_projects import LINE_OF_PUBLISH, checked, project, told
from sarif_schema import SCHEMA

from amp.check import baseline, github
from amp.check.config import Check
from amp.check.judged import NOT_RUN, JudgedCell, Mark, Summary, judge
from amp.check.junit import junit
from amp.check.page import page
from amp.check.places import root_of
from amp.check.records import Asked, CellFinding, CellOutcome
from amp.check.sarif import sarif

XSD = xmlschema.XMLSchema(str(Path(__file__).parent / "junit.xsd"))
HOSTILE = "a\x1b[31m\x00 <&'\"> ]]> \uffff ::error::%0A\n| `x` |"
ROOT = "/project"


def cell(
    told_so: CellOutcome, *, name: str = "ring", expect: str = "verified", known: tuple[str, ...] = (), **asked: Any
) -> JudgedCell:
    options = {"program": "ring.py", "platform": "arm64"} | asked
    question = Asked(**options)
    return judge(Check(name, f"{ROOT}/amp.toml:7", (question,), expect), question, told_so, known)


def found(text: str = "check failed", *, site: str = "publish", line: int = 12, path: str = "ring.py") -> CellOutcome:
    finding = CellFinding(
        kind="FailedCheck", text=text, part="remote", site=site, path=f"{ROOT}/{path}", line=line, story=("#1", text)
    )
    return CellOutcome(status="violation", barriers="smp", seconds=0.25, found=finding)


def all_marks() -> Summary:
    """A cell of each mark, with texts that somebody has made to be no text."""
    first = found(HOSTILE)
    known = (cell(first, name="old").fingerprint,)
    cells = (
        cell(CellOutcome(status="verified", seconds=1.5)),
        cell(first),
        cell(first, platform="riscv"),
        cell(CellOutcome(status="verified"), expect="violation"),
        cell(CellOutcome(status="inconclusive", why=HOSTILE)),
        cell(CellOutcome(status="error", why=HOSTILE, exit_status=2)),
        cell(NOT_RUN),
        cell(first, name="old", known=known),
        cell(
            CellOutcome(
                status="sometimes",
                holds=False,
                found=CellFinding(kind="Sometimes", text="MP", path=f"{ROOT}/MP.litmus", line=3),
            ),
            name="suite",
            expect="condition",
            program="",
            litmus="MP.litmus",
        ),
    )
    assert {each.mark for each in cells} == set(Mark)
    return Summary(cells, 2.0)


def test_junit_has_a_case_for_each_cell_and_keeps_its_schema() -> None:
    content = junit(all_marks()).decode()
    XSD.validate(content)
    root = ElementTree.fromstring(content)
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "9",
        "failures": "5",
        "errors": "1",
        "skipped": "1",
    }
    assert [suite.get("name") for suite in root] == ["ring", "old", "suite"]
    [case] = root.findall("./testsuite[@name='old']/testcase")
    assert [each.tag for each in case] == ["system-out"], "what is known has passed"
    failure = root.find("./testsuite/testcase/failure")
    assert failure is not None
    assert failure.get("type") == "FailedCheck"
    assert "\\x1b[31m" in str(failure.text)


@pytest.mark.parametrize(
    "broken",
    [
        ("<testcase ", "<test "),
        ('tests="9"', 'tests="many"'),
        ('classname="ring" ', ""),
        ("<skipped", "<ignored"),
    ],
)
def test_the_schema_refuses_what_is_no_junit(broken: tuple[str, str]) -> None:
    content = junit(all_marks()).decode()
    assert broken[0] in content
    changed = content.replace(*broken).replace("</testcase>", "</test>" if broken[1] == "<test " else "</testcase>")
    with pytest.raises((xmlschema.XMLSchemaException, ElementTree.ParseError)):
        XSD.validate(changed)


def log(summary: Summary) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(sarif(summary, ROOT))
    jsonschema.Draft202012Validator(SCHEMA).validate(data)
    return data


def test_sarif_has_a_result_for_each_finding_at_its_line_and_keeps_its_schema() -> None:
    [run] = log(all_marks())["runs"]
    places = [
        (
            result["ruleId"],
            result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            result["locations"][0]["physicalLocation"]["region"]["startLine"],
            result.get("baselineState"),
        )
        for result in run["results"]
    ]
    assert places == [
        ("amp/violation", "ring.py", 12, "new"),
        ("amp/violation", "ring.py", 12, "unchanged"),
        ("amp/litmus", "MP.litmus", 3, "new"),
        ("amp/expected", "amp.toml", 7, None),
    ]
    assert run["results"][0]["properties"]["cells"] == ["arm64 smp", "riscv smp"]
    assert [each["ruleIndex"] for each in run["results"]] == [0, 0, 1, 2]
    assert run["results"][1]["suppressions"]
    [invocation] = run["invocations"]
    assert not invocation["executionSuccessful"]
    assert [each["level"] for each in invocation["toolExecutionNotifications"]] == ["warning", "error", "warning"]


def test_a_place_with_blanks_or_outside_of_the_repository_is_an_address_all_the_same() -> None:
    places = [
        each["locations"][0]["physicalLocation"]["artifactLocation"]
        for told_so in (found(path="my ring.py"), found(path="../else/ring.py", line=3))
        for each in log(Summary((cell(told_so),), 0))["runs"][0]["results"]
    ]
    assert places == [{"uri": "my%20ring.py", "uriBaseId": "SRCROOT"}, {"uri": "file:///else/ring.py"}]


@pytest.mark.parametrize(
    "change",
    [
        lambda log: log.pop("version"),
        lambda log: log.update(version="2.0.0"),
        lambda log: log["runs"][0].pop("tool"),
        lambda log: log["runs"][0]["results"][0].update(level="fatal"),
        lambda log: log["runs"][0]["results"][0].pop("message"),
        lambda log: log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"].update(startLine=0),
        lambda log: log["runs"][0]["invocations"][0].pop("executionSuccessful"),
    ],
)
def test_the_schema_refuses_what_is_no_sarif(change: Any) -> None:
    data = log(all_marks())
    change(data)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(data)


def test_a_fingerprint_stays_when_lines_and_texts_change_and_differs_by_site() -> None:
    first, moved, other = cell(found()), cell(found("another text", line=90)), cell(found(site="consume"))
    assert first.fingerprint == moved.fingerprint
    assert first.fingerprint != other.fingerprint
    assert first.fingerprint != cell(found(), platform="riscv").fingerprint
    one, two = (Summary((each,), 0).findings[0].fingerprint for each in (first, other))
    assert one != two


COMMAND = re.compile(r"::(error|warning|notice) file=([^:,]*),line=(\d+),title=([^:,]*)::([^\r\n]*)")


def test_github_has_a_command_for_each_finding_and_each_cell_without_a_verdict() -> None:
    lines = list(github.commands(all_marks(), ROOT))
    parsed = [COMMAND.fullmatch(line) for line in lines]
    assert all(parsed), lines
    assert [found.groups()[:3] for found in parsed if found is not None] == [
        ("error", "ring.py", "12"),
        ("notice", "ring.py", "12"),
        ("error", "MP.litmus", "3"),
        ("error", "amp.toml", "7"),
        ("warning", "amp.toml", "7"),
        ("error", "amp.toml", "7"),
    ]
    assert "%250A" in lines[0], "what looks like an escape is none"
    assert "%0A" in lines[0]


def test_the_step_summary_is_a_table_that_no_text_breaks() -> None:
    text = github.step_summary(all_marks(), ROOT)
    rows = text.partition("\n**")[0].splitlines()[4:]
    assert len(rows) == 2 + 9
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 6 for row in rows), rows
    assert "**ring.py:12**: by the remote: a\\\\x1b" in text


def test_the_root_is_that_of_the_repository(tmp_path: Path) -> None:
    below = tmp_path / "firmware" / "ring"
    below.mkdir(parents=True)
    assert root_of(str(below)) == str(below)
    (tmp_path / ".git").mkdir()
    assert root_of(str(below)) == str(tmp_path)


# --- the page


class Tags(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(content.decode())
        self.close()

    def handle_starttag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_every_mark_and_no_text_breaks_it() -> None:
    shown = Tags(page(all_marks(), ROOT))
    summary = all_marks()
    plain = tuple(
        judge(
            each.check,
            each.asked,
            msgspec.structs.replace(
                each.told,
                why="why",
                found=each.told.found and msgspec.structs.replace(each.told.found, text="text", story=("#1",)),
            ),
            (each.fingerprint,) if each.mark is Mark.KNOWN else (),
        )
        for each in summary.cells
    )
    assert shown.tags == Tags(page(Summary(plain, 2.0), ROOT)).tags
    assert "<&'\"> ]]>" in shown.text
    assert "\x1b" not in shown.text
    assert "\\x1b[31m" in shown.text
    for mark in set(Mark) - {Mark.OK}:
        assert mark.value in shown.text, mark


def test_growth_is_shown_where_a_program_was_explored_with_several_sizes_and_nowhere_else() -> None:
    def explored(runs: int, status: Any = "verified", **sizes: Any) -> JudgedCell:
        return cell(CellOutcome(status=status, barriers="dma", runs=runs, executions=1, states=9), **sizes)

    one, two = explored(20, messages=1), explored(1300, messages=2)
    text = " ".join(Tags(page(Summary((two, one), 0), ROOT)).text.split())
    assert "ring.py on arm64 dma size runs growth complete executions states messages 1 20 1 9 messages 2" in text
    assert "messages 2 1,300 65.0 times 1 9" in text
    other = (
        explored(30, messages=3, platform="riscv"),
        explored(7, "inconclusive", messages=4),
        explored(20, messages=1),
    )
    assert "Growth" not in Tags(page(Summary((one, *other), 0), ROOT)).text


def test_two_platforms_of_one_name_have_a_row_each_on_the_page() -> None:
    cells = (cell(found(), platform="riscv"), cell(CellOutcome(status="verified", barriers="smp"), platform="riscv"))
    text = page(Summary(cells, 0), ROOT).decode()
    assert re.findall(r'<th scope="row"[^>]*>(riscv[^<]*)</th>', text) == ["riscv", "riscv (2)"]


def test_a_row_of_the_page_s_matrix_has_a_cell_for_each_class() -> None:
    cells = (
        cell(CellOutcome(status="verified", barriers="dma")),
        cell(found(), platform="riscv"),
        cell(CellOutcome(status="verified", barriers="smp"), platform="riscv", name="other"),
        cell(NOT_RUN),
    )
    text = page(Summary(cells, 0), ROOT).decode()
    [head] = re.findall(r"<thead>(.*?)</thead>", text, re.DOTALL)
    assert re.findall(r'<th scope="col">(.*?)</th>', head) == ["check", "platform", "smp", "dma", "as it asks"]
    rows = re.findall(r"<tr>(?!<th scope=\"col)(.*?)</tr>", text, re.DOTALL)
    assert [len(re.findall("<td", row)) for row in rows] == [3, 3, 3]
    assert ['href="#f1"' in row for row in rows] == [False, True, False]


# --- the baseline


def test_an_update_keeps_what_was_known_of_cells_that_were_not_decided() -> None:
    first = cell(found())
    known = baseline.updated(baseline.Baseline(), Summary((first,), 0))
    assert known.fingerprints == {first.fingerprint}
    undecided = Summary((cell(CellOutcome(status="inconclusive", barriers="smp", why="a bound")),), 0)
    assert baseline.updated(known, undecided) == known
    decided = Summary((cell(CellOutcome(status="verified", barriers="smp")),), 0)
    assert baseline.updated(known, decided).findings == ()
    assert baseline.updated(known, Summary((cell(CellOutcome(status="verified"), name="other"),), 0)).findings == ()


def test_known_findings_pass_new_ones_fail_and_files_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[checks.handover]\nprogram = "handover.py"\nplatforms = "arm64-domains"\nbarriers = "smp"\n'
    folder = project(tmp_path, text)
    step = tmp_path / "step.md"
    monkeypatch.setenv(github.SUMMARY, str(step))
    options = ("--junit", "j.xml", "--sarif", "s.sarif", "--github")
    done = checked(folder, *options, "--quiet")
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["amp: wrote j.xml", "amp: wrote s.sarif"]
    assert f"\n::error file=handover.py,line={LINE_OF_PUBLISH},title=amp%3A handover::" in done.stdout
    assert step.read_text().startswith("## amp check\n")
    XSD.validate(str(folder / "j.xml"))
    data = json.loads((folder / "s.sarif").read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(data)
    [result] = data["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == LINE_OF_PUBLISH

    missing = checked(folder, "--baseline", "known.json")
    assert missing.stderr == "amp: --baseline known.json: No such file or directory; --update-baseline makes it\n"
    assert missing.returncode == 2
    assert checked(folder, "--baseline", "known.json", "--update-baseline").returncode == 0
    data = told(folder, "--baseline", "known.json")
    assert [data["status"], data["violations"], data["cells"][0]["mark"]] == ["holds", 0, "known"]
    fingerprint = data["cells"][0]["fingerprint"]
    (folder / "known.json").write_text((folder / "known.json").read_text().replace(fingerprint, "0" * 32))
    done = checked(folder, "--baseline", "known.json")
    assert done.returncode == 1, "another one is known, this one is new"
    assert "1 known finding not found any more; " in done.stdout
    (folder / "known.json").write_text('{"format": "amp baseline 9"}')
    assert "format is 'amp baseline 9'" in checked(folder, "--baseline", "known.json").stderr


def test_a_file_that_cannot_be_written_is_told_before_anything_runs(tmp_path: Path) -> None:
    folder = project(tmp_path)
    done = checked(folder, "--junit", "no/such/folder.xml")
    assert (done.returncode, done.stderr) == (2, "amp: --junit no/such/folder.xml: No such file or directory\n")
    assert not (folder / ".amp").exists()
