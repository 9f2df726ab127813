"""What a look of a poll can reach and change: it may be made any number of times, so one in vain must change nothing.

An exploration undoes a look that found nothing, or that cannot go on yet: its loads are taken back. What the program
itself has changed meanwhile, a counter, a list, a generator that went a step further, cannot be taken back, and would
be knowledge that nobody keeps track of. So it is looked for, and refused.

Seen is what is reachable from the look: its closure, its defaults, the object it is a method of, the globals it names;
from there containers, instances, generators and iterators, as far as REACH objects. Not seen: the state of extension
types, files, and of modules that the look does not name.
"""

from __future__ import annotations

import enum
import functools
import sys
import types
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from amp._core import _bridge

REACH: Final = 4000  # objects
_PLAIN: Final = frozenset({int, str, bytes, float, bool, type(None)})
_ATOMS: Final = (int, str, bytes, float, complex, bool, type(None), range, enum.Enum)
_SKIPPED: Final = (_bridge.ExploredPort, _bridge.Explorer, types.ModuleType, types.BuiltinFunctionType)
_ITERATORS: Final[tuple[type, ...]] = (
    *map(type, (iter([]), iter(()), iter(range(0)), iter(b""), iter(""))),
    enumerate,
    zip,
    map,
)

State = list[tuple[str, Any]]
Inside = Callable[[str, Any], Iterator[tuple[str, Any]]]


def state_of(look: Callable[[], Any]) -> State:
    """What `look` can reach, as (where, what): what is compared by `changed`."""
    found: State = []
    seen: set[int] = set()
    todo: deque[tuple[str, Any]] = deque([("the look", look)])
    while todo and len(found) < REACH:
        where, thing = todo.popleft()
        kind = type(thing)
        if kind in _PLAIN:
            found.append((where, thing))
            continue
        found.append((where, _token(thing)))
        inside = _inside_of(kind)
        if inside is not None and id(thing) not in seen:
            seen.add(id(thing))
            todo.extend(inside(where, thing))
    return found


def changed(before: State, after: State) -> str | None:
    """Where the first difference is; None: there is none."""
    for (where, old), (there, new) in zip(before, after, strict=False):
        if where != there or not _same(old, new):
            return where
    return None if len(before) == len(after) else "what it holds"


def _token(thing: Any) -> Any:
    """What tells this thing from another, beside what lies inside it. It keeps the thing alive: ids are not reused."""
    if type(thing) in (bytearray, array, memoryview):
        return bytes(thing)
    if isinstance(thing, types.GeneratorType):
        return thing, None if thing.gi_frame is None else thing.gi_frame.f_lasti
    if type(thing).__name__ == "ndarray":
        return thing, thing.tobytes()
    if isinstance(thing, (list, tuple, dict, set, frozenset, deque)):
        return thing, len(thing)
    return thing


def _same(old: Any, new: Any) -> bool:
    if type(old) is not type(new):
        return False
    if type(old) is tuple:
        return len(old) == len(new) and all(map(_same, old, new))
    if type(old) in (int, str, bytes, float, complex):
        return bool(old == new)
    return old is new


def _inside_of(kind: type) -> Inside | None:
    """What gives the things inside one of that kind; None: there are none that count."""
    if kind not in _inside:
        _inside[kind] = _find_inside(kind)
    return _inside[kind]


def _find_inside(kind: type) -> Inside | None:
    if issubclass(kind, (*_ATOMS, *_SKIPPED)):
        return None
    return next((inside for kinds, inside in _INSIDE if issubclass(kind, kinds)), _of_instance)


def _of_method(where: str, method: types.MethodType) -> Iterator[tuple[str, Any]]:
    yield where, method.__func__
    yield _named(where, "self"), method.__self__


def _of_partial(where: str, partial: functools.partial[Any]) -> Iterator[tuple[str, Any]]:
    for part in (partial.func, partial.args, partial.keywords):
        yield where, part


def _of_dict(where: str, thing: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in list(thing.items()):
        yield f"{where}[{key!r}]" if type(key) in (int, str) else where, value


def _of_sequence(where: str, thing: Any) -> Iterator[tuple[str, Any]]:
    for number, value in enumerate(list(thing)):
        yield f"{where}[{number}]", value


def _of_set(where: str, thing: Any) -> Iterator[tuple[str, Any]]:
    for value in sorted(thing, key=id):
        yield where, value


def _of_generator(where: str, generator: types.GeneratorType[Any, Any, Any]) -> Iterator[tuple[str, Any]]:
    if generator.gi_frame is not None:
        for name, value in generator.gi_frame.f_locals.items():
            yield f"{where}.{name}", value


def _of_iterator(where: str, iterator: Any) -> Iterator[tuple[str, Any]]:
    yield where, iterator.__reduce__()


def _named(where: str, name: str) -> str:
    return name if where == "the look" else f"{where}.{name}"


def _of_function(where: str, function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    if function.__module__ is not None and function.__module__.partition(".")[0] in sys.stdlib_module_names:
        return
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield _named(where, name), cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    yield where, function.__defaults__
    yield where, function.__kwdefaults__
    for name in _names(function.__code__):
        if name in function.__globals__:
            yield name, function.__globals__[name]


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _of_class(where: str, kind: type) -> Iterator[tuple[str, Any]]:
    if kind.__module__.partition(".")[0] not in sys.stdlib_module_names:
        for name, value in list(vars(kind).items()):
            if not name.startswith("__") and not callable(value) and not hasattr(value, "__get__"):
                yield f"{where}.{name}", value


def _slots(kind: type) -> tuple[str, ...]:
    names: list[str] = []
    for each in kind.__mro__:
        slots = each.__dict__.get("__slots__", ())
        names += (slots,) if isinstance(slots, str) else slots
    return tuple(name for name in names if name not in ("__dict__", "__weakref__"))


def _of_instance(where: str, thing: Any) -> Iterator[tuple[str, Any]]:
    for name, value in list(getattr(thing, "__dict__", {}).items()):
        yield f"{where}.{name}", value
    for name in _slots(type(thing)):
        try:
            yield f"{where}.{name}", getattr(thing, name)
        except AttributeError:
            continue
    yield type(thing).__name__, type(thing)


_INSIDE: Final[tuple[tuple[Any, Inside], ...]] = (
    (types.FunctionType, _of_function),
    (types.MethodType, _of_method),
    (functools.partial, _of_partial),
    (dict, _of_dict),
    ((list, tuple, deque), _of_sequence),
    ((set, frozenset), _of_set),
    (types.GeneratorType, _of_generator),
    (_ITERATORS, _of_iterator),
    (type, _of_class),
)
_inside: Final[dict[type, Inside | None]] = {}  # of the kinds met so far
