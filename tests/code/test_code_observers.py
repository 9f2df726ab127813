"""Compiled code of three parts: on Armv7 a store reaches one before another, unless the one in the middle has a dmb."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine_code import SHARED, built, finding


@pytest.mark.parametrize(
    ("target", "platform", "flags", "is_found"),
    [
        ("armv7-a", "armv7-smp", (), True),
        ("armv7-a", "armv7-smp", ("-DFULL",), False),
        ("aarch64", "arm64", (), False),
    ],
)
def test_what_the_reader_sees_is_the_machine_s(
    tmp_path: Path, target: str, platform: str, flags: tuple[str, ...], *, is_found: bool
) -> None:
    program = built(tmp_path, "relay", "-O2", *flags, target=target)
    found = finding(f"{program}?host=writer&host2=relay&host3=reader&{SHARED}", platform)
    assert (found is not None) is is_found, found
