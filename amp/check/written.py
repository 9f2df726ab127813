"""The files that a run of the gate leaves for others: baseline, JUnit, SARIF, a page."""

from __future__ import annotations

from collections.abc import Iterator

from amp.check import baseline as known
from amp.check.judged import Summary
from amp.check.junit import junit
from amp.check.places import root_of
from amp.check.sarif import sarif


def written(
    summary: Summary, folder: str, after: known.Baseline | None, files: dict[str, str | None]
) -> Iterator[tuple[str, str, bytes]]:
    """(option, path, content) of each of `files` that was asked for; of the baseline if there is another one now."""
    for option, path in files.items():
        if path is None:
            continue
        if option == "junit":
            yield "--junit", path, junit(summary)
        elif option == "sarif":
            yield "--sarif", path, sarif(summary, root_of(folder))
        elif option == "html":
            from amp.check.page import page  # noqa: PLC0415  (who wants no page loads no templates)

            yield "--html", path, page(summary, folder)
        elif after is not None:
            yield "--baseline", path, known.content(after)
