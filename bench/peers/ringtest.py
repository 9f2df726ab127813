"""Linux's ringtest and our ring, in turn in one run: `python bench/peers/ringtest.py --tree PATH`.

PATH is a kernel source tree the user has (Debian: the package linux-source-6.1, unpacked). Its tools/virtio/ringtest is
compiled into a temporary directory; nothing is written to the tree, nothing of it is kept. Without a tree: one line.

What is compared. Both move as many buffers through a ring of 256 with as many outstanding, both poll, neither notifies.
ringtest's two sides are threads, ours processes; both are bound to the same two CPUs. ringtest prints no time, so its
sample is the CPU's share and the wall time of a whole process that moves N buffers, less that of one that moves few:
start and end are in both. Ours is taken in the same way, from outside: the same N less the same few, each on the
driver's clock. A turn is all programs, one after the other, in an order that changes. A ratio is over the turns
in which both were undisturbed (amp.bench.stats; from rusage: of two busy threads each has half the CPU time).

What it says is throughput, ours over theirs: above 1 ours is faster. ringtest's programs touch no payload and trust
each other; ours has every check on unless the row says otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from amp.bench.cpus import two_cpus
from amp.bench.facts import facts, one_line
from amp.bench.ring import RingPair, RingSetup
from amp.bench.stats import NS_PER_S, Interval, Ratio, Sample, keep, keep_turns, ratio
from amp.errors import UsageError

RING_SIZE: Final = 256  # ringtest's default, main.c
FEW: Final = 1000
TURN_S: Final = 0.05  # of each program
THEIRS: Final = ("virtio_ring_0_9", "ring")
# ringtest's own flags, its Makefile's CFLAGS and LDFLAGS
FLAGS: Final = ("-Wall", "-pthread", "-O2", "-ggdb", "-flto", "-fwhole-program")
BUILD_LIMIT_S: Final = 120.0
RUN_LIMIT_S: Final = 120.0

OURS: Final[Mapping[str, RingSetup]] = {
    "amp": RingSetup(ring_size=RING_SIZE),
    "amp, every field stored again": RingSetup(ring_size=RING_SIZE, rewrite=True),
    "amp, without checks": RingSetup(ring_size=RING_SIZE, checks=False),
    "amp, batch 1": RingSetup(ring_size=RING_SIZE, batch=1),
}


class Skipped(Exception):
    """There is nothing to compare with; why, in one line."""


def build(tree: Path, room: Path) -> dict[str, Path]:
    """The programs of the tree's ringtest, compiled into `room`. Raises Skipped without them or without a compiler."""
    source = tree / "tools" / "virtio" / "ringtest"
    if not (source / "main.c").is_file():
        raise Skipped(f"there is no tools/virtio/ringtest in {tree}")
    compiler = shutil.which("cc")
    if compiler is None:
        raise Skipped("there is no C compiler")
    programs = {}
    for name in THEIRS:
        programs[name] = room / name
        command = [compiler, *FLAGS, f"-I{source}", str(source / f"{name}.c"), str(source / "main.c")]
        built = subprocess.run(
            [*command, "-o", str(programs[name])], capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False
        )
        if built.returncode:
            raise Skipped(f"{name} does not build here: {built.stderr.strip().splitlines()[-1]}")
    return programs


def run_theirs(program: Path, cpus: tuple[int, int], outstanding: int, cycles: int) -> Sample:
    """One process that moves `cycles` buffers; value in ns, all of it. Half its CPU time is one side's."""
    command = [str(program), "--host-affinity", str(cpus[1]), "--guest-affinity", str(cpus[0])]
    command += ["--ring-size", str(RING_SIZE), "--run-cycles", str(cycles)]
    if outstanding:
        command += ["--outstanding", str(outstanding)]
    began = time.monotonic_ns()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall_ns = time.monotonic_ns() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{program.name} ended with {process.returncode}")
    cpu_s = (usage.ru_utime + usage.ru_stime) / 2
    return Sample(float(wall_ns), cpu_s, wall_ns / NS_PER_S, usage.ru_nivcsw)


@dataclass(frozen=True)
class Contender:
    """`run(cycles)` moves so many buffers and says what that took, in ns. `many` of them take about TURN_S."""

    name: str
    run: Callable[[int], Sample]
    many: int

    def sample(self) -> Sample:
        """ns per buffer, start and end taken off."""
        few, many = self.run(FEW), self.run(self.many)
        return Sample(
            max(many.value - few.value, 1.0) / (self.many - FEW),
            many.cpu_s - few.cpu_s,
            many.wall_s - few.wall_s,
            many.involuntary_switches,
        )


def contenders(
    programs: Mapping[str, Path], pair: RingPair, cpus: tuple[int, int], outstanding: int, ours: Mapping[str, RingSetup]
) -> list[Contender]:
    runs: dict[str, Callable[[int], Sample]] = {}
    for name, program in programs.items():
        runs[name] = lambda cycles, program=program: run_theirs(program, cpus, outstanding, cycles)
    for name, setup in ours.items():
        asked = replace(setup, outstanding=outstanding)

        def run_ours(cycles: int, asked: RingSetup = asked) -> Sample:
            sample = pair.run(asked, cycles).sample
            return replace(sample, value=sample.value * cycles)

        runs[name] = run_ours
    return [Contender(name, run, many_for(run)) for name, run in runs.items()]


