"""Chance and clocks: what an explored program must not ask, and how it is caught asking.

A program that is explored runs thousands of times, and must do the same whenever it reads the same. A seeded generator
of its own (random.Random(7)) does; a clock, or a generator that the interpreter seeded, does not, and what it decides
is not explored: a verdict would speak of the decisions that happened to fall. So while a program runs, each of SOURCES
says so when it is called: by its name in its module, by names that other modules gave it (`from time import time`),
and, in runs that are watched (sys.setprofile), whatever name it goes by. Calls by anybody but the program go through.

The garbage collector does not run meanwhile: what it calls would be called in the program's name.

Not seen: what a program learns from a file, the environment, a device, the hash of an object that has none of its
own, or the order of a set of such objects. If it makes
another access because of it, in a run that is repeated, that is seen (amp.explore.explorer).
"""

from __future__ import annotations

import _thread
import builtins
import datetime
import gc
import os
import random
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType, MappingProxyType, ModuleType
from typing import Any, Final

from amp.explore.standing import standing
from amp.users import is_users

_CLOCKS: Final = tuple(
    f"{clock}{unit}"
    for clock in ("time", "monotonic", "perf_counter", "process_time", "thread_time")
    for unit in ("", "_ns")
)
# By module: functions whose result no value read decides.
SOURCES: Final[Mapping[ModuleType, tuple[str, ...]]] = MappingProxyType(
    {
        time: (*_CLOCKS, "clock_gettime", "clock_gettime_ns"),
        os: ("urandom", "getrandom", "times"),
        uuid: ("uuid1", "uuid4"),
    }
)
_IDENTITY: Final = id
_RANDOM: Final = tuple(  # the module's functions are methods of one generator, seeded by the system
    name for name, value in vars(random).items() if getattr(value, "__self__", None) is random._inst
)
_NOW: Final = frozenset({"now", "utcnow", "today"})  # of datetime's classes, which cannot be patched

Asks = Callable[[tuple[Any, ...], dict[str, Any]], bool]


class Guard:
    """While it holds (`with guard.held():`), `said` becomes what the program asked first, and where; None: nothing.

    `is_program()` tells whether the one who runs now is the program.
    """

    def __init__(self, is_program: Callable[[], bool]) -> None:
        self._is_program = is_program
        self.said: str | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Restores every function when it ends."""
        patched: list[tuple[Any, str, Any]] = []
        collecting = gc.isenabled()
        gc.disable()
        try:
            for place, name, original, shown, asks in _places():
                patched.append((place, name, original))
                setattr(place, name, self._telling(original, shown, asks))
            yield
        finally:
            for place, name, original in reversed(patched):
                setattr(place, name, original)
            if collecting:
                gc.enable()

    def watch(self, frame: FrameType, event: str, argument: Any) -> None:
        """For sys.setprofile: sees C functions whatever name they are called by."""
        if event != "c_call":
            return
        name = getattr(argument, "__name__", "")
        owner = getattr(argument, "__self__", None)
        if argument is _IDENTITY:
            if _is_of_program(frame):
                self._ask("id")
        elif argument in _BUILTIN:
            self._ask(_BUILTIN[argument])
        elif name in _NOW and isinstance(owner, type) and issubclass(owner, datetime.date):
            self._ask(f"{owner.__name__}.{name}")
        elif owner is random._inst and name in {"random", "getrandbits"}:
            self._ask(f"random.{name}")

    def _ask(self, name: str) -> None:
        if self.said is None and self._is_program() and not _is_noted():
            self.said = f"{standing()}the program is not deterministic: it calls {name}()"

    def _telling(self, original: Callable[..., Any], shown: str, asks: Asks) -> Callable[..., Any]:
        """`original`, which tells when it is called so that it is a source."""

        def telling(*arguments: Any, **named: Any) -> Any:
            if asks(arguments, named):
                self._ask(shown)
            return original(*arguments, **named)

        return telling


def _is_noted() -> bool:
    """Does a log line ask? No program sees what time it holds."""
    return str(sys._getframe(3).f_globals.get("__name__", "")).partition(".")[0] == "logging"


_BUILTIN: Final[Mapping[Any, str]] = MappingProxyType(
    {
        vars(module)[name]: f"{module.__name__}.{name}"
        for module in (time, os)
        for name in SOURCES[module]
        if name in vars(module)
    }
)
Place = tuple[Any, str, Any, str, Asks]  # module or class, name there, function, how it is called, when it is a source
_known: tuple[int, list[Place]] = (0, [])


def _by_program(_: tuple[Any, ...], __: dict[str, Any]) -> bool:
    """Does the program itself ask? Python's own modules use id() in ways that nothing depends on."""
    return _is_of_program(sys._getframe(2))


