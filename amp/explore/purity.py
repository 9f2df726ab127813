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

import contextlib
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
# Types by their identity, here and below: what is equal to one, and whether it has a hash, a metaclass may say.
_VALUES: Final = frozenset(map(_identity, (int, str, bytes, float, complex)))
_PLAIN: Final = _VALUES | frozenset(map(_identity, (bool, type(None), range, _bridge.Word)))
_SKIPPED: Final = (
    types.CodeType,
    types.MemberDescriptorType,
    types.GetSetDescriptorType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
)
_RUNNING: Final = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)
# No buffer, and each is its own.
_BARE: Final = frozenset(map(_identity, (types.FunctionType, type, types.ModuleType, *_SKIPPED)))
_VIEWS: Final[tuple[type, ...]] = (type({}.keys()), type({}.values()), type({}.items()))
_CONTAINERS: Final[tuple[Any, ...]] = (list, tuple, dict, set, frozenset, deque)

State = list[tuple[str, Any]]
Things = Iterator[tuple[str, Any]]


class TooMuch(Exception):
    """There is more to be reached than REACH."""


def state_of(look: Callable[[], Any]) -> State:
    """What `look` can reach, as (where, what): what is compared by `changed`. Raises TooMuch."""
    walk = _Walk()
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
    if _identity(type(old)) in _VALUES:
        return bool(old == new) or repr(old) == repr(new)  # not a number is not equal to itself
    return old is new


class _Pair:
    """A thing, and what tells that it has changed."""

    __slots__ = ("detail", "thing")

    def __init__(self, thing: Any, detail: Any) -> None:
        self.thing, self.detail = thing, detail


class _Kind:
    """What all things of a type have in common, whatever becomes of its attributes. It does not hold the type."""

    __slots__ = ("bare", "closed", "container", "inside", "of")

    def __init__(self, kind: type) -> None:
        key, kinds = _identity(kind), _KINDS
        self.of = weakref.ref(kind, lambda _: kinds.pop(key, None))
        whole = _is_whole(kind)
        self.bare = whole or key in _BARE
        self.closed = whole or issubclass(kind, _SKIPPED)
        self.container = next((each for each in _CONTAINERS if issubclass(kind, each)), None)
        self.inside = next((inside for kinds, inside in _INSIDE if issubclass(kind, kinds)), _of_other)


_KINDS: Final[dict[int, _Kind]] = {}


def _slots(kind: type) -> list[tuple[str, types.MemberDescriptorType]]:
    return [(name, slot) for name, slot in vars(kind).items() if type(slot) is types.MemberDescriptorType]


class _Walk:
    def __init__(self) -> None:
        self.found: State = []
        self._kinds: dict[int, _Kind] = {}
        self._classes: dict[int, list[tuple[type, list[tuple[str, types.MemberDescriptorType]]]]] = {}
        self._seen: set[int] = set()
        self._kept: list[Any] = []  # copies that were made on the way: their ids are not reused
        self._names: dict[str, None] = {}  # that the functions met use
        self._holders: list[_Holder] = []

    def take(self, things: Iterable[tuple[str, Any]]) -> bool:
        """Everything from there on. False: there was nothing."""
        todo, found, seen, kinds = list(things), self.found, self._seen, self._kinds
        for where, thing in todo:  # which grows meanwhile
            if len(found) == REACH:
                raise TooMuch
            number = _identity(type(thing))
            if number in _PLAIN:
                found.append((where, thing))
                continue
            kind = kinds.get(number) or self._kind_of(thing)
            found.append((where, thing if kind.bare else _token(thing, kind)))
            if _identity(thing) not in seen and not kind.closed:
                seen.add(_identity(thing))
                self._kept.append(thing)
                todo.extend(self._inside(where, thing, kind))
        return bool(todo)

    def named(self) -> list[tuple[str, Any]]:
        """What classes and modules hold under the names that are used, and was not taken yet."""
        names = list(self._names)
        return [found for holder in self._holders for found in holder.named(names)]

    def _kind_of(self, thing: Any) -> _Kind:
        kind = type(thing)
        found = _KINDS.get(_identity(kind))
        if found is None or found.of() is not kind:
            found = _KINDS[_identity(kind)] = _Kind(kind)
        self._kinds[_identity(kind)] = found
        return found

    def _classes_of(self, kind: type) -> list[tuple[type, list[tuple[str, types.MemberDescriptorType]]]]:
        """Of a type's classes those that are the program's, with their slots."""
        found = self._classes.get(_identity(kind))
        if found is None:
            found = self._classes[_identity(kind)] = [
                (each, _slots(each)) for each in kind.__mro__ if not _is_standard(each.__module__)
            ]
        return found

    def _inside(self, where: str, thing: Any, kind: _Kind) -> Iterable[tuple[str, Any]]:
        if isinstance(thing, types.FunctionType):
            return self._of_function(where, thing)
        if isinstance(thing, types.ModuleType) and thing.__name__.partition(".")[0] == "amp":
            return ()  # its names are there when they are first asked for
        if type(thing).__module__ == "ctypes":
            return ()  # so are the functions of a library
        if isinstance(thing, (type, types.ModuleType)):
            if not _is_standard(thing.__module__ if isinstance(thing, type) else thing.__name__):
                self._holders.append(_Holder(thing.__name__ if isinstance(thing, type) else where, thing))
            above = (type(thing), *(thing.__bases__ if isinstance(thing, type) else ()))
            return [(each.__name__, each) for each in above if not _is_standard(each.__module__)]
        return self._of_instance(where, thing, kind)

    def _of_instance(self, where: str, thing: Any, kind: _Kind) -> list[tuple[str, Any]]:
        found = list(kind.inside(where, thing))
        found += [(f"{where}.{name}", value) for name, value in _attributes(thing)]
        for each, slots in self._classes_of(type(thing)):
            for name, slot in slots:
                with contextlib.suppress(AttributeError):
                    found.append((f"{where}.{name}", slot.__get__(thing)))
            found.append((each.__name__, each))
        return found

    def _of_function(self, where: str, function: types.FunctionType) -> list[tuple[str, Any]]:
        if _is_standard(function.__module__):
            return []
        code, found = function.__code__, []
        if function.__closure__:
            for name, cell in zip(code.co_freevars, function.__closure__, strict=True):
                with contextlib.suppress(ValueError):  # not assigned yet
                    found.append((_named(where, name), cell.cell_contents))
        if function.__defaults__ is not None:
            found.append((where, function.__defaults__))
        if function.__kwdefaults__ is not None:
            found.append((where, function.__kwdefaults__))
        found += [(f"{where}.{name}", value) for name, value in function.__dict__.items()]
        held, names = function.__globals__, _names(code)
        self._names |= names
        found += [(name, held[name]) for name in names if name in held]
        return found


