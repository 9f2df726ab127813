"""The gate's configuration: amp.toml, or [tool.amp] of pyproject.toml, read into checks and their cells.

    [defaults]
    platforms = ["omap4-2011", "arm64"]

    [checks.handover]
    program = "handover.py"
    barriers = "mandatory"

docs/check.md describes the keys. Every value is checked before anything runs. What is wrong is told in one line each,
with the file, the line where it can be told, the key, the value, and what is allowed. Paths are relative to the folder
of the configuration.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from pathlib import Path
from typing import Any, Final

import msgspec

from amp.check.records import Asked
from amp.check.tables import CheckTable, Defaults, Texts
from amp.check.toml_lines import line_of
from amp.code.reference import ASKED, program_of
from amp.errors import UsageError
from amp.files import read_whole
from amp.litmus.runner import TOGETHER, check_observers_option
from amp.litmus.suite import find_files
from amp.ordering import SUFFIX
from amp.ordering import platform as find_platform
from amp.ordering.barriers import BarrierClass
from amp.ordering.platforms import PLATFORMS

NAMES: Final = ("amp.toml", "pyproject.toml")
ALL: Final = "all"
MAX_BYTES: Final = 1 << 20
POLICIES: Final = ("as-built", "virtio-weak", "virtio-strong")  # what some programs have besides classes
PROGRAM_EXPECTS: Final = ("verified", "violation", "inconclusive")
LITMUS_EXPECTS: Final = ("condition", "never", "sometimes", "always", "inconclusive")
_OF_PROGRAM: Final = ("barriers", "weaken", "messages", "ring_size", "sizes", "site")


class BadConfig(UsageError):
    """What is wrong with a configuration, a line each."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("; ".join(lines))


