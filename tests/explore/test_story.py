"""An execution in words: what no two processes can show is told from its own relations."""

from __future__ import annotations

from small_programs import explorer_of, sought

from amp.explore.schedule import ONE_BY_ONE, VALUE_AT_ONCE, Execution
from amp.explore.shrink import told
from amp.explore.story import story

LOAD_BUFFERING = ("r0=x y=1", "r1=y x=1")


def steps(program: tuple[str, ...], outcome: tuple[int, ...], platform: str = "arm64") -> tuple[list[str], str]:
    """The story of an execution with that outcome, and why it is no schedule."""
    explorer = explorer_of(program, platform)
    finding = sought(program, platform, outcome).finding
    assert finding is not None
    explorer.replay(finding.choices)
    execution = Execution.of(explorer.core.events())
    return list(story(execution, lambda address: f"@{address:#x}")), told(finding, execution).beyond


def test_a_load_behind_a_later_store_is_told_as_what_it_is() -> None:
    lines, why = steps(LOAD_BUFFERING, (1, 1, 1, 1, 0))
    assert why == VALUE_AT_ONCE
    assert any("performed after a later store of its CPU" in line for line in lines)
    assert sum("returns step" in line for line in lines) >= 2


def test_each_step_stands_behind_what_it_returns_and_stale_loads_say_so() -> None:
    lines, why = steps(("x=1 y=1", "r0=y r1=x"), (1, 0, 1, 1, 0))
    assert not why
    visible = lines.index("host: store 1 is visible: @0x80") + 1
    assert f"remote: load 0 of @0x80 returns step {visible}" in lines
    assert any(line.startswith("remote: load 1 of @0x40 returns initial memory") for line in lines)


def test_a_store_that_reaches_one_before_another_is_made_first_and_missed_later() -> None:
    lines, why = steps(("x=1", "r0=x y=r0^", "r0=y mb r1=x"), (1, 1, 0, 1, 1, 0), "armv7-up")
    assert why == ONE_BY_ONE
    made = lines.index("host: store 0 is made, and reaches the others one by one: @0x40") + 1
    assert f"remote: load 0 of @0x40 returns step {made}" in lines
    [missed] = [line for line in lines if "has not reached" in line]
    assert missed.endswith(f"returns initial memory, not what step {made} has made: that has not reached the CPU 2")


def test_what_was_overwritten_before_it_came_is_not_said_to_be_on_its_way() -> None:
    lines, why = steps(("x=1 mb y=1", "y=2", "r0=y r1=x@r0"), (2, 0, 1, 2, 0), "armv7-up")
    assert why == ONE_BY_ONE
    assert sum("has not reached" in line for line in lines) == 1  # x alone


def test_the_order_is_the_same_every_time() -> None:
    assert steps(LOAD_BUFFERING, (1, 1, 1, 1, 0)) == steps(LOAD_BUFFERING, (1, 1, 1, 1, 0))
