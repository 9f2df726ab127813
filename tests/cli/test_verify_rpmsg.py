"""rpmsg under exploration: a service is announced, pinged and answers, on both sides' own code.

With Linux's barriers for remoteproc it holds, in every execution; with SMP ones there is a counterexample, and two real
processes show it. Rows in both directions.
"""

from __future__ import annotations

import json

import pytest
from commands import here as amp

from amp.explore.explorer import Bounds
from amp.lab.plan import Plan, make_plan
from amp.lab.verify import explorer_of, verify
from amp.ordering.sites import Site
from amp.virtio.sites import S1, S2, S3, S4

BOUNDS = Bounds(executions=50_000, seconds=60)
HOLDS = [
    ("omap4-2011", "mandatory"),
    ("omap4-2011", "virtio-strong"),
    ("arm64-domains", "virtio-strong"),  # weak_barriers=False
    ("arm64-domains", "dma"),
    ("paranoid", "mandatory"),
    ("x86-wb", "smp"),  # why no test on a PC finds it
]
BROKEN = [
    ("omap4-2011", "smp"),
    ("omap4-2011", "virtio-weak"),
    ("arm64-domains", "smp"),
    ("arm64-domains", "virtio-weak"),  # weak_barriers=True
]


def planned(platform: str, barriers: str, *weaken: str, messages: int = 1, ring_size: int | None = None) -> Plan:
    sizes = {"messages": messages, "ring_size": ring_size}
    return make_plan("rpmsg-ping", platform=platform, barriers=barriers, weaken=weaken, **sizes)


@pytest.mark.parametrize(("platform", "barriers"), HOLDS)
def test_with_barriers_that_reach_the_remote_every_execution_holds(platform: str, barriers: str) -> None:
    result = explorer_of(planned(platform, barriers)).explore(BOUNDS)
    assert result.finding is None
    assert result.verified
    assert result.executions > 1, "more than one execution, or nothing was explored"


@pytest.mark.a_few(2)
@pytest.mark.parametrize(("platform", "barriers"), BROKEN)
def test_with_smp_barriers_there_is_a_counterexample_that_two_processes_show(platform: str, barriers: str) -> None:
    verdict = verify(planned(platform, barriers), BOUNDS)
    assert verdict.status == "violation"
    found = verdict.counterexample
    assert found is not None
    assert found.repeated, "the two processes showed it"
    assert found.plan.config.messages == 1


@pytest.mark.parametrize("site", [S1, S2, S3, S4], ids=lambda site: site.name)
def test_each_barrier_between_index_and_entry_is_needed(site: Site) -> None:
    result = explorer_of(planned("paranoid", "mandatory", f"{site.name}=none")).explore(BOUNDS)
    assert result.finding is not None


@pytest.mark.parametrize("site", ["S5", "S7", "K1", "K2", "B1"])
def test_the_others_are_idle_in_an_exchange_this_small(site: str) -> None:
    assert explorer_of(planned("paranoid", "mandatory", f"{site}=none")).explore(BOUNDS).verified


def test_a_single_buffer_each_way_is_enough() -> None:
    assert explorer_of(planned("omap4-2011", "mandatory", messages=2, ring_size=1)).explore(BOUNDS).verified


def test_the_command_says_so() -> None:
    told = amp("verify", "rpmsg-ping", "--platform", "arm64-domains", "--barriers", "virtio-strong")
    assert told.returncode == 0, told.stderr
    assert "verified: every execution holds within these bounds" in told.stdout
    broken = amp("verify", "rpmsg-ping", "--platform", "arm64-domains", "--barriers", "smp", "--json")
    assert broken.returncode == 1
    assert json.loads(broken.stdout)["status"] == "violation"
