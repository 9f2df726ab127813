"""A trace in the Trace Event Format, which ui.perfetto.dev and chrome://tracing open.

Source: the Chromium project's document "Trace Event Format". Each CPU is a process. Its program is a thread of instants
(loads, barriers, doorbells); its pending stores are complete events, from issue to visibility, on as many threads as it
takes for none to overlap, for the slices of a thread must nest. A flow leads from a store's arrival to each load that
read it. A timestamp is the event's number, in microseconds: it names an order, not a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from amp import __version__
from amp.report.blame import Explanation
from amp.report.history import GRANULE, History
from amp.report.lanes import stack
from amp.report.trace import TO_MAILBOX, Event, EventFlag, EventKind, Trace
from amp.report.words import Names, Words

_INSTANTS: Final = {
    EventKind.LOAD: "load",
    EventKind.BARRIER: "barrier",
    EventKind.TAKEN: "interrupt",
    EventKind.KICK: "doorbell",
    EventKind.STATUS: "status",
    EventKind.ACKNOWLEDGE: "acknowledge",
    EventKind.WAIT: "wait",
    EventKind.STALL: "stall",
    EventKind.RETIRE: "end",
    EventKind.NOTE: "note",
}
_STORES: Final = (EventKind.STORE, *TO_MAILBOX)
_THREADS: Final = 1000  # thread ids a CPU may use: importers tell threads apart by tid alone


def render_perfetto(trace: Trace, explanation: Explanation, names: Names, *, verdict: str, replay: str | None) -> str:
    """The JSON text. `verdict` and `replay` go into its metadata."""
    data = {
        "traceEvents": trace_events(trace, explanation, names),
        "displayTimeUnit": "ns",
        "otherData": {
            "version": f"amp {__version__}",
            "verdict": verdict,
            "replay": replay or "",
            **dict(Words(History(trace), explanation, names).paragraphs()),
        },
    }
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)


def trace_events(trace: Trace, explanation: Explanation, names: Names) -> list[dict[str, Any]]:
    """The events: names first, then by time; of equal times a flow comes after the slice that it binds to."""
    words = Words(History(trace), explanation, names)
    threads: dict[int, tuple[int, int]] = {}  # store -> (pid, tid)
    named: list[dict[str, Any]] = []
    timed: list[dict[str, Any]] = []
    for cpu in range(len(explanation.sides)):
        slices = list(_slices(words, trace, cpu))
        threads |= {slice_["args"]["event"]: (slice_["pid"], slice_["tid"]) for slice_ in slices}
        named += _names(words, cpu, sorted({slice_["tid"] for slice_ in slices}))
        timed += slices
    timed += (_instant(words, event) for event in trace.events if event.kind in _INSTANTS and not _part(event))
    timed += _flows(words, threads)
    # A stable sort: slices, then instants, then flows, as they were added.
    return named + sorted(timed, key=lambda event: float(event["ts"]))


def _program(cpu: int) -> tuple[int, int]:
    """(pid, tid) of a CPU's program. 0 would be the idle process to some readers."""
    return cpu + 1, (cpu + 1) * _THREADS


def _names(words: Words, cpu: int, tids: list[int]) -> Iterator[dict[str, Any]]:
    pid, program = _program(cpu)
    yield _metadata("process_name", pid, program, name=words.cpu(cpu))
    yield _metadata("process_sort_index", pid, program, sort_index=cpu)
    for tid in (program, *tids):
        name = "program" if tid == program else f"pending stores {tid - program}"
        yield _metadata("thread_name", pid, tid, name=name)
        yield _metadata("thread_sort_index", pid, tid, sort_index=tid)


def _metadata(kind: str, pid: int, tid: int, **args: object) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": pid, "tid": tid, "ts": 0, "args": args}


def _slices(words: Words, trace: Trace, cpu: int) -> Iterator[dict[str, Any]]:
    stores = words.history.of_kind(cpu, *_STORES)
    spans = [words.history.pending_span(store) for store in stores]
    pid, program = _program(cpu)
    for store, (start, end), row in zip(stores, spans, stack(spans), strict=True):
        yield {
            "ph": "X",
            "name": words.said(store),
            "cat": "store" if store.kind is EventKind.STORE else "doorbell",
            "pid": pid,
            "tid": program + 1 + row,
            "ts": start,
            "dur": end - start,
            "args": {"event": start, **_marked(words, store), "visible": end if end <= trace.last else "never"},
        }


def _instant(words: Words, event: Event) -> dict[str, Any]:
    pid, tid = _program(event.cpu)
    args = {"event": event.number, **_marked(words, event)}
    if event.kind is EventKind.LOAD:
        args["from"] = ", ".join(f"#{store}" for store in words.history.sources(event)) or "older"
        if event.flags & EventFlag.STALE and event.newest:
            args["stale"] = f"newest is #{event.newest}"
    return {
        "ph": "i",
        "name": words.said(event),
        "cat": _INSTANTS[event.kind],
        "pid": pid,
        "tid": tid,
        "ts": event.number,
        "s": "t",
        "args": args,
    }


def _marked(words: Words, event: Event) -> dict[str, Any]:
    """What the explanation says of this event."""
    said = {
        "line": words.where(event),
        "instruction": words.instruction(event),
        "blame": words.label(event),
        "mark": words.mark(event),
    }
    return {key: text for key, text in said.items() if text}


def _flows(words: Words, threads: dict[int, tuple[int, int]]) -> Iterator[dict[str, Any]]:
    """From the arrival that a load read to that load; none for a CPU's own store that was still pending."""
    number = 0
    for load in words.history.trace.events:
        if load.kind is not EventKind.LOAD or _part(load):
            continue
        for source in words.history.sources(load):
            arrived = _arrival(words, source, load)
            if arrived is None or source not in threads:
                continue
            number += 1
            flow = {"name": "read", "cat": "read", "id": number}
            pid, tid = threads[source]
            yield {"ph": "s", **flow, "pid": pid, "tid": tid, "ts": arrived}
            pid, tid = _program(load.cpu)
            yield {"ph": "f", "bp": "e", **flow, "pid": pid, "tid": tid, "ts": load.number}


def _arrival(words: Words, source: int, load: Event) -> int | None:
    """When the first byte that the load read of that store had arrived; None if it had not."""
    store = words.history.trace.event(source)
    if store is None:
        return None
    low = max(store.address, load.address)
    bytes_ = (low, *range(low - low % GRANULE + GRANULE, min(store.address + store.size, load.address + load.size), 8))
    times = (words.history.visible_at(store, byte) for byte in bytes_)
    return min((time for time in times if time is not None and time < load.number), default=None)


def _part(event: Event) -> bool:
    return bool(event.flags & EventFlag.PART)
