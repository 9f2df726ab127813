"""Each program holds with sound barriers on every platform, and each missing one is found exactly where it is needed.

Why a barrier of the ring is needed follows from what the hardware keeps by itself between accesses of one CPU:
 - `sc` keeps all, `x86-wb` all but store to load. The ring needs no store to load, so no barrier of S1 to S4 is a bug
   there but to leave it out of the compiler's sight, which is not modelled.
 - `x86-wc`: the host's stores reach the card unordered (S1); its loads and all of the card's accesses are kept.
 - Arm and RISC-V, and `paranoid`, keep nothing: all four are needed.
SMP barriers do on `sc`, `x86-wb`, `arm64` (today's text) and `riscv`, where a barrier has no domain to end at. On the
others they stop short of the remote, or are not even compiled in (`armv7-up`).
"""

from __future__ import annotations

import pytest
from explored_programs import explore

from amp.ordering.barriers import BarrierClass
from amp.ordering.platforms import PLATFORMS
from amp.ordering.sites import Site
from amp.programs import EXPLORABLE
from amp.programs.spsc_vring import S1, S2, S3, S4

NEEDED = {
    "sc": (),
    "x86-wb": (),
    "x86-wc": (S1,),
    **dict.fromkeys(
        ("armv7-up", "armv7-smp", "omap4-2011", "arm64", "arm64-domains", "riscv", "paranoid"), (S1, S2, S3, S4)
    ),
}
SMP_IS_ENOUGH = ("sc", "x86-wb", "arm64", "riscv")
# What shows: whose check fails, at which kind of bug. The remote checks messages, the host ids.
FINDER = {S1: 1, S2: 1, S3: 0, S4: 0}
SIZES = {"doorbell": 3, "vring-flags": 2, "vring-event-idx": 2, "rpmsg-ping": 1}


def test_the_table_has_every_platform() -> None:
    assert set(NEEDED) == set(PLATFORMS)


@pytest.mark.parametrize("site", [S1, S2, S3, S4], ids=lambda site: site.name)
@pytest.mark.parametrize("platform", NEEDED)
def test_a_missing_barrier_of_the_ring_is_found_where_it_is_needed_and_nowhere_else(platform: str, site: Site) -> None:
    result = explore("spsc-vring", platform, messages=3, ring_size=2, weaken={site: BarrierClass.NONE})
    assert result.bound is None
    assert (result.finding is not None) == (site in NEEDED[platform])
    if result.finding is not None:
        assert result.finding.cpu == FINDER[site]


@pytest.mark.parametrize("platform", NEEDED)
def test_smp_barriers_hold_where_they_reach_the_remote(platform: str) -> None:
    result = explore("spsc-vring", platform, messages=3, ring_size=2, barriers=BarrierClass.SMP)
    assert result.verified == (platform in SMP_IS_ENOUGH)


@pytest.mark.a_few(10)
@pytest.mark.parametrize("program", EXPLORABLE)
@pytest.mark.parametrize("platform", NEEDED)
def test_with_mandatory_barriers_it_holds_on_every_platform(platform: str, program: str) -> None:
    result = explore(program, platform, messages=SIZES.get(program, 3))
    assert result.verified, result.finding and str(result.finding.error)
    assert result.executions > 0


@pytest.mark.parametrize(
    ("program", "site"),
    [(name, site) for name, each in EXPLORABLE.items() for site in each.needed],
    ids=lambda value: value.name if isinstance(value, Site) else value,
)
def test_every_site_that_a_program_says_is_needed_is_found(program: str, site: Site) -> None:
    result = explore(program, "paranoid", messages=3, weaken={site: BarrierClass.NONE})
    assert result.finding is not None


@pytest.mark.parametrize(
    ("program", "messages"),
    [(name, SIZES.get(name, 2)) for name in EXPLORABLE] + [pytest.param("rpmsg-ping", 2, marks=pytest.mark.slow)],
)
def test_a_site_that_a_program_calls_idle_is_not(program: str, messages: int) -> None:
    for site in EXPLORABLE[program].idle:
        assert explore(program, "paranoid", messages=messages, weaken={site: BarrierClass.NONE}).verified, site
