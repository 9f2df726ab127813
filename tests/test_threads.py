"""A thread that has begun once `start` returns, or an error: never a wait for one that is gone."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable

import pytest

from amp.threads import Worker


def test_a_worker_runs_under_its_name() -> None:
    names: list[str] = []
    worker = Worker(lambda: names.append(threading.current_thread().name), "counts")
    worker.start()
    worker.join(60)
    assert names == ["counts"]


@pytest.mark.parametrize("there_was_one", [False, True])
def test_a_thread_that_ends_before_it_begins_is_an_error(monkeypatch: pytest.MonkeyPatch, there_was_one: bool) -> None:
    """As one does that finds no memory for its first frame."""
    real = _thread.start_new_thread

    def start(_run: Callable[[], object], _arguments: tuple[()]) -> int:
        return real(int, ()) if there_was_one else 0

    monkeypatch.setattr(threading, "_start_new_thread", start)
    with pytest.raises(RuntimeError, match="can't start new thread: it ended before it began"):
        Worker(lambda: None, "never").start()
