"""What a verdict depends on besides amp and Python: seen while a user's program is loaded and explored in a worker.

Python tells an audit hook (PEP 578) of each file that is opened and each module that is looked for; a file's digest is
taken before it is read, and again at the end. Modules of the user's are compiled from the very bytes whose digest is
kept, never taken from a .pyc, which is believed by its time and size alone. What leaves the process (another process,
a connection), or asks a folder what is in it, is a doubt: such a verdict is not kept.

Not seen: whether a file exists, what time it is, chance at import, variables by another way than os.environ, and files
that a C library opens and closes again.
"""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
from collections.abc import Callable, Iterator
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    all_suffixes,
)
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

from amp.check.records import Record, Search
from amp.files import open_regular

FILE_LIMIT_BYTES: Final = 1 << 30
_SUFFIXES: Final = frozenset(all_suffixes())
_INSTALLED: Final = ("site-packages", "dist-packages")
_NOT_FILES: Final = ("/proc/", "/dev/", "/sys/")
_AT_START: Final = ("sitecustomize", "usercustomize")  # what Python looks for before anything is heard
_IMPORTING: Final = "<frozen importlib"
_LEAVES: Final = (
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"),
    *("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"),
)
_LISTS: Final = ("os.listdir", "os.scandir")


def sha256_of(path: str) -> str:
    """Of the regular file `path`; "" if there is none, or it cannot be read."""
    try:
        with open(open_regular(path), "rb") as file:
            if os.fstat(file.fileno()).st_size > FILE_LIMIT_BYTES:
                return ""
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def entries_of(folder: str, names: frozenset[str]) -> tuple[str, ...]:
    """The folder's entries that an import of one of `names` could take: a package, a module of any kind."""
    try:
        return tuple(sorted(each for each in os.listdir(folder) if _is_candidate(each, names)))
    except OSError:
        return ()


def _is_candidate(entry: str, names: frozenset[str]) -> bool:
    stem, dot, suffix = entry.partition(".")
    return stem in names and (not dot or f".{suffix}" in _SUFFIXES)


def sha256_of_variable(name: str) -> str:
    """Of its value; "" if it is not set. The value itself may be a secret."""
    value = os.environ.get(name)
    return "" if value is None else hashlib.sha256(os.fsencode(value)).hexdigest()


class _FromSource(SourceFileLoader):
    """Compiles what the file says now."""

    seen: Callable[[str, bytes], None]

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        content = self.get_data(path)
        type(self).seen(path, content)
        code: CodeType = self.source_to_code(content, path)
        return code


