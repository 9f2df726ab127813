"""Costs are differences beyond the error; every primitive of fences.h is measured; the table, the JSON, the chart."""

import os
import platform
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from amp.bench import barriers, charts, drawn
from amp.bench.barriers import SITUATIONS, Cost, Costs
from amp.bench.cpus import bound_to, one_cpu
from amp.bench.facts import facts
from amp.bench.stats import Sample, difference, keep_turns
from amp.cli import bench_barriers as command
from amp.errors import UsageError
from amp.ordering.barriers import Primitive

CORE = Path(barriers.__file__).parents[1] / "_core"
ROOT = Path(__file__).parents[2]


def calm(value: float) -> Sample:
    return Sample(value, 1, 1, 0)


def planted(cost_ns: float, error_ns: float, pairs: int = 9) -> Costs:
    """Every instruction costs cost_ns in every situation; what is none comes out at error_ns."""

    def cost(primitive: Primitive, situation: barriers.Situation) -> Cost:
        extra = cost_ns if barriers.instruction(primitive) else error_ns
        turns = keep_turns([(calm(10 + extra + 0.01 * turn), calm(10)) for turn in range(pairs)])
        return Cost(primitive, situation, difference([(x.value, y.value) for x, y in turns.kept]), turns)

    return Costs(tuple(cost(each, where) for where in SITUATIONS for each in barriers.executed()), 1.0)


def shown(costs: Costs) -> str:
    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    command.render(console, costs, facts())
    return console.export_text()


def test_every_row_of_fences_h_is_measured_and_nothing_else() -> None:
    rows = set(re.findall(r"ROW\((\w+), ", (CORE / "fences.h").read_text()))
    assert {each.name for each in barriers.executed()} == rows | {"COMPILER"}
    with pytest.raises(ValueError, match="fence_release_smp"):
        barriers.instruction(Primitive.FENCE_RELEASE_SMP)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names of x86-64's instructions")
def test_an_instruction_is_told_by_the_row_that_executes_it() -> None:
    assert barriers.instructions() == {
        "mfence": (Primitive.MB, Primitive.DMA_MB),
        "lfence": (Primitive.RMB,),
        "sfence": (Primitive.WMB,),
        "lock; addl $0,-4(%rsp)": (Primitive.SMP_MB, Primitive.VIRT_MB, Primitive.VIRT_STORE_MB),
        "": tuple(each for each in barriers.executed() if not barriers.instruction(each)),
    }


@pytest.mark.skipif(platform.machine() != "x86_64", reason="elsewhere every row may be an instruction")
@pytest.mark.alone
def test_a_full_barrier_costs_time_and_a_compiler_barrier_none() -> None:
    cpu = max(os.sched_getaffinity(0))
    pair = (Primitive.MB, Primitive.COMPILER)
    with bound_to(cpu):
        costs = barriers.measure(0.05, SITUATIONS[:2], pair)
        for _ in range(20):  # on a busy machine until there is something to look at
            if all(cost.cost_ns is not None and cost.cost_ns.enough for cost in costs.costs):
                break
            costs = barriers.measure(0.2, SITUATIONS[:2], pair)
    found = {(cost.primitive, cost.situation.name): cost.cost_ns for cost in costs.costs}
    for name in ("back to back", "1 near"):
        full, none = found[Primitive.MB, name], found[Primitive.COMPILER, name]
        assert full is not None
        assert none is not None
        assert full.median > 2
        assert abs(none.median) < full.median / 4
    assert os.sched_getaffinity(0) != {cpu} or os.cpu_count() == 1


def test_a_cost_is_printed_only_beyond_the_error_of_the_measurement() -> None:
    assert re.search(r"mfence|dsb|atomic", shown(planted(5.0, 0.1)))
    told, hidden = shown(planted(5.0, 0.1)), shown(planted(5.0, 7.0))
    assert told.count(" 5.0") >= len(SITUATIONS)
    assert " 5.0" not in hidden
    assert " 7.0" in hidden  # the error is


def test_too_few_undisturbed_pairs_are_a_question_mark_and_exit_status_3() -> None:
    few = planted(5.0, 0.1, pairs=1)
    assert few.costs[0].cost_ns is not None
    assert shown(Costs(few.costs[:0], 1.0)).count("?") >= len(SITUATIONS)
    nothing = Costs((Cost(Primitive.MB, SITUATIONS[0], None, keep_turns([])),), 1.0)
    assert nothing.exit_status == 3
    assert barriers.as_data(nothing, {})["status"] == "inconclusive"
    assert planted(5.0, 0.1).exit_status == 0


def test_the_json_has_every_primitive_in_every_situation() -> None:
    data = barriers.as_data(planted(5.0, 0.1), facts((0,)))
    assert len(data["costs"]) == len(SITUATIONS) * len(barriers.executed())
    assert {"primitive", "instruction", "situation", "cost_ns", "taken"} <= data["costs"][0].keys()
    assert {"kernel", "cpu_model", "pinned_to", "commit", "governor"} <= data["machine"].keys()
    assert data["samples"]["discarded_share"] == 0


@pytest.mark.parametrize("cpus", [[0, 1], [100_000]])
def test_cpus_that_cannot_be_measured_on_are_refused(cpus: list[int]) -> None:
    with pytest.raises(UsageError, match="--cpus"), bound_to(one_cpu(cpus)):
        pass


def test_the_chart_has_its_units_its_machine_and_every_instruction(tmp_path: Path) -> None:
    known = facts((0,))
    for name in ("costs.svg", "costs.png"):
        charts.write(drawn.barriers_chart(planted(5.0, 0.1), known), tmp_path / name)
    text = " ".join(ElementTree.parse(tmp_path / "costs.svg").getroot().itertext())
    assert "ns per barrier" in text
    assert known["date"][:10] in text
    assert known["kernel"] in " ".join(text.split())
    assert all(each in text for each in barriers.instructions())
    assert (tmp_path / "costs.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_a_chart_is_refused_in_one_line() -> None:
    program = "import sys; sys.modules['matplotlib'] = None; from amp.bench.charts import require; require()"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)
    assert f"UsageError: --chart needs matplotlib, which is not installed: {the_cure()}" in ended.stderr


def the_cure() -> str:
    """What installs the extra of the distribution that is installed; another name on the index is another project."""
    name = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
    installed = metadata.metadata(name)
    assert "bench" in installed.get_all("Provides-Extra", [])
    return f"pip install '{installed['Name']}[bench]'"
