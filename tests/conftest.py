"""Every test is held to it: nothing of ours is left in /dev/shm. And workers take turns where a test must be alone."""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from slow_sizes import some_of
from turns import Floor

from amp.region.names import SHM_DIRECTORY, creator_of

# How long an example takes says nothing on a machine that is busy; pytest's timeout is for what hangs.
settings.register_profile("amp", deadline=None)
settings.load_profile("amp")

_SHARED = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
_FLOOR = pytest.StashKey[Floor]()


def pytest_configure(config: pytest.Config) -> None:
    """Who was started in the background ignores SIGINT, and so would the children that tests send it to.

    Bytecode is kept, whatever the environment says: each of some thousand interpreters would compile all it imports.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    given = _given(config)
    if not given:
        config.stash[_SHARED] = tempfile.TemporaryDirectory(prefix="amp-tests-")
    else:
        config.stash[_FLOOR] = Floor(Path(given["shared"]))


def pytest_unconfigure(config: pytest.Config) -> None:
    if _SHARED in config.stash:
        config.stash[_SHARED].cleanup()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist asks what a worker is to know."""
    node.workerinput["shared"] = node.config.stash[_SHARED].name


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait for processes of their own, and leave theirs to another."""
    return len(os.sched_getaffinity(0)) + 1


def _given(config: pytest.Config) -> dict[str, Any]:
    """What the controller has told this worker; nothing where there are no workers."""
    given: dict[str, Any] = getattr(config, "workerinput", {})
    return given


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of tests marked `a_few` most cases are slow.

    Those that must be alone are one group, so one worker runs them in one go and the others wait once.
    """
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("a_few") and not item.get_closest_marker("slow"):
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for same in cases.values():
        for number in set(range(len(same))) - set(some_of(len(same), same[0].get_closest_marker("a_few").args[0])):
            same[number].add_marker(pytest.mark.slow)
    for item in items:
        if item.get_closest_marker("alone"):
            item.add_marker(pytest.mark.xdist_group("alone"))


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outside the clock of pytest-timeout
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    floor = item.config.stash.get(_FLOOR, None)
    if floor is None:
        return (yield)
    floor.take(alone=_alone(item))
    try:
        return (yield)
    finally:
        if not (_alone(item) and _alone(nextitem)):
            floor.leave()


def _alone(item: pytest.Item | None) -> bool:
    return item is not None and item.get_closest_marker("alone") is not None


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest) -> Path:
    """A folder that all workers of this run have in common."""
    given = _given(request.config)
    return Path(given["shared"] if given else request.config.stash[_SHARED].name)


def _orphans() -> set[str]:
    """Our objects and semaphores whose creator is dead, or is this very process.

    Those of other living processes belong to another worker's test, or to somebody who uses amp on this machine.
    """
    found = set()
    for entry in os.listdir(SHM_DIRECTORY):
        creator = creator_of("/" + entry.removeprefix("sem."))
        if creator is not None and (creator.pid == os.getpid() or not creator.alive):
            found.add(entry)
    return found


@pytest.fixture(autouse=True)
def _nothing_is_left_in_dev_shm() -> Iterator[None]:
    """Whose creator is dead tells nothing of its test: it fails all that ran when it came. Where a test makes such
    objects on purpose it is `alone`.
    """
    before = _orphans()
    yield
    left = _orphans() - before
    for _ in range(20):  # somebody else's tests on this machine leave some for a moment, and sweep
        if not left or any(entry.startswith(f"amp.{os.getpid()}.") for entry in left):
            break
        time.sleep(0.05)
        left &= _orphans()
    assert not left, f"left in {SHM_DIRECTORY}: {', '.join(sorted(left))}; by this test or one that ran beside it"
