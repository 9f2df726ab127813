"""`amp explain`: a witness's story in the terminal, as a page, and for Perfetto. All three say the same."""

from __future__ import annotations

import os

from amp.cli.output import check_output, complain, write_output
from amp.errors import UsageError
from amp.lab import witness
from amp.lab.plan import Plan
from amp.lab.run import Witness
from amp.visible import visible


def save(path: str, plan: Plan, found: Witness, status: int = 1) -> int:
    """Write the witness of `found`, and say so; gives the exit status of a command that else ends with `status`."""
    try:
        content = witness.content(plan, found)
    except UsageError as error:
        complain(f"--save {path}: {error}: not written")
        return status
    return write_output("--save", path, content, status)


def check(witness_path: str, found: Witness, outputs: dict[str, str]) -> None:
    """Can `outputs`, file names by format ("html", "perfetto"), be written?

    Raises UsageError if a file cannot be written, is the witness itself, is asked for twice, or there is nothing to
    draw.
    """
    seen: dict[str, str] = {}
    for form, path in outputs.items():
        if os.path.exists(path) and os.path.samefile(path, witness_path):
            raise UsageError(f"--{form} {path}: that is the witness itself")
        if found.trace is None or found.explanation is None:
            raise UsageError(f"--{form}: witness {witness_path} holds no event: there is nothing to draw")
        check_output(f"--{form}", path)
        other = seen.setdefault(os.path.realpath(path), form)
        if other != form:
            raise UsageError(f"--{form} {path}: that is the file of --{other}")


def write(plan: Plan, found: Witness, outputs: dict[str, str], status: int) -> int:
    """Write `outputs`, which `check` has found possible; gives the exit status, else `status`."""
    if not outputs:
        return status
    from amp.lab.drawn import rendered  # noqa: PLC0415  (the renderers load what other commands never need)

    for form, path in outputs.items():
        status = write_output(f"--{form}", path, visible(rendered(plan, found, form)).encode(), status)
    return status
