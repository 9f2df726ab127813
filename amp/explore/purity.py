"""What a look of a poll can reach and change: it may be made any number of times, so one in vain must change nothing.

An exploration undoes a look that found nothing, or that cannot go on yet: its loads are taken back. What the program
itself has changed meanwhile, a counter, a list, a generator that went a step further, cannot be taken back, and would
be knowledge that nobody keeps track of. So it is looked for, and refused.

Seen is what is reachable from the look: its closure, defaults and attributes, the object it is a method of, the
globals it names; from there containers, instances, the functions of their classes by the names that are used,
generators, iterators, and whatever can be copied. A look that can reach more than REACH things is refused: what it
changes cannot be told. Not seen: files, devices, the state of the standard library's own modules, what is reached by a
name that is computed, and the state of types that can neither be copied nor read as bytes.
"""

from __future__ import annotations

import contextvars
import functools
import gc
import sys
import types
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from amp._core import _bridge

_identity = id  # under this name: the program's own calls of id() are watched (amp.explore.chance)
REACH: Final = 50_000  # things
_PLAIN: Final = frozenset({int, str, bytes, float, complex, bool, type(None), range, _bridge.Word})
_SKIPPED: Final = (
    types.CodeType,
    types.MemberDescriptorType,
    types.GetSetDescriptorType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
)
_RUNNING: Final = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)
_VIEWS: Final[tuple[type, ...]] = (type({}.keys()), type({}.values()), type({}.items()))
_CONTAINERS: Final[tuple[Any, ...]] = (list, tuple, dict, set, frozenset, deque)

State = list[tuple[str, Any]]
Things = Iterator[tuple[str, Any]]


class TooMuch(Exception):
    """There is more to be reached than REACH."""


def state_of(look: Callable[[], Any]) -> State:
    """What `look` can reach, as (where, what): what is compared by `changed`. Raises TooMuch."""
    walk = _Walk()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # copying some iterators is deprecated
        walk.take([("the look", look)])
        while walk.take(walk.named()):
            pass
    return walk.found


def changed(before: State, after: State) -> str | None:
    """Where the first difference is; None: there is none."""
    for (where, old), (there, new) in zip(before, after, strict=False):
        if where != there or not _same(old, new):
            return where
    return None if len(before) == len(after) else "what it holds"


def _same(old: Any, new: Any) -> bool:
    if type(old) is not type(new):
        return False
    if type(old) is _Pair:
        return _same(old.thing, new.thing) and bool(old.detail == new.detail)
    if type(old) in (int, str, bytes, float, complex):
        return bool(old == new) or repr(old) == repr(new)  # not a number is not equal to itself
    return old is new


class _Pair:
    """A thing, and what tells that it has changed."""

    __slots__ = ("detail", "thing")

    def __init__(self, thing: Any, detail: Any) -> None:
        self.thing, self.detail = thing, detail


class _Walk:
    def __init__(self) -> None:
        self.found: State = []
        self._seen: set[int] = set()
        self._kept: list[Any] = []  # copies that were made on the way: their ids are not reused
        self._names: dict[str, None] = {}  # that the functions met use
        self._holders: list[tuple[str, type | types.ModuleType]] = []
        self._looked_up: set[tuple[int, str]] = set()

    def take(self, things: Iterable[tuple[str, Any]]) -> bool:
        """Everything from there on. False: there was nothing."""
        todo = deque(things)
        any_at_all = bool(todo)
        while todo:
            where, thing = todo.popleft()
            if len(self.found) == REACH:
                raise TooMuch
            if type(thing) in _PLAIN:
                self.found.append((where, thing))
                continue
            self.found.append((where, _token(thing)))
            if _identity(thing) not in self._seen and not isinstance(thing, _SKIPPED) and not _is_whole(thing):
                self._seen.add(_identity(thing))
                self._kept.append(thing)
                todo.extend(self._inside(where, thing))
        return any_at_all

    def named(self) -> list[tuple[str, Any]]:
        """What classes and modules hold under the names that are used, and was not taken yet."""
        found = []
        for where, holder in self._holders:
            for name, value in list(vars(holder).items()):
                special = isinstance(holder, type) and name.startswith("__")
                key = (_identity(holder), name)
                if key in self._looked_up or not (name in self._names or (special and callable(value))):
                    continue
                self._looked_up.add(key)
                found.append((f"{where}.{name}", value))
        return found

    def _inside(self, where: str, thing: Any) -> Things:
        if isinstance(thing, types.FunctionType):
            return self._of_function(where, thing)
        if isinstance(thing, types.ModuleType) and thing.__name__.partition(".")[0] == "amp":
            return iter(())  # its names are there when they are first asked for
        if type(thing).__module__ == "ctypes":
            return iter(())  # so are the functions of a library
        if isinstance(thing, (type, types.ModuleType)):
            if not _is_standard(thing.__module__ if isinstance(thing, type) else thing.__name__):
                self._holders.append((thing.__name__ if isinstance(thing, type) else where, thing))
            meta = type(thing)
            return iter(() if _is_standard(meta.__module__) else ((meta.__name__, meta),))
        inside = next((inside for kinds, inside in _INSIDE if isinstance(thing, kinds)), None)
        parts = inside(where, thing) if inside is not None else _of_other(where, thing)
        return self._with_attributes(where, thing, parts)

    def _with_attributes(self, where: str, thing: Any, parts: Things) -> Things:
        yield from parts
        for name, value in _attributes(thing):
            yield f"{where}.{name}", value
        for kind in type(thing).__mro__:
            for name, slot in vars(kind).items():
                if isinstance(slot, types.MemberDescriptorType) and not _is_standard(kind.__module__):
                    try:
                        yield f"{where}.{name}", slot.__get__(thing)
                    except AttributeError:
                        continue
            if not _is_standard(kind.__module__):
                yield kind.__name__, kind

    def _of_function(self, where: str, function: types.FunctionType) -> Things:
        if _is_standard(function.__module__):
            return
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                yield _named(where, name), cell.cell_contents
            except ValueError:  # not assigned yet
                continue
        yield where, function.__defaults__
        yield where, function.__kwdefaults__
        for name, value in list(function.__dict__.items()):
            yield f"{where}.{name}", value
        for name in _names(function.__code__):
            if name.startswith("@"):  # no name of a program's: pytest's own, in a test module's asserts
                continue
            self._names[name] = None
            if name in function.__globals__:
                yield name, function.__globals__[name]