def many_for(run: Callable[[int], Sample]) -> int:
    """How many buffers take about TURN_S, from trials that double until they are long enough to tell."""
    base, cycles = min(run(FEW).value for _ in range(3)), 16 * FEW
    while (took := min(run(cycles).value for _ in range(2)) - base) < TURN_S * NS_PER_S / 8 and cycles < 1 << 24:
        cycles *= 4
    return max(4 * FEW, int(cycles * TURN_S * NS_PER_S / max(took, 1.0)))


@dataclass(frozen=True)
class Comparison:
    """All turns at one number of outstanding buffers. Samples stand in the order of `names`."""

    outstanding: int
    names: tuple[str, ...]
    turns: tuple[tuple[Sample, ...], ...]

    def ns(self, name: str) -> Interval | None:
        at = self.names.index(name)
        values = [sample.value for sample in keep(turn[at] for turn in self.turns).kept]
        return Interval.of(values) if values else None

    def against(self, ours: str, theirs: str) -> Ratio | None:
        """Throughput of ours over theirs, over the turns in which both were undisturbed."""
        x, y = self.names.index(theirs), self.names.index(ours)
        pairs = keep_turns((turn[x], turn[y]) for turn in self.turns).kept
        return ratio((first.value, second.value) for first, second in pairs) if pairs else None

    @property
    def discarded(self) -> float:
        """The share of all samples that was disturbed."""
        return keep(sample for turn in self.turns for sample in turn).discarded


def compare(all_of_them: Sequence[Contender], outstanding: int, time_s: float) -> Comparison:
    """Turns until `time_s` is over, at least one."""
    began, taken = time.monotonic(), []
    while not taken or time.monotonic() - began < time_s:
        shift = len(taken) % len(all_of_them)
        order = [*all_of_them[shift:], *all_of_them[:shift]]
        found = {each.name: each.sample() for each in order}
        taken.append(tuple(found[each.name] for each in all_of_them))
    return Comparison(outstanding, tuple(each.name for each in all_of_them), tuple(taken))


def as_data(comparisons: Sequence[Comparison], ours: Sequence[str], known: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON values; times in ns per buffer."""
    found = []
    for each in comparisons:
        times = {name: each.ns(name) for name in each.names}
        ratios = {mine: {peer: each.against(mine, peer) for peer in THEIRS} for mine in ours if mine in each.names}
        found.append(
            {
                "outstanding": each.outstanding or RING_SIZE,
                "turns": len(each.turns),
                "discarded_share": each.discarded,
                "ns_per_buffer": {name: time.as_dict() if time else None for name, time in times.items()},
                "throughput_ratio": {
                    mine: {peer: value.as_dict() if value else None for peer, value in row.items()}
                    for mine, row in ratios.items()
                },
            }
        )
    return {"machine": dict(known), "ring_size": RING_SIZE, "comparisons": found}


def print_table(comparisons: Sequence[Comparison], ours: Sequence[str], known: dict[str, Any]) -> None:
    for each in comparisons:
        kept = f"{len(each.turns)} turns, {each.discarded:.0%} of the samples disturbed and discarded"
        print(f"\nring {RING_SIZE}, outstanding {each.outstanding or 'all'}, polling; {kept}")
        print(f"  {'':32}{'ns per buffer':>26}   " + "   ".join(f"throughput / {name:<16}" for name in THEIRS))
        for name in each.names:
            time_ns = each.ns(name)
            text = f"{time_ns.median:.1f} ({time_ns.low:.1f} to {time_ns.high:.1f})" if time_ns else "?"
            ratios = [each.against(name, peer) for peer in THEIRS] if name in ours else []
            print(f"  {name:32}{text:>26}   " + "   ".join(f"{value.text if value else '?':<29}" for value in ratios))
    print(f"\nmedians and 95 % intervals, turn by turn; {one_line(known)}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Linux's ringtest and the ring of amp, in turn in one run.")
    parser.add_argument("--tree", type=Path, help="a kernel source tree that has tools/virtio/ringtest")
    parser.add_argument("--time", type=float, default=20.0, help="seconds, for each number of outstanding buffers")
    parser.add_argument("--cpus", type=lambda text: tuple(map(int, text.split(","))), default=(), help="A,B")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    asked = parser.parse_args(arguments)
    try:
        if asked.tree is None:
            raise Skipped("no kernel source tree; give one with --tree (Debian: apt-get install linux-source-6.1)")
        cpus = two_cpus(asked.cpus)
        with tempfile.TemporaryDirectory() as room, RingPair(RingSetup(ring_size=RING_SIZE), cpus) as pair:
            programs = build(asked.tree, Path(room))
            comparisons = []
            for outstanding, ours in ((0, OURS), (1, {name: OURS[name] for name in list(OURS)[:3]})):
                everybody = contenders(programs, pair, cpus, outstanding, ours)
                comparisons.append(compare(everybody, outstanding, asked.time))
    except Skipped as why:
        print(f"skipped: {why}")
        return 0
    except UsageError as mistake:
        print(f"ringtest.py: {mistake}", file=sys.stderr)
        return 2
    known = facts(cpus)
    if asked.json:
        print(json.dumps(as_data(comparisons, list(OURS), known), indent=2))
    else:
        print_table(comparisons, list(OURS), known)
    return 0 if all(each.against("amp", peer) for each in comparisons for peer in THEIRS) else 3


if __name__ == "__main__":
    sys.exit(main())
