"""Look for a program on which a C core that was built elsewhere, with an error in it say, differs.

    python tests/explore/planted_search.py BRIDGE.so PROGRAMS [JUDGE]

Prints the number of the first program of which JUDGE, or any judge, sees it, and all that do; nothing if
there is none. Those below 0 are random_programs.uses().
"""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path

TESTS = Path(__file__).parents[1]


def main() -> None:
    sys.path[:0] = [str(TESTS / "explore"), str(TESTS / "fuzz"), str(TESTS.parent)]
    core, programs, *judge = sys.argv[1:]
    from sanitized import load_core  # type: ignore[import-not-found]  # noqa: PLC0415

    load_core(core)
    from program_judges import Effort, Tally, differences  # noqa: PLC0415
    from random_programs import program_of, uses  # noqa: PLC0415

    effort = Effort(
        unmerged=300 if judge in ([], ["merging"]) else 0,
        merged=1500,
        sampled=12 if judge in ([], ["running machine"]) else 0,
        interleavings=200 if judge in ([], ["interleaving"], ["sequential consistency"]) else 0,
        twins=judge in ([], ["other words"]),
        sought=0,
    )
    numbered = chain(enumerate(uses(), -len(uses())), ((seed, program_of(seed)) for seed in range(int(programs))))
    for seed, program in numbered:
        judges = sorted({each.judge for each in differences(program, effort, seed, Tally())})
        if judges and set(judge) <= set(judges):
            print(f"{seed}: {', '.join(judges)}")
            return


if __name__ == "__main__":
    main()
