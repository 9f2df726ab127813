"""The core against an enumerator that shares nothing with it: all interleavings of two threads, by brute force.

The enumerator is the textbook machine, one byte at a time: for sc a load reads memory; for TSO each processor has a
FIFO of stores, a load takes each byte from its newest own store there or else from memory now, and mfence or a locked
instruction waits until the FIFO is empty (Owens, Sarkar, Sewell 2009, "A better x86 memory model: x86-TSO"). It knows
no floors, marks or times. Each direction is checked: what the core shows is allowed, and all that is allowed is shown.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_machine import FINAL, LOCATIONS, Machine

Bytes = tuple[tuple[int, int], ...]  # (address, value), sorted
Pair = tuple[Any, Any]
State = tuple[Pair, Pair, Bytes, tuple[tuple[str, int], ...]]  # next word of each thread, its buffer; memory; registers
Result = frozenset[tuple[str, int]]
MODELS = {"sc": False, "x86-wb": True}  # platform: are stores buffered?


def bytes_of(location: str, value: int) -> Bytes:
    address, size = LOCATIONS[location]
    return tuple((address + i, value >> 8 * i & 0xFF) for i in range(size))


def value_of(location: str, memory: dict[int, int]) -> int:
    address, size = LOCATIONS[location]
    return sum(memory.get(address + i, 0) << 8 * i for i in range(size))


def enumerate_outcomes(program: tuple[str, str], buffered: bool) -> set[Result]:
    """Every outcome: registers and last values, as `Machine.run` names them."""
    threads = [text.split() for text in program]
    found: set[Result] = set()
    visited: set[State] = set()
    todo: list[State] = [((0, 0), ((), ()), (), ())]
    while todo:
        state = todo.pop()
        if state in visited:
            continue
        visited.add(state)
        at, buffers, memory, registers = state
        if all(at[i] == len(threads[i]) and not buffers[i] for i in (0, 1)):
            cells = dict(memory)
            found.add(frozenset((*registers, *((name, value_of(name, cells)) for name in FINAL))))
            continue
        for i in (0, 1):
            if buffers[i]:
                drained = tuple(sorted((dict(memory) | dict(buffers[i][0])).items()))
                todo.append((at, _with(buffers, i, buffers[i][1:]), drained, registers))
            if at[i] < len(threads[i]):
                todo.extend(_execute(threads[i][at[i]], i, state, buffered))
    return found


def _with(pair: Pair, i: int, value: object) -> Pair:
    return (value, pair[1]) if i == 0 else (pair[0], value)


def _execute(word: str, i: int, state: State, buffered: bool) -> list[State]:
    at, buffers, memory, registers = state
    at = _with(at, i, at[i] + 1)
    left, equals, right = word.partition("=")
    locked = right.startswith("add:")
    if (not equals or locked) and buffers[i]:
        return []  # waits
    if not equals:
        return [(at, buffers, memory, registers)]
    if not left.startswith("r"):
        store = bytes_of(left, int(right))
        if buffered:
            return [(at, _with(buffers, i, (*buffers[i], store)), memory, registers)]
        return [(at, buffers, tuple(sorted((dict(memory) | dict(store)).items())), registers)]
    cells = dict(memory)
    if locked:
        name, number = right.removeprefix("add:").split(",")
        old = value_of(name, cells)
        cells |= dict(bytes_of(name, old + int(number)))
        return [(at, buffers, tuple(sorted(cells.items())), (*registers, (left, old)))]
    for store in buffers[i]:
        cells |= dict(store)
    return [(at, buffers, memory, (*registers, (left, value_of(right, cells))))]


def show(machine: Machine, program: tuple[str, str], n: int, seed: int) -> set[Result]:
    return {frozenset(registers.items()) for registers in machine.tries(program, n, seed)}


def text(outcomes: set[Result]) -> list[str]:
    return sorted(" ".join(f"{name}={value:#x}" for name, value in sorted(outcome)) for outcome in outcomes)


COVERED = [
    ("x=1 r0=y", "y=1 r1=x"),
    ("x=1 y=1", "r0=y r1=x"),
    ("x=1 y=2", "y=1 x=2"),
    ("x=1 smp_mb r0=y", "y=1 r1=x"),
    ("x=1 smp_mb r0=y", "y=1 smp_mb r1=x"),
    ("x=1 r0=x r1=y", "y=1 r2=y r3=x"),
    ("xl=1 xh=2", "r0=x x=3"),
    ("xl=1 r0=x", "xh=1 r1=x"),
    ("xb=1 r0=xl", "x=515 r1=xb"),
    ("r0=add:x,1 r1=y", "y=1 r2=add:x,1"),
    ("x=1 x=2", "r0=x r1=x"),
]
# Sampling has to meet the rarest outcome: this many tries are about ten times what the worst row needs.
TRIES = 6000


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("program", COVERED, ids=" | ".join)
def test_the_core_shows_exactly_the_allowed_outcomes(program: tuple[str, str], name: str) -> None:
    machine, allowed = Machine(name), enumerate_outcomes(program, MODELS[name])
    shown: set[Result] = set()
    for seed in range(1, 1 + TRIES // 200):
        shown |= show(machine, program, 200, seed)
        if shown >= allowed and seed >= 4:
            break
    assert text(shown) == text(allowed)


def test_the_enumerator_tells_sc_from_tso() -> None:
    weak = frozenset({("r0", 0), ("r1", 0), ("x", 1), ("y", 1), ("z", 0)})
    sb, fenced = COVERED[0], COVERED[4]
    assert weak in enumerate_outcomes(sb, True)
    assert weak not in enumerate_outcomes(sb, False)
    assert weak not in enumerate_outcomes(fenced, True)
    assert len(enumerate_outcomes(sb, False)) == 3


def test_a_machine_weaker_than_its_oracle_is_found_out() -> None:
    shown = show(Machine("x86-wb"), COVERED[0], 500, 1)
    assert not shown <= enumerate_outcomes(COVERED[0], buffered=False)
    shown = show(Machine("arm64"), COVERED[1], 2000, 1)
    assert not shown <= enumerate_outcomes(COVERED[1], buffered=True)


places = st.sampled_from(["x", "y", "xl", "xh", "xb", "yl"])
stores = st.builds("{}={}".format, places, st.integers(1, 255))
accesses = st.one_of(stores, st.builds("r?={}".format, places), st.builds("r?=add:{},{}".format, places, st.just(1)))
words = st.one_of(accesses, accesses, accesses, st.just("smp_mb"))


@st.composite
def programs(draw: st.DrawFn) -> tuple[str, str]:
    n = draw(st.integers(1, 3))
    number = iter(range(10))
    first, second = (
        " ".join(word.replace("?", str(next(number)), 1) if "?" in word else word for word in draw(words_of))
        for words_of in (st.lists(words, min_size=n, max_size=n), st.lists(words, min_size=1, max_size=4 - n))
    )
    return first, second


MACHINES = {name: Machine(name) for name in MODELS}


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=300, deadline=None, derandomize=True)
@given(program=programs())
def test_every_outcome_of_a_random_program_is_allowed(program: tuple[str, str], name: str) -> None:
    shown = show(MACHINES[name], program, 60, Random(str(program)).randrange(1 << 20))
    assert shown <= enumerate_outcomes(program, MODELS[name])
