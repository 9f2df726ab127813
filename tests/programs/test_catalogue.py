"""The catalogue says of each scenario what is true of it: its names, its sizes, its sites, where its data lie."""

from __future__ import annotations

import json
from itertools import product

import msgspec
import pytest
from amp.machine.small import plan_for
from amp.scenarios import SCENARIOS, Scenario

from amp.errors import UsageError
from amp.machine.config import HEADED, SMALL, Mode, RunConfig
from amp.ordering.barriers import PROMISES, BarrierClass, Kind
from amp.ordering.sites import SiteMap, kind_at
from amp.virtio.sites import S1, S2, S3, S4
from hostside import scenarios as host
from remoteside import scenarios as remote

ALL = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)


def sizes(scenario: Scenario) -> list[int]:
    least, most = scenario.ring_size_limits
    return [n for n in range(least, most + 1) if not scenario.power_of_two or not n & (n - 1)]


def test_every_program_that_both_sides_have_is_in_the_catalogue_under_one_name() -> None:
    assert tuple(SCENARIOS) == SMALL == tuple(host.PROGRAMS) == tuple(remote.PROGRAMS)
    assert not set(SMALL) & set(HEADED)
    for name, scenario in SCENARIOS.items():
        assert (scenario.name, scenario.host, scenario.remote) == (name, host.PROGRAMS[name], remote.PROGRAMS[name])


@ALL
def test_a_config_has_the_scenarios_sizes_unless_asked_otherwise_and_what_it_fixes_always(scenario: Scenario) -> None:
    plain = scenario.config(Mode.LOCKSTEP)
    assert (plain.program, plain.messages, plain.ring_size) == (scenario.name, scenario.messages, scenario.ring_size)
    for size in sizes(scenario):
        config = scenario.config(Mode.FREE, messages=7, ring_size=size)
        assert (config.messages, config.ring_size) == (7, size)
        assert {name: getattr(config, name) for name in scenario.fixed} == dict(scenario.fixed)
        assert scenario.settle(config) == config, "what is settled stays"


@ALL
def test_sizes_beyond_the_limits_are_refused_by_name_value_and_limit(scenario: Scenario) -> None:
    least, most = scenario.ring_size_limits
    for size in (0, least - 1, most + 1, 3 if scenario.power_of_two else 9):
        with pytest.raises(UsageError, match=f"ring size is {size}, "):
            scenario.config(Mode.LOCKSTEP, ring_size=size)
    for messages in (0, scenario.messages_limit + 1):
        with pytest.raises(UsageError, match=f"messages is {messages}, "):
            scenario.config(Mode.LOCKSTEP, messages=messages)


@ALL
@pytest.mark.parametrize(
    "change",
    [{"window": 3}, {"polls": 1}, {"segments": 3}, {"align": 64}, {"suppression": False}, {"payload_bytes": 5}],
)
def test_what_a_scenario_fixes_cannot_be_asked_for_otherwise(scenario: Scenario, change: dict[str, int]) -> None:
    config = msgspec.structs.replace(scenario.config(Mode.LOCKSTEP), **change)
    with pytest.raises(
        UsageError, match=f"^{scenario.name} always has .*{next(iter(change)).partition('_')[0]}.*, not "
    ):
        scenario.settle(config)


@ALL
def test_every_shared_byte_has_a_name_and_what_lies_outside_is_a_number(scenario: Scenario) -> None:
    for size in sizes(scenario):
        config = scenario.config(Mode.LOCKSTEP, ring_size=size)
        plan = scenario.plan(config)
        start, end = plan.layout(1).shared
        names = [plan.name_of(address) for address in range(start, end)]
        named = [at for at, name in enumerate(names) if not name.startswith("0x")]
        assert named[0] == 0
        assert named[-1] < 1024, "small"
        assert plan.name_of(start - 1) == f"{start - 1:#x}"
        assert all(name == f"{start + at:#x}" for at, name in enumerate(names) if at > named[-1])


@pytest.mark.parametrize(
    ("name", "spoken"),
    [
        ("spsc-vring", {"avail_idx", "used_idx", "avail_ring[1]", "used_ring[0]", "len[1]", "buf[0]"}),
        ("vring", {"desc[1].addr", "avail.idx", "used.ring[1].len", "buffer 0", "buffer 1 +0x7"}),
        ("vring-indirect", {"desc[0].flags", "buffer 0 request", "buffer 1 reply +0x1", "indirect table 1 +0x10"}),
        ("doorbell", {"request payload", "request number", "reply payload +0x7", "reply number +0x3"}),
    ],
)
def test_an_address_is_named_in_the_protocols_own_words(name: str, spoken: set[str]) -> None:
    plan = SCENARIOS[name].plan(SCENARIOS[name].config(Mode.LOCKSTEP))
    start, end = plan.layout(1).shared
    assert spoken <= {plan.name_of(address) for address in range(start, end)}


def test_other_programs_have_the_plan_that_they_always_had() -> None:
    config = RunConfig(program="echo", mode=Mode.LOCKSTEP)
    assert plan_for(config).name_of(plan_for(config).layout(1).shared[0]) == "to_remote desc[0].addr"


def test_only_the_program_that_is_written_in_c11s_fences_has_kinds_of_its_own() -> None:
    fences = {S1: Kind.RELEASE, S2: Kind.ACQUIRE, S3: Kind.RELEASE, S4: Kind.ACQUIRE}
    assert {name: dict(scenario.kinds) for name, scenario in SCENARIOS.items() if scenario.kinds} == {
        "spsc-vring": fences
    }


@ALL
def test_the_kinds_at_its_sites_promise_what_the_sites_need(scenario: Scenario) -> None:
    for cls, site in product((BarrierClass.SMP, BarrierClass.MANDATORY), (*scenario.sites, *scenario.idle_sites)):
        primitive = SiteMap.for_class(cls, scenario.kinds)[site]
        assert PROMISES[primitive] & site.needs == site.needs, kind_at(site, scenario.kinds)


@ALL
def test_a_scenario_as_data_is_json(scenario: Scenario) -> None:
    data = json.loads(json.dumps(scenario.as_dict()))
    assert (data["name"], data["host"].split(".")[0], data["remote"].split(".")[0]) == (
        scenario.name,
        "hostside",
        "remoteside",
    )
    assert list(data["sites"]) == [site.name for site in scenario.sites]