@dataclass(frozen=True, slots=True)
class Check:
    """One [checks.NAME]: its cells, what is expected of them, and, of a violation, at which site.

    `where` is the place of the table, "amp.toml:7".
    """

    name: str
    where: str
    cells: tuple[Asked, ...]
    expect: str
    site: str = ""

    @property
    def is_litmus(self) -> bool:
        return any(cell.litmus for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Config:
    """`path` is the file, `folder` its absolute folder."""

    path: str
    folder: str
    checks: tuple[Check, ...]


def find(given: str | None) -> Path:
    """The file that is given, or the one of the current folder. Raises UsageError."""
    if given is not None:
        return Path(given)
    for name in NAMES:
        if Path(name).is_file() and (name == NAMES[0] or "amp" in _tools(Path(name))):
            return Path(name)
    raise UsageError("no amp.toml here, and no pyproject.toml with [tool.amp]; `amp init` makes an example of one")


def _tools(path: Path) -> dict[str, Any]:
    found = _parsed(path).get("tool", {})
    return found if isinstance(found, dict) else {}


def load(path: Path) -> Config:
    """Read and check all of it. Raises BadConfig."""
    reader = _Reader(path, _text(path))
    return reader.config()


def _text(path: Path) -> str:
    try:
        return read_whole(path, MAX_BYTES).decode()
    except OSError as error:
        raise BadConfig([f"{path}: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise BadConfig([f"{path}: is not TOML: {error}"]) from None


def _parsed(path: Path) -> dict[str, Any]:
    text = _text(path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = re.fullmatch(r"(.*) \(at line (\d+), column \d+\)", str(error), re.DOTALL)
        at, what = (f"{path}:{said[2]}", said[1]) if said else (str(path), str(error))
        raise BadConfig([f"{at}: is not TOML: {what}"]) from None
    except RecursionError:
        raise BadConfig([f"{path}: has lists or tables too deep in one another"]) from None
    except ValueError:  # of int(): the only one that is none of those
        raise BadConfig([f"{path}: has a number of too many digits"]) from None


class _Wrong(Exception):
    """One key's value: `key` is in the table that is read."""

    def __init__(self, key: str, problem: str) -> None:
        self.key, self.problem = key, problem
        super().__init__(problem)


class _Reader:
    """Turns the file's tables into checks; collects what is wrong, a line a table."""

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.text = path, text
        self.folder = path.resolve().parent
        self.prefix = ("tool", "amp") if path.name == NAMES[1] else ()
        self.wrong: list[str] = []

    def config(self) -> Config:
        tree: Any = _parsed(self.path)
        for key in self.prefix:
            tree = tree.get(key, {}) if isinstance(tree, dict) else {}
        tree = tree if isinstance(tree, dict) else {}
        for key in tree:
            if key not in ("defaults", "checks"):
                self._say((key,), f"is unknown{_hint(key, ('defaults', 'checks'))}; allowed: defaults, checks")
        defaults = self._converted(("defaults",), tree.get("defaults", {}), Defaults) or Defaults()
        self._try(("defaults",), lambda: self._check_defaults(defaults))
        tables = tree.get("checks", {})
        if not isinstance(tables, dict) or not tables:
            self._say(("checks",), "is missing or empty: each [checks.NAME] is one check")
            tables = {}
        found = [self._check(name, table, defaults) for name, table in tables.items()]
        if self.wrong:
            raise BadConfig(self.wrong)
        return Config(str(self.path), str(self.folder), tuple(each for each in found if each is not None))

    # --- what is wrong

    def _say(self, keys: tuple[str, ...], problem: str) -> None:
        line = line_of(self.text, (*self.prefix, *keys))
        where = f"{self.path}:{line}" if line else str(self.path)
        self.wrong.append(" ".join(f"{where}: {'.'.join(keys)}: {problem}".split()))

    def _try(self, table: tuple[str, ...], read: Callable[[], Any]) -> Any:
        try:
            return read()
        except _Wrong as error:
            self._say((*table, *([error.key] if error.key else [])), error.problem)
        return None

    def _converted(self, keys: tuple[str, ...], table: Any, kind: type[Any]) -> Any:
        known = tuple(each.name for each in msgspec.structs.fields(kind))
        unknown = [each for each in table if each not in known] if isinstance(table, dict) else []
        for each in unknown:
            self._say((*keys, each), f"is unknown{_hint(each, known)}; allowed: {', '.join(known)}")
        if unknown:
            return None
        try:
            return msgspec.convert(table, kind)
        except msgspec.ValidationError as error:
            problem, _, where = str(error).partition(" - at `")
            inner = re.findall(r"\.([^.\[\]`]+)", where)[:1]
            value = table.get(inner[0]) if inner and isinstance(table, dict) else table
            self._say((*keys, *inner), f"{_show(value)}: {_plain(problem)}")
        return None

    # --- one check

    def _check_defaults(self, defaults: Defaults) -> None:
        self._platforms(defaults.platforms)
        self._barriers(defaults.barriers)

    def _check(self, name: str, table: Any, defaults: Defaults) -> Check | None:
        keys = ("checks", name)
        if not name.isprintable() or not 1 <= len(name) <= 80:
            self._say(keys, "is no name of a check: 1 to 80 printable characters")
            return None
        record = self._converted(keys, table, CheckTable)
        if record is None:
            return None
        line = line_of(self.text, (*self.prefix, *keys))
        where = f"{self.path}:{line}" if line else str(self.path)
        read = self._litmus if record.litmus is not None else self._program
        found: Check | None = self._try(keys, lambda: read(name, where, record, defaults))
        return found

    def _program(self, name: str, where: str, record: CheckTable, defaults: Defaults) -> Check:
        from amp.lab.plan import PLATFORM  # noqa: PLC0415  (who gates litmus tests only needs no program)

        if record.observers is not None:
            raise _Wrong("observers", "is of litmus tests")
        expect = _expected(record, PROGRAM_EXPECTS)
        if record.site is not None and expect != "violation":
            raise _Wrong("site", f"says where a violation is expected, and expected is {expect}")
        program = self._reference(record)
        weaken = record.weaken if record.weaken is not None else ()
        texts = [f"{site}={to}" for site, to in weaken.items()] if isinstance(weaken, dict) else _texts(weaken)
        for text in texts:
            if "=" not in text:
                raise _Wrong("weaken", f"{_show(text)} is not of the form SITE=CLASS")
        platforms = self._platforms(record.platforms if record.platforms is not None else defaults.platforms)
        barriers = self._barriers(record.barriers if record.barriers is not None else defaults.barriers)
        cells = [
            Asked(
                program=program,
                platform=platform,
                barriers=each,
                weaken=tuple(texts),
                messages=record.messages,
                ring_size=record.ring_size,
                sizes=record.sizes or {},
                **_bounds(record, defaults),
            )
            for platform, each in product(platforms or [PLATFORM], barriers or [""])
        ]
        return Check(name, where, tuple(cells), expect, record.site or "")

    def _litmus(self, name: str, where: str, record: CheckTable, defaults: Defaults) -> Check:
        for key in ("program", "elf", *ASKED, *_OF_PROGRAM):
            if getattr(record, key) is not None:
                raise _Wrong(key, "has no meaning for litmus tests")
        expect = _expected(record, LITMUS_EXPECTS)
        observers = record.observers or TOGETHER
        try:
            check_observers_option(observers)
            paths = [str(self.folder / each) for each in _texts(record.litmus)]
            files = [self._short(each) for each in find_files(paths)]
        except UsageError as error:
            raise _Wrong("observers" if "observers" in str(error) else "litmus", self._short(str(error))) from None
        cells = [
            Asked(litmus=file, platform=platform, observers=observers, **_bounds(record, defaults))
            for platform, file in product(self._platforms(record.platforms) or [""], files)
        ]
        return Check(name, where, tuple(cells), expect)

    def _short(self, text: str) -> str:
        return text.removeprefix(f"{self.folder}/")

    def _reference(self, record: CheckTable) -> str:
        """The program as `amp verify` takes it. Raises _Wrong for a file that is not there."""
        if (record.program is None) == (record.elf is None):
            raise _Wrong("", "has no program, elf or litmus" if record.program is None else "has a program and an elf")
        if record.elf is not None:
            self._check_file("elf", record.elf)
            if record.host is None and record.remote is None:
                raise _Wrong("elf", "host and remote name the functions that run")
            asked = {key: _texts(getattr(record, key) or ()) for key in ASKED[:-1]}
            return program_of(record.elf, **asked, max_loop=record.max_loop)
        for key in ASKED:
            if getattr(record, key) is not None:
                raise _Wrong(key, "is of an elf, and this is a program")
        assert record.program is not None, record
        self._check_reference(record.program)
        return record.program

    def _check_reference(self, program: str) -> None:
        from amp.programs import SHIPPED  # noqa: PLC0415  (who gates litmus tests only needs none of them)
        from amp.programs.loader import is_compiled  # noqa: PLC0415

        whole, (program, _, _) = program, program.partition("?")
        place, colon, _ = program.rpartition(":")
        if is_compiled(whole):
            self._check_file("program", program)
        elif (place if colon else program).endswith(".py") or "/" in program:
            self._check_file("program", place if colon else program)
        elif not colon and program not in SHIPPED:
            close = f"{program}.py" if (self.folder / f"{program}.py").is_file() else ""
            hint = f"; did you mean the file {close}?" if close else _hint(program, tuple(SHIPPED))
            known = ", ".join(SHIPPED)
            raise _Wrong("program", f"{_show(program)} is unknown{hint} (known: {known}; or a file, name.py:NAME)")

    def _check_file(self, key: str, name: str) -> None:
        if not (self.folder / name).is_file():
            raise _Wrong(key, f"there is no file {_show(name)} in {self.folder}")

    def _platforms(self, texts: Texts | None) -> list[str]:
        names = _listed("platforms", texts)
        if ALL in names:
            return list(PLATFORMS)
        for name in names:
            try:
                find_platform(str(self.folder / name) if name.endswith(SUFFIX) else name)
            except UsageError as error:
                raise _Wrong("platforms", self._short(str(error))) from None
        return names

    def _barriers(self, texts: Texts | None) -> list[str]:
        classes = [each.value for each in BarrierClass]
        names = _listed("barriers", texts)
        if ALL in names:
            return classes
        known = (*classes, *POLICIES)
        for name in names:
            if name not in known:
                raise _Wrong("barriers", f"{_show(name)} is unknown{_hint(name, known)} (known: {', '.join(known)})")
        return names


def _expected(record: CheckTable, allowed: tuple[str, ...]) -> str:
    expect = record.expect or allowed[0]
    if expect not in allowed:
        raise _Wrong("expect", f"{_show(expect)} is unknown{_hint(expect, allowed)}; allowed: {', '.join(allowed)}")
    return expect


def _bounds(record: CheckTable, defaults: Defaults) -> dict[str, Any]:
    given = {key: getattr(record, key) or getattr(defaults, key) for key in ("max_seconds", "max_executions")}
    return {key: value for key, value in given.items() if value is not None}


def _texts(value: Any) -> list[str]:
    """One text, or a list of them."""
    return [value] if isinstance(value, str) else list(value)


def _listed(key: str, texts: Texts | None) -> list[str]:
    """Names, each once, in their order; within one text commas may stand between them."""
    if texts is None:
        return []
    names = [name.strip() for text in _texts(texts) for name in text.split(",") if name.strip()]
    if not names:
        raise _Wrong(key, "is an empty list")
    return list(dict.fromkeys(names))


def _hint(word: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(word.lower(), known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _show(value: object) -> str:
    """A user's value, cut short."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


_TYPES: Final = {
    "`array`": "a list",
    "`object`": "a table",
    "`str`": "a text",
    "`int`": "a number",
    "`float`": "a number",
}


def _plain(problem: str) -> str:
    """msgspec's words in TOML's: "Expected `str | array | null`, got `int`"."""

    def named(found: re.Match[str]) -> str:
        kinds = [_TYPES.get(f"`{each}`", each) for each in found[1].split(" | ") if each != "null"]
        return " or ".join(dict.fromkeys(kinds))

    return re.sub(r"`([\w |]+)`", named, problem)
