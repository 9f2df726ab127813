"""A litmus test as one C program for this machine's own CPU, to be read as well as compiled.

The threads come from the dialect's translator (`native_c`, `native_x86`), which works on the parsed test; the frame
around them is here: locations' first values, and for each column of the outcome where it is found. How threads are
pinned, aligned and counted is the business of `amp/_core/native/native.h`, which the program includes. Nothing here
compiles or runs anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

from amp.litmus.compile import Compiled
from amp.litmus.native_c import CWriter
from amp.litmus.native_x86 import X86Writer
from amp.litmus.program import ADDRESS_BASE, ADDRESS_STEP, LOCATIONS
from amp.litmus.syntax import CThread, Dialect, Initial, LocationName, RegisterName, refuse

_ADDRESSES: Final = range(ADDRESS_BASE, ADDRESS_BASE + ADDRESS_STEP * LOCATIONS, ADDRESS_STEP)
TRANSLATED: Final = (Dialect.C, Dialect.X86)


def native_text(compiled: Compiled, non_temporal: Sequence[str] = ()) -> str:
    """The C program of a test in one of the dialects TRANSLATED.

    WRITE_ONCE() to a location named in `non_temporal` is a non-temporal store (C only; movnti on x86-64). Raises
    UsageError, with file and line, for what has no native form, and for a location that no thread so writes.
    """
    test = compiled.test
    assert test.dialect in TRANSLATED
    if non_temporal and test.dialect is not Dialect.C:
        raise refuse(test.file, test.body_line, "non-temporal stores are made of WRITE_ONCE(): C tests only")
    threads = [_thread(compiled, number, non_temporal) for number in range(len(test.threads))]
    missing = set(non_temporal).difference(*(streamed for _, streamed in threads))
    if missing:
        names = ", ".join(sorted(missing))
        raise refuse(test.file, test.body_line, f"no WRITE_ONCE() by name to {names}, which is to be non-temporal")
    parts = [_head(compiled, non_temporal), _prepare(compiled), *(text for text, _ in threads), _table(compiled)]
    return "\n".join(parts)


def _thread(compiled: Compiled, number: int, non_temporal: Sequence[str]) -> tuple[str, set[str]]:
    """One thread as a C function, and the locations to which it makes non-temporal stores."""
    test = compiled.test
    thread = test.threads[number]
    initial = [each for each in test.initial if _of(each, number)]
    seen = {
        column.what.name: index
        for index, column in enumerate(compiled.columns)
        if isinstance(column.what, RegisterName) and column.what.thread == number
    }
    if isinstance(thread, CThread):
        writer = CWriter(compiled.locations, non_temporal)
        body, streamed = writer.thread(thread, initial, seen), writer.streamed
    else:
        body, streamed = X86Writer(test.file, compiled.locations).thread(thread, initial, seen), set()
    lines = [f"static void P{number}(uint64_t *const amp_cell[], uint64_t amp_seen[])", "{"]
    lines += [f"    {line}" if line else "" for line in body]
    return "\n".join((*lines, "}", "")), streamed


def _of(entry: Initial, number: int) -> bool:
    return isinstance(entry.target, RegisterName) and entry.target.thread == number


def _head(compiled: Compiled, non_temporal: Sequence[str]) -> str:
    test = compiled.test
    file = PurePath(test.file).name
    lines = [
        f"{test.name}: the litmus test in {file} ({test.dialect.value}), compiled by amp for this CPU.".replace(
            "*/", ""
        ),
        "Each thread runs once a try, on cells of its own try: amp_cell[], by location. What its registers hold at",
        "the end goes into amp_seen[], by column of the outcome.",
    ]
    if non_temporal:
        lines.append(f"Stores by WRITE_ONCE() to {', '.join(non_temporal)} are non-temporal.")
    comment = "\n".join(("/*", *(f" * {line.replace('*/', '* /')}" for line in lines), " */"))
    access = '#include "native/native_access.h"\n' if test.dialect is Dialect.C else ""
    return f'{comment}\n#include "native/native.h"\n{access}'


def _prepare(compiled: Compiled) -> str:
    lines = ["static void prepare(uint64_t *const amp_cell[])", "{"]
    for number, (name, value) in enumerate(zip(compiled.locations, compiled.program.initial, strict=True)):
        if value in _ADDRESSES:
            target = _ADDRESSES.index(value)
            lines.append(
                f"    *amp_cell[{number}] = (uintptr_t)amp_cell[{target}]; /* {name} = &{compiled.locations[target]} */"
            )
        else:
            lines.append(f"    *amp_cell[{number}] = {value}u; /* {name} */")
    return "\n".join((*lines, "}", ""))


def _table(compiled: Compiled) -> str:
    """What native.h needs to know."""
    threads = len(compiled.test.threads)
    columns = []
    for column in compiled.columns:
        match column.what:
            case RegisterName(thread=thread):
                place = f".location = -1, .thread = {thread}"
            case LocationName(name=name):
                place = f".location = {compiled.locations.index(name)}"
        columns.append(f"    {{{place}}}, /* {column.what} */")
    return "\n".join(
        (
            "static const struct amp_column columns[] = {",
            *(columns or ["    {.location = -1}, /* none: the test observes nothing */"]),
            "};",
            "",
            "static void (*const threads[])(uint64_t *const[], uint64_t[]) = {"
            f"{', '.join(f'P{number}' for number in range(threads))}}};",
            "",
            "static const struct amp_test test = {",
            f"    .threads = {threads},",
            f"    .locations = {max(len(compiled.locations), 1)}, /* {' '.join(compiled.locations)} */",
            f"    .columns = {len(compiled.columns)},",
            "    .run = threads,",
            "    .prepare = prepare,",
            "    .column = columns,",
            f"    .address_base = {ADDRESS_BASE},",
            f"    .address_step = {ADDRESS_STEP},",
            "};",
            "",
            "int main(int argc, char **argv)",
            "{",
            "    return amp_native_main(&test, argc, argv);",
            "}",
            "",
        )
    )