class Recorder:
    """Records from `start()` on; `record()` is all there is so far. There is one a process: a hook cannot be removed.

    `own` are the folders of amp, whose files are not recorded.
    """

    def __init__(self, own: tuple[str, ...]) -> None:
        paths = sysconfig.get_paths()
        self._own = tuple(f"{each}{os.sep}" for each in own)
        self._python = tuple(
            {f"{os.path.realpath(paths[each])}{os.sep}" for each in ("stdlib", "platstdlib")}
            | {f"{paths[each]}{os.sep}" for each in ("stdlib", "platstdlib")}
        )
        self._files: dict[str, str] = {}
        self._loaded: dict[str, str] = {}  # libraries and packages; they are what they were when they were loaded
        self._imports: set[tuple[str, tuple[str, ...]]] = set()  # what was looked for, and sys.path at that moment
        self._variables: set[str] = set()
        self._doubts: dict[str, None] = {}
        self._busy = False

    def start(self) -> None:
        """Everything from here on is seen."""
        recorder = self

        class Noting(type(os.environ)):  # type: ignore[misc]  # what os.environ is has no public name
            def __getitem__(self, name: str) -> str:
                if isinstance(name, str) and not recorder._is_ours():  # bytes are refused there, and tried by some
                    recorder._variables.add(name)
                return str(super().__getitem__(name))

            def __iter__(self) -> Any:
                recorder._all_variables()
                return super().__iter__()

        os.environ.__class__ = Noting
        _FromSource.seen = self._compiled
        sys.path_hooks.insert(0, self._finder)
        sys.path_importer_cache.clear()
        sys.addaudithook(self._heard)

    def forget(self) -> None:
        """The files that were opened so far are of another cell: for cells that load no module."""
        self._files.clear()
        self._doubts.clear()

    def record(self) -> Record:
        """What was seen so far."""
        self._busy = True
        try:
            for path in (*self._of_modules(), *_mapped()):
                if path not in self._loaded and not self._is_known(path):
                    self._loaded[path] = sha256_of(path)
            for path in [each for each in self._files if each.endswith(".py")]:
                beside = os.path.join(
                    os.path.dirname(path), "__init__.py"
                )  # amp.programs.loader asks whether it is there
                self._files.setdefault(beside, sha256_of(beside))
            for path, before in self._files.items():
                if sha256_of(path) != before:
                    self._doubt(f"{path} changed while it was in use")
            return Record(
                files=dict(sorted((self._loaded | self._files).items())),
                searches=tuple(self._searches()),
                environment={name: sha256_of_variable(name) for name in sorted(self._variables)},
                doubt=next(iter(self._doubts), ""),
            )
        finally:
            self._busy = False

    # --- heard while it runs

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            if event == "open":
                self._opened(*arguments)
            elif event == "import":
                self._imports.add((str(arguments[0]), tuple(map(str, arguments[2] or ()))))
            elif event in _LISTS and not _is_import() and not self._is_ours():
                self._doubt(f"it asks what is in the folder {arguments[0]!s:.200}")
            elif event in _LEAVES and not self._is_ours():
                self._doubt(f"it depends on another process or machine ({event})")
        finally:
            self._busy = False

    def _opened(self, path: Any, _mode: Any, flags: Any) -> None:
        """A file that is read. One that is only written says nothing."""
        if isinstance(path, int) or (isinstance(flags, int) and flags & os.O_ACCMODE == os.O_WRONLY):
            return
        if isinstance(flags, int) and flags & os.O_DIRECTORY:
            return
        name = os.path.abspath(os.fsdecode(path))
        if name.endswith(".pyc") or self._is_known(name):
            return
        if name.startswith(_NOT_FILES):
            if not self._is_ours():
                self._doubt(f"it reads {name:.200}")
            return
        self._files.setdefault(name, sha256_of(name))

    def _compiled(self, path: str, content: bytes) -> None:
        """A module's source, as it is compiled."""
        name = os.path.abspath(path)
        if not self._is_known(name):
            digest = hashlib.sha256(content).hexdigest()
            if self._files.setdefault(name, digest) != digest:
                self._doubt(f"{name} changed while it was in use")

    def _is_ours(self) -> bool:
        """Is it amp that does it, by whatever of Python's? What the user's code, or a package, does is theirs."""
        for frame in _frames():
            name = frame.f_code.co_filename
            if not name.startswith("<frozen") and not self._is_python(name):
                return name.startswith(self._own)
        return True

    def _doubt(self, text: str) -> None:
        self._doubts.setdefault(text)

    def _all_variables(self) -> None:
        if not self._is_ours():
            self._doubt("it looks at all variables of the environment")

    def _finder(self, path: str) -> FileFinder:
        """For sys.path_hooks: a user's folder. Raises ImportError for any other, as a hook does."""
        if not os.path.isdir(path) or self._is_known(f"{path}{os.sep}") or any(each in path for each in _INSTALLED):
            raise ImportError(f"not a folder of the user's: {path}", path=path)
        return FileFinder(path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (_FromSource, SOURCE_SUFFIXES))

    # --- what is loaded

    def _is_known(self, path: str) -> bool:
        """Is it Python's or amp's own? Their digests are part of the key."""
        return path.startswith(self._own) or self._is_python(path)

    def _is_python(self, path: str) -> bool:
        return path.startswith(self._python) and not any(f"{os.sep}{each}{os.sep}" in path for each in _INSTALLED)

    def _of_modules(self) -> list[str]:
        """The files of all modules but built-in ones."""
        found = []
        for name, module in list(sys.modules.items()):
            origin = getattr(getattr(module, "__spec__", None), "origin", None) or getattr(module, "__file__", None)
            if not isinstance(origin, str) or not os.path.isabs(origin):
                continue
            if not os.path.isfile(origin) and not self._is_known(origin):
                self._doubt(f"module {name} is from {origin:.200}, which is no file")
            found.append(os.path.abspath(origin))
        return found

    def _searches(self) -> list[Search]:
        """Where modules were looked for, found or not: a new one there could stand in for what was taken."""
        names: dict[tuple[str, ...], set[str]] = {}
        path = tuple(map(str, sys.path))
        for name, at_that_moment in {*((each, path) for each in (*sys.modules, *_AT_START)), *self._imports}:
            parent, _, tail = name.rpartition(".")
            folders = getattr(sys.modules.get(parent), "__path__", ()) if parent else at_that_moment
            where = tuple(os.path.abspath(each) for each in map(str, folders) if each)
            where = tuple(each for each in where if not self._is_known(f"{each}{os.sep}"))
            if where:
                names.setdefault(where, set()).add(tail)
        return [
            Search(
                folders=folders,
                names=tuple(sorted(tails)),
                entries=tuple(entries_of(each, frozenset(tails)) for each in folders),
            )
            for folders, tails in sorted(names.items())
        ]


def _mapped() -> list[str]:
    """The files that are mapped into this process: shared libraries, however they were loaded."""
    text = Path("/proc/self/maps").read_text(errors="surrogateescape")
    paths = {line.split(maxsplit=5)[5] for line in text.splitlines() if len(line.split(maxsplit=5)) == 6}
    return sorted(path for path in paths if path.startswith("/") and not path.startswith(_NOT_FILES))


def _frames() -> Iterator[FrameType]:
    """The calls that led here, the nearest first, but those of this module."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename != __file__:
            yield frame
        frame = frame.f_back


def _is_import() -> bool:
    """Is it the import of a module that does it?"""
    return next(_frames()).f_code.co_filename.startswith(_IMPORTING)
