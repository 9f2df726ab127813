"""Litmus files parsed: lark's LALR parser and the grammars beside this module; `trees` makes `syntax` of the result.

One parser for initial values and conditions, which all dialects share, one for assembly in columns, one for C threads.
Nothing is compiled or looked up here: `FROB X1` is a fine instruction to this module.
"""

from __future__ import annotations

import errno
import re
from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, Transformer
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
    source = split(file, text.replace("\r\n", "\n"))
    initial = _run(source, source.initial, "initial", trees.InitialValues())
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
        _run(source, source.final, "final", trees.Ending()),
    )


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
    try:
        tree = _parser(grammar).parse("\n" * (section.line - 1) + section.text)
        return transformer.transform(tree)
    except UnexpectedInput as error:
        raise _unexpected(source.file, section, error) from None
    except VisitError as error:
        if isinstance(error.orig_exc, trees.Refused):
            raise refuse(source.file, error.orig_exc.line, error.orig_exc.text) from None
        raise


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
