"""An explanation as data, for `--json` and for programs."""

from __future__ import annotations

from typing import Any

from amp.ordering.barriers import orders_text
from amp.ordering.sites import Sites
from amp.report.blame import Explanation
from amp.report.trace import Event, EventFlag


def as_dict(explanation: Explanation) -> dict[str, Any]:
    """The explanation as data for `--json`. Events by number and fields; orders and barriers by name."""
    e = explanation
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
        "pair": [_event_dict(e.sites, event) for event in e.pair] if e.pair else None,
        "other": [_event_dict(e.sites, event) for event in e.other] if e.other else None,
        "bad": _event_dict(e.sites, e.bad) if e.bad else None,
        "byte": e.byte,
        "read": e.read,
        "missed": e.missed.number if e.missed else None,
        "barrier": _event_dict(e.sites, e.barrier) if e.barrier else None,
        "primitive": e.primitive.label if e.primitive is not None else None,
        "why": e.why,
        "cure": e.cure.label if e.cure is not None else None,
        "cure_class": e.cure_class.value if e.cure_class else None,
        "also": _event_dict(e.sites, e.also) if e.also else None,
        "story": [_event_dict(e.sites, event) for event in e.story],
        "sequential": e.sequential,
        "tried": e.tried,
        "deciding": _event_dict(e.sites, e.deciding) if e.deciding else None,
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
