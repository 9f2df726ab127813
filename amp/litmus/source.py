"""A litmus file cut into its parts: header, `{ initial values }`, threads, condition.

Comments become blanks, so that what is left stands on its line. `(* *)` is a comment everywhere but inside a C thread,
where it is a dereferenced argument; `//` is one everywhere, `/* */` in C. Nothing here knows what the parts mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from amp.litmus.syntax import Dialect, refuse

MAX_BYTES: Final = 1 << 20  # a litmus test is a page

_FINAL = re.compile(r"^[ \t]*(?:~\s*exists|exists|forall|locations|filter)\b", re.MULTILINE)
_C_THREAD = re.compile(r"\s*P\d+\s*\(")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the file, and the line on which it begins."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Source:
    file: str
    dialect: Dialect
    name: str
    initial: Section
    body: Section
    final: Section


def split(file: str, text: str) -> Source:
    """Cut `text` into parts. Raises UsageError, with the line, for what has not the form of a litmus test."""
    header = re.match(r"\s*(\S+)[ \t]*(.*)", text)
    if header is None:
        raise refuse(file, 1, "the file is empty")
    line = 1 + text.count("\n", 0, header.start(1))
    word, name = header[1], header[2].strip()
    if word not in {dialect.value for dialect in Dialect}:
        known = ", ".join(dialect.value for dialect in Dialect)
        raise refuse(file, line, f"architecture {word[:40]!r} is not supported (known: {known})")
    if not name:
        raise refuse(file, line, f"no name after {word!r}")
    if not name.isprintable():
        raise refuse(file, line, f"the name {name[:40]!r} has characters that cannot be printed")
    dialect = Dialect(word)
    text = _blank_comments(file, "\n" * text.count("\n", 0, header.end()) + text[header.end() :], dialect)

    opening = text.find("{")
    closing = text.find("}", opening)
    if opening < 0 or closing < 0:
        raise refuse(file, line, "no initial values: { ... } is required, even if empty")
    if "{" in text[opening + 1 : closing]:
        raise refuse(file, 1 + text.count("\n", 0, text.find("{", opening + 1)), "arrays are not supported: '{'")
    start = closing + 1
    end = _end_of_c_threads(file, text, start) if dialect is Dialect.C else _end_of_rows(file, text, start)

    def section(first: int, last: int) -> Section:
        return Section(text[first:last], 1 + text.count("\n", 0, first))

    return Source(file, dialect, name, section(opening + 1, closing), section(start, end), section(end, len(text)))


def _end_of_rows(file: str, text: str, start: int) -> int:
    found = _FINAL.search(text, start)
    if found is None:
        raise refuse(
            file, 1 + text.rstrip().count("\n"), "no condition: exists, ~exists, forall or locations is required"
        )
    return found.start()


def _end_of_c_threads(file: str, text: str, start: int) -> int:
    while (thread := _C_THREAD.match(text, start)) is not None:
        at, depth = text.find("{", thread.end()), 0
        while at >= 0:
            depth += {"{": 1, "}": -1}[text[at]]
            if depth == 0:
                break
            found = re.compile("[{}]").search(text, at + 1)
            at = -1 if found is None else found.start()
        if at < 0:
            line = 1 + text.count("\n", 0, thread.end())
            raise refuse(file, line, f"{thread[0].strip(' (')[:40].strip()}: no body, or it is not closed")
        start = at + 1
    return start


# A comment's beginning, by its end; strings hide them, and stand only before the initial values.
_CLOSED_BY: Final = {"(*": "*)", "/*": "*/", "//": "\n"}
_TOKEN = re.compile(r'\(\*|/\*|//|"|\{|\}')


def _blank_comments(file: str, text: str, dialect: Dialect) -> str:
    """`text` with every comment, and every string before the first brace, blanked. Same length, same lines."""
    kept: list[str] = []
    at, blocks, depth = 0, 0, 0
    while (found := _TOKEN.search(text, at)) is not None:
        token, here = found[0], found.start()
        end = found.end()
        in_code = dialect is Dialect.C and depth > 0 and blocks > 1
        if token in "{}":
            blocks += token == "{"
            depth += 1 if token == "{" else -1
        elif (token == "(*" and not in_code) or token == "//" or (token == "/*" and dialect is Dialect.C):
            end = _end_of_comment(file, text, here, token)
        elif token == '"' and blocks == 0:
            end = text.find('"', end) + 1 or _unclosed(file, text, here, "string")
        elif token == "(*":
            end = here + 1
        hidden = end > here + len(token)
        kept.append(text[at:here])
        kept.append(re.sub(r"[^\n]", " ", text[here:end]) if hidden else text[here:end])
        at = end
    kept.append(text[at:])
    return "".join(kept)


def _end_of_comment(file: str, text: str, start: int, token: str) -> int:
    """Where the comment that begins at `start` ends. `(* *)` nests."""
    if token == "//":
        end = text.find("\n", start)
        return len(text) if end < 0 else end
    if token == "/*":
        end = text.find("*/", start + 2)
        return end + 2 if end >= 0 else _unclosed(file, text, start, "comment")
    depth = 0
    for mark in re.compile(r"\(\*|\*\)").finditer(text, start):
        depth += 1 if mark[0] == "(*" else -1
        if depth == 0:
            return mark.end()
    return _unclosed(file, text, start, "comment")


def _unclosed(file: str, text: str, start: int, what: str) -> int:
    raise refuse(file, 1 + text.count("\n", 0, start), f"the {what} that begins here is never closed")
