"""Does everybody say the same of a program? What differs is made small. Not a test.

The judges: exploration without merging, the running machine, plain interleaving, exploration of the same program in
other words, and `Explorer.explore` itself when one fact is a violation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from interleaved_machine import InterleavedMachine
from program_facts import Explored, TooLarge, explore, sought
from python_programs import CANNOT_SLEEP, Block, Fact, Functions, GivenProgram, Program, runnable
from sampled_machine import SampledMachine

from amp.errors import UsageError
from amp.explore.explorer import Nondeterministic
from amp.ordering.barriers import BarrierClass


@dataclass(frozen=True)
class Effort:
    """How much is tried of one program. What takes more runs is left out. `plant`: an error that the explorer makes."""

    unmerged: int = 600
    merged: int = 3000
    sampled: int = 60
    interleavings: int = 400
    twins: bool = True
    sought: int = 3
    plant: str = ""


# --- the judges -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """`judge` saw of the program what another did not."""

    judge: str
    program: Program
    fact: Fact | None
    why: str

    def __str__(self) -> str:
        return f"{self.judge} on {self.program.platform}: {self.why}"


def twins(program: Program) -> Iterator[tuple[Program, bool]]:
    """The program with a statement in other words, each in turn; does that lead to exactly the same?"""
    for cpu in range(2):
        for other, exactly in _reworded(program.parts[cpu]):
            parts = (other, program.parts[1]) if cpu == 0 else (program.parts[0], other)
            yield replace(program, parts=parts), exactly


def _reworded(block: Block) -> Iterator[tuple[Block, bool]]:
    for at, each in enumerate(block):
        if each.twin is not None:
            yield (*block[:at], each.twin.by, *block[at + 1 :]), each.twin.exactly
        for body, exactly in _reworded(each.body):
            yield (*block[:at], replace(each, body=body), *block[at + 1 :]), exactly


@dataclass
class Tally:
    """How much was compared."""

    programs: int = 0
    too_large: int = 0
    refused: int = 0
    unmerged: int = 0
    sampled: int = 0
    interleaved: int = 0
    twins: int = 0
    facts: int = 0


def differences(program: Program, effort: Effort, seed: int, tally: Tally) -> Iterator[Difference]:
    """One after the other, as they are looked for."""
    tally.programs += 1
    functions = program.functions()
    try:
        merged = explore(program, functions, merging=True, most_runs=effort.merged, plant=effort.plant)
    except TooLarge:
        tally.too_large += 1
        return
    except Nondeterministic as error:
        yield Difference("nondeterminism", program, None, str(error))
        return
    except UsageError:
        tally.refused += 1
        return
    tally.facts += len(merged.facts)
    trial = Trial(program, functions, merged, effort, seed, tally)
    for look in (trial.sleeps, trial.unmerged, trial.interleavings, trial.samples, trial.twins, trial.verdicts):
        yield from look()


@dataclass
class Trial:
    """A program, what exploration with merging shows of it, and the judges of that."""

    program: Program
    functions: Functions
    merged: Explored
    effort: Effort
    seed: int
    tally: Tally

    def explore(self, program: Program, functions: Functions, most_runs: int, *, merging: bool) -> Explored:
        return explore(program, functions, merging=merging, most_runs=most_runs, plant=self.effort.plant)

    def missing(
        self, explored: Explored, facts: set[Fact], of: tuple[Program, Functions] | None = None
    ) -> Iterator[Fact]:
        """Which of these an exploration of the program, or another one, does not find."""
        program, functions = of or (self.program, self.functions)
        for fact in sorted(facts - explored.facts, key=str):
            try:
                if fact in explored.open and sought(program, functions, fact, self.effort.plant):
                    continue
            except TooLarge:
                continue
            yield fact

    def differs(self, judge: str, fact: Fact | None, why: str) -> Difference:
        return Difference(judge, self.program, fact, f"{why}: {fact}")

    def sleeps(self) -> Iterator[Difference]:
        """Nobody sleeps behind a kick of its own that it has not taken."""
        lines = [self.program.function(cpu).split("\n") for cpu in range(2)]
        for fact in self.merged.facts:
            for cpu, at in enumerate(fact.what if fact.cpu < 0 else ()):
                if at is not None and CANNOT_SLEEP in lines[cpu][at[0]]:
                    yield self.differs("own doorbell", fact, "asleep behind its own kick")
                    return

    def unmerged(self) -> Iterator[Difference]:
        try:
            every = self.explore(self.program, self.functions, self.effort.unmerged, merging=False)
        except TooLarge:
            return
        except Nondeterministic as error:
            yield self.differs("nondeterminism", None, f"unmerged: {error}")
            return
        self.tally.unmerged += 1
        for fact in self.missing(self.merged, every.facts):
            yield self.differs("merging", fact, "only without merging")
        for fact in self.missing(every, self.merged.facts):
            yield self.differs("merging", fact, "only with merging")
        for fact in sorted(every.cut, key=str):
            yield self.differs("cut run", fact, "in no run that can end")

    def interleavings(self) -> Iterator[Difference]:
        every = InterleavedMachine(self.program).facts(self.functions, self.effort.interleavings)
        if every is None:
            return
        self.tally.interleaved += 1
        for fact in self.missing(self.merged, every):
            yield self.differs("interleaving", fact, "by interleaving alone")
        # A kick of one's own may arrive behind the next wait: that is no interleaving of accesses.
        exact = self.program.platform == "sc" and not self.program.rings_itself()
        for fact in sorted(self.merged.facts - every, key=str) if exact else ():
            yield self.differs("sequential consistency", fact, "by no interleaving")

    def samples(self) -> Iterator[Difference]:
        machine = SampledMachine(self.program)
        shown: set[Fact] = set()
        for number in range(self.effort.sampled):
            shown |= machine.run(self.functions, self.seed * 1_000_003 + number)
        self.tally.sampled += self.effort.sampled
        for fact in self.missing(self.merged, shown):
            yield self.differs("running machine", fact, "on the running machine")

    def twins(self) -> Iterator[Difference]:
        for twin, exactly in twins(self.program) if self.effort.twins else ():
            functions = twin.functions()
            try:
                other = self.explore(twin, functions, self.effort.merged, merging=True)
            except (TooLarge, UsageError):
                continue
            self.tally.twins += 1
            ours, theirs = ({fact for fact in each.facts if fact.cpu >= 0} for each in (self.merged, other))
            for fact in self.missing(self.merged, theirs):
                yield self.differs("other words", fact, f"with other words\n{twin.source()}\nbut not with these")
            for fact in self.missing(other, ours, (twin, functions)) if exactly else ():
                yield self.differs("other words", fact, f"not with other words\n{twin.source()}\nbut with these")

    def verdicts(self) -> Iterator[Difference]:
        """What `Explorer.explore` says of facts that were met, and of one that was not."""
        if any(fact.cpu < 0 for fact in self.merged.facts):
            return  # that would be another finding
        facts = sorted(self.merged.facts, key=str)
        chosen = Random(self.seed).sample(facts, min(self.effort.sought, len(facts)))
        try:
            for fact in chosen:
                if not sought(self.program, self.functions, fact, self.effort.plant):
                    yield self.differs("verdict", fact, "met, and no finding")
            for fact in chosen[:1]:
                never = Fact(fact.cpu, (*fact.what, "never"))
                if sought(self.program, self.functions, never, self.effort.plant):
                    yield self.differs("verdict", never, "a finding that cannot be")
        except TooLarge:
            return


# --- made small -------------------------------------------------------------------------------------------------------


def _smaller_blocks(block: Block) -> Iterator[Block]:
    for at, each in enumerate(block):
        yield (*block[:at], *block[at + 1 :])
        if each.body and not each.head[0].startswith("def "):
            yield (*block[:at], *each.body, *block[at + 1 :])
        for body in _smaller_blocks(each.body):
            yield (*block[:at], replace(each, body=body), *block[at + 1 :])


def smaller(program: Program) -> Iterator[Program]:
    """The program with one statement less, or one expression less in what it returns."""
    for cpu in range(2):
        part = program.parts[cpu]
        whole = [part[: len(part) // 2], part[len(part) // 2 :]] if len(part) > 3 else []
        for block in (*whole, *_smaller_blocks(part)):
            yield replace(program, parts=(block, program.parts[1]) if cpu == 0 else (program.parts[0], block))
    for cpu in range(2):
        for at in range(len(program.seen[cpu])):
            seen = (*program.seen[cpu][:at], *program.seen[cpu][at + 1 :])
            yield replace(program, seen=(seen, program.seen[1]) if cpu == 0 else (program.seen[0], seen))


def like(difference: Difference, program: Program, effort: Effort, seed: int) -> Difference | None:
    """The same judge's difference on another program, about an end of the same CPU, or about a stall as well."""
    try:
        found = list(differences(program, effort, seed, Tally()))
    except (NameError, UnboundLocalError, SyntaxError, TypeError):  # too much was deleted
        return None
    kind = difference.judge, difference.fact and difference.fact.cpu
    return next((each for each in found if (each.judge, each.fact and each.fact.cpu) == kind), None)


