"""What `amp litmus` prints: each test as it ends, and a line for all."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from amp.cli.output import complain, echo
from amp.cli.terminal import working
from amp.errors import UsageError
from amp.litmus.suite import Request, Summary, as_data, find_files, run_file
from amp.litmus.told import summary_text, text
from amp.visible import visible


def main(paths: Iterable[str], asked: Request, *, as_json: bool) -> tuple[int, dict[str, Any] | None]:
    """Runs all; prints as it goes unless `as_json`. Gives the exit status, and the object for --json."""
    begin = time.monotonic()
    files = find_files(paths)
    summary = Summary()
    try:
        for file in files:
            try:
                with working(visible(file)):
                    ran = run_file(file, asked)
            except UsageError as error:
                summary.errors.append(str(error))
                complain(str(error))
                continue
            summary.ran.append(ran)
            if not as_json:
                echo(text(ran, asked.limits))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"of {len(files)} files, before it: {summary_text(summary)}") from None
    if as_json:
        return summary.exit_status, as_data(summary, time.monotonic() - begin)
    if len(files) > 1:
        echo(summary_text(summary))
    return summary.exit_status, None
