"""Three and four processors, in the explorer and by the axioms: both end in the same outcomes, wherever they stand."""

from __future__ import annotations

import placed_oracle
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from placed_shapes import PLACES, SHAPES, placed
from port_strategies import ATOMIC, CROWDS, SCALAR, WHOLE, programs
from port_strategies import PLATFORMS as NAMES
from slow_sizes import size, slow_unless
from small_programs import as_if_multi_copy_atomic, crowd, explored

from amp.ordering.placement import Placement
from amp.ordering.platforms import PLATFORMS

MOST_WORDS = {2: 3, 3: 3, 4: 2}
MOST_RUNS = 20_000
APART = {3: crowd(3), 4: crowd(4)}
# Siblings and others, siblings alone, and all apart.
PLACEMENTS = (
    *(Placement.of(names) for names in (*CROWDS, *PLACES[3], *PLACES[4], ("host", "host2"))),
    *APART.values(),
    Placement.of(("host", "remote", "remote2"), apart=("remote", "remote2")),
    Placement.of(("host", "host2", "remote", "remote2"), apart=("remote", "remote2")),
)
ORACLE_SHAPES = [shape for shape, texts in SHAPES.items() if "kick" not in "".join(texts)]
Programs = tuple[str, ...]


def assert_as_the_axioms_allow(program: Programs, platform: str, placement: Placement) -> None:
    machine = as_if_multi_copy_atomic(PLATFORMS[platform])
    exploration = explored(program, machine, most_runs=MOST_RUNS, placement=placement)
    assume(exploration is not None)
    assert exploration is not None
    due = placed_oracle.outcomes(program, machine, placement)
    assert exploration.found == due, (program, platform, placement.names, placement.domains)


def drawn(data: st.DataObject, placement: Placement, kinds: tuple[str, ...], more: int = 0) -> Programs:
    most = MOST_WORDS[len(placement)] + more
    return data.draw(programs(kinds=kinds, places=WHOLE, most=most, cpus=len(placement), waking=False))


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(PLACEMENTS), st.sampled_from(NAMES))
def test_accesses_end_as_the_axioms_allow(data: st.DataObject, placement: Placement, platform: str) -> None:
    assert_as_the_axioms_allow(drawn(data, placement, SCALAR), platform, placement)


@settings(max_examples=15, deadline=None)
@given(st.data(), st.sampled_from(PLACEMENTS), st.sampled_from(NAMES))
def test_so_do_atomics(data: st.DataObject, placement: Placement, platform: str) -> None:
    assert_as_the_axioms_allow(drawn(data, placement, SCALAR + ATOMIC), platform, placement)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@settings(max_examples=size(500, 40_000), deadline=None)
@given(st.data(), st.sampled_from(PLACEMENTS), st.sampled_from(NAMES))
def test_so_do_thousands(data: st.DataObject, placement: Placement, platform: str) -> None:
    assert_as_the_axioms_allow(drawn(data, placement, SCALAR + ATOMIC, more=1), platform, placement)


@pytest.mark.a_few(15)
@pytest.mark.parametrize("platform", slow_unless({"arm64-domains", "x86-wc", "omap4-2011"}.__contains__, NAMES))
@pytest.mark.parametrize("shape", ORACLE_SHAPES)
def test_the_classic_shapes_end_so_in_every_placement(shape: str, platform: str) -> None:
    for names, program in placed(shape):
        placement, machine = Placement.of(names), as_if_multi_copy_atomic(PLATFORMS[platform])
        found = explored(program, machine, placement=placement)
        assert found is not None
        assert found.found == placed_oracle.outcomes(program, machine, placement), (names, program)


@pytest.mark.parametrize("rule", ["_carries", "_coherent", "distance"])
def test_the_comparison_notices_an_axiom_that_is_not_there(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    instead = {"_carries": lambda _: iter(()), "_coherent": lambda *_: True, "distance": lambda *_: placed_oracle.FAR}
    monkeypatch.setattr(placed_oracle.Executions, rule, instead[rule])
    differ = 0
    for shape in ("WRC", "WRC by data", "ISA2", "MP", "CO"):
        for names, program in placed(shape):
            placement, machine = Placement.of(names), as_if_multi_copy_atomic(PLATFORMS["omap4-2011"])
            found = explored(program, machine, placement=placement)
            assert found is not None
            differ += found.found != placed_oracle.outcomes(program, machine, placement)
    assert differ
