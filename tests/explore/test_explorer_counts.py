"""How many executions the correct ring has, beside what GenMC and Nidhugg count of the same accesses in C.

Both count 1, 4, 12, 36, 108, 324 complete executions of 1 to 6 messages through a ring of 2, and 1, 4, 25, 196, 1400,
9696 through a ring of 4. Without merging the explorer meets as many; with merging it ends most of them early. The
counts are the same on every run, so they are pinned: a change is a change of the algorithm, for better or worse.
"""

from __future__ import annotations

import time

import pytest
from explored_programs import explore

PLATFORM = "omap4-2011"
PEERS = {2: (1, 4, 12, 36, 108, 324), 4: (1, 4, 25, 196, 1400, 9696)}
# ring size: (executions, runs) for 1, 2, ... messages
MERGED = {
    2: ((1, 2), (1, 6), (1, 17), (1, 40), (1, 76), (1, 111)),
    4: ((1, 2), (1, 6), (1, 16), (1, 36), (1, 126), (1, 288)),
}
CASES = [(size, messages) for size in PEERS for messages in range(1, 7)]


@pytest.mark.parametrize(("ring_size", "messages"), CASES)
def test_without_merging_there_are_as_many_executions_as_the_peers_count(ring_size: int, messages: int) -> None:
    result = explore("spsc-vring", PLATFORM, messages=messages, ring_size=ring_size, merging=False)
    assert result.verified
    assert result.executions == PEERS[ring_size][messages - 1]
    assert result.merged == 0


@pytest.mark.parametrize(("ring_size", "messages"), CASES)
def test_with_merging_there_are_these_few(ring_size: int, messages: int) -> None:
    result = explore("spsc-vring", PLATFORM, messages=messages, ring_size=ring_size)
    assert result.verified
    assert (result.executions, result.runs) == MERGED[ring_size][messages - 1]
    assert result.runs == result.executions + result.merged + result.redundant
    assert result.executions <= PEERS[ring_size][messages - 1]


@pytest.mark.parametrize("platform", ["x86-wb", "arm64", "riscv", "paranoid"])
def test_sound_barriers_leave_the_same_executions_on_every_platform_that_delays_stores(platform: str) -> None:
    result = explore("spsc-vring", platform, messages=4, ring_size=4, merging=False)
    assert result.executions == PEERS[4][3]


def test_where_no_load_passes_a_store_there_are_fewer() -> None:
    """Nothing in the ring orders the driver's avail_idx before its next look at used_idx; `sc` does."""
    assert explore("spsc-vring", "sc", messages=4, ring_size=4, merging=False).executions == 171


def cpu_s(messages: int, *, merging: bool) -> float:
    started = time.process_time()
    assert explore("spsc-vring", PLATFORM, messages=messages, ring_size=4, merging=merging).verified
    return time.process_time() - started


def test_merging_takes_a_fraction_of_the_time() -> None:
    """Measured: 0.03 s to 1.3 s. One in five leaves room for a busy machine."""
    assert 5 * min(cpu_s(6, merging=True) for _ in range(3)) < cpu_s(6, merging=False)
