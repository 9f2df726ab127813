"""A story is of one ring: the barrier that is marked, and what is shown around it, led to the load that went wrong."""

import msgspec
import pytest

from amp.lab.machine import Machine
from amp.lab.plan import make_plan
from amp.lab.run import Witness, witness
from amp.machine.config import Mode
from amp.machine.wiring import Wiring
from amp.ordering.barriers import Orders
from amp.report.history import GRANULE, History
from amp.report.scene import scene
from amp.report.trace import Event, EventFlag, EventKind
from amp.report.words import Words

LOCKSTEP, FREE = Mode.LOCKSTEP, Mode.FREE
CASES = [
    ("paranoid", "mandatory", ("S2=none",), LOCKSTEP),
    ("paranoid", "mandatory", ("S4=none",), LOCKSTEP),
    ("paranoid", "none", (), LOCKSTEP),
    ("omap4-2011", "smp", (), LOCKSTEP),
    ("armv7-up", "smp", (), LOCKSTEP),
    ("paranoid", "mandatory", ("S2=none",), FREE),
]
SEEDS = range(1, 6)
TRIED = 60  # at most: in free mode the machine has a say in what a seed shows
ACCESSES = (EventKind.LOAD, EventKind.STORE)


def ring(wiring: Wiring, address: int) -> str | None:
    """By where it lies, not by its name."""
    return next((each.name for each in (wiring.to_remote, wiring.to_host) if each.name_of(address)), None)


def access_before(events: tuple[Event, ...], barrier: Event) -> Event:
    """In program order: of what was deferred the trace does not say when it was issued."""
    return next(
        event
        for event in reversed(events[: barrier.number - events[0].number])
        if event.cpu == barrier.cpu
        and event.kind in ACCESSES
        and not event.flags & (EventFlag.PART | EventFlag.DEFERRED)
    )


def check_context(found: Witness, wiring: Wiring) -> int:
    """Everything that is shown between two accesses of one CPU is of their ring. Gives how many accesses those are."""
    assert found.explanation is not None
    assert found.trace is not None
    explanation, shown = found.explanation, 0
    names = {e.number for e in (*explanation.accesses, explanation.bad, explanation.missed) if e is not None}
    story = scene(History(found.trace), explanation, wiring.name_of)
    for first, second in filter(None, (explanation.pair, explanation.other)):
        if first.kind not in ACCESSES or second.kind not in ACCESSES:
            continue
        rings = {ring(wiring, event.address) for event in (first, second)}
        for event in story:
            between = event.cpu == first.cpu and first.number < event.number < second.number
            if between and event.kind is second.kind and event.number not in names and event.number != explanation.read:
                assert ring(wiring, event.address) in rings, (found.seed, event)
                shown += 1
    return shown


def check_passage(found: Witness, wiring: Wiring) -> bool:
    """Behind a load, what is marked is that site's first passage for its ring. Is there one to check?"""
    explanation = found.explanation
    assert explanation is not None
    assert found.trace is not None
    if explanation.pair is None or explanation.barrier is None or not (explanation.needs or 0) & Orders.RR:
        return False
    (first, second), barrier = explanation.pair, explanation.barrier
    assert ring(wiring, first.address) == ring(wiring, second.address), found.seed
    events = found.trace.events
    passages = [
        event.number
        for event in events
        if (event.kind, event.cpu, event.site) == (EventKind.BARRIER, first.cpu, barrier.site)
        and event.number > first.number
        and ring(wiring, access_before(events, event).address) == ring(wiring, first.address)
    ]
    assert barrier.number == passages[0], (found.seed, found.trace.site(barrier))
    return True


def check_staleness(found: Witness, machine: Machine) -> None:
    """What is told of the bad load names the newest visible store, if it returned an older one."""
    assert found.trace is not None
    explanation, events = found.explanation, found.trace.events
    assert explanation is not None
    bad, byte = explanation.bad, explanation.byte
    if explanation.pair is None or bad is None or byte is None or not explanation.missed or not explanation.read:
        return
    arrived = [e.store for e in events if e.kind is EventKind.VISIBLE and e.number < bad.number and holds(e, byte)]
    mark = Words(History(found.trace), explanation, machine.memory.name_of).mark(bad) or ""
    if explanation.read in arrived and arrived[-1] != explanation.read:
        assert f"stale: value of #{explanation.read}, newest is #{arrived[-1]}" in mark, (found.seed, mark)
    else:
        assert "stale" not in mark, (found.seed, mark)


def holds(arrival: Event, byte: int) -> bool:
    """Its size is the granule's bytes that it wrote, a bit each."""
    return arrival.address == byte - byte % GRANULE and bool(arrival.size >> byte % GRANULE & 1)


def test_a_load_that_is_early_and_returns_an_overwritten_value_is_told_as_stale() -> None:
    plan = make_plan("echo", platform="omap4-2011", barriers="smp", messages=1000)
    told = 0
    with Machine(plan.config) as machine:
        for seed in range(1, 49):
            outcome = machine.run(plan.at_seed(seed), plan.platform, plan.sites)
            if outcome.finding is None or outcome.finding.kind != "Stall":
                continue
            found = witness(machine, plan, outcome, explained=True)
            check_staleness(found, machine)
            assert found.explanation is not None
            assert found.trace is not None
            bad = found.explanation.bad
            mark = bad and Words(History(found.trace), found.explanation, machine.memory.name_of).mark(bad)
            told += bool(mark and mark.startswith("too early: A is still pending; stale: "))
    assert told > 0


@pytest.mark.a_few(2)
@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join((*case[:2], *case[2], case[3].value)))
def test_what_a_story_shows_is_of_the_ring_that_it_is_about(case: tuple[str, str, tuple[str, ...], Mode]) -> None:
    platform, barriers, weaken, mode = case
    plan = make_plan("echo", mode=mode, platform=platform, barriers=barriers, weaken=weaken, messages=1000)
    shown = passages = 0
    with Machine(plan.config) as machine:
        wiring = machine.memory
        assert isinstance(wiring, Wiring)
        for seed in range(SEEDS[0], TRIED):
            if seed > SEEDS[-1] and shown:
                break
            outcome = machine.run(msgspec.structs.replace(plan.config, seed=seed), plan.platform, plan.sites)
            if outcome.finding is None:
                continue
            found = witness(machine, plan, outcome, explained=True)
            shown += check_context(found, wiring)
            passages += check_passage(found, wiring)
            check_staleness(found, machine)
    assert shown > 0
    assert passages > 0 or not weaken
