"""Every site is needed: weakened alone, all others mandatory, it shows its own symptom, and is blamed for it.

K2 is not among them: who has been rung reads the ring after the doorbell's interrupt, which orders by itself here.
"""

from dataclasses import dataclass, field

import pytest
from cli_runs import planned
from slow_sizes import slow_unless

from amp.lab.plan import Plan
from amp.lab.run import Witness, run
from amp.machine.config import Mode
from amp.ordering.sites import Site
from amp.virtio.sites import B1, K1, S1, S2, S3, S4, S5, S6, S7, S8

SEEDS = range(1, 13)
FREE_SEEDS = range(1, 121)  # how fast the two processes really are decides as much as the seed
WRONG_BYTES = frozenset({"BadRing", "WrongMessage"})
STALL = frozenset({"Stall"})
RINGING: dict[str, int | bool] = {"suppression": False, "window": 1, "polls": 0}


@dataclass(frozen=True)
class Row:
    """`site` weakened to none, on paranoid: the kinds of violation it may show, and no other."""

    site: Site
    symptom: frozenset[str]
    sizes: dict[str, int | bool] = field(default_factory=dict)
    messages: int = 200
    mode: Mode = Mode.LOCKSTEP

    def plan(self, *weaken: str) -> Plan:
        return planned("paranoid", weaken=weaken, messages=self.messages, mode=self.mode, **self.sizes)

    def __str__(self) -> str:
        return f"{self.site.name}-{self.mode}{'-event_idx' * bool(self.sizes.get('event_idx'))}"


EVENT_IDX: dict[str, int | bool] = {"event_idx": True}
# A buffer is handed back long before it is written again, unless there are very few of them.
TIGHT: dict[str, int | bool] = {"suppression": False, "ring_size": 2, "event_idx": True}
ROWS = (
    *(Row(site, WRONG_BYTES) for site in (S1, S2, S3, S4)),
    *(Row(site, STALL, {"window": 1}) for site in (S5, S6, S7, S8)),
    *(Row(site, STALL, EVENT_IDX) for site in (S5, S6, S7, S8)),
    Row(K1, STALL, RINGING),
    Row(B1, WRONG_BYTES, TIGHT, messages=400),
    Row(S1, WRONG_BYTES, mode=Mode.FREE),
    Row(S4, WRONG_BYTES, mode=Mode.FREE),
    Row(S5, STALL, {"window": 1}, mode=Mode.FREE),
    Row(S7, STALL, {"window": 1}, mode=Mode.FREE),
    Row(K1, STALL, RINGING, mode=Mode.FREE),
)


def check_the_symptom(row: Row, step: int) -> None:
    """In so many seeds at a time, until the site is blamed."""
    witnesses: list[Witness] = []
    blamed: list[str | None] = []
    for first in (SEEDS if row.mode is Mode.LOCKSTEP else FREE_SEEDS)[::step]:
        witnesses += run(row.plan(f"{row.site.name}=none"), range(first, first + step)).witnesses
        blamed = [found.site for found in witnesses if found.explanation is not None]
        print(f"{row}, seeds {SEEDS[0]} to {first + step - 1}: {len(witnesses)} violations, blamed {blamed}")
        if row.site.name in blamed:
            break
    kinds = {found.outcome.finding.kind for found in witnesses if found.outcome.finding}
    assert kinds, f"{row.site.symptom}: not found"
    assert kinds <= row.symptom
    assert row.site.name in blamed, "at least one is explained"
    assert set(blamed) <= {row.site.name, None}, "nobody else is blamed"


# In free mode a try takes what the scheduler gives it; one of each symptom is enough for the default suite.
@pytest.mark.a_few(4)
@pytest.mark.parametrize(
    "row", slow_unless(lambda row: row.mode is Mode.LOCKSTEP or row.site in (S1, S5), ROWS), ids=str
)
def test_a_site_that_is_weakened_alone_shows_its_symptom_and_is_blamed(row: Row) -> None:
    check_the_symptom(row, 2)


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_in_all_its_seeds_it_shows_no_other_symptom_and_nobody_else_is_blamed(row: Row) -> None:
    check_the_symptom(row, len(SEEDS))


RESTORED = {repr((row.sizes, row.messages, row.mode)): row for row in ROWS}  # many are then the same run


@pytest.mark.a_few(4)
@pytest.mark.parametrize("row", RESTORED.values(), ids=str)
def test_and_shows_nothing_once_it_is_restored(row: Row) -> None:
    result = run(row.plan(), SEEDS[:4])
    assert result.holds
    assert result.messages == 4 * row.messages
