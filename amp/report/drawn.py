"""What a page shows of one finding, as data that JSON can hold: it can be kept, and shown later among others."""

from __future__ import annotations

from typing import Any

from amp.report.blame import Explanation
from amp.report.history import History
from amp.report.scene import scene, times_looked
from amp.report.trace import AT_MAILBOX, Event, EventKind, Trace
from amp.report.view import view
from amp.report.words import Names, Words


def drawn(trace: Trace, explanation: Explanation, names: Names, *, verdict: str, replay: str | None) -> dict[str, Any]:
    """What `timeline.html` shows, in lists, texts and numbers; `verdict` and `replay` are texts of the page."""
    words = Words(History(trace), explanation, names)
    return {
        "opening": words.opening(),
        "verdict": verdict,
        "replay": replay,
        "repaired": explanation.repair.command if explanation.repair else "",
        "explained": explanation.pair is not None,
        "paragraphs": words.paragraphs(),
        "cpus": [words.cpu(cpu) for cpu in range(len(explanation.sides))],
        "story": [_row(words, event) for event in scene(words.history, explanation, words.name)],
        "data": view(trace, explanation, words),
    }


def _row(words: Words, event: Event) -> dict[str, object]:
    """A line of the story as a table."""
    arrival = event.kind in (EventKind.VISIBLE, *AT_MAILBOX)
    text = f"{words.label(event)} visible: {words.said(event)}".strip() if arrival else words.said(event)
    times = times_looked(words.history, event) if words.explanation.pair is None else 1
    text += f" … {times} times" * (times > 1)
    return {
        "number": event.number,
        "cpu": _shown_at(words, event.cpu) if arrival else event.cpu,
        "label": "" if arrival else words.label(event),
        "text": text + "; A is not" * words.overtook(event),
        "where": "" if arrival else words.standing(event),
        "mark": words.mark(event),
        "blamed": event.kind is EventKind.BARRIER,
        "arrival": arrival,
    }


def _shown_at(words: Words, writer: int) -> int:
    """A store arrives at the other side; at its own where there is no other."""
    cpus = range(len(words.explanation.sides))
    return next((cpu for cpu in cpus if words.side(cpu) is not words.side(writer)), writer)
