"""A litmus file as the oracle reads it: its own small parser for what generators and the sample write. Not a test."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

BASE, STEP = 0x7000000, 0x100
Words = tuple[str, list[str]]  # a mnemonic, or "label:", and its operands
_TYPE = (
    r"(?:unsigned\s+long\s+long|unsigned\s+long|unsigned\s+int|unsigned|long\s+long|long|int|void|[a-z]\w*_t"
    r"|[us](?:8|16|32|64))"
)


def type_of(words: str) -> tuple[int, bool]:
    """(bytes, signed) of a C type; pointers are 8 bytes."""
    words = " ".join(words.replace("volatile", "").replace("const", "").replace("*", " * ").split())
    if "*" in words or words in ("unsigned long", "unsigned long long", "u64", "uint64_t", "uintptr_t", "size_t"):
        return 8, False
    if words in ("unsigned", "unsigned int", "u32", "uint32_t"):
        return 4, False
    if words in ("int", "signed", "s32", "int32_t", "atomic_t"):
        return 4, True
    assert words in ("long", "long long", "s64", "int64_t", "intptr_t", "ssize_t", "atomic64_t", "atomic_long_t"), words
    return 8, True


def wrap(value: int, kind: tuple[int, bool]) -> int:
    bits = 8 * kind[0]
    value &= (1 << bits) - 1
    return value - (1 << bits) if kind[1] and value >> (bits - 1) else value


@dataclass
class Test:
    dialect: str
    threads: int = 0
    assembly: list[list[Words]] = field(default_factory=list)
    code: list[Any] = field(default_factory=list)  # C: (parameters, body text)
    first: dict[str, int] = field(default_factory=dict)  # locations
    registers: dict[tuple[int, str], int] = field(default_factory=dict)
    types: dict[str, tuple[int, bool]] = field(default_factory=dict)
    variables: dict[tuple[int, str], tuple[int, bool]] = field(default_factory=dict)
    observed: list[str] = field(default_factory=list)
    addresses: dict[str, int] = field(default_factory=dict)

    @property
    def granules(self) -> dict[int, range]:
        return {start: range(start, start + 8) for start in self.addresses.values()}

    def address(self, name: str) -> int:
        return self.addresses.setdefault(name, BASE + STEP * len(self.addresses))

    def first_bytes(self, first: int, end: int) -> int:
        [value] = [self.first.get(name, 0) for name, start in self.addresses.items() if start == first & ~7]
        return value >> 8 * (first & 7) & (1 << 8 * (end - first)) - 1

    def outcome(
        self, registers: Sequence[Mapping[str, int]], memory: Mapping[int, int]
    ) -> frozenset[tuple[str, object]]:
        return frozenset((what, self._named(self._final(what, registers, memory))) for what in self.observed)

    def _final(self, what: str, registers: Sequence[Mapping[str, int]], memory: Mapping[int, int]) -> int:
        if ":" in what:
            thread, name = what.split(":")
            value = registers[int(thread)].get(name.upper() if self.dialect != "C" else name, 0)
            if self.dialect == "C":
                return wrap(value, self.variables[int(thread), name])
            return wrap(value, (4, self.dialect == "X86") if self.dialect == "X86" or name[0] in "wW" else (8, True))
        start = self.addresses[what]
        value = sum(part << 8 * (cell - start) for cell, part in memory.items() if start <= cell < start + 8)
        if what in self.types:
            return wrap(value, self.types[what])
        signed = wrap(value, (8, True))
        return wrap(value, (4, True) if -(1 << 31) <= signed < 1 << 32 else (8, True))

    def _named(self, value: int) -> object:
        names = [name for name, start in self.addresses.items() if start == value]
        return names[0] if names else value


def read_test(text: str) -> Test:
    test = Test(text.split(maxsplit=1)[0])
    body = re.sub(r'"[^"\n]*"', "", text)
    opening = body.index("{")
    closing = body.index("}", opening)
    head, initial, rest = body[:opening], body[opening + 1 : closing], body[closing + 1 :]
    del head
    rest = re.sub(r"//.*", "", rest)
    if test.dialect == "C":
        rest = re.sub(r"/\*.*?\*/", "", rest, flags=re.S)
        end = rest.rindex("}") + 1
    else:
        found = re.search(r"^\s*(~\s*exists|exists|forall|locations)\b", rest, re.M)
        assert found
        end = found.start()
    threads, final = rest[:end], re.sub(r"\(\*.*?\*\)", "", rest[end:], flags=re.S)
    _initial(test, re.sub(r"\(\*.*?\*\)|//[^\n]*", "", initial, flags=re.S))
    (_c_threads if test.dialect == "C" else _columns)(test, threads)
    _observed(test, final)
    return test


def _initial(test: Test, text: str) -> None:
    for entry in filter(None, map(str.strip, text.split(";"))):
        left, _, right = (part.strip() for part in entry.partition("="))
        found = re.fullmatch(r"(.*?)\s*(?:(\d+):)?\s*\[?(\w+)\]?", left, re.S)
        assert found, entry
        words, thread, name = found[1].strip(), found[2], found[3]
        right = re.sub(r"ATOMIC\w*_INIT\((.*)\)", r"\1", right).strip().lstrip("&")
        if re.fullmatch(r"[-+]?(0[xX][0-9a-fA-F]+|\d+)", right):
            value = int(right, 0)
        else:
            value = 0 if right in ("", "NULL") else test.address(right)
        if thread is not None:
            test.registers[int(thread), name if test.dialect == "C" else name.upper()] = value
            if test.dialect == "C":
                test.variables[int(thread), name] = type_of(words) if words else (8, True)
            continue
        test.address(name)
        if words:
            test.types[name] = type_of(words)
            value &= (1 << 8 * test.types[name][0]) - 1
        elif -(1 << 31) <= value < 0:
            value &= 0xFFFFFFFF
        test.first[name] = value & (1 << 64) - 1


def _columns(test: Test, text: str) -> None:
    rows = [row.split("|") for row in re.sub(r"\(\*.*?\*\)", "", text, flags=re.S).split(";") if row.strip()]
    test.threads = len(rows[0])
    test.assembly = [[] for _ in rows[0]]
    for row in rows[1:]:
        for thread, cell in zip(test.assembly, row, strict=False):
            rest = cell.strip()
            while found := re.match(r"(\w+):\s*", rest):
                thread.append((found[1] + ":", []))
                rest = rest[found.end() :]
            if rest:
                word, _, operands = rest.partition(" ")
                if word.upper() == "LOCK":
                    more, _, operands = operands.strip().partition(" ")
                    word = f"LOCK {more}"
                split = re.findall(r"\[[^\]]*\]|[^,\s]+", operands)
                thread.append((word.upper(), split))
    if test.dialect == "X86":
        for _, operands in (each for thread in test.assembly for each in thread):
            for operand in operands:
                name = operand.strip("[]")
                if operand.startswith("[") and not re.fullmatch(r"E[A-Z][A-Z]", name.upper()):
                    test.address(name)


def _c_threads(test: Test, text: str) -> None:
    at = 0
    while found := re.compile(r"\s*P(\d+)\s*\(([^)]*)\)\s*\{").match(text, at):
        depth, end = 1, found.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        parameters = {}
        for parameter in filter(None, map(str.strip, found[2].split(","))):
            if parameter == "void":
                continue
            words, name = re.fullmatch(r"(.*?)(\w+)", parameter, re.S).groups()  # type: ignore[union-attr]
            stars = words.count("*")
            target = " ".join(words.replace("*", " ").split()) + " *" * (stars - 1)
            parameters[name] = target
            test.address(name)
            if target != "void":
                test.types.setdefault(name, type_of(target))
        test.code.append((parameters, text[found.end() : end - 1]))
        at = end
    assert not text[at:].strip(), text[at:]
    test.threads = len(test.code)
    for number, (_, body) in enumerate(test.code):
        for words, names in re.findall(rf"(?:^|[;{{}}])\s*({_TYPE}\s*(?:\*\s*)*)((?:[^;{{}}])*?)(?=;)", body):
            for declared in re.sub(r"\([^()]*(\([^()]*\)[^()]*)*\)", "", names).split(","):
                found = re.match(r"\s*(\**)\s*(\w+)\s*(=|$)", declared.strip())
                if found:
                    test.variables.setdefault((number, found[2]), type_of(words + found[1]))


def _observed(test: Test, text: str) -> None:
    quantified = re.split(r"\b(?:exists|forall)\b", re.sub(r"locations\s*\[(?:[^\[\]]|\[\w+\])*\]", "", text))
    listed = re.search(r"locations\s*\[((?:[^\[\]]|\[\w+\])*)\]", text)
    found = [each.strip() for each in (listed[1].split(";") if listed else []) if each.strip()]
    for part in quantified[1:]:
        found += [m[0] for m in re.findall(r"((?:\d+:)?\s*\[?\*?\w+\]?)\s*(!?==?)\s*(?:&?[-\w]+)", part)]
    for each in found:
        name = each.replace(" ", "").strip("[]*")
        if ":" not in name:
            test.address(name)
        if name not in test.observed:
            test.observed.append(name)
