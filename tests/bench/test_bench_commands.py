"""`amp bench ...` from the outside: one JSON object, its exit status, one line for a mistake."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import here


def amp(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "amp.cli", "bench", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_barriers_prints_one_object_with_the_machine_and_draws_the_chart(tmp_path: Path) -> None:
    cpu = max(os.sched_getaffinity(0))
    chart = tmp_path / "costs.svg"
    ended = amp("barriers", "--time", "0.1", "--cpus", str(cpu), "--json", "--chart", str(chart))
    data = json.loads(ended.stdout)
    assert ended.returncode == {"holds": 0, "inconclusive": 3}[data["status"]], ended.stderr
    assert data["command"] == "bench barriers"
    assert data["machine"]["pinned_to"] == [cpu]
    assert data["seconds"] > 0
    assert 0 <= data["samples"]["discarded_share"] <= 1
    assert chart.read_text().startswith("<?xml")


MISTAKES = [
    (("barriers", "--cpus", "0,1"), "one thread is measured"),
    (("barriers", "--cpus", "99999"), "the usable ones are"),
    (("barriers", "--cpus", "zero"), "no list of CPU numbers"),
    (("barriers", "--cpus", "0,0"), "every CPU once"),
    (("barriers", "--chart", "costs.gif"), ".png or .svg"),
    (("barriers", "--chart", "/nowhere/at/all.png"), "no folder"),
    (("barriers", "--time", "0"), "--time"),
    (("question", "--cpus", "0"), "two CPUs"),
    (("question", "--ring-size", "3"), "3"),
    (("question", "--chart", "/nowhere/at/all"), "no folder"),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES, ids=str)
def test_a_mistake_is_one_line_and_status_2(words: tuple[str, ...], said: str) -> None:
    ended = here("bench", *words)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two sides need two processors")
def test_question_runs_all_builds_on_the_ring_and_ends_with_a_sentence(tmp_path: Path) -> None:
    words = ("--time", "0.5", "--wait", "both", "--outstanding", "4", "--ring-size", "16")
    ended = amp("question", *words, "--json", "--chart", str(tmp_path / "answer"))
    data = json.loads(ended.stdout)
    assert ended.returncode == {"holds": 0, "inconclusive": 3}[data["status"]], ended.stderr
    assert len(data["machine"]["pinned_to"]) == 2
    assert data["ring"]["ring_size"] == 16
    assert data["answers"].keys() == {"polling, 4 outstanding", "sleeping, 4 outstanding"}
    assert all(f"{use}: " in data["conclusion"] for use in data["answers"])
    for answer in data["answers"].values():
        assert answer["batches"]["taken"] > 0
        if answer["turns"]["kept"]:
            assert all(looks > 0 for looks in answer["looks_per_buffer"].values())
            assert answer["throughput_ratio"].keys() == {"mandatory", "branch", "control"}
            assert all(found["median"] > 0 for found in answer["ns_per_buffer"].values())
    assert {path.name for path in tmp_path.iterdir()} == {"answer.png", "answer.svg"}
