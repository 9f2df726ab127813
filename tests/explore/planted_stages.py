"""Look for a shape of which a C core that was built elsewhere, with an error in its stages, shows too much. Not a test.

    python tests/explore/planted_stages.py BRIDGE.so RUNS PLATFORM...

Prints the first placed shape that the running machine ends in a way that the explorer does not know; nothing if there
is none.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]


def polling(program: tuple[str, ...]) -> tuple[str, ...]:
    """The same where what comes first is waited for: chance seldom follows a chain of three to its end."""
    return tuple(re.sub(r"^r0=([xyz])\b", r"r0=poll:\1", text) for text in program)


def main() -> None:
    sys.path[:0] = [str(TESTS / "explore"), str(TESTS / "fuzz"), str(TESTS.parent)]
    core, runs, *platforms = sys.argv[1:]
    from sanitized import load_core  # type: ignore[import-not-found]  # noqa: PLC0415

    load_core(core)
    from placed_shapes import SHAPES, placed  # noqa: PLC0415
    from small_programs import Model, explored  # noqa: PLC0415

    from amp.ordering.placement import Placement  # noqa: PLC0415

    for platform in platforms:
        for shape in SHAPES:
            for names, program in placed(shape):
                placement = Placement.of(names)
                if placement.levels == 1:
                    continue
                for each in (program, polling(program)):
                    found = explored(each, platform, placement=placement)
                    assert found is not None
                    if set(Model(len(names), platform, placement).outcomes(each, int(runs))) - found.found:
                        print(f"{shape} on {platform}: {', '.join(names)}: {each}")
                        return


if __name__ == "__main__":
    main()
