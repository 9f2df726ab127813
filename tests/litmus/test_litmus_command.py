"""`amp litmus` as a user types it: verdicts, observers, expectations, bounds, bad files, exit statuses."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from commands import here
from litmus_runs import DATA, aarch64

from amp.errors import UsageError
from amp.litmus.runner import domains

KEYS = {"command", "status", "violations", "executions", "states", "seconds", "tests"}
IRIW = DATA / "AArch64" / "IRIW+na+addr+na+ishld.litmus"


def amp(*arguments: object) -> subprocess.CompletedProcess[str]:
    return here("litmus", *arguments)


def told(*arguments: object, status: int = 0) -> dict[str, Any]:
    done = amp(*arguments, "--json")
    assert done.returncode == status, done.stderr
    data = json.loads(done.stdout)
    assert data.keys() >= KEYS
    assert isinstance(data, dict)
    return data


ATTACKS = {
    "nested-if": ("if (r0) " * 20_000 + "r0 = 1;", "more than 100 constructs nest"),
    "tildes": ("r0 = " + "~" * 100_000 + "r0;", "more than 100 constructs nest"),
    "long-number": ("r0 = " + "1" * 5_000 + ";", "has 5000 characters"),
    "escape": ("r0 = 1; /* \x1b[31m */", "a control character"),
    "loop": ("while (r0) { }", "'while' is not supported"),
}


def test_bad_files_cost_a_line_each_and_the_others_are_run(tmp_path: Path) -> None:
    for name, (body, _) in ATTACKS.items():
        (tmp_path / f"{name}.litmus").write_text(f"C t\n{{ }}\nP0(int *x)\n{{\nint r0;\n{body}\n}}\nexists (0:r0=1)\n")
    (tmp_path / "mov.litmus").write_text(aarch64("MOV W0,#99999999999999999999"))
    (tmp_path / "name.litmus").write_text(aarch64("NOP").replace("AArch64 t", "AArch64 t\u202e"))
    for good in ("SB+po+mfence", "MP+mfence+po"):
        shutil.copy(DATA / "X86" / f"{good}.litmus", tmp_path / f"z-{good}.litmus")
    done = amp(tmp_path)
    assert done.returncode == UsageError.exit_status
    assert "2 tests, 1 Allowed, 1 Forbidden, 7 files not usable" in done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == len(ATTACKS) + 2
    for name, (_, why) in ATTACKS.items():
        [line] = [each for each in lines if f"{name}.litmus:6: " in each]
        assert why in line
    assert "\x1b" not in done.stdout + done.stderr
    assert "\u202e" not in done.stdout + done.stderr


WRC = DATA.parent / "reported" / "WRC-not-multi-copy-atomic.litmus"


@pytest.mark.parametrize(
    ("platform", "observation"), [("armv7-smp", "Sometimes"), ("paranoid", "Sometimes"), ("arm64", "Never")]
)
def test_whether_one_observer_sees_a_store_before_another_is_the_platform_s(platform: str, observation: str) -> None:
    [test] = told(WRC, "--platform", platform)["tests"]
    assert test["observation"] == observation
    assert "assumed" not in amp(WRC, "--platform", platform).stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two tests and what is expected of them."""
    (tmp_path / "deep").mkdir()
    for name in ("SB+po+mfence", "MP+mfence+po"):
        shutil.copy(DATA / "X86" / f"{name}.litmus", tmp_path / "deep")
    entries = [
        {"file": "deep/SB+po+mfence.litmus", "verdict": "Allowed", "outcomes": 4, "family": "SB"},
        {"file": "deep/MP+mfence+po.litmus", "verdict": "Forbidden", "outcomes": 3},
    ]
    (tmp_path / "expect.json").write_text(json.dumps(entries))
    return tmp_path


def test_a_directory_is_searched_and_every_test_has_its_verdict(folder: Path) -> None:
    data = told(folder)
    assert (data["command"], data["status"], data["violations"], data["errors"]) == ("litmus", "holds", 0, [])
    named = {test["name"]: test for test in data["tests"]}
    assert {name: test["verdict"] for name, test in named.items()} == {
        "SB+po+mfence": "Allowed",
        "MP+mfence+po": "Forbidden",
    }
    test = named["SB+po+mfence"]
    assert (test["observation"], test["outcomes"], test["platform"], test["observers"]) == (
        "Sometimes",
        4,
        "x86-wb",
        "together",
    )
    assert len(test["final_states"]) == 4
    assert data["executions"] == sum(each["executions"] for each in data["tests"])


def test_the_report_ends_with_a_line_for_all(folder: Path) -> None:
    done = amp(folder)
    assert done.returncode == 0
    assert "Observation MP+mfence+po Never 0 3\n" in done.stdout
    assert done.stdout.endswith("2 tests, 1 Allowed, 1 Forbidden\n")


def test_a_platform_may_be_chosen(folder: Path) -> None:
    data = told(folder, "--platform", "sc")
    assert {test["verdict"] for test in data["tests"]} == {"Forbidden"}


