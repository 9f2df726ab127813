"""The C core alone: random operations under the sanitizers; one planted error at a time, each found by its shape."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import core_objects
import pytest
from core_objects import PLAIN, SANITIZED, cc, linked, planted

C = Path(__file__).parent / "c"
TRIES = "2500"

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def output(*command: object) -> str:
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True, timeout=300).stdout


# --- random operations under the sanitizers ---------------------------------------------------------------------------


@pytest.fixture
def objects(shared: Path) -> Path:
    return core_objects.plain(shared)


@pytest.fixture(scope="module")
def stress(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("stress") / "model_stress"
    objects = core_objects.sanitized(shared).iterdir()
    return linked(program, objects, flags=(*SANITIZED, C / "model_stress.c"))


# cpus, store depth, log writes, trace events: the last three as small as they may be, and roomy
SIZES = [(2, 64, 1024, 65536), (6, 2, 1, 1), (3, 256, 2, 65536), (6, 256, 4096, 65536), (4, 3, 64, 65536), (1, 2, 1, 1)]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_random_operations_keep_coherence_and_touch_nothing_else(stress: Path, sizes: tuple[int, ...]) -> None:
    for seed in range(2):
        assert output(stress, seed, 5000, *sizes).startswith("ok ")


def test_a_corrupt_room_is_refused(stress: Path) -> None:
    assert output(stress, "corrupt") == "ok\n"


# What the litmus shapes below find by name, the random operations find as an inconsistency.
INCONSISTENT = [
    ("loads.c", "if (t <= floor || write->known[cpu->id] & mask)", "if (t <= floor)"),
    ("stores.c", "granules & bit && overlaps_earlier(state, i)", "granules & bit && !overlaps_earlier(state, i)"),
    ("loads.c", "value = (value & ~bits) | write->before;", "value = (value & ~bits) | (write->before + 1);"),
    ("stores.c", "drop_entries(&m->cpu[owner], entry, 1);", "drop_entries(&m->cpu[owner], 0, 1);"),
    ("stores.c", "while (amp_logged(m, t) && !(amp_log(m, t)->mask & ~mask))", "while (amp_logged(m, t))"),
]


@pytest.mark.a_few(3)
@pytest.mark.parametrize(("file", "text", "instead"), INCONSISTENT, ids=range(len(INCONSISTENT)))
def test_random_operations_find_a_core_that_breaks_coherence(
    objects: Path, tmp_path: Path, file: str, text: str, instead: str
) -> None:
    wrong = planted(tmp_path, file, text, instead)
    program = linked(tmp_path / "model_stress", objects.iterdir(), wrong, flags=(*PLAIN, C / "model_stress.c"))
    sizes = ["15000", "3", "8", "1024", "65536"]
    runs = ([str(program), str(seed), *sizes] for seed in range(1, 9))
    assert any(subprocess.run(command, capture_output=True, timeout=300, check=False).returncode for command in runs)


# --- planted errors ---------------------------------------------------------------------------------------------------

# file, what stands there, what is put there instead, the shapes that must show it
PLANTED = [
    ("stores.c", "held |= held_by(store, ahead);", "(void)held_by(store, ahead);", "MP MP-addr MP-irq"),
    ("stores.c", "if (mark->orders & AMP_WD && ahead & AMP_MEMORY)", "if (0)", "MP-irq"),
    ("stores.c", "    if (mark->orders & AMP_WW && ahead & (", "    if (0 && (", "MP MP-addr"),
    ("stores.c", "if (state->implicit & AMP_WW && ahead)", "if (0)", "MP-tso"),
    ("stores.c", "!(store->release & AMP_NEAR && ahead & awaited(store))", "1", "MP-rel-acq"),
    ("stores.c", "bit && overlaps_earlier(state, i)", "bit && !overlaps_earlier(state, i)", "CoWW"),
    ("stores.c", "write->known[owner] = store->mask;", "", "CoWR"),
    ("stores.c", "if (n && list[n - 1] == last && (", "if (n + 1 || (", "add-own"),
    ("stores.c", "    amp_raise_floor(cpu, amp_state(cpu)->released);\n", "", "SB-rel-acq"),
    ("loads.c", "if (t <= floor || write->known[cpu->id] & mask)", "if (t <= floor)", "CoRR CoWR"),
    ("loads.c", "    remember(cpu, t, mask);\n", "    (void)remember;\n", "CoRR"),
    ("loads.c", "if (t <= floor || write", "if (write", "MP SB MP-addr MP-irq"),
    ("loads.c", "if (state->implicit & AMP_RR)", "if (0)", "MP-tso"),
    ("loads.c", "store->granule == granule ?", "store->granule == granule + 1 ?", "CoWR"),
    (
        "model.c",
        "else if (orders.near & AMP_RR)\n        amp_raise_floor_by(cpu, amp_state(cpu)->seen, orders.near);",
        "",
        "MP MP-status",
    ),
    ("stores.c", "while ((ahead = ahead_of(state, of_status)) &&", "while ((ahead = 0) &&", "SB SB-sc SB-status"),
    ("stores.c", "raise_behind(state, cpu->model->now, state->pending[marks].orders);", ";", "SB SB-sc SB-status"),
    ("stores.c", "        settle_marks(cpu, true);", "        ;", "SB-status"),
    ("stores.c", "    if (mark & AMP_MARK_STATUS)", "    if (0)", "SB-status"),
    ("stores.c", "!(orders & AMP_NO_STATUS_AFTER) ? AMP_MARK_STATUS", "0 ? AMP_MARK_STATUS", "SB-status"),
    ("loads.c", "    if (!(orders & AMP_NO_STATUS_AFTER))", "    if (0)", "MP-status MP-status-acq"),
    ("stores.c", "    if (!last && orders & AMP_WR)\n", "    if (0)\n", "SB"),
    ("stores.c", "    state->held |= orders & AMP_WR;\n", "", "SB SB-sc"),
    ("model.c", "amp_max(state->floor, after),\n", "state->floor + 0 * after,\n", "MP-addr"),
    (
        "model.c",
        "    if (orders.near & AMP_RR)\n        amp_raise_floor_by(cpu, seen->time, orders.near);",
        "",
        "MP-rel-acq MP-status-acq",
    ),
    ("model.c", "        amp_settle_releases(cpu);", "        (void)0;", "SB-rel-acq"),
    ("model.c", "if (orders.near & (AMP_RR | AMP_RW))", "if (0)", "LB"),
    ("model.c", "    if (orders.near & AMP_RW)\n        amp_perform_all(cpu);", "", "LB-rel"),
    ("model.c", "state->implicit & (AMP_RR | AMP_RW) ||", "", "LB-tso"),
    ("model.c", "amp_perform_overlapping(cpu, address, size);\n    if (orders", "if (orders", "CoRW"),
    ("atomics.c", "newest ? cpu->model->now : amp_state(cpu)->floor,", "amp_state(cpu)->floor,", "add"),
    ("gate.c", "amp_raise_floor(cpu, state->rung_time);", "(void)state;", "MP-irq"),
]


@pytest.fixture(scope="module")
def litmus_shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The litmus program's object."""
    to = tmp_path_factory.mktemp("shapes") / "litmus_shapes.o"
    cc(*PLAIN, "-c", C / "litmus_shapes.c", "-o", to)
    return to


