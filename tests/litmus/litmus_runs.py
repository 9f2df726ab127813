"""What the tests of litmus tests share: the sample, and tests given as text. Not a test."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from amp.litmus.compile import DEFAULT_PLATFORM, Compiled, compile_test
from amp.litmus.enumerate import Limits
from amp.litmus.outcomes import Judged, state_text
from amp.litmus.parser import load, parse
from amp.litmus.runner import run_test
from amp.litmus.syntax import LitmusTest
from amp.ordering import platform
from amp.ordering.platforms import PLATFORMS

DATA = Path(__file__).parent / "data"
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
