"""What the charts of `amp bench barriers` and `amp bench question` show: the figures that are printed."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

from amp.bench import barriers, charts
from amp.bench.barriers import NO_INSTRUCTION, Costs, Situation, names
from amp.bench.facts import one_line
from amp.bench.question import REPORTED_MANDATORY, Build
from amp.bench.ring_question import Answers
from amp.bench.stats import Interval, Ratio

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BARRIERS_TITLE: Final = "What a barrier costs the CPU that issues it"
QUESTION_TITLE: Final = "What do mandatory barriers cost a split ring, and what does choosing at run time cost?"
ROW_COLUMNS: Final = 30
_GROUPS: Final = {
    "back to back": "alone",
    "near": "after stores that hit",
    "far": "after stores that miss",
    "streamed": "after non-temporal stores",
}


def barriers_chart(costs: Costs, known: dict[str, Any]) -> Figure:
    """One panel for each kind of store, one mark for each number of lines."""
    texts = barriers.instructions()
    panels = []
    for kind, title in _GROUPS.items():
        group = [each for each in costs.situations if each.name.endswith(kind)]
        series = [
            charts.Series(_lines(each), [costs.of_instruction(text, each) for text in texts], mark)
            for mark, each in enumerate(group)
        ]
        if series:
            panels.append(charts.Panel(title, "ns per barrier", series))
    rows = [
        "\n".join(
            [text or NO_INSTRUCTION, *textwrap.wrap(names(primitives), ROW_COLUMNS, max_lines=2, placeholder=" …")]
        )
        for text, primitives in texts.items()
    ]
    caption = f"Medians and 95 % intervals of pairs with and without the barrier, in turn. {one_line(known)}"
    return charts.intervals(BARRIERS_TITLE, rows, panels, caption)


def _lines(situation: Situation) -> str:
    return {0: "nothing before it", 1: "after 1 store"}.get(
        situation.lines, f"after {situation.lines} stores to {situation.lines} lines"
    )


def question_chart(answers: Answers, known: dict[str, Any], setup: str) -> Figure:
    """Time per buffer, a panel for each use of the ring; and the throughputs against SMP, with the reported figure."""
    panels = [
        charts.Panel(
            use.replace(", ", "\n"),
            "ns per buffer",
            [charts.Series(use, [_enough(each.ns.get(build)) for build in Build], mark)],
            from_zero=True,
        )
        for mark, (use, each) in enumerate(answers.items())
    ]
    against = [
        charts.Series(use, [_percent(each.ratios.get(build)) for build in Build], mark)
        for mark, (use, each) in enumerate(answers.items())
    ]
    row = list(Build).index(Build.MANDATORY)
    reported = (row, 100 * (REPORTED_MANDATORY - 1), "reported in 2011, at worst")
    panels.append(charts.Panel("throughput\nagainst SMP", "% more or less than SMP barriers", against, reported))
    rows = [build.words.replace(" everywhere", "\neverywhere").replace(", ", ",\n") for build in Build]
    caption = f"Medians and 95 % intervals over turns of all four; {setup}. {one_line(known)}"
    return charts.intervals(QUESTION_TITLE, rows, panels, caption)


def _enough(found: Interval | None) -> Interval | None:
    return found if found is not None and found.enough else None


def _percent(found: Ratio | None) -> Interval | None:
    """The ratio in percent around 0; None if too few pairs count."""
    if found is None or not found.enough:
        return None
    return Interval(100 * (found.median - 1), 100 * (found.low - 1), 100 * (found.high - 1), found.n)
