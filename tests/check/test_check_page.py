"""docs/check.md: its configuration is run as it stands, and says what the page shows; its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from check_projects import checked

from amp.check import config, tables
from amp.cli.check import check

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "check.md").read_text()


def test_every_key_and_every_option_has_its_row() -> None:
    known = {each.name for each in msgspec.structs.fields(tables.CheckTable)}
    keys = PAGE.partition("`[checks.NAME]` has:")[2].partition("A bug that must")[0]
    rows = [line.split("|")[1] for line in keys.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == known
    defaults = re.findall(r"`(\w+)`", PAGE.partition("`[defaults]` has ")[2].partition(", for checks")[0])
    assert set(defaults) == {each.name for each in msgspec.structs.fields(tables.Defaults)}
    for value in (*config.PROGRAM_EXPECTS, *config.LITMUS_EXPECTS):
        assert f'`"{value}"`' in keys
    for option in (each.opts[0] for each in check.params):
        assert option in PAGE


@pytest.mark.slow
def test_the_page_shows_what_is_said(tmp_path: Path) -> None:
    [toml] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    [shown] = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    [program] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "handover.py").write_text(program)
    (tmp_path / "amp.toml").write_text(toml)
    done = checked(tmp_path)
    assert done.returncode == 1
    said = [line.rstrip() for line in done.stdout.splitlines()]
    for line in filter(None, shown.splitlines()):
        assert any(each.startswith(line) for each in said), line
