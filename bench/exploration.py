"""The tables of docs/exploration.md: how exploration grows, and which chooser finds planted bugs soonest.

    python bench/exploration.py growth|choosers|all

Counts do not depend on the machine: the same figures come out everywhere. Seconds are CPU time of this machine.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from amp.bench.verify import BOUNDS, explored, plan_of
from amp.explore.explorer import Chooser
from amp.lab.verify import explorer_of

# Complete executions of the correct ring that GenMC and Nidhugg count, by ring size, from one message on.
PEERS: Final = {2: (1, 4, 12, 36, 108, 324), 4: (1, 4, 25, 196, 1400, 9696)}
SEEDS: Final = 50
SAMPLES: Final = 5000  # runs by chance, at most
# (program, weakened site, messages): each is a violation on `paranoid`.
PLANTED: Final = (
    ("spsc-vring", "S1", 2),
    ("spsc-vring", "S4", 2),
    ("vring", "S1", 2),
    ("vring", "S3", 2),
    ("vring", "B1", 3),
    ("vring-flags", "S5", 2),
    ("vring-flags", "S7", 2),
    ("vring-event-idx", "S6", 2),
    ("vring-event-idx", "S8", 2),
    ("doorbell", "K1", 2),
)
CHOOSERS: Final = (
    ("sc", Chooser.SC, 0),
    ("random", Chooser.RANDOM, 0),
    ("urw", Chooser.URW, 0),
    ("pct 1", Chooser.PCT, 1),
    ("pct 3", Chooser.PCT, 3),
    ("pct 6", Chooser.PCT, 6),
)


def growth_rows(scenario: str, ring_size: int, platform: str, most: int) -> Iterator[tuple[int, ...]]:
    """(messages, complete executions, all runs, states, CPU milliseconds) for 1 to `most` messages."""
    for messages in range(1, most + 1):
        plan = plan_of(scenario, messages, ring_size, platform)
        started = time.process_time()
        result = explored(plan)
        spent = time.process_time() - started
        yield messages, result.executions, result.runs, result.states, round(1000 * spent)


def growth() -> None:
    for ring_size in PEERS:
        print(f"\n`spsc-vring`, ring of {ring_size}, omap4-2011, mandatory:\n")
        print("| messages | GenMC, Nidhugg: executions | amp: complete | amp: all runs | states | CPU ms |")
        print("|---|---|---|---|---|---|")
        rows = growth_rows("spsc-vring", ring_size, "omap4-2011", 8)
        peers = (*PEERS[ring_size], *("",) * 2)
        for (messages, executions, runs, states, spent), peer in zip(rows, peers, strict=True):
            print(f"| {messages} | {peer} | {executions} | {runs:,} | {states:,} | {spent} |")
    most_of = {"vring": 6, "vring-indirect": 6, "vring-flags": 3, "vring-event-idx": 3, "rpmsg-ping": 3}
    for scenario, most in most_of.items():
        print(f"\n`{scenario}`, ring of 2, arm64-domains, mandatory:\n")
        print("| messages | complete | all runs | states | CPU ms |")
        print("|---|---|---|---|---|")
        for messages, executions, runs, states, spent in growth_rows(scenario, 2, "arm64-domains", most):
            print(f"| {messages} | {executions:,} | {runs:,} | {states:,} | {spent} |")


def runs_to_find(scenario: str, site: str, messages: int, chooser: Chooser, depth: int) -> Sequence[int]:
    """For each seed: runs until the violation, or SAMPLES + 1."""
    found = []
    for seed in range(SEEDS):
        explorer = explorer_of(plan_of(scenario, messages, None, "paranoid", f"{site}=none"))
        runs, finding = explorer.sample(chooser, seed, SAMPLES, depth)
        found.append(runs if finding is not None else SAMPLES + 1)
    return found


def choosers() -> None:
    print("\n| planted bug | exhaustive |", " | ".join(name for name, *_ in CHOOSERS), "|")
    print("|---|---|", "|".join("---" for _ in CHOOSERS), "|", sep="")
    for scenario, site, messages in PLANTED:
        result = explorer_of(plan_of(scenario, messages, None, "paranoid", f"{site}=none")).explore(BOUNDS)
        cells = []
        for _, chooser, depth in CHOOSERS:
            runs = runs_to_find(scenario, site, messages, chooser, depth)
            lost = sum(each > SAMPLES for each in runs)
            middle = median(runs)
            cells.append("never" if lost == SEEDS else f"{middle:g}" + (f" ({lost} lost)" if lost else ""))
        print(f"| {scenario}, {messages} messages, {site} | {result.runs} |", " | ".join(cells), "|")


def main(arguments: Sequence[str]) -> int:
    wanted = {"growth": (growth,), "choosers": (choosers,), "all": (growth, choosers)}
    if len(arguments) != 1 or arguments[0] not in wanted:
        print(__doc__, file=sys.stderr)
        return 2
    for table in wanted[arguments[0]]:
        table()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
