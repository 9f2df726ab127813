"""A finding of the explorer as a schedule: two real processes in lockstep follow it, and end in the same violation."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from explored_scenarios import BOUNDS, scenario_explorer

from amp.cli.machine import Machine
from amp.explore.schedule import Execution, script_of
from amp.machine.config import Mode
from amp.ordering.barriers import BarrierClass
from amp.ordering.platforms import PLATFORMS
from amp.ordering.sites import SiteMap
from amp.scenarios import SCENARIOS

MESSAGES = 3
REPEATS = 3


@pytest.fixture(params=sorted(SCENARIOS))
def scenario(request: pytest.FixtureRequest) -> Iterator[tuple[str, Machine]]:
    """A scenario, and two processes that run it."""
    config = SCENARIOS[request.param].config(Mode.LOCKSTEP, messages=MESSAGES)
    with Machine(config) as machine:
        yield request.param, machine


def what_is_missed(text: str) -> str:
    """Of a stall, what was waited for. Why nobody comes is said differently: all sleep, or the others have retired."""
    return text.partition(": wait:")[0]


@pytest.mark.parametrize("platform", ["paranoid", "arm64"])
def test_every_finding_is_repeated_by_two_processes(scenario: tuple[str, Machine], platform: str) -> None:
    name, machine = scenario
    repeated = 0
    for site in SCENARIOS[name].sites:
        explorer = scenario_explorer(name, platform, messages=MESSAGES, weaken={site: BarrierClass.NONE})
        finding = explorer.explore(BOUNDS).finding
        if finding is None:
            continue
        explorer.replay(finding.choices)
        script = script_of(Execution.of(explorer.core.events()))
        kinds = SCENARIOS[name].kinds
        sites = SiteMap.for_class(BarrierClass.MANDATORY, kinds).weaken(site, BarrierClass.NONE, kinds)
        config = SCENARIOS[name].config(Mode.LOCKSTEP, messages=MESSAGES)
        for _ in range(REPEATS):
            outcome = machine.run(msgspec.structs.replace(config, script=script.token()), PLATFORMS[platform], sites)
            assert outcome.finding is not None, site
            assert outcome.finder == finding.cpu, site
            assert what_is_missed(outcome.finding.text) == what_is_missed(str(finding.error)), site
        repeated += 1
    assert repeated >= 1
