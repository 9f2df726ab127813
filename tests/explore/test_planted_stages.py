"""Errors in the stages of the running machine, one at a time: a classic shape with siblings and others shows each."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import core_objects
import pytest
from core_objects import MODULE, linked

SEARCH = Path(__file__).parent / "planted_stages.py"
RUNS = 300
AT_ONCE = ("arm64-domains", "x86-wc")  # all at a distance see a store at once, and siblings before them
ONE_BY_ONE = ("omap4-2011", "armv7-smp")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler"),
]

# what is wrong then, the file, what stands there, what is put there instead
PLANTED = [
    (
        "a sibling looks in after the last stage",
        "staged_loads.c",
        "    return cpu->model->domain[write->owner] == cpu->model->domain[cpu->id];",
        "    return write->owner == cpu->id;",
    ),
    (
        "barriers do not carry along what was read of a sibling",
        "stages.c",
        "if (orders & AMP_RW && orders & AMP_WW && !behind[AMP_LATER_STORE])",
        "if (0)",
    ),
    (
        "nor before loads",
        "stages.c",
        "    if (orders & AMP_RR && orders & AMP_WR)\n        behind[AMP_LATER_LOAD] = next;",
        "",
    ),
    (
        "releases do not carry it along",
        "stages.c",
        "return store->release & AMP_CARRIED && read &&",
        "return 0 && read &&",
    ),
    (
        "releases wait for nothing of their own CPU's in the second stage",
        "stages.c",
        "(store->release & AMP_FAR || amp_is_kept_behind",
        "(amp_is_kept_behind",
    ),
    (
        "the second stage knows no barrier between stores",
        "stages.c",
        "if (orders & AMP_WW && (is_memory || orders & AMP_MARK_STORES) && !behind[AMP_LATER_STORE])",
        "if (0)",
    ),
    (
        "the hardware's own order ends with the first stage",
        "stages.c",
        "    return implicit & AMP_WW;",
        "    return 0;",
    ),
    (
        "another domain writes what not all have seen yet",
        "stages.c",
        "m->domain[m->inner[i].owner] != m->domain[owner] && amp_is_same_place",
        "0 && amp_is_same_place",
    ),
    (
        "stores to one place overtake one another in the second stage",
        "stages.c",
        "(amp_is_same_place(inner, store) || amp_goes_behind",
        "(amp_goes_behind",
    ),
    (
        "loads do not wait for the second stage",
        "stages.c",
        "        if (m->inner[i].kind && m->inner[i].behind[cpu->id][AMP_LATER_LOAD])\n            return true;",
        "",
    ),
    (
        "what all see orders no load behind a barrier",
        "stages.c",
        "            state->floor = state->floor_far = m->now;",
        "            ;",
    ),
    (
        "a barrier orders no loads of what the others wrote",
        "stages.c",
        "        raise_both(state, amp_max(state->seen, state->seen_far));",
        "        ;",
    ),
    (
        "a barrier orders no loads of what siblings wrote",
        "stages.c",
        "        state->floor = amp_max(state->floor, state->seen);\n    if (orders.far & AMP_RR)",
        "        ;\n    if (0)",
    ),
    (
        "what is read of an own store comes from nothing",
        "loads.c",
        "        seen->time = amp_max(seen->time, state->origin[i]);\n",
        "",
    ),
    (
        "an interrupt orders nothing that others wrote",
        "gate.c",
        "    state->floor_far = amp_max(state->floor_far, state->rung_time);\n",
        "",
    ),
    (
        "with observers, barriers carry nothing along to all",
        "observers.c",
        "    carry(m->inner[slot].behind[cpu], next, orders.far, orders.far);",
        "",
    ),
    (
        "nor to siblings",
        "observers.c",
        "    carry(m->copies[slot].behind_near[cpu], next, is_sibling ? orders.near : orders.far, orders.near);",
        "",
    ),
    (
        "a store waits for no observer",
        "observers.c",
        "        if (m->copies[i].left & siblings && goes_behind_near(m, i, store, owner))\n            return false;",
        "",
    ),
    (
        "a store that is behind a barrier leaves its domain before all have seen what is ahead of it",
        "observers.c",
        "        if (amp_goes_behind(m, other, &store, inner->owner))\n            return false;",
        "",
    ),
    (
        "a load waits for no observer",
        "observers.c",
        "        if (is_awaited(m, i, cpu))\n            return true;",
        "",
    ),
    (
        "a store is seen that has not left its domain",
        "staged_loads.c",
        "    if (!amp_observed(cpu->model) || !may_come)",
        "    if (!amp_observed(cpu->model))",
    ),
    (
        "coherence is not kept",
        "staged_loads.c",
        "        uint8_t settled = is_visible(cpu, t, floors) ? write->mask : write->known[cpu->id];",
        "        uint8_t settled = is_visible(cpu, t, floors) ? write->mask : 0;",
    ),
]


@pytest.fixture(scope="session")
def objects(shared: Path) -> Path:
    return core_objects.module(shared)


def found(objects: Path, core: Path, platforms: tuple[str, ...], *instead: Path) -> str:
    linked(core, objects.glob("*.o"), *instead, flags=("-shared",))
    command = [sys.executable, str(SEARCH), str(core), str(RUNS), *platforms]
    return subprocess.run(command, capture_output=True, text=True, timeout=1700, check=True).stdout


@pytest.mark.parametrize("platforms", [AT_ONCE, ONE_BY_ONE])
def test_no_shape_shows_anything_in_the_core_as_it_is(
    objects: Path, tmp_path: Path, platforms: tuple[str, ...]
) -> None:
    assert found(objects, tmp_path / "_bridge.so", platforms) == ""


@pytest.mark.parametrize(("wrong", "file", "text", "instead"), PLANTED, ids=[wrong for wrong, *_ in PLANTED])
def test_a_shape_shows_that(  # noqa: PLR0917
    objects: Path, tmp_path: Path, wrong: str, file: str, text: str, instead: str
) -> None:
    patched = core_objects.planted(tmp_path, file, text, instead, *MODULE)
    platforms = ONE_BY_ONE if file == "observers.c" or "amp_observed" in text else AT_ONCE
    assert found(objects, tmp_path / "_wrong.so", platforms, patched), f"no shape shows that {wrong}"