def _token(thing: Any) -> Any:
    """What tells this thing from another, beside what lies inside it. It keeps the thing alive: ids are not reused."""
    if _is_whole(thing):
        return thing
    if isinstance(thing, _RUNNING):
        frame = _frame(thing)
        return _Pair(thing, None if frame is None else frame.f_lasti)
    kind = next((kind for kind in _CONTAINERS if isinstance(thing, kind)), None)
    if kind is not None:
        return _Pair(type(thing), kind.__len__(thing))  # another one with the same in it is no change
    try:
        with memoryview(thing) as content:
            return _Pair(type(thing), content.tobytes())
    except (TypeError, ValueError, BufferError):
        return thing


def _is_whole(thing: Any) -> bool:
    """Ports, and bytes of bulk loads: looking into those would be an access. Loggers, which remember levels.

    And what is of an ELF file: its engine begins each run with the memory that the file has, and learns the file's
    instructions as it comes to them.
    """
    kind = str(type(thing).__module__)
    of_amp = kind.startswith(("amp._core", "amp.code."))
    return isinstance(thing, _bridge.ExploredPort) or of_amp or kind == "logging"


def _attributes(thing: Any) -> list[tuple[str, Any]]:
    try:
        return list(object.__getattribute__(thing, "__dict__").items())
    except AttributeError:
        return []


def _is_standard(module: str | None) -> bool:
    return str(module).partition(".")[0] in sys.stdlib_module_names


def _named(where: str, name: str) -> str:
    return name if where == "the look" else f"{where}.{name}"


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _frame(running: Any) -> types.FrameType | None:
    frame: types.FrameType | None = next(
        getattr(running, name) for name in ("gi_frame", "cr_frame", "ag_frame") if hasattr(running, name)
    )
    return frame


def _of_method(where: str, method: types.MethodType) -> Things:
    yield where, method.__func__
    yield _named(where, "self"), method.__self__


def _of_builtin(where: str, method: types.BuiltinMethodType) -> Things:
    if not isinstance(method.__self__, types.ModuleType):
        yield where, method.__self__


def _of_partial(where: str, partial: functools.partial[Any]) -> Things:
    for part in (partial.func, partial.args, partial.keywords):
        yield where, part


def _of_property(where: str, thing: property) -> Things:
    yield where, thing.fget


def _of_wrapper(where: str, thing: Any) -> Things:
    yield where, thing.__func__


def _of_dict(where: str, thing: dict[Any, Any]) -> Things:
    for key, value in list(dict.items(thing)):  # not what a subclass makes of it
        yield f"{where}[{key!r}]" if type(key) in (int, str) else where, value
        if type(key) not in _PLAIN:
            yield where, key


def _of_sequence(where: str, thing: Any) -> Things:
    kind = next((kind for kind in _CONTAINERS if isinstance(thing, kind)), type(thing))
    for number, value in enumerate(list(kind.__iter__(thing))):
        yield f"{where}[{number}]", value


def _of_set(where: str, thing: Any) -> Things:
    kind = set if isinstance(thing, set) else frozenset
    for value in sorted(kind.__iter__(thing), key=id):
        yield where, value


def _of_running(where: str, running: Any) -> Things:
    frame = _frame(running)
    if frame is not None:
        for name, value in frame.f_locals.items():
            yield f"{where}.{name}", value


def _of_reference(where: str, reference: weakref.ref[Any]) -> Things:
    yield where, reference()


def _of_variable(where: str, variable: contextvars.ContextVar[Any]) -> Things:
    yield where, variable.get(None)


def _of_array(where: str, array: Any) -> Things:
    if array.dtype == object:
        yield where, array.tolist()


def _of_other(where: str, thing: Any) -> Things:
    """A thing of a built-in type, by what a copy of it would be made of; else by what it refers to."""
    if type(thing).__name__ == "ndarray":
        yield from _of_array(where, thing)
        return
    if not _is_standard(type(thing).__module__):
        return
    try:
        yield where, thing.__reduce_ex__(4)[1:]
    except Exception:  # it cannot be copied
        for part in gc.get_referents(thing):
            if not isinstance(part, types.ModuleType):
                yield where, part


_INSIDE: Final[tuple[tuple[Any, Callable[[str, Any], Things]], ...]] = (
    (types.MethodType, _of_method),
    (types.BuiltinFunctionType, _of_builtin),
    (functools.partial, _of_partial),
    (property, _of_property),
    ((staticmethod, classmethod), _of_wrapper),
    (dict, _of_dict),
    ((list, tuple, deque), _of_sequence),
    ((set, frozenset), _of_set),
    (_VIEWS, _of_sequence),
    (_RUNNING, _of_running),
    (weakref.ref, _of_reference),
    (contextvars.ContextVar, _of_variable),
)
