"""A shipped program's record says what is true of it: its names, its sizes, its sites, where its data lie."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from types import MappingProxyType

import msgspec
import pytest

from amp.errors import UsageError
from amp.machine.config import Mode, RunConfig
from amp.ordering.barriers import PROMISES, BarrierClass, Kind
from amp.ordering.platforms import Side
from amp.ordering.sites import SiteMap
from amp.programs import EXPLORABLE, SHIPPED, load
from amp.programs.program import Program, Size
from amp.virtio.sites import SITES

ALL = pytest.mark.parametrize("program", EXPLORABLE.values(), ids=lambda program: program.name)


def entries_of(program: Program) -> list[int]:
    size = program.sizes["ring_size"]
    return [n for n in range(size.least, size.most + 1) if not size.power_of_two or not n & (n - 1)]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_program_is_found_by_its_name_and_its_parts_are_functions_of_their_sides(name: str) -> None:
    program = SHIPPED[name]
    assert (program.name, program.reference, load(name)) == (name, name, program)
    assert [(part.name, part.side) for part in program.parts] == [("host", Side.HOST), ("remote", Side.REMOTE)]
    for part in program.parts:
        code = part.load()
        assert callable(code)
        assert code.__module__.partition(".")[0] == f"{part.side.value}side"
        assert part.where == f"{code.__module__}:{code.__qualname__}"


def test_all_that_is_shipped_can_be_explored_but_the_exchanges() -> None:
    assert set(SHIPPED) - set(EXPLORABLE) == {"echo", "stream"}
    assert {name for name, program in SHIPPED.items() if program.exchange} == {"echo", "stream"}
    assert not any(program.bare for program in SHIPPED.values())


@ALL
def test_a_config_has_the_programs_sizes_unless_asked_otherwise_and_what_it_fixes_always(program: Program) -> None:
    plain = program.config(Mode.LOCKSTEP)
    assert plain.program == program.name
    assert {name: program.size_of(plain, name) for name in program.sizes} == {
        name: size.default for name, size in program.sizes.items()
    }
    for size in entries_of(program):
        config = program.config(Mode.FREE, messages=7, ring_size=size)
        assert (config.messages, config.ring_size) == (7, size)
        assert {name: getattr(config, name) for name in program.fixed} == dict(program.fixed)
        assert program.settle(config) == config, "what is settled stays"


@ALL
def test_sizes_beyond_the_limits_are_refused_by_name_value_and_limit(program: Program) -> None:
    entries, messages = program.sizes["ring_size"], program.sizes["messages"]
    for size in (0, entries.least - 1, entries.most + 1, 3 if entries.power_of_two else 9):
        with pytest.raises(UsageError, match=f"ring size is {size}, "):
            program.config(Mode.LOCKSTEP, ring_size=size)
    for number in (messages.least - 1, messages.most + 1):
        with pytest.raises(UsageError, match=f"messages is {number}, "):
            program.config(Mode.LOCKSTEP, messages=number)


@ALL
@pytest.mark.parametrize(
    "change",
    [{"window": 3}, {"polls": 1}, {"segments": 3}, {"align": 64}, {"suppression": False}, {"payload_bytes": 5}],
)
def test_what_a_program_fixes_cannot_be_asked_for_otherwise(program: Program, change: dict[str, int]) -> None:
    config = msgspec.structs.replace(program.config(Mode.LOCKSTEP), **change)
    with pytest.raises(
        UsageError, match=f"^{program.name} always has .*{next(iter(change)).partition('_')[0]}.*, not "
    ):
        program.settle(config)


def test_a_run_whose_sizes_are_not_the_programs_is_refused() -> None:
    """As a witness that somebody has altered may have them."""
    plain = EXPLORABLE["doorbell"]
    deep = replace(plain, sizes=MappingProxyType({**plain.sizes, "depth": Size(2)}))
    config = deep.config(Mode.LOCKSTEP, sizes={"depth": 3})
    assert deep.size_of(deep.settle(config), "depth") == 3
    for program, sizes in ((deep, {}), (deep, {"depth": 3, "width": 1}), (plain, {"depth": 3})):
        with pytest.raises(UsageError, match=f"^sizes are {', '.join(sizes) or 'none'}, doorbell has others"):
            program.settle(msgspec.structs.replace(config, sizes=sizes))


@ALL
def test_every_shared_byte_has_a_name_and_what_lies_outside_is_a_number(program: Program) -> None:
    for size in entries_of(program):
        config = program.config(Mode.LOCKSTEP, ring_size=size)
        plan = program.memory(config)
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
    plan = EXPLORABLE[name].memory(EXPLORABLE[name].config(Mode.LOCKSTEP))
    start, end = plan.layout(1).shared
    assert spoken <= {plan.name_of(address) for address in range(start, end)}


def test_an_exchange_has_the_wiring_that_it_always_had() -> None:
    config = RunConfig(program="echo", mode=Mode.LOCKSTEP)
    wiring = SHIPPED["echo"].memory(config)
    assert wiring.name_of(wiring.layout(1).shared[0]) == "to_remote desc[0].addr"


def test_only_the_program_that_is_written_in_c11s_fences_has_sites_of_its_own() -> None:
    fences = {"S1": Kind.RELEASE, "S2": Kind.ACQUIRE, "S3": Kind.RELEASE, "S4": Kind.ACQUIRE}
    own = {name: program.sites for name, program in SHIPPED.items() if program.sites is not SITES}
    assert {name: {site.name: site.kind for site in sites} for name, sites in own.items()} == {"spsc-vring": fences}
    assert not set(own["spsc-vring"]) & set(SITES), "they have the names of virtio's, and are others"


@ALL
def test_the_kinds_at_its_sites_promise_what_the_sites_need(program: Program) -> None:
    for cls, site in product((BarrierClass.SMP, BarrierClass.MANDATORY), program.stood_at):
        primitive = SiteMap.for_class(cls, program.sites)[site]
        assert PROMISES[primitive] & site.needs == site.needs, site


@ALL
def test_a_program_as_data_is_json(program: Program) -> None:
    data = json.loads(json.dumps(program.as_dict()))
    assert data["name"] == program.name
    assert {name: (part["side"], part["code"].partition(".")[0]) for name, part in data["parts"].items()} == {
        "host": ("host", "hostside"),
        "remote": ("remote", "remoteside"),
    }
    assert list(data["sites"]) == [site.name for site in program.needed]
    assert list(data["idle_sites"]) == [site.name for site in program.idle]
    assert list(data["kinds"]) == [site.name for site in program.stood_at]
