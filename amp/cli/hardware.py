"""What `amp litmus --hardware` prints: each test as it ends, and a line for all."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from amp.cli.output import complain, echo
from amp.cli.terminal import working
from amp.errors import UsageError
from amp.litmus.hardware import NativeFailed
from amp.litmus.silicon_suite import Request, Skipped, Summary, as_data, run_file
from amp.litmus.silicon_told import summary_text, text
from amp.litmus.suite import find_files
from amp.visible import visible


def main(paths: Iterable[str], asked: Request, *, as_json: bool) -> tuple[int, dict[str, Any] | None]:
    """Runs all; prints as it goes unless `as_json`. Gives the exit status, and the object for --json."""
    begin = time.monotonic()
    files = find_files(paths)
    summary = Summary()
    for file in files:
        try:
            with working(visible(file)):
                done = run_file(file, asked)
        except (UsageError, NativeFailed) as error:
            summary.errors.append(error)
            complain(str(error))
            continue
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"{file} has no result; before it: {summary_text(summary)}") from None
        if isinstance(done, Skipped):
            summary.skipped.append(done)
        else:
            summary.ran.append(done)
        if not as_json:
            echo(f"Skipped {done.file}: {done.why}" if isinstance(done, Skipped) else text(done, asked))
    if as_json:
        return summary.exit_status, as_data(summary, asked, time.monotonic() - begin)
    if len(files) > 1:
        echo(summary_text(summary))
    return summary.exit_status, None
