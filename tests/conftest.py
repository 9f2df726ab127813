"""Every test is held to it: nothing of ours is left in /dev/shm."""

import os
import signal
from collections.abc import Iterator

import pytest

from amp.region.names import SHM_DIRECTORY, creator_of


def pytest_configure() -> None:
    """Who was started in the background ignores SIGINT, and so would the children that tests send it to."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _orphans() -> set[str]:
    """Our objects and semaphores whose creator is dead, or is this very process.

    Those of other living processes may belong to somebody who uses amp on this machine while the tests run.
    """
    found = set()
    for entry in os.listdir(SHM_DIRECTORY):
        creator = creator_of("/" + entry.removeprefix("sem."))
        if creator is not None and (creator.pid == os.getpid() or not creator.alive):
            found.add(entry)
    return found


@pytest.fixture(autouse=True)
def _nothing_is_left_in_dev_shm() -> Iterator[None]:
    before = _orphans()
    yield
    left = _orphans() - before
    assert not left, f"left in {SHM_DIRECTORY}: {', '.join(sorted(left))}"
