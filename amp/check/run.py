"""The gate, from its configuration to its summary: what is unchanged is in the cache, workers explore the rest."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from pathlib import Path

from amp.check.cache import Cache
from amp.check.config import Check, Config
from amp.check.judged import NOT_RUN, JudgedCell, Summary, judge
from amp.check.pool import run_all
from amp.check.records import Answer, Asked, CellOutcome
from amp.lab.folder import FOLDER, prepare
from amp.lab.stopping import stoppable

Progress = Callable[[int, int], None]  # (cells done, of how many)


def run(
    config: Config,
    *,
    jobs: int | None = None,
    use_cache: bool = True,
    known: Collection[str] = (),
    progress: Progress | None = None,
) -> Summary:
    """Every check of the configuration. Ctrl-C ends it with what there is by then.

    `jobs` are the processes at a time, None one for each core that this process may use. Raises UsageError for a
    platform's file that is gone since it was read, and OSError.
    """
    started = time.monotonic()
    asked = [(check, cell) for check in config.checks for cell in check.cells]
    kept: dict[int, CellOutcome] = {}
    fresh: dict[int, CellOutcome] = {}
    base = Path(config.folder)
    with stoppable() as stop:
        prepare(base / FOLDER)
        cache = Cache(base / FOLDER / "cache", config.folder, used=use_cache)
        left: dict[str, list[int]] = {}  # by key: what several checks ask for is explored once
        for number, (_, cell) in enumerate(asked):
            told = cache.get(cell)
            if told is not None:
                kept[number] = told
            else:
                left.setdefault(cache.key(cell), []).append(number)
        alike = list(left.values())
        cells = [asked[numbers[0]][1] for numbers in alike]

        def done(place: int, answer: Answer) -> None:
            fresh.update(dict.fromkeys(alike[place], answer.told))
            cache.put(cells[place], answer)
            if progress is not None:
                progress(len(kept) + len(fresh), len(asked))

        run_all(cells, jobs or len(os.sched_getaffinity(0)), config.folder, stop, done)
        if not stop.asked:
            cache.prune()
    judged = tuple(_judged(*each, kept.get(n), fresh.get(n), known) for n, each in enumerate(asked))
    found = {cell.fingerprint for cell in judged if cell.is_finding}
    forgotten = 0 if stop.asked else len(set(known) - found)
    return Summary(judged, time.monotonic() - started, stop.asked, forgotten)


def _judged(
    check: Check, cell: Asked, kept: CellOutcome | None, fresh: CellOutcome | None, known: Collection[str]
) -> JudgedCell:
    return judge(check, cell, kept or fresh or NOT_RUN, known, cached=kept is not None)
