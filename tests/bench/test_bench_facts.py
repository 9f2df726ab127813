"""What a figure was measured on is read from the machine; outside a checkout there is no commit."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from amp.bench.facts import commit, facts, one_line


def test_the_facts_are_json_and_name_the_machine() -> None:
    known = facts((1, 0))
    assert json.loads(json.dumps(known)) == known
    assert known["machine"] == os.uname().machine
    assert known["kernel"].endswith(os.uname().release)
    assert known["pinned_to"] == [1, 0]
    assert known["cpus_usable"] == sorted(os.sched_getaffinity(0))
    line = one_line(known)
    assert known["kernel"] in line
    assert "pinned to 1, 0" in line


@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
def test_a_commit_is_told_only_of_a_checkout_and_with_a_plus_if_it_was_changed(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        command = ["git", "-C", str(tmp_path), *identity, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout.strip()

    assert commit(tmp_path) is None
    git("init", "-q")
    assert commit(tmp_path) is None  # nothing has been committed
    (tmp_path / "file").write_text("first")
    git("add", "file")
    git("commit", "-q", "-m", "first")
    assert commit(tmp_path) == git("rev-parse", "HEAD")
    (tmp_path / "file").write_text("changed")
    assert commit(tmp_path) == git("rev-parse", "HEAD") + "+"
    assert commit(tmp_path / "sub") is None
