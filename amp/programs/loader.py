"""Finds a program: a shipped one by its name, a user's by its file, or by the module that it is in.

    vring                     shipped
    handover.py               the one program in that file
    path/handover.py:Broken   one of several
    package.module:NAME       of an installed module
    ring.elf?host=send&...    compiled code: amp.code.program says what may stand there

Behind a program in Python, `?before=handover.py:12` makes a site before that line, where nothing stands as written;
of compiled parts also `before=ring.c:77`.

A user's file is read from its path, never found by way of the current folder. What it imports from its own folder is
found there, behind everything that is installed: nothing in that folder stands in for a module of Python's own or of
amp's. Its `assert`s are kept, also under `python -O`: they are what it checks.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import traceback
from dataclasses import replace
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

from amp.errors import UsageError
from amp.files import read_whole
from amp.programs.program import Program, Source
from amp.programs.shipped import SHIPPED
from amp.users import is_users

FILE_LIMIT_BYTES: Final = 1 << 22
KEEPS_ASSERTS: Final = "__amp_keeps_asserts__"  # in a module that was compiled here
_IN_PYTHON: Final = re.compile(r".+\.py(?::\w+)?|[\w.]+:\w+")  # a file, or one of its programs; a module's
_importing: list[str] = []  # files of users, the innermost last
_NOT_BUILT: Final = (".c", ".s", ".S", ".o")  # what amp code build takes
_loaded: dict[tuple[str, str], ModuleType] = {}  # by path and sha256


def load(reference: str) -> Program:
    """The program that `reference` names. Raises UsageError that says what is wrong with it, with file and line."""
    if reference in SHIPPED:
        return SHIPPED[reference]
    if is_compiled(reference):
        from amp.code.program import load as load_code  # noqa: PLC0415  (few have any)

        return load_code(reference)
    if "?" in reference:
        return _with_places(*reference.split("?", 1))
    place, colon, name = reference.rpartition(":")
    if not colon:
        place, name = reference, ""
    if place.endswith(".py") or os.sep in place:
        return _from_file(place, name)
    if colon and place:
        return _from_file(_file_of_module(place), name)
    if os.path.isfile(f"{reference}.py"):
        raise UsageError(f"program {reference!r:.80} is unknown; did you mean the file {reference}.py?")
    if reference.endswith(_NOT_BUILT) and os.path.isfile(reference):
        elf = f"{os.path.splitext(reference)[0]}.elf"
        raise UsageError(
            f"program {reference!r:.80} is not built yet: amp code build {reference} -o {elf} --target aarch64, "
            f"and {elf} with --host and --remote"
        )
    close = get_close_matches(reference.lower(), SHIPPED, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise UsageError(
        f"program {reference!r:.80} is unknown{hint} (known: {', '.join(SHIPPED)}; or a file, path/name.py:NAME)"
    )


def is_compiled(reference: str) -> bool:
    """Is it an ELF file's, and no program's in Python?"""
    head, question, _ = reference.partition("?")
    return bool(question) and not (_IN_PYTHON.fullmatch(head) or head in SHIPPED)


def _with_places(head: str, query: str) -> Program:
    """The program with a site before each of the lines that the query names. Raises UsageError."""
    words = [word.partition("=") for word in query.split("&")]
    for name, equals, line in words:
        if name != "before" or not line:
            raise UsageError(f"{head}: {name + equals + line!r:.80} says nothing of a program in Python (before=LINE)")
    found = load(head)
    if found.with_places is None or found.source is None:
        raise UsageError(f"{head}: no site can be before a line of it: it is no class of a user's (@amp.program)")
    source = Source(found.source.path, f"{found.source.name}?{query}", found.source.sha256)
    return replace(found.with_places([line for _, _, line in words]), source=source)


def digest_of(path: str) -> str:
    """The sha256 of a program's file. Raises UsageError."""
    try:
        return sha256(read_whole(path, FILE_LIMIT_BYTES)).hexdigest()
    except OSError as error:
        raise UsageError(f"program {path}: {error.strerror}") from None


