"""The explanation as one page that needs nothing else: no network, no other file, no server.

The page is a Jinja template that escapes everything; its style and its script are files beside it, put in as they are.
What the script draws is one block of JSON, with every character that could end the block or start a tag escaped. The
page forbids itself every connection, and every script but its own by hash (Content Security Policy level 3).

The template `timeline.html` and the script draw any number of findings on one page, each from its data
(amp.report.drawn).
"""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from amp import __version__
from amp.report.blame import Explanation
from amp.report.drawn import drawn
from amp.report.page import asset, source_hash, template
from amp.report.trace import Trace
from amp.report.words import Names

STYLE: Final = "explain.css"
_SCRIPTS: Final = ("data.js", "plot.js", "page.js")  # the body of one function, in this order


def render_html(trace: Trace, explanation: Explanation, names: Names, *, verdict: str, replay: str | None) -> str:
    """The page. `verdict` says what was run and found, with platform and bounds; `replay` repeats it, if it can be."""
    style, code = asset(STYLE), script()
    return template("explain.html").render(
        version=__version__,
        told=drawn(trace, explanation, names, verdict=verdict, replay=replay),
        style=Markup(style),  # ours, not data
        script=Markup(code),
        style_hash=source_hash(style),
        script_hash=source_hash(code),
    )


def script() -> str:
    """What draws every timeline of a page."""
    body = "".join(asset(name) for name in _SCRIPTS)
    each = 'document.querySelectorAll("script.events").forEach(timeline);'
    return f'"use strict";\nfunction timeline(block) {{\n{body}}}\n{each}\n'
