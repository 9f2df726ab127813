"""What Arm's GE flags carry: adding parts of a register sets them, SEL reads them; nothing else does. ge.c."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine_code import SHARED, built, finding


@pytest.mark.parametrize("target", ["armv7-a", "armv7-a-thumb", "cortex-m4"])
def test_an_address_that_they_pick_depends_on_what_set_them(tmp_path: Path, target: str) -> None:
    path = built(tmp_path, "ge", "-O2", target=target)
    for name in ("by_the_flags", "by_the_flags_of_halves"):
        assert finding(f"{path}?host=gives&remote={name}&{SHARED}", "paranoid") is None
    for name in ("by_none_for_it_saturates", "by_none_for_they_are_set_anew"):
        found = finding(f"{path}?host=gives&remote={name}&{SHARED}", "paranoid")
        assert str(found).startswith("assertion failed: data == 42")