def _file_of_module(module: str) -> str:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError) as error:
        raise UsageError(f"program: module {module!r:.80} cannot be found: {error}") from None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise UsageError(f"program: module {module!r:.80} is not installed as a Python file")
    return spec.origin


def _from_file(path: str, name: str) -> Program:
    path = os.path.realpath(path)
    try:
        content = read_whole(path, FILE_LIMIT_BYTES)
    except OSError as error:
        raise UsageError(f"program {path}: {error.strerror}") from None
    digest = sha256(content).hexdigest()
    module = _loaded.get((path, digest))
    if module is None:
        module = _loaded[path, digest] = _imported(path, content)
    found = _chosen(path, module, name)
    return replace(found[1], source=Source(path, found[0], digest))


def _chosen(path: str, module: ModuleType, name: str) -> tuple[str, Program]:
    programs = {key: value for key, value in vars(module).items() if isinstance(value, Program)}
    has = ", ".join(programs) or "none"
    if name:
        if name not in programs:
            raise UsageError(f"program {path}: has no program {name!r:.80} (it has {has})")
        return name, programs[name]
    # One that was imported from elsewhere is no program of this file, unless there is no other.
    own = {key: value for key, value in programs.items() if value.source is None or value.source.path == path}
    first = {id(value): key for key, value in reversed(own.items())}  # an alias is no further program
    own = {key: value for key, value in own.items() if first[id(value)] == key}
    if len(own) != 1:
        such = f"{os.path.basename(path)}:{next(iter(own), 'NAME')}"
        what = (
            "no program: decorate a class with @amp.program" if not own else f"{len(own)} programs ({', '.join(own)})"
        )
        raise UsageError(f"program {path}: has {what}" + (f"; take one, such as {such}" if own else ""))
    return next(iter(own.items()))


def check_not_importing() -> None:
    """Raises UsageError while a user's file is imported: what it explores then imports it once more, without end."""
    if _importing:
        raise UsageError('it explores or runs while it is imported: that belongs under `if __name__ == "__main__":`')


def _imported(path: str, content: bytes) -> ModuleType:
    """The file as a module: of its package if it lies in one, else by itself."""
    root, parts = Path(path).parent, [Path(path).stem]
    while (root / "__init__.py").is_file():
        parts.insert(0, root.name)
        root = root.parent
    if str(root) not in sys.path:
        sys.path.append(str(root))
    package = ".".join(parts[:-1])
    name = ".".join(parts) if package else f"amp_program_{sha256(os.fsencode(path)).hexdigest()[:16]}"
    made = False
    try:
        code: CodeType = compile(content, path, "exec", dont_inherit=True, optimize=0)
        if package:
            importlib.import_module(package)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None, path
        module = importlib.util.module_from_spec(spec)
        vars(module)[KEEPS_ASSERTS] = True
        sys.modules[name] = module
        _importing.append(path)
        try:
            exec(code, vars(module))
        finally:
            _importing.pop()
    except UsageError as error:
        raise UsageError(f"{_line(error, path)}{error}") from None
    except SyntaxError as error:
        where = f"{error.filename}:{error.lineno}" if error.filename else path
        raise UsageError(f"{where}: SyntaxError: {error.msg}") from None
    except (Exception, SystemExit) as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(f"{_line(error, path)}{said}") from None
    else:
        made = True
        if not __debug__:
            _check_asserts(name, path)
    finally:
        if not made:
            sys.modules.pop(name, None)
    return module


def _check_asserts(name: str, path: str) -> None:
    """Raises UsageError for another module of the user's that is there: python -O has dropped its asserts."""
    for each, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        ours = each.partition(".")[0] in {"hostside", "remoteside"}
        if each not in {name, "__main__"} and not ours and is_users(each, file) and not hasattr(module, KEEPS_ASSERTS):
            raise UsageError(f"{path}: python -O drops the asserts of {file}: run it without -O")


def _line(error: BaseException, path: str) -> str:
    """The last line of the user's file that led to the error: "handover.py:12: "."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return f"{path}:{lines[-1]}: " if lines else f"{path}: "
