"""Outcomes judged by the test's condition, and printed as herd7 prints them.

The core gives each final state, a tuple of 64-bit values, with the number of executions that end in it. Two states that
differ only in bits that their types do not have are one. Executions are the core's, after merging: `Positive` and
`Negative` count those, so they are not herd7's numbers; the states are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from amp.litmus.compile import Compiled
from amp.litmus.program import address_of
from amp.litmus.syntax import All, Equal, Not, Observable, Proposition, Quantifier, Some, Truth

Values = tuple[int, ...]


class Verdict(StrEnum):
    """Whether the proposition can come true, whatever the quantifier."""

    ALLOWED = "Allowed"
    FORBIDDEN = "Forbidden"


@dataclass(frozen=True, slots=True)
class Judged:
    """A test's states, in herd7's order, and how many executions end in states that satisfy the proposition."""

    compiled: Compiled
    states: tuple[Values, ...]
    positive: int
    negative: int

    @property
    def verdict(self) -> Verdict:
        return Verdict.ALLOWED if self.positive else Verdict.FORBIDDEN

    @property
    def observation(self) -> str:
        if not self.positive:
            return "Never"
        return "Sometimes" if self.negative else "Always"

    @property
    def holds(self) -> bool:
        """Does the condition hold, quantifier included?"""
        match self.compiled.test.final.quantifier:
            case Quantifier.EXISTS:
                return self.positive > 0
            case Quantifier.NOT_EXISTS:
                return self.positive == 0
            case Quantifier.FORALL:
                return self.negative == 0


def judge(compiled: Compiled, counts: Mapping[Values, int]) -> Judged:
    """`counts`: executions by final state, as the core has them."""
    merged: dict[Values, int] = {}
    for raw, count in counts.items():
        state = tuple(column.canonical(value) for column, value in zip(compiled.columns, raw, strict=True))
        merged[state] = merged.get(state, 0) + count
    positive = sum(count for state, count in merged.items() if satisfies(compiled, state))
    states = sorted(merged, key=lambda state: [_sort_key(compiled, value) for value in state])
    return Judged(compiled, tuple(states), positive, sum(merged.values()) - positive)


def satisfies(compiled: Compiled, state: Values) -> bool:
    """Is the proposition, without its quantifier, true in `state`?"""
    values = {column.what: value for column, value in zip(compiled.columns, state, strict=True)}
    return _holds(compiled, compiled.test.final.proposition, values)


def _holds(compiled: Compiled, proposition: Proposition, values: Mapping[Observable, int]) -> bool:
    match proposition:
        case Truth(value):
            return value
        case Not(inner):
            return not _holds(compiled, inner, values)
        case All(parts):
            return all(_holds(compiled, part, values) for part in parts)
        case Some(parts):
            return any(_holds(compiled, part, values) for part in parts)
        case Equal(_, left, right, negated):
            [column] = [each for each in compiled.columns if each.what == left]
            return (values[left] == compiled.constant(column, right)) != negated


def _location_at(compiled: Compiled, value: int) -> str | None:
    """The location whose address `value` is."""
    addresses = {address_of(number): name for number, name in enumerate(compiled.locations)}
    return addresses.get(value)


def _sort_key(compiled: Compiled, value: int) -> tuple[bool, int, str]:
    """Numbers before addresses, as herd7 sorts."""
    name = _location_at(compiled, value)
    return (False, value, "") if name is None else (True, 0, name)


def value_text(compiled: Compiled, value: int) -> str:
    """A number, or the name of the location whose address it is."""
    return _location_at(compiled, value) or str(value)


def state_text(compiled: Compiled, state: Values) -> str:
    """`1:r0=1; [x]=2;`"""
    pairs = zip(compiled.columns, state, strict=True)
    return " ".join(f"{column.what}={value_text(compiled, value)};" for column, value in pairs)


def proposition_text(proposition: Proposition, *, inner: bool = False) -> str:
    """As herd7 prints it; `inner`: in parentheses where it needs them."""
    match proposition:
        case Truth(value):
            return "true" if value else "false"
        case Equal(_, left, right, negated):
            return f"{left}{'!=' if negated else '='}{right}"
        case Not(part):
            return f"not ({proposition_text(part)})"
        case All(parts) | Some(parts):
            word = r" /\ " if isinstance(proposition, All) else r" \/ "
            text = word.join(proposition_text(part, inner=True) for part in parts)
            return f"({text})" if inner else text


KINDS: Final = {Quantifier.EXISTS: "Allowed", Quantifier.NOT_EXISTS: "Forbidden", Quantifier.FORALL: "Required"}


def herd_text(judged: Judged) -> str:
    """The report of one test, as herd7's, without its Time and Hash."""
    compiled = judged.compiled
    test, quantifier = compiled.test, compiled.test.final.quantifier
    witnesses = (judged.positive, judged.negative)
    if quantifier is Quantifier.NOT_EXISTS:  # herd7: witnesses of the condition, not of the proposition
        witnesses = (judged.negative, judged.positive)
    return "\n".join(
        (
            f"Test {test.name} {KINDS[quantifier]}",
            f"States {len(judged.states)}",
            *(state_text(compiled, state) for state in judged.states),
            "Ok" if judged.holds else "No",
            "Witnesses",
            f"Positive: {witnesses[0]} Negative: {witnesses[1]}",
            f"Condition {quantifier} ({proposition_text(test.final.proposition)})",
            f"Observation {test.name} {judged.observation} {judged.positive} {judged.negative}",
        )
    )