class _Holder:
    """A class or a module, and how many of the names that are used were looked up in it."""

    def __init__(self, where: str, holder: type | types.ModuleType) -> None:
        self._where, self._held, self._asked = where, vars(holder), 0
        self._due: dict[str, Any] = {}
        if isinstance(holder, type):  # these are called without being named
            self._due = {name: value for name, value in self._held.items() if name[:2] == "__" and callable(value)}
        self._special = frozenset(self._due)

    def named(self, names: list[str]) -> list[tuple[str, Any]]:
        """What it holds under names that are new; `names` only grows."""
        held, where, special = self._held, self._where, self._special
        found = [(f"{where}.{name}", value) for name, value in self._due.items()]
        found += [(f"{where}.{n}", held[n]) for n in names[self._asked :] if n in held and n not in special]
        self._asked, self._due = len(names), {}
        return found


def _token(thing: Any, kind: _Kind) -> Any:
    """What tells this thing from another, beside what lies inside it. It keeps the thing alive: ids are not reused."""
    if isinstance(thing, _RUNNING):
        frame = _frame(thing)
        return _Pair(thing, None if frame is None else frame.f_lasti)
    if kind.container is not None:
        return _Pair(type(thing), kind.container.__len__(thing))  # another one with the same in it is no change
    try:
        with memoryview(thing) as content:
            return _Pair(type(thing), content.tobytes())
    except (TypeError, ValueError, BufferError):
        return thing


def _is_whole(kind: type) -> bool:
    """Ports, and bytes of bulk loads: looking into those would be an access. Loggers, which remember levels.

    And what is of an ELF file: its engine begins each run with the memory that the file has, and learns the file's
    instructions as it comes to them.
    """
    module = str(kind.__module__)
    return (
        issubclass(kind, _bridge.ExploredPort) or module.startswith(("amp._core", "amp.code.")) or module == "logging"
    )


def _attributes(thing: Any) -> list[tuple[str, Any]]:
    try:
        return list(object.__getattribute__(thing, "__dict__").items())
    except AttributeError:
        return []


def _is_standard(module: str | None) -> bool:
    return _is_of_python(str(module))


@functools.cache
def _is_of_python(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names


def _named(where: str, name: str) -> str:
    return name if where == "the look" else f"{where}.{name}"


@functools.lru_cache(4096)
def _names(code: types.CodeType) -> dict[str, None]:
    """The names that it and what is written in it use, each once."""
    inner = (name for each in code.co_consts if isinstance(each, types.CodeType) for name in _names(each))
    # "@" begins no name of a program's, but pytest's own, in a test module's asserts.
    return dict.fromkeys(name for name in (*code.co_names, *inner) if not name.startswith("@"))


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
        if _identity(type(key)) not in _PLAIN:
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
    for name in ("gi_yieldfrom", "cr_await", "ag_await"):  # which runs in its place
        inner = getattr(running, name, None)
        if inner is not None:
            yield where, inner


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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # copying some iterators is deprecated
            copied = thing.__reduce_ex__(4)[1:]
        yield where, copied
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
