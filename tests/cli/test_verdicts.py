"""Which barriers suffice on which platform: a row each, in both directions, and every witness is repeated.

"No" is what so many seeds did not find: a sample, not a proof.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from cli_runs import in_a_fresh_machine, planned, repeatable
from slow_sizes import size, slow_unless

from amp.lab.machine import Machine
from amp.lab.plan import Plan
from amp.lab.run import Result, run
from amp.ordering import PLATFORMS

FEW = range(1, 13)
FEW_MESSAGES = 100
ALL = range(1, size(50, 1000) + 1)
ALL_MESSAGES = size(500, 2000)
REPLAYED = 20  # of the full number's witnesses

# Every message rings, and nobody looks before it sleeps: then nothing but K1 keeps a doorbell behind its message.
RINGING: dict[str, int | bool] = {"suppression": False, "window": 1, "polls": 0}


@dataclass(frozen=True)
class Row:
    """`found`: whether a violation is, on `platform` with `barriers`; `share` of the seeds at least."""

    platform: str
    barriers: str
    found: bool
    reason: str
    sizes: dict[str, int | bool] = field(default_factory=dict)
    share: float = 0.0

    def plan(self, messages: int) -> Plan:
        return planned(self.platform, self.barriers, messages=messages, **self.sizes)

    def __str__(self) -> str:
        return "-".join([self.platform, self.barriers, *(["ringing"] if self.sizes else [])])


ROWS = (
    Row("omap4-2011", "smp", True, "dmb reaches no PL310: the ring is announced before it is there", share=0.9),
    *(Row(name, "mandatory", False, "what mandatory barriers are for") for name in PLATFORMS),
    *(Row(name, "mandatory", False, "nor may a doorbell overtake", RINGING) for name in PLATFORMS),
    Row("armv7-up", "smp", True, "smp_* are nothing in a kernel for one processor"),
    Row("armv7-up", "dma", False, "dmb osh, and dsb for mb"),
    Row("armv7-up", "dma", False, "no outer cache: dmb oshst holds the doorbell back, too", RINGING),
    Row("armv7-smp", "smp", True, "dmb ish does not reach the remote"),
    Row("armv7-smp", "dma", False, "dmb oshst orders memory, and S5 and S7 (dma_mb: dsb, outer_sync) drain the PL310"),
    Row("armv7-smp", "dma", True, "without S5 or S7 before it the doorbell passes what the PL310 holds", RINGING),
    Row("armv7-smp", "virtio-strong", False, "mb, dma_rmb, dma_wmb: weak_barriers=False"),
    Row("armv7-smp", "virtio-strong", False, "K1 is writel(): dsb st, outer_sync", RINGING),
    Row("armv7-smp", "virtio-weak", True, "dmb ish: weak_barriers=True is for a hypervisor's guests"),
    Row("omap4-2011", "virtio-weak", True, "as the 2011 thread found it"),
    Row("arm64", "smp", False, "every option of dmb orders for every observer in today's text"),
    Row("arm64-domains", "smp", True, "dmb ish does not reach the remote in the older text"),
    Row("arm64-domains", "dma", False, "dmb osh does"),
    Row("x86-wb", "smp", False, "only store to load is reordered, and lock addl orders that"),
    Row("x86-wb", "none", True, "the other direction: store to load loses a kick"),
    Row("x86-wc", "smp", True, "smp_wmb is a compiler barrier"),
    Row("x86-wc", "dma", True, "so is dma_wmb: only sfence orders write-combining stores"),
    Row("riscv", "smp", False, "fence rw,rw has no domains, and S5 and S7 keep the doorbell behind the ring"),
    Row("riscv", "smp", True, "fence w,w does not order the doorbell: that is device output", RINGING),
    Row("riscv", "dma", False, "fence ow,ow does", RINGING),
    Row("sc", "none", False, "nothing is reordered"),
    Row("sc", "none", False, "not the doorbell either", RINGING),
    Row("paranoid", "dma", True, "nothing less than mandatory orders there"),
)


def search(row: Row, seeds: range, messages: int) -> Result:
    """The row's runs; what came of them is printed, with the seeds, and must be as the row says."""
    result = run(row.plan(messages), seeds, explained=0)
    count = len(result.witnesses)
    print(f"{row}: {count} of {len(seeds)} seeds ({seeds.start} to {seeds.stop - 1}), {messages} messages each")
    if row.found:
        assert count > 0, row.reason
        assert count >= row.share * len(seeds), row.reason
    else:
        assert count == 0, f"{row.reason}; found: {[(w.seed, w.outcome.finding) for w in result.witnesses[:3]]}"
        assert result.messages == messages * len(seeds)
    return result


# A processor of each kind; the slow test has every row.
QUICK = ("omap4-2011", "x86-wc", "arm64-domains", "riscv", "paranoid")


@pytest.mark.a_few(6)
@pytest.mark.parametrize("row", slow_unless(lambda row: row.platform in QUICK, ROWS), ids=str)
def test_the_row_holds_and_every_witness_repeats_in_fresh_processes(row: Row) -> None:
    result = search(row, FEW, FEW_MESSAGES)
    if not result.witnesses:
        return
    with Machine(result.plan.config) as machine:
        for found in result.witnesses:
            again = machine.run(result.plan.at_seed(found.seed), result.plan.platform, result.plan.sites)
            assert repeatable(again) == repeatable(found.outcome), found.seed


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_row_holds_for_many_seeds_and_messages(row: Row, record_property: Callable[[str, object], None]) -> None:
    result = search(row, ALL, ALL_MESSAGES)
    record_property("violations", len(result.witnesses))
    record_property("seconds", round(result.seconds, 1))
    chosen = random.Random(1).sample(result.witnesses, min(REPLAYED, len(result.witnesses)))
    for found in chosen:
        outcome, _ = in_a_fresh_machine(result.plan, found.seed)
        assert repeatable(outcome) == repeatable(found.outcome), found.seed


def test_the_rows_have_every_platform_and_both_answers() -> None:
    assert {row.platform for row in ROWS} == set(PLATFORMS)
    assert {row.found for row in ROWS} == {True, False}


def test_a_row_that_says_the_opposite_goes_red() -> None:
    """Both directions of the check itself."""
    plans = (("omap4-2011", "smp", False), ("omap4-2011", "mandatory", True))
    for platform, barriers, claim in plans:
        with pytest.raises(AssertionError, match="planted"):
            search(Row(platform, barriers, claim, "planted"), range(1, 4), 100)
