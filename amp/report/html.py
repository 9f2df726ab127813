"""The explanation as one page that needs nothing else: no network, no other file, no server.

The page is a Jinja template that escapes everything; its style and its script are files beside it, put in as they are.
What the script draws is one block of JSON, with every character that could end the block or start a tag escaped. The
page forbids itself every connection, and every script but its own by hash (Content Security Policy level 3).
"""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from amp import __version__
from amp.report.blame import Explanation
from amp.report.history import History
from amp.report.page import asset, source_hash, template
from amp.report.scene import scene, times_looked
from amp.report.trace import AT_MAILBOX, Event, EventKind, Trace
from amp.report.view import view
from amp.report.words import Names, Words

_SCRIPTS: Final = ("data.js", "plot.js", "page.js")  # one script, in this order


def render_html(trace: Trace, explanation: Explanation, names: Names, *, verdict: str, replay: str | None) -> str:
    """The page. `verdict` says what was run and found, with platform and bounds; `replay` repeats it, if it can be."""
    words = Words(History(trace), explanation, names)
    style, script = asset("explain.css"), "".join(asset(name) for name in _SCRIPTS)
    return template("explain.html").render(
        version=__version__,
        opening=words.opening(),
        verdict=verdict,
        replay=replay,
        repaired=explanation.repair.command if explanation.repair else "",
        explained=explanation.pair is not None,
        paragraphs=words.paragraphs(),
        cpus=[words.cpu(cpu) for cpu in range(len(explanation.sides))],
        story=[_row(words, event) for event in scene(words.history, explanation, words.name)],
        data=view(trace, explanation, words),
        style=Markup(style),  # ours, not data
        script=Markup(script),
        style_hash=source_hash(style),
        script_hash=source_hash(script),
    )


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