def _is_of_program(frame: FrameType) -> bool:
    return is_users(str(frame.f_globals.get("__name__", "")), frame.f_code.co_filename)


def _always(_: tuple[Any, ...], __: dict[str, Any]) -> bool:
    return True


def _unseeded(arguments: tuple[Any, ...], named: dict[str, Any]) -> bool:
    return (*arguments, *named.values(), None)[0] is None


def _of_now(arguments: tuple[Any, ...], _: dict[str, Any]) -> bool:
    """Of time.strftime(format, time)."""
    return len(arguments) < 2


def _unseeded_generator(arguments: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Of random.Random.seed(generator, seed)."""
    return _unseeded(arguments[1:], named) and not isinstance(arguments[0], random.SystemRandom)


def _places() -> list[Place]:
    """Everywhere that a source goes by a name."""
    global _known  # noqa: PLW0603  # the scan of all modules, kept until another is imported
    modules = hash(tuple(sys.modules))
    if _known[0] != modules:
        _known = (modules, list(_find_places()))
    return _known[1]


def _find_places() -> Iterator[Place]:
    sources: dict[int, tuple[Any, str, Asks]] = {}
    for module, names in (*SOURCES.items(), (random, _RANDOM)):
        for name in names:
            if name in vars(module):
                sources[id(vars(module)[name])] = (vars(module)[name], f"{module.__name__}.{name}", _always)
                yield module, name, *sources[id(vars(module)[name])]
    sources[id(builtins.id)] = (builtins.id, "id", _by_program)
    yield builtins, "id", *sources[id(builtins.id)]
    yield random, "_urandom", os.urandom, "os.urandom", _always
    for name in ("localtime", "gmtime", "ctime"):
        yield time, name, vars(time)[name], f"time.{name}", _unseeded
    yield time, "strftime", time.strftime, "time.strftime", _of_now
    yield _thread, "start_new_thread", _thread.start_new_thread, "_thread.start_new_thread", _always
    yield random.Random, "seed", random.Random.seed, "random.Random", _unseeded_generator
    yield threading.Thread, "start", threading.Thread.start, "threading.Thread.start", _always
    if (futures := sys.modules.get("concurrent.futures.thread")) is not None:
        pool = futures.ThreadPoolExecutor
        yield pool, "submit", pool.submit, "ThreadPoolExecutor.submit", _always
    if (numpy_random := sys.modules.get("numpy.random")) is not None:
        for name, value in list(vars(numpy_random).items()):
            of_all = type(getattr(value, "__self__", None)).__name__ == "RandomState"
            if of_all or name == "default_rng":
                asks = _always if of_all else _unseeded
                sources[id(value)] = (value, f"numpy.random.{name}", asks)
                yield numpy_random, name, *sources[id(value)]
    for module in _programs():
        for name, value in list(vars(module).items()):
            if (found := sources.get(id(value))) is not None:
                yield module, name, *found


def _programs() -> Iterator[ModuleType]:
    """Modules that may hold a program: neither Python's own nor ours nor installed ones."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(module, ModuleType) and (name.partition(".")[0] == "__main__" or is_users(name, file)):
            yield module
