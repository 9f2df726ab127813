"""Which registers' values may still be read, before each instruction that a part may come to.

What a called function reads before it writes it is found by looking into that function, and so is what it overwrites
on every way to its return; what is read after a return, at the places that it may return to: no calling convention is
taken for granted. Only a call by pointer is by
the convention, as nobody can know who is called: it may be any function, and the scratch registers are nobody's behind
it. When the part's own function returns, the part has ended, and nothing is read any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from amp.code.rows import NONE, Flag, Kind, Service

_LAST: Final = (Kind.TRAP, Kind.REFUSED)  # the part ends there


@dataclass(frozen=True, slots=True)
class _Step:
    """One instruction: masks of the registers that it reads and writes, and what may come behind it.

    `following` are addresses of the same function, `calls` is one of another, or of any (`indirect`), that returns
    here; `leaves` is one of another that returns to where this function would.
    """

    reads: int
    writes: int
    following: tuple[int, ...] = ()
    calls: int | None = None
    leaves: int | None = None
    indirect: bool = False
    returns: bool = False
    unknown: bool = False


class Liveness:
    """Of one part: `functions` are the one that it runs and those that may be called from there, each by address of its
    lines (amp.code.listing.Line); `isa` is the instruction set (amp.code.isa.Isa).
    """

    def __init__(self, functions: Iterable[Mapping[int, Any]], isa: Any) -> None:
        self._isa = isa
        self._every = (1 << len(isa.registers)) - 1
        self._scratch = _mask(isa.scratch)
        self._functions = [self._steps(lines) for lines in functions if lines]
        self._of = {address: number for number, steps in enumerate(self._functions) for address in steps}
        self._order = [sorted(steps, reverse=True) for steps in self._functions]
        self._comes_back = [any(s.returns or s.unknown for s in steps.values()) for steps in self._functions]
        self._uses = [dict.fromkeys(steps, 0) for steps in self._functions]
        self._any_uses = 0
        self._kills = [dict.fromkeys(steps, self._every) for steps in self._functions]
        self._find_kills()
        self._find_uses()
        self._alive = [dict(each) for each in self._uses]
        self._find_alive()

    def dead(self, address: int) -> frozenset[int]:
        """The slots of registers whose values nobody reads any more, before the instruction at `address`."""
        alive = self._alive[self._of[address]][address] if address in self._of else self._every
        if any(alive >> each & 1 for each in self._isa.of_flags):
            alive |= 1 << self._isa.flags
        for part, whole in self._isa.parts:
            alive |= (alive >> part & 1) << whole
        return frozenset(slot for slot in range(len(self._isa.registers)) if not alive >> slot & 1)

    # --- the three passes

    def _find_kills(self) -> None:
        """What is overwritten behind each instruction before its function returns, on every way: the most that fits."""
        changed = True
        while changed:
            changed = False
            for number, steps in enumerate(self._functions):
                kills = self._kills[number]
                for address in self._order[number]:
                    killed = steps[address].writes | self._killed_after(kills, steps[address])
                    changed |= killed != kills[address]
                    kills[address] = killed

    def _killed_after(self, kills: Mapping[int, int], step: _Step) -> int:
        if step.unknown:
            return 0
        target = step.calls if step.calls is not None else step.leaves
        called = self._killed_by(target) if target is not None else 0
        after = self._every if step.following or step.leaves is not None or not step.returns else 0
        for each in step.following:
            after &= kills.get(each, 0)
        if step.leaves is not None:
            return after & called
        return (0 if step.returns else after) | called

    def _killed_by(self, target: int) -> int:
        """By the function that begins there."""
        number = self._of.get(target)
        return 0 if number is None else self._kills[number][target]

    def _find_uses(self) -> None:
        """What each function reads of what it is given: the least that fits them all."""
        changed = True
        while changed:
            changed = False
            for number in range(len(self._functions)):
                changed |= self._solve(number, self._uses[number], 0)
            before = self._any_uses
            for number, order in enumerate(self._order):
                self._any_uses |= self._uses[number][order[-1]]
            changed |= self._any_uses != before

    def _find_alive(self) -> None:
        """The same, with what is read after each function's return."""
        at_return = [0] * len(self._functions)
        left = set(range(len(self._functions)))
        while left:
            number = left.pop()
            self._solve(number, self._alive[number], at_return[number])
            for step in self._functions[number].values():
                behind = at_return[number] if step.leaves is not None else self._behind(number, step)
                for callee in self._callees(step):
                    if behind & ~at_return[callee]:
                        at_return[callee] |= behind
                        left.add(callee)

    def _callees(self, step: _Step) -> Iterable[int]:
        target = step.calls if step.calls is not None else step.leaves
        if target is not None:
            return (self._of[target],) if target in self._of else ()
        return range(len(self._functions)) if step.indirect else ()

    def _behind(self, number: int, step: _Step) -> int:
        """What is read where a call of `step` has returned to."""
        behind = 0
        for each in step.following:
            behind |= self._alive[number].get(each, self._every)
        return behind & ~self._scratch if step.indirect else behind

    def _solve(self, number: int, alive: dict[int, int], at_return: int) -> bool:
        """The registers that are read behind each instruction of one function; has anything been added?"""
        steps, any_change, changed = self._functions[number], False, True
        while changed:
            changed = False
            for address in self._order[number]:
                step = steps[address]
                before = (self._after(alive, step, at_return) & ~step.writes) | step.reads
                if before & ~alive[address]:
                    alive[address] |= before
                    any_change = changed = True
        return any_change

    def _after(self, alive: Mapping[int, int], step: _Step, at_return: int) -> int:
        if step.unknown:
            return self._every
        after = at_return if step.returns else 0
        target = step.calls if step.calls is not None else step.leaves
        if target is not None:
            number = self._of.get(target)
            if number is None:
                return self._every
            after |= self._uses[number][target]
            if step.calls is not None and not self._comes_back[number]:
                return after
        killed = self._killed_by(step.calls) if step.calls is not None else 0
        for each in step.following:
            after |= alive.get(each, self._every) & ~killed
        return (after & ~self._scratch) | self._any_uses if step.indirect else after

    # --- what the rows say

    def _steps(self, lines: Mapping[int, Any]) -> dict[int, _Step]:
        return {address: self._step(address, line.row, lines) for address, line in lines.items()}

    def _step(self, address: int, row: Any, lines: Mapping[int, Any]) -> _Step:
        reads, writes = _mask(row.reads), _mask(row.writes)
        conditional = bool(row.flags & Flag.CONDITIONAL)
        if row.kind is Kind.SERVICE:  # the engine does it, and goes back; nobody comes back from a failure
            given = {self._isa.arguments[0], self._isa.stack, self._isa.link} - {-1}
            return _Step(_mask(given), 0, returns=row.detail != Service.FAIL)
        if row.kind in _LAST and not conditional:
            return _Step(reads, 0)
        behind = () if row.ends else (address + row.length,)
        if row.target in lines and not row.calls:
            return _Step(reads, writes, (*behind, row.target))
        if row.calls:
            return _Step(reads, writes, behind, calls=row.target, indirect=row.target is None)
        if row.target is not None:
            return _Step(reads, writes, behind, leaves=row.target, returns=True)
        return _Step(reads, writes, behind, returns=row.returns, unknown=row.indirect or (row.ends and not row.returns))


def _mask(slots: Iterable[int]) -> int:
    bits = 0
    for slot in slots:
        if slot != NONE:
            bits |= 1 << slot
    return bits