def test_the_core_shows_none_of_the_forbidden_outcomes(objects: Path, litmus_shapes: Path, tmp_path: Path) -> None:
    assert output(linked(tmp_path / "litmus", objects.iterdir(), litmus_shapes), TRIES) == ""


@pytest.mark.a_few(6)
@pytest.mark.parametrize("error", PLANTED, ids=lambda error: f"{error[0]}: {error[1].strip()[:24]}")
def test_a_planted_error_is_found_by_the_shapes_that_hang_on_it(
    objects: Path, litmus_shapes: Path, tmp_path: Path, error: tuple[str, str, str, str]
) -> None:
    *where, shapes = error
    wrong = planted(tmp_path, *where)
    shown = set(output(linked(tmp_path / "litmus", objects.iterdir(), wrong, litmus_shapes), TRIES).split())
    assert shown >= set(shapes.split())


# --- the explorer -----------------------------------------------------------------------------------------------------

EXPLORER = (
    *("graph.c", "orders.c", "relations.c", "states.c"),
    *("explore.c", "explore_reads.c", "explore_writes.c", "explore_looks.c"),
    *("key.c", "key_cells.c", "key_nodes.c", "key_reads.c"),
    "chooser.c",
    "chance.c",
)


def explore_stress(directory: Path, objects: Path, flags: tuple[str, ...], *instead: Path) -> Path:
    """The random programs of `explore_stress.c`."""
    chosen = [objects / f"{Path(name).stem}.o" for name in EXPLORER]
    return linked(directory / "explore_stress", chosen, *instead, flags=(*flags, C / "explore_stress.c"))


def test_random_programs_are_explored_soundly_and_touch_nothing_else(shared: Path, tmp_path: Path) -> None:
    program = explore_stress(tmp_path, core_objects.sanitized(shared), SANITIZED)
    for seed in range(3):
        assert output(program, seed, 400).startswith("ok ")


UNSOUND = [
    ("graph.c", "    if (a == b || xp_is_before(g, b, a))\n        return -1;", ""),
    (
        "graph.c",
        "                g->before[x][i] |= row[i];",
        "                g->before[x][i] |= x == b ? row[i] : 0;",
    ),
    ("key_cells.c", "    xp_take(&s->hash, e->value ^", "    xp_take(&s->hash, 0 * e->value ^"),
    ("key.c", "    xp_take(&s->hash, state->log);\n", ""),
    ("explore.c", "    expect(x, state->later);\n", "    (void)expect;\n"),
]


@pytest.mark.a_few(3)
@pytest.mark.parametrize(("file", "text", "instead"), UNSOUND, ids=range(len(UNSOUND)))
def test_random_programs_find_an_explorer_that_is_not_sound(
    objects: Path, tmp_path: Path, file: str, text: str, instead: str
) -> None:
    program = explore_stress(tmp_path, objects, PLAIN, planted(tmp_path, file, text, instead))
    ended = subprocess.run([str(program), "2", "4000"], capture_output=True, timeout=300, check=False)
    assert ended.returncode == 1
