"""Writes docs/api.md from the docstrings of what `amp` exports: python docs/generate_api.py > docs/api.md"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Protocol

import amp
import amp.pytest_plugin

INTRODUCTION = """\
# The Python interface
Made from the docstrings by `python docs/generate_api.py`; a test holds the two together. How a program of your own is
written: [programs.md](programs.md).
"""
SCALARS = ("u8", "u16", "u32", "u64")
NUMBERS = {"HOST": "host", "REMOTE": "remote"}
GROUPS = {
    "A program": (
        "program",
        "Layout",
        "u8",
        "u16",
        "u32",
        "u64",
        "Struct",
        "Bytes",
        "Site",
        "Sites",
        "Size",
        "Program",
        "Code",
    ),
    "What its parts are given": ("Port", "HOST", "REMOTE"),
    "What is done with it": ("verify", "run", "sites", "explain", "replay", "explore", "load", "platform"),
    "What comes back": ("Verification", "TableCell", "Finding", "Runs", "Replay"),
    "Errors": ("AmpError", "UsageError", "ProgramError", "Violation", "FailedCheck", "Stall"),
}


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for title, names in GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [_entry(name, _value(name)) for name in names]
    return "\n".join(parts)


def _value(name: str) -> Any:
    """What a user calls: of the package that is also a decorator, that one."""
    value = getattr(amp, name)
    return getattr(amp.pytest_plugin, name) if inspect.ismodule(value) else value


def _entry(name: str, value: Any) -> str:
    if name in SCALARS:
        said = f"An unsigned number of {8 * value.size} bits, little endian. `amp.{name}[n]`: n of them."
        return f"### amp.{name}\n\n{said}\n"
    if name in NUMBERS:
        whose = NUMBERS[name]
        return (
            f"### amp.{name}\n\nThe {whose}'s number, {value}: `cpu.kick(amp.{name})` rings the {whose}'s doorbell.\n"
        )
    lines = [f"### amp.{name}\n"]
    if signature := _signature(value):
        lines.append(f"    amp.{name}{signature}\n")
    lines += [_text(value), ""]
    if inspect.isclass(value):
        for method, function in _methods(value):
            said = _text(function).replace("\n\n", "\n").replace("\n", "\n  ")
            lines.append(f"- **`{method}{_signature(function)}`**: {said}")
        lines.append("")
    return "\n".join(lines)


def _methods(value: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that say what they are."""
    for name, member in vars(value).items():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if not name.startswith("_") and callable(function) and inspect.getdoc(function):
            yield name, member if isinstance(member, property) else function


def _signature(value: Any) -> str:
    """Names and defaults; types are in the source. Of what amp makes, and of errors, none."""
    if isinstance(value, property):
        return ""
    if inspect.isclass(value) and (issubclass(value, Exception) or _is_amps(value)):
        return ""
    shown, star = [], False
    for name, each in inspect.signature(value).parameters.items():
        if each.kind is each.KEYWORD_ONLY and not star:
            shown, star = [*shown, "*"], True
        if name != "self":
            prefix = {each.VAR_KEYWORD: "**", each.VAR_POSITIONAL: "*"}.get(each.kind, "")
            shown.append(prefix + name + _default(each.default))
    return f"({', '.join(shown)})"


def _is_amps(value: type) -> bool:
    """Is it made by amp, and read by its users?"""
    if issubclass(value, Protocol):  # type: ignore[arg-type]
        return True
    fields = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
    return (
        value is amp.Program or any(each.name.startswith("_") for each in fields) or value.__module__ == "amp.lab.api"
    )


def _default(default: Any) -> str:
    if default is inspect.Parameter.empty:
        return ""
    if isinstance(default, Mapping):
        return "={}"
    return f"={default.value!r}" if isinstance(default, StrEnum) else f"={default!r}"


def _text(value: Any) -> str:
    return inspect.getdoc(value.fget if isinstance(value, property) else value) or ""


if __name__ == "__main__":
    sys.stdout.write(page())
