"""A lock that is taken by an exchange: the attempt in vain is a wait, and hides nothing. exchanges.c, protocols.c."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine_code import SHARED, built, finding

from amp.errors import UsageError
from amp.explore.explorer import Bounds
from amp.lab.plan import make_plan
from amp.lab.verify import explorer_of

# By way: the platform, the target, and what compilers are told.
WAYS = {
    "aarch64": ("arm64", "aarch64", ("-mno-outline-atomics",)),
    "aarch64-lse": ("arm64-domains", "aarch64", ("-march=armv8.1-a",)),
    "armv7-a": ("sc", "armv7-a", ()),
    "armv7-a-thumb": ("sc", "armv7-a-thumb", ()),
    "cortex-m4": ("sc", "cortex-m4", ()),
    "rv64": ("riscv", "rv64", ()),
    "rv32": ("riscv", "rv32", ()),
    "x86-64": ("x86-wb", "x86-64", ()),
}
WEAK = ("aarch64", "aarch64-lse", "rv64")
OUTCOMES = range(8)


def found(directory: Path, way: str, source: str, parts: tuple[str, str], *flags: str) -> str | None:
    platform, target, own = WAYS[way]
    path = built(directory, source, "-O2", *own, *flags, target=target)
    return finding(f"{path}?host={parts[0]}&remote={parts[1]}&{SHARED}", platform)


@pytest.mark.parametrize("order", ["ACQUIRE", "SEQ_CST"])
@pytest.mark.parametrize("way", WAYS)
def test_a_spin_lock_holds(tmp_path: Path, way: str, order: str) -> None:
    assert found(tmp_path, way, "protocols", ("spin", "spin"), f"-DACQUIRE=__ATOMIC_{order}") is None


@pytest.mark.parametrize("way", WAYS)
def test_so_does_one_of_a_bit(tmp_path: Path, way: str) -> None:
    assert found(tmp_path, way, "exchanges", ("by_a_bit", "by_a_bit")) is None


@pytest.mark.parametrize("order", ["ACQUIRE", "RELEASE"])
@pytest.mark.parametrize("way", WEAK)
def test_one_that_does_not_order_is_found(tmp_path: Path, way: str, order: str) -> None:
    text = found(tmp_path, way, "protocols", ("spin", "spin"), f"-D{order}=__ATOMIC_RELAXED")
    assert text is not None
    assert "DATA == 0" in text


@pytest.mark.parametrize("way", WAYS)
def test_one_that_nobody_gives_back_is_a_deadlock(tmp_path: Path, way: str) -> None:
    text = found(tmp_path, way, "exchanges", ("keeps", "keeps"))
    assert text is not None
    assert "wait" in text or "stall" in text.lower(), text


@pytest.mark.a_few(3)
@pytest.mark.parametrize(
    "orders", [("ACQUIRE", "RELEASE"), ("RELAXED", "RELAXED"), ("ACQ_REL", "RELAXED"), ("SEQ_CST", "SEQ_CST")]
)
@pytest.mark.parametrize("parts", [("gives", "takes_it"), ("gives_behind", "takes_behind")])
@pytest.mark.parametrize("way", ["aarch64", "aarch64-lse", "armv7-a", "rv64", "x86-64"])
def test_a_wait_ends_as_attempts_that_are_counted_do(
    tmp_path: Path, way: str, parts: tuple[str, str], orders: tuple[str, str]
) -> None:
    flags = f"-DTAKE=__ATOMIC_{orders[0]}", f"-DGIVE=__ATOMIC_{orders[1]}"
    ends = []
    for more in ((), ("-DTRIES=2",)):
        told = [found(tmp_path, way, "exchanges", (f"{parts[0]},{n}", parts[1]), *flags, *more) for n in OUTCOMES]
        ends.append([text is not None and "assertion" in text for text in told])
    assert ends[0] == ends[1]
    assert any(ends[0])
    assert not all(ends[0])


@pytest.mark.parametrize("way", ["aarch64-lse", "x86-64"])
def test_attempts_that_the_code_counts_are_no_wait(tmp_path: Path, way: str) -> None:
    platform, target, own = WAYS[way]
    path = built(tmp_path, "exchanges", "-O2", *own, target=target)
    explorer = explorer_of(make_plan(f"{path}?host=counts&remote=counts&{SHARED}", platform=platform))
    violation = explorer.explore(Bounds()).finding
    assert violation is not None
    assert "vain != 2" in str(violation.error)


@pytest.mark.parametrize("way", WEAK)
def test_what_is_looked_at_in_between_counts(tmp_path: Path, way: str) -> None:
    text = found(tmp_path, way, "exchanges", ("stores_elsewhere", "looks_elsewhere"))
    assert text is not None
    assert "SECOND == 0" in text


def test_a_store_exclusive_that_fails_in_vain_is_told(tmp_path: Path) -> None:
    """So the attempt is no wait, and whoever makes it again and again is never verified."""
    with pytest.raises(UsageError, match="too large to explore"):
        found(tmp_path, "aarch64", "exchanges", ("fails_at_once", "holds"))
