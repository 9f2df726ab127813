"""What happened, in one or two sentences for each shape of disorder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amp.report.shapes import Shape
from amp.report.trace import Event

if TYPE_CHECKING:
    from amp.report.words import Words


def shape_text(words: Words, pair: tuple[Event, Event], others: tuple[Event, Event]) -> str:
    """One or two sentences for the shape."""
    a, b = (words.short(event) for event in pair)
    c, d = (words.short(event) for event in others)
    side, other = words.cpu(pair[0].cpu), words.cpu(others[0].cpu)
    match words.explanation.shape:
        case Shape.STORES:
            said = (
                f"The {side} stored {a} (A), then {b} (B). B became visible first, so the {other} could see B "
                "without A."
            )
        case Shape.DOORBELL:
            said = (
                f"The {side} stored {a} (A), then rang (B). The doorbell arrived first: the {other} woke, "
                "looked, and found nothing new."
            )
        case Shape.LOADS:
            said = (
                f"The {side} loaded {a} (A), then {b} (B). A returned the new value and B an old one: B was "
                f"performed before A. The {other}'s stores arrived in order."
            )
        case Shape.BUFFERED:
            said = (
                f"The {side} stored {a} (A) and then looked at {b} (B), but B was performed before A was "
                f"visible; the {other} stored {c} and looked at {d}. Each saw the other's old value."
            )
        case Shape.RELAYED:
            missed = words.explanation.missed
            whose = "" if missed is None else f" of the {words.cpu(missed.cpu)}'s store"
            said = (
                f"The {side} knew{whose} by {a} (A), then stored {b} (B). The {other} saw B, at {c}, and what A "
                f"knew of came to it later: {d} is the old value."
            )
        case Shape.LATE_LOAD:
            said = (
                f"The {side} read {a} (A), then handed it back with {b} (B). A was performed after B: the "
                f"{other} had written the buffer again."
            )
        case Shape.WIPED_OUT:
            said = (
                f"The {side} stored {a} (A) and then looked at {b} (B), but B was performed before A was visible. "
                f"The {other} stored {c}, which B missed, then {d}, and A landed on that."
            )
        case Shape.OVERWRITTEN:
            said = (
                f"The {side} stored {a} (A), then {b} (B). B became visible first; the {other} saw it, stored {d}, "
                "and A landed on that."
            )
        case Shape.NOTHING | Shape.INTERLEAVED:
            raise AssertionError("there is no pair to speak of")
    return said
