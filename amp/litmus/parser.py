"""Litmus files parsed: lark's LALR parser and the grammars beside this module; `trees` makes `syntax` of the result.

One parser for initial values and conditions, which all dialects share, one for assembly in columns, one for C threads.
Nothing is compiled or looked up here: `FROB X1` is a fine instruction to this module.

A file is somebody else's: how long a word may be and how deep things may nest is bounded here, so that whatever walks
the result may recurse; and there is no control character in it, so that what is printed of it is text.
"""

from __future__ import annotations

import errno
import re
from functools import cache
from importlib.resources import files
from typing import Any, Final

from lark import Lark, Token, Transformer, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

from amp.errors import UsageError
from amp.files import read_whole
from amp.litmus import syntax, trees
from amp.litmus.source import MAX_BYTES, Section, Source, split
from amp.litmus.syntax import Dialect, refuse

# C that no litmus test of straight code has; said by name, since the grammar would stumble over what follows it.
_NOT_SUPPORTED_C = re.compile(
    r"\b(while|for|do|switch|case|goto|return|break|continue|struct|union|enum|typedef|sizeof|static|extern|asm)\b"
)


MAX_WORD: Final = 100  # characters of one number or name
MAX_DEPTH: Final = 100  # of conditions, expressions and statements in one another
_LONG_WORD = re.compile(rf"[A-Za-z0-9_]{{{MAX_WORD + 1},}}")
_BRACKET = re.compile(r"[()\[\]{}]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def load(path: str) -> syntax.LitmusTest:
    """Parse the file at `path`. Raises UsageError if it cannot be read, is no text, or is not supported."""
    try:
        data = read_whole(path, MAX_BYTES)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}{': no litmus test' * (error.errno == errno.EFBIG)}") from None
    try:
        return parse(path, data.decode())
    except UnicodeDecodeError as error:
        raise refuse(path, 1 + data.count(b"\n", 0, error.start), "not UTF-8 text") from None


def parse(file: str, text: str) -> syntax.LitmusTest:
    """Parse `text`; `file` is its name in errors. Raises UsageError that names file, line and construct."""
    text = text.replace("\r\n", "\n")
    _check_characters(file, text)
    source = split(file, text)
    null = source.dialect is Dialect.C
    initial = _run(source, source.initial, "initial", trees.InitialValues(null=null))
    threads: Any
    if source.dialect is Dialect.C:
        threads = _c_threads(source)
    else:
        threads = _run(source, source.body, "assembly", trees.AssemblyThreads())
    return syntax.LitmusTest(
        file,
        source.name,
        source.dialect,
        initial,
        threads,
        source.body.line,
        _run(source, source.final, "final", trees.Ending(null=null)),
    )


def _check_characters(file: str, text: str) -> None:
    found = _CONTROL.search(text)
    if found is not None:
        line = 1 + text.count("\n", 0, found.start())
        raise refuse(file, line, f"a control character: {found[0]!r}")


def _c_threads(source: Source) -> Any:
    unsupported = _NOT_SUPPORTED_C.search(source.body.text)
    if unsupported is not None:
        line = source.body.line + source.body.text.count("\n", 0, unsupported.start())
        raise refuse(source.file, line, f"'{unsupported[0]}' is not supported")
    if not source.body.text.strip():
        raise refuse(source.file, source.body.line, "no threads: P0(...) { ... } is required")
    return _run(source, source.body, "c", trees.CThreads())


@cache
def _parser(grammar: str) -> Lark:
    text = files("amp.litmus").joinpath("grammar", f"{grammar}.lark").read_text()
    return Lark(text, parser="lalr", propagate_positions=True, maybe_placeholders=True)


def _run(source: Source, section: Section, grammar: str, transformer: Transformer[Token, Any]) -> Any:
    """The section's syntax. Raises UsageError."""
    long = _LONG_WORD.search(section.text)
    if long is not None:
        line = section.line + section.text.count("\n", 0, long.start())
        raise refuse(
            source.file, line, f"{long[0][:20]!r}... has {len(long[0])} characters, at most {MAX_WORD} are read"
        )
    _check_brackets(source.file, section)
    try:
        tree = _parser(grammar).parse("\n" * (section.line - 1) + section.text)
        _check_depth(source.file, tree)
        return transformer.transform(tree)
    except UnexpectedInput as error:
        raise _unexpected(source.file, section, error) from None
    except VisitError as error:
        if isinstance(error.orig_exc, trees.Refused):
            raise refuse(source.file, error.orig_exc.line, error.orig_exc.text) from None
        raise


def _check_brackets(file: str, section: Section) -> None:
    """Raises UsageError for too many in one another; the tree knows none that only group."""
    depth = 0
    for found in _BRACKET.finditer(section.text):
        depth += 1 if found[0] in "([{" else -1
        if depth > MAX_DEPTH:
            line = section.line + section.text.count("\n", 0, found.start())
            raise _too_deep(file, line)


def _check_depth(file: str, tree: Tree[Token]) -> None:
    """Raises UsageError for what nests too deep for those who recurse."""
    level: list[Tree[Token]] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for each in level for child in each.children if isinstance(child, Tree)]
    if level:
        line = next((each.meta.line for each in level if not each.meta.empty), 1)
        raise _too_deep(file, line)


def _too_deep(file: str, line: int) -> UsageError:
    return refuse(file, line, f"more than {MAX_DEPTH} constructs nest here, which is not supported")


def _unexpected(file: str, section: Section, error: UnexpectedInput) -> UsageError:
    """What the parser stumbled over, and the line of text it stands in."""
    lines = section.text.split("\n")
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        last = section.line + section.text.rstrip().count("\n")
        return refuse(file, last, f"more is expected after {lines[last - section.line].strip()[-60:]!r}")
    text = lines[error.line - section.line].strip()
    if isinstance(error, UnexpectedToken):
        what = str(error.token)
    else:
        assert isinstance(error, UnexpectedCharacters)
        what = error.char
    if what == "filter":
        return refuse(file, error.line, "'filter' clauses are not supported")
    return refuse(file, error.line, f"unexpected {what[:40]!r} in {text[:80]!r}")
