"""An explanation as data, for `--json` and for programs."""

from __future__ import annotations

from typing import Any

from amp.ordering.barriers import orders_text
from amp.ordering.sites import Sites
from amp.port.lines import place_text
from amp.report.blame import Explanation
from amp.report.trace import Event, EventFlag, Trace


def as_dict(explanation: Explanation, trace: Trace | None = None) -> dict[str, Any]:
    """The explanation as data for `--json`. Events by number and fields; orders and barriers by name.

    With its trace each event says where in the program it stands.
    """
    e = explanation

    def event_dict(event: Event) -> dict[str, Any]:
        return {**_event_dict(e.sites, event), **(_standing(trace, event) if trace is not None else {})}

    return {
        "finding": {
            "cpu": e.finding.cpu,
            "side": str(e.sides[e.finding.cpu]),
            "part": e.names[e.finding.cpu] if e.names else str(e.sides[e.finding.cpu]),
            "text": e.finding.text,
            "address": e.finding.address,
            "size": e.finding.size,
            "stall": e.finding.stall,
        },
        "platform": e.platform.name,
        "shape": e.shape.name.lower(),
        "side": str(e.side) if e.side else None,
        "site": e.site.name if e.site else None,
        "needs": orders_text(e.needs) if e.needs else None,
        "pair": [event_dict(event) for event in e.pair] if e.pair else None,
        "other": [event_dict(event) for event in e.other] if e.other else None,
        "bad": event_dict(e.bad) if e.bad else None,
        "byte": e.byte,
        "read": e.read,
        "missed": e.missed.number if e.missed else None,
        "barrier": event_dict(e.barrier) if e.barrier else None,
        "primitive": e.primitive.label if e.primitive is not None else None,
        "why": e.why,
        "cure": e.cure.label if e.cure is not None else None,
        "cure_class": e.cure_class.value if e.cure_class else None,
        "also": event_dict(e.also) if e.also else None,
        "story": [event_dict(event) for event in e.story],
        "sequential": e.sequential,
        "tried": e.tried,
        "deciding": event_dict(e.deciding) if e.deciding else None,
    }


def _standing(trace: Trace, event: Event) -> dict[str, Any]:
    """Where in the program it stands; of compiled code the instruction, and the registers before it."""
    place, code = trace.places.get(event.number), trace.code.get(event.number)
    return {
        "line": None if place is None else place_text(place),
        "function": None if code is None else code.function,
        "instruction": None if code is None else code.text,
        "registers": {} if code is None else {name: f"{value:#x}" for name, value in code.registers},
    }


def _event_dict(sites: Sites, event: Event) -> dict[str, Any]:
    site = sites.at(event.site)
    return {
        "number": event.number,
        "cpu": event.cpu,
        "kind": event.kind.name.lower(),
        "address": event.address,
        "size": event.size,
        "value": event.value,
        "store": event.store,
        "newest": event.newest,
        "site": None if site is None else site.name,
        "orders": orders_text(event.orders),
        "flags": [flag.name for flag in EventFlag if flag in event.flags],
    }
