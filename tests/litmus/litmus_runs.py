"""What the tests of litmus tests share: the sample, and tests given as text. Not a test."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from amp.litmus.compile import DEFAULT_PLATFORM, Compiled, compile_test
from amp.litmus.enumerate import Limits, enumerate_outcomes
from amp.litmus.outcomes import Judged, judge, state_text, value_text
from amp.litmus.parser import load, parse
from amp.litmus.program import Program
from amp.litmus.runner import domains, run_test
from amp.litmus.syntax import LitmusTest
from amp.ordering import platform
from amp.ordering.platforms import PLATFORMS

DATA = Path(__file__).parent / "data"
Change = Callable[[Program], Program]
LIMITS = Limits(executions=1_000_000, seconds=60)


@dataclass(frozen=True)
class Sample:
    """One entry of data/verdicts.json: what herd7 says. `outcomes` None: not counted (LKMM)."""

    file: str
    arch: str
    verdict: str
    observation: str
    outcomes: int | None

    @property
    def test(self) -> LitmusTest:
        return _loaded(self.file)


@cache
def _loaded(file: str) -> LitmusTest:
    return load(str(DATA / file))


@cache
def sample() -> tuple[Sample, ...]:
    entries = json.loads((DATA / "verdicts.json").read_text())
    fields = ("file", "arch", "verdict", "observation", "outcomes")
    return tuple(Sample(*(entry.get(field) for field in fields)) for entry in entries)


def compiled(test: LitmusTest, on: str | None = None) -> Compiled:
    return compile_test(test, platform(on or DEFAULT_PLATFORM[test.dialect]))


def run(text: str, on: str | None = None, observers: str = "together") -> Judged:
    """The test in `text`, on its dialect's platform unless another is named."""
    test = parse("t.litmus", text)
    judged = run_test(test, PLATFORMS[on or DEFAULT_PLATFORM[test.dialect]], observers, LIMITS).judged
    assert judged is not None
    return judged


Outcome = frozenset[tuple[str, object]]


def outcomes(
    text: str, on: str | None = None, observers: str = "together", change: Change | None = None, faults: int = 0
) -> frozenset[Outcome]:
    """All final states of a test: pairs of a register's or location's name and its value, or where it points to.

    `change`: made to the compiled program before it runs; `faults`: planted in the core.
    """
    test = parse("t.litmus", text)
    platform = PLATFORMS[on or DEFAULT_PLATFORM[test.dialect]]
    made = compile_test(test, platform)
    program = made.program if change is None else change(made.program)
    found = enumerate_outcomes(program, platform, domains(observers, len(test.threads)), LIMITS, faults)
    assert found.complete
    return frozenset(
        frozenset(
            (str(column.what).strip("[]"), named(made, value))
            for column, value in zip(made.columns, state, strict=True)
        )
        for state in judge(made, found.counts).states
    )


def named(made: Compiled, value: int) -> object:
    text = value_text(made, value)
    return int(text) if text.lstrip("-").isdigit() else text


def states(text: str, on: str | None = None, observers: str = "together") -> list[str]:
    judged = run(text, on, observers)
    return [state_text(judged.compiled, state) for state in judged.states]


def c(body: str, condition: str = "locations [0:r0;]", initial: str = "", parameters: str = "int *x, int *y") -> str:
    """A test of one C thread."""
    return f"C t\n{{ {initial} }}\nP0({parameters})\n{{\n{body}\n}}\n{condition}\n"


def aarch64(code: str, condition: str = "locations [0:X0;]", initial: str = "0:X1=x; 0:X3=y;") -> str:
    """A test of one AArch64 thread, instructions separated by ";"."""
    return f"AArch64 t\n{{ {initial} }}\nP0 ;\n" + "".join(f"{each} ;\n" for each in code.split(";")) + condition


def x86(code: str, condition: str = "locations [0:EAX;]", initial: str = "") -> str:
    return f"X86 t\n{{ {initial} }}\nP0 ;\n" + "".join(f"{each} ;\n" for each in code.split(";")) + condition
