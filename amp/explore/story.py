"""An execution told step by step, for a finding that no run of processes shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from amp.explore.explorer import side_name
from amp.explore.schedule import DOORBELL, READ, Event, Execution, order_of
from amp.port.port import CPU_NAMES


def story(execution: Execution, name_of: Callable[[int], str], names: Sequence[str] = CPU_NAMES) -> Iterator[str]:
    """A line for each step, in an order in which it may happen.

    `name_of` gives an address its name, `names` are the processors'. Where a store reaches one observer before another,
    its step is when it is made, and a load says what has not reached its processor.
    """
    steps: dict[int, int] = {}  # by event
    for step, number in enumerate(order_of(execution), 1):
        steps[number] = step
        event = execution.events[number - 1]
        who = side_name(event.cpu, names)
        if event.kind == READ:
            yield f"{who}: {_read(execution, event, steps, name_of, names)}{_late(execution, number, steps)}"
        elif event.kind == DOORBELL:
            yield f"{who}: its doorbell rings"
        else:
            what = "is made, and reaches the others one by one" if execution.one_by_one else "is visible"
            yield f"{who}: store {event.call} {what}: {name_of(_address(event))}"


def _address(event: Event) -> int:
    """Of the first byte."""
    return event.address + (event.mask & -event.mask).bit_length() - 1


def _read(
    execution: Execution,
    event: Event,
    steps: Mapping[int, int],
    name_of: Callable[[int], str],
    names: Sequence[str],
) -> str:
    sources = sorted({n for n in event.sources if n > 0})
    if sources and execution.events[sources[0] - 1].kind == DOORBELL:
        return f"takes the interrupt of step {steps[sources[-1]]}"
    told = [_source(execution, event, number, steps, names) for number in sources]
    if 0 in event.sources:
        told.append("initial memory")
    newer = [
        step
        for number, step in steps.items()
        if (other := execution.events[number - 1]).kind != READ
        and (other.address, number in sources) == (event.address, False)
        and other.mask & event.mask
        and step > max((steps.get(n, 0) for n in sources), default=0)
        and execution.may_miss(event, other)
    ]
    stale = f", not the newest (step {newer[-1]})" if newer else ""
    if newer and execution.one_by_one:
        stale = f", not what step {newer[-1]} has made: that has not reached the {side_name(event.cpu, names)}"
    return f"load {event.call} of {name_of(_address(event))} returns {' and '.join(told)}{stale}"


def _source(execution: Execution, event: Event, number: int, steps: Mapping[int, int], names: Sequence[str]) -> str:
    write = execution.events[number - 1]
    if number in steps:
        return f"step {steps[number]}"
    whose = "its own" if write.cpu == event.cpu else f"the {side_name(write.cpu, names)}'s"
    return f"{whose} store {write.call}, still pending"


def _late(execution: Execution, number: int, steps: Mapping[int, int]) -> str:
    """Which later store of the load's CPU is visible already."""
    event = execution.events[number - 1]
    passed = [
        step
        for other, step in steps.items()
        if other > number and execution.events[other - 1].cpu == event.cpu and execution.events[other - 1].kind != READ
    ]
    return f"; performed after a later store of its CPU (step {passed[0]})" if passed else ""
