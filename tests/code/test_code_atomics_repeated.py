"""Atomics of compiled code in two processes: what was found with them is repeated, and by chance they are atomic."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import here
from machine_code import SHARED, built

import amp
from amp.explore.explorer import Bounds
from amp.explore.shrink import shrink
from amp.lab.plan import Plan, make_plan
from amp.lab.run import run
from amp.lab.verify import explorer_of, replay

# By way: the platform, the host's target, the remote's where it is another, and what compilers are told.
WAYS = {
    "aarch64": ("arm64", "aarch64", None, ("-mno-outline-atomics",)),
    "aarch64-lse": ("arm64-domains", "aarch64", None, ("-march=armv8.1-a",)),
    "armv7-a": ("armv7-smp", "armv7-a", "cortex-m4", ()),
    "rv64": ("riscv", "rv64", None, ()),
    "x86-64": ("x86-wc", "x86-64", None, ()),
}
# A compiler takes it that memory is ordinary, and the other CPU near: stores to write-combining memory pass each other,
# and `dmb ish` does not reach the remote of an Armv7.
DOES_NOT_REACH = {"x86-64", "armv7-a"}
PROTOCOLS = {"spin": "spin", "ticket": "ticket", "announce": "look"}
CHEAP = [
    ("aarch64", "spin"),
    ("aarch64-lse", "spin"),
    ("armv7-a", "announce"),
    ("rv64", "announce"),
    ("x86-64", "spin"),
]
ALL = [
    (way, host) for way in WAYS for host in PROTOCOLS if (way, host) != ("x86-64", "announce")
]  # its counter is locked


def plan_of(directory: Path, way: str, host: str, *flags: str, remote: str | None = None) -> Plan:
    platform, target, other, own = WAYS[way]
    path = built(directory, "protocols", "-O2", *own, *flags, target=target)
    where = f"{built(directory, 'protocols', '-O2', *flags, target=other)}:" if other else ""
    return make_plan(f"{path}?host={host}&remote={where}{remote or PROTOCOLS[host]}&{SHARED}", platform=platform)


def is_repeated(plan: Plan) -> bool:
    """Explored, made small, and run in processes: raises NotRepeated if those end otherwise."""
    explorer = explorer_of(plan)
    found = explorer.explore(Bounds()).finding
    assert found is not None
    shrunk = shrink(explorer, found)
    assert shrunk.schedule is not None, shrunk.beyond
    witness = replay(plan.with_config(schedule=shrunk.schedule.token()), shrunk)
    assert witness.outcome.finding is not None
    return witness.outcome.finding.text == str(shrunk.finding.error)


@pytest.mark.a_few(2)
@pytest.mark.parametrize(("way", "host"), CHEAP)
def test_what_a_release_that_is_none_breaks_ends_the_same_in_processes(tmp_path: Path, way: str, host: str) -> None:
    assert is_repeated(plan_of(tmp_path, way, host, "-DRELEASE=__ATOMIC_RELAXED"))


@pytest.mark.slow
@pytest.mark.parametrize("order", ["RELEASE", "ACQUIRE"])
@pytest.mark.parametrize(("way", "host"), ALL)
def test_every_order_that_is_missing_ends_the_same_in_processes(
    tmp_path: Path, way: str, host: str, order: str
) -> None:
    assert is_repeated(plan_of(tmp_path, way, host, f"-D{order}=__ATOMIC_RELAXED"))


def test_a_finding_with_exclusives_is_saved_and_replayed(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "rv64", "announce", "-DRELEASE=__ATOMIC_RELAXED")
    found = amp.verify(plan.shown, platform="riscv").finding
    assert found is not None
    found.save(str(tmp_path / "w.json"))
    done = here("replay", tmp_path / "w.json")
    assert (done.returncode, "the same violation, the same trace" in done.stdout) == (1, True), done.stdout


def test_by_chance_they_are_atomic(tmp_path: Path) -> None:
    assert run(plan_of(tmp_path, "aarch64", "thrice", remote="thrice"), range(1, 5)).holds


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_by_chance_they_are_atomic_and_a_lock_holds_where_its_barriers_reach(tmp_path: Path, way: str) -> None:
    assert run(plan_of(tmp_path, way, "thrice", remote="thrice"), range(1, 60)).holds
    assert run(plan_of(tmp_path, way, "spin"), range(1, 60), explained=0).holds == (way not in DOES_NOT_REACH)


@pytest.mark.slow
@pytest.mark.parametrize("way", sorted(DOES_NOT_REACH))
def test_where_they_do_not_reach_the_explorer_finds_the_lock_broken_too(tmp_path: Path, way: str) -> None:
    assert is_repeated(plan_of(tmp_path, way, "spin"))


@pytest.mark.slow
def test_by_chance_a_lock_that_releases_nothing_is_found(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "aarch64-lse", "spin", "-DRELEASE=__ATOMIC_RELAXED")
    assert not run(plan, range(1, 60), explained=0).holds