def shrink(difference: Difference, effort: Effort, seed: int) -> Difference:
    """By greedy deletion, as long as the same judge differs."""
    while True:
        for program in smaller(difference.program):
            found = like(difference, program, effort, seed)
            if found is not None:
                difference = found
                break
        else:
            return difference


def report(difference: Difference, seed: int) -> str:
    return runnable(difference.program, f"seed {seed}; {difference}")


def judge_script(host: Any, remote: Any, platform: str, sites: str) -> None:
    """What each of them says of a program given as functions; for scripts that `runnable` wrote."""
    program = GivenProgram(((), ()), ((), ()), platform, BarrierClass(sites), (host, remote))
    functions = program.functions()
    said: dict[str, set[Fact]] = {}
    for name, merging in (("merged", True), ("unmerged", False)):
        try:
            explored = explore(program, functions, merging=merging, most_runs=100_000)
            said[name] = explored.facts
            print(f"{name}: {explored.runs} runs")
        except TooLarge:
            print(f"{name}: too large")
    said["interleaved"] = InterleavedMachine(program).facts(functions, 100_000) or set()
    machine = SampledMachine(program)
    said["sampled"] = set().union(*(machine.run(functions, seed) for seed in range(3000)))
    for fact in sorted(set().union(*said.values()), key=str):
        print("".join(f"{name if fact in facts else '-':12}" for name, facts in said.items()), fact)
