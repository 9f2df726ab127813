"""`amp explain`: a witness's story in the terminal, as a page, and for Perfetto. All three say the same."""

from __future__ import annotations

import os
from pathlib import Path

from amp.cli import run
from amp.cli.options import Plan
from amp.cli.run import Witness
from amp.errors import UsageError
from amp.machine.config import Mode
from amp.report.words import Names


def write(witness_path: str, plan: Plan, found: Witness, names: Names, outputs: dict[str, str]) -> None:
    """Write `outputs`, file names by format ("html", "perfetto"). `names` gives the region's places their names.

    Raises UsageError if a file cannot be written, is the witness itself, or there is nothing to draw.
    """
    for option, path in outputs.items():
        if os.path.exists(path) and os.path.samefile(path, witness_path):
            raise UsageError(f"--{option} {path}: that is the witness itself")
        if found.trace is None or found.explanation is None:
            raise UsageError(f"--{option}: witness {witness_path} holds no event: there is nothing to draw")
        # The renderers load what other commands never need.
        from amp.report.html import render_html  # noqa: PLC0415
        from amp.report.perfetto import render_perfetto  # noqa: PLC0415

        render = {"html": render_html, "perfetto": render_perfetto}[option]
        replay = plan.command(found.seed) if plan.config.mode is Mode.LOCKSTEP else None
        text = render(found.trace, found.explanation, names, verdict=verdict(plan, found), replay=replay)
        try:
            Path(path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--{option} {path}: {error.strerror}") from None


def verdict(plan: Plan, found: Witness) -> str:
    """The verdict in one line, with its platform and bounds."""
    site = "" if found.site is None else f" at {found.site}"
    where = "by this schedule" if plan.config.script else f"at seed {found.seed}"
    return f"Violation{site}: {run.title(plan)}; {where}, {run.progress(found)}"