def test_what_is_expected_holds_or_is_a_violation(folder: Path) -> None:
    expect = folder / "expect.json"
    assert told(folder, "--expect", expect)["violations"] == 0
    expect.write_text(expect.read_text().replace('"outcomes": 4', '"outcomes": 5').replace("Forbidden", "Allowed"))
    data = told(folder, "--expect", expect, status=1)
    assert (data["status"], data["violations"]) == ("violation", 2)
    assert {test["mismatch"] for test in data["tests"]} == {
        "expected 5 outcomes, has 4",
        "expected Allowed, is Forbidden",
    }


def test_the_kernel_s_model_is_an_upper_bound_of_what_is_expected(tmp_path: Path) -> None:
    shutil.copy(DATA / "LKMM" / "SB+po+po.litmus", tmp_path / "t.litmus")
    for arch, platform, status in (("LKMM", "sc", 0), ("C", "sc", 1), ("LKMM", "arm64", 0)):
        (tmp_path / "e.json").write_text(json.dumps([{"file": "t.litmus", "verdict": "Allowed", "arch": arch}]))
        told(tmp_path, "--expect", tmp_path / "e.json", "--platform", platform, status=status)
    (tmp_path / "e.json").write_text(json.dumps([{"file": "t.litmus", "verdict": "Forbidden", "arch": "LKMM"}]))
    told(tmp_path, "--expect", tmp_path / "e.json", status=1)


def test_a_bound_that_is_hit_gives_no_verdict(folder: Path) -> None:
    data = told(folder, "--max-executions", 1, status=3)
    assert data["status"] == "inconclusive"
    assert {test["verdict"] for test in data["tests"]} == {"inconclusive"}
    assert all(test["outcomes"] is None and test["observation"] is None for test in data["tests"])
    done = amp(folder, "--max-executions", 1)
    assert done.returncode == 3
    assert "inconclusive: no verdict within 1 execution" in done.stdout
    assert "Observation" not in done.stdout


def test_a_bad_file_is_named_and_the_good_ones_are_reported(folder: Path) -> None:
    (folder / "bad.litmus").write_text(aarch64("NOP;FROB X0"))
    (folder / "worse.litmus").write_text("nothing")
    data = told(folder, status=2)
    assert data["status"] == "error"
    assert len(data["tests"]) == 2
    assert [error.partition(": ")[0] for error in data["errors"]] == [
        f"{folder}/bad.litmus:5",
        f"{folder}/worse.litmus:1",
    ]
    done = amp(folder)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2
    assert "instruction 'FROB X0' is not supported" in done.stderr
    assert "2 files not usable" in done.stdout


MISTAKES = [
    (("missing.litmus",), "missing.litmus: No such file"),
    ((".",), "no *.litmus in this directory"),
    ((), "Missing argument"),
    ((IRIW, "--platform", "omap5"), "platform 'omap5' is unknown"),
    ((IRIW, "--observers", "near"), "observers 'near', expected together, apart, or groups"),
    ((IRIW, "--observers", "01|2"), "not each of threads 0 to 3 once"),
    ((IRIW, "--observers", "0123456"), "more than 6 threads"),
    ((IRIW, "--max-executions", "0"), "--max-executions"),
    ((IRIW, "--expect", "missing.json"), "missing.json: No such file"),
    ((IRIW, "--expect", "list.json"), "list.json: Expected `array`"),
    ((IRIW, "--expect", "empty.json"), "the --expect file has no entry for it"),
]


@pytest.mark.parametrize(("arguments", "error"), MISTAKES)
def test_a_mistake_is_one_line_and_exit_status_2(
    arguments: tuple[object, ...], error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list.json").write_text("{}")
    (tmp_path / "empty.json").write_text("[]")
    monkeypatch.chdir(tmp_path)
    done = amp(*arguments)
    assert done.returncode == 2
    assert error in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_observers_name_the_domain_of_each_thread() -> None:
    assert domains("together", 3) == (0, 0, 0)
    assert domains("apart", 3) == (0, 1, 2)
    assert domains("01|2", 3) == (0, 0, 1)
    assert domains("2|0|1", 3) == (1, 2, 0)
    for wrong in ("01", "01|1", "0|1|3", "0||1"):
        with pytest.raises(UsageError):
            domains(wrong, 3)


def test_siblings_order_by_dmb_ish_what_observers_apart_do_not(tmp_path: Path) -> None:
    """WRC on arm64-domains: an inner barrier is enough between siblings, not towards an observer outside."""
    file = tmp_path / "SB.litmus"
    file.write_text(
        "AArch64 SB\n{ 0:X1=x; 0:X3=y; 1:X1=x; 1:X3=y; }\nP0 | P1 ;\nMOV W2,#1 | MOV W2,#1 ;\n"
        "STR W2,[X1] | STR W2,[X3] ;\nDMB ISH | DMB ISH ;\nLDR W0,[X3] | LDR W0,[X1] ;\nexists (0:X0=0 /\\ 1:X0=0)\n"
    )
    verdicts = {
        observers: told(file, "--platform", "arm64-domains", "--observers", observers)["tests"][0]["verdict"]
        for observers in ("together", "apart", "01", "0|1")
    }
    assert verdicts == {"together": "Forbidden", "apart": "Allowed", "01": "Forbidden", "0|1": "Allowed"}
