"""The Perfetto file holds to the Trace Event Format: required fields by phase, slices that nest, flows in pairs."""

import json
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from amp.ordering.barriers import BarrierClass
from amp.report.blame import Finding
from amp.report.history import History
from amp.report.perfetto import render_perfetto
from amp.report.trace import EventFlag, EventKind
from amp.virtio.sites import B1, K1, S1, S2, S5

NONE, SMP = BarrierClass.NONE, BarrierClass.SMP
CASES = [
    ("message passing", "omap4-2011", {S1: SMP, S2: SMP}),
    ("bulk passing", "paranoid", {S1: NONE}),
    ("store buffering", "paranoid", {S5: NONE}),
    ("doorbell", "armv7-smp", {K1: SMP}),
    ("late read", "paranoid", {B1: NONE}),
]

# "Trace Event Format" by phase: Complete, Instant, Flow, Metadata events.
COMMON = {"name": {"type": "string", "minLength": 1}, "pid": {"type": "integer"}, "tid": {"type": "integer"}}
TIMED = {**COMMON, "cat": {"type": "string", "minLength": 1}, "ts": {"type": "number", "minimum": 0}}
ARGS = {"args": {"type": "object"}}
FLOW = {**TIMED, "id": {"type": ["integer", "string"]}}
PHASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "X": ({**TIMED, **ARGS, "dur": {"type": "number", "minimum": 0}}, ["dur"]),
    "i": ({**TIMED, **ARGS, "s": {"enum": ["g", "p", "t"]}}, ["s"]),
    "s": (FLOW, ["id"]),
    "f": ({**FLOW, "bp": {"const": "e"}}, ["id"]),
    "M": (
        {
            **COMMON,
            "ts": {"type": "number"},
            "name": {"enum": ["process_name", "thread_name", "process_sort_index", "thread_sort_index"]},
            "args": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "sort_index": {"type": "integer"}},
                "additionalProperties": False,
                "minProperties": 1,
            },
        },
        ["args"],
    ),
}
SCHEMA = {
    "type": "object",
    "required": ["traceEvents"],
    "properties": {
        "traceEvents": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["ph", "name", "pid", "tid", "ts"],
                "properties": {"ph": {"enum": list(PHASES)}},
                "allOf": [
                    {
                        "if": {"properties": {"ph": {"const": phase}}},
                        "then": {
                            "properties": {"ph": True, **properties},
                            "required": required,
                            "additionalProperties": False,
                        },
                    }
                    for phase, (properties, required) in PHASES.items()
                ],
            },
        },
        "displayTimeUnit": {"enum": ["ms", "ns"]},
        "otherData": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "additionalProperties": False,
}


def made(bench: Any, found: tuple[Any, Finding]) -> dict[str, Any]:
    machine, finding = found
    text = render_perfetto(
        machine.trace(), machine.explain(finding), bench.names, verdict="the verdict", replay="amp run echo"
    )
    data: dict[str, Any] = json.loads(text)
    return data


def faults(data: dict[str, Any]) -> list[str]:
    """Everything in which the file does not hold to the format."""
    found = [f"{list(error.path)}: {error.message}" for error in Draft202012Validator(SCHEMA).iter_errors(data)]
    return found or [*_order(data["traceEvents"]), *_names(data["traceEvents"]), *_flows(data["traceEvents"])]


def _order(events: list[dict[str, Any]]) -> list[str]:
    """Sorted by time, and the slices of a thread one inside the other or apart, as importers require."""
    timed = [event for event in events if event["ph"] != "M"]
    found = [f"ts {b['ts']} after {a['ts']}" for a, b in pairwise(timed) if a["ts"] > b["ts"]]
    open_until: dict[int, list[float]] = defaultdict(list)
    for event in (event for event in timed if event["ph"] == "X"):
        stack, end = open_until[event["tid"]], event["ts"] + event["dur"]
        while stack and stack[-1] <= event["ts"]:
            stack.pop()
        if stack and end > stack[-1]:
            found.append(f"tid {event['tid']}: {event['name']!r} overlaps the slice before it")
        stack.append(end)
    return found


def _names(events: list[dict[str, Any]]) -> list[str]:
    """Every process and every thread has a name, and a thread id belongs to one process."""
    named = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
    processes = {e["pid"] for e in events if e["name"] == "process_name"}
    used = {(e["pid"], e["tid"]) for e in events}
    found = [f"thread {thread} has no name" for thread in sorted(used - named)]
    found += [f"process {pid} has no name" for pid in sorted({pid for pid, _ in used} - processes)]
    return found + ["a thread id of two processes"] * (len({tid for _, tid in used}) < len(used))


