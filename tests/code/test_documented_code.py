"""What docs/code.md begins with: ring.c is built, verified, and its broken form is told as the page has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from commands import here

PAGE = (Path(__file__).parents[2] / "docs" / "code.md").read_text()


@pytest.fixture
def _in_a_folder_with_ring_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is where commands run."""
    found = re.search(r"`ring\.c`:\n+```c\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    (tmp_path / "ring.c").write_text(found[1])
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_in_a_folder_with_ring_c")
def test_the_page_s_commands_say_what_it_shows() -> None:
    shown = re.search(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
    commands = re.findall(r"^    amp (.*)$", PAGE, re.MULTILINE)[:5]
    assert shown is not None
    told = [here(*command.split(), COLUMNS="100") for command in commands]
    assert [each.returncode for each in told] == [0, 0, 0, 1, 0], [each.stderr for each in told]
    assert "verified: every execution holds" in told[1].stdout
    violation, _, *lines = shown[1].splitlines()
    assert violation in told[3].stdout
    # What the compiler chose may differ: its registers, and the order of variables.
    for text in (line.rstrip(" …") for line in lines if not re.search(r"\[x\d|(ld|st)rh|receive:|w0", line)):
        assert text in told[3].stdout, text
    assert re.search("host +barrier dmb oshst", told[4].stdout)
    assert told[4].stdout.endswith("every part has ended\n")
