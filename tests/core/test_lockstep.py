"""Lockstep in two real processes: a seed is a run, and a run ends in words, never in a hang."""

from __future__ import annotations

from signal import SIGINT

import pytest
from core_sides import TwoSides, outcome

from amp._core import _bridge

MODELLED = "modelled"


def race(seed: int, roles: tuple[str, str] = ("racy", "racy"), rounds: int = 150) -> tuple[dict[str, int], bytes]:
    with TwoSides(mode=_bridge.LOCKSTEP, seed=seed) as sides:
        first = sides.start(0, MODELLED, roles[0], rounds)
        second = sides.start(1, MODELLED, roles[1], rounds)
        assert [outcome(first), outcome(second)] == ["True", "True"]
        return sides.state(), sides.trace()


def test_the_same_seed_is_the_same_run_byte_for_byte_and_another_seed_another_run() -> None:
    first, *others = [race(seed=7) for _ in range(4)]
    assert first[0]["events"] > 1000
    assert all(run == first for run in others)
    state, trace = race(seed=8)
    assert state["digest"] != first[0]["digest"]
    assert trace != first[1]


def test_a_process_that_comes_late_changes_nothing() -> None:
    def late(seed: int) -> tuple[dict[str, int], bytes]:
        with TwoSides(mode=_bridge.LOCKSTEP, seed=seed) as sides:
            second = sides.start(1, MODELLED, "racy", 50)
            first = sides.start(0, MODELLED, "racy", 50)
            assert [outcome(first), outcome(second)] == ["True", "True"]
            return sides.state(), sides.trace()

    assert late(3) == race(3, rounds=50)


def test_when_both_wait_and_nothing_is_under_way_both_are_told_of_the_stall() -> None:
    with TwoSides(mode=_bridge.LOCKSTEP) as sides:
        both = [sides.start(cpu, MODELLED, "sleep") for cpu in (0, 1)]
        assert [outcome(process) for process in both] == ["Stall", "Stall"]
        assert sides.state()["stalls"] == 1


def test_who_waits_for_a_cpu_that_has_retired_is_told_that_it_finished() -> None:
    with TwoSides(mode=_bridge.LOCKSTEP) as sides:
        waiting = sides.start(1, MODELLED, "sleep")
        retiring = sides.start(0, MODELLED, "retire")
        assert [outcome(retiring), outcome(waiting)] == ["None", "PeerFinished"]
        assert sides.state()["stalls"] == 0, "an orderly end is no stall"


@pytest.mark.parametrize("seed", range(3))
def test_no_kick_is_lost_between_two_that_wait_for_each_other(seed: int) -> None:
    with TwoSides(mode=_bridge.LOCKSTEP, seed=seed) as sides:
        both = [sides.start(0, MODELLED, "ping", 400), sides.start(1, MODELLED, "pong", 400)]
        assert [outcome(process) for process in both] == ["400", "400"]


@pytest.mark.parametrize("role", ["sleep", "hammer"])
def test_a_peer_killed_while_it_has_the_turn_or_waits_leaves_the_other_told(role: str) -> None:
    with TwoSides(mode=_bridge.LOCKSTEP) as sides:
        victim = sides.start(0, MODELLED, "idle")
        survivor = sides.start(1, MODELLED, role)
        victim.kill()
        victim.wait()
        sides.lost(0, MODELLED)
        assert outcome(survivor) == "PeerDied"


def test_ctrl_c_reaches_a_process_that_waits_for_its_turn() -> None:
    with TwoSides(mode=_bridge.LOCKSTEP) as sides:
        sides.start(0, MODELLED, "idle")
        waiting = sides.start(1, MODELLED, "hammer")  # the turn is CPU 0's, which never takes it
        waiting.send_signal(SIGINT)
        assert outcome(waiting) == "KeyboardInterrupt"