def _flows(events: list[dict[str, Any]]) -> list[str]:
    """One start and one end to an id, in this order, each at a slice or an instant of its thread."""
    found, ends = [], defaultdict(list)
    for event in events:
        if event["ph"] in "sf":
            ends[event["id"]].append(event)
            at = event["ts"]
            spans = (e for e in events if e["ph"] in "Xi" and e["tid"] == event["tid"])
            if not any(e["ts"] <= at <= e["ts"] + e.get("dur", 0) for e in spans):
                found.append(f"flow {event['id']} binds to nothing at {at}")
    for number, pair in ends.items():
        if [event["ph"] for event in pair] != ["s", "f"]:
            found.append(f"flow {number} is {[event['ph'] for event in pair]}")
        elif pair[0]["cat"] != pair[1]["cat"] or pair[0]["name"] != pair[1]["name"]:
            found.append(f"flow {number}: name or category differ")
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}, {case[1]}")
def test_it_holds_to_the_format(bench: Any, case: tuple[Any, ...]) -> None:
    data = made(bench, bench.first(*case))
    assert faults(data) == []
    assert {event["ph"] for event in data["traceEvents"]} >= {"M", "X", "i"}


def first_of(data: dict[str, Any], phase: str) -> dict[str, Any]:
    event: dict[str, Any] = next(event for event in data["traceEvents"] if event["ph"] == phase)
    return event


BREAKS: dict[str, Callable[[dict[str, Any]], object]] = {
    "no duration": lambda data: first_of(data, "X").pop("dur"),
    "a duration below 0": lambda data: first_of(data, "X").update(dur=-1),
    "an instant without scope": lambda data: first_of(data, "i").pop("s"),
    "a scope that is none": lambda data: first_of(data, "i").update(s="q"),
    "no process": lambda data: first_of(data, "i").pop("pid"),
    "an unknown phase": lambda data: first_of(data, "X").update(ph="Y"),
    "a text for a time": lambda data: first_of(data, "X").update(ts="1"),
    "a flow without an end": lambda data: data["traceEvents"].remove(first_of(data, "f")),
    "a flow with two starts": lambda data: data["traceEvents"].insert(-1, first_of(data, "s")),
    "a flow from nowhere": lambda data: first_of(data, "s").update(ts=0),
    "out of order": lambda data: data["traceEvents"].append(first_of(data, "X")),
    "a nameless thread": lambda data: first_of(data, "i").update(tid=7),
    "slices that overlap": lambda data: [e.update(tid=1001) for e in data["traceEvents"] if e["ph"] in "Xs"],
}


@pytest.mark.parametrize("fault", BREAKS)
def test_what_breaks_the_format_is_noticed(bench: Any, fault: str) -> None:
    data = made(bench, bench.first(*CASES[0]))
    BREAKS[fault](data)
    assert faults(data)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}, {case[1]}")
def test_it_says_what_the_trace_says(bench: Any, case: tuple[Any, ...]) -> None:
    machine, finding = bench.first(*case)
    trace, explanation = machine.trace(), machine.explain(finding)
    history = History(trace)
    events = made(bench, (machine, finding))["traceEvents"]
    slices = {event["args"]["event"]: event for event in events if event["ph"] == "X"}
    stores = {e.number: e for e in trace.events if e.kind in (EventKind.STORE, EventKind.KICK)}
    assert slices.keys() == stores.keys()
    for number, event in slices.items():
        start, end = history.pending_span(stores[number])
        assert (event["ts"], event["dur"]) == (start, end - start)
    program = {EventKind.LOAD, EventKind.BARRIER, EventKind.KICK, EventKind.TAKEN}
    instants = {event["args"]["event"] for event in events if event["ph"] == "i"}
    assert {e.number for e in trace.events if e.kind in program and not e.flags & EventFlag.PART} <= instants
    flows = defaultdict(dict)
    for event in events:
        if event["ph"] in "sf":
            flows[event["id"]][event["ph"]] = event
    read = set()
    for pair in flows.values():
        load = trace.event(pair["f"]["ts"])
        arrival = trace.event(pair["s"]["ts"])
        assert load is not None
        assert arrival is not None
        assert arrival.kind is EventKind.VISIBLE
        assert arrival.number < load.number
        assert arrival.store in history.sources(load)
        read.add((arrival.store, load.number))
    loads = [e for e in trace.events if e.kind is EventKind.LOAD and not e.flags & EventFlag.PART]
    visible = {
        (source, load.number)
        for load in loads
        for source in history.sources(load)
        if any(event.number < load.number for event in history.visible_events(stores[source]))
    }
    assert read == visible
    bad = next(event for event in events if event.get("args", {}).get("event") == explanation.bad.number)
    assert bad["args"]["mark"]


def test_the_verdict_and_the_story_are_in_its_metadata(bench: Any) -> None:
    told = made(bench, bench.first(*CASES[0]))["otherData"]
    assert told["verdict"] == "the verdict"
    assert told["replay"] == "amp run echo"
    assert "dma_wmb" in told["Cure"]


def test_a_finding_without_an_explanation_and_a_cut_trace_hold_to_the_format_too(bench: Any) -> None:
    machine = bench.machine("paranoid", trace_events=64)
    assert bench.programs["message passing"](machine) is None
    assert not machine.trace().complete
    data = made(bench, (machine, Finding(1, "nothing really", 0x08)))
    assert faults(data) == []
    assert "Not explained" in data["otherData"]
    assert data["otherData"]["Trace"].startswith("begins at #")
