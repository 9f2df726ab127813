"""The ring in C, through amp.h, explored: the verdicts are the Python ring's, on every platform and at every site."""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from c_parts import c_part, shared_object
from core_objects import SOURCES
from explored_programs import BOUNDS, explore
from two_parts import Part

from amp.explore.explorer import Exploration, Explorer, Machine
from amp.machine.config import Mode, Tally
from amp.ordering.barriers import BarrierClass
from amp.ordering.platforms import PLATFORMS
from amp.ordering.sites import Site, SiteMap
from amp.port.doors import ring_layout, site_bytes
from amp.programs import EXPLORABLE
from amp.programs.one_ring import one_ring
from amp.virtio.sites import B1, S1, S2, S3, S4, S5, S6, S7, S8

C = Path(__file__).parent / "c"
NONE, SMP, DMA, MANDATORY = (BarrierClass(name) for name in ("none", "smp", "dma", "mandatory"))
NOTHING: Mapping[Site, BarrierClass] = {}
RING_SITES = (S1, S2, S3, S4, B1)
# Where they are needed: docs/necessity.md.
NEEDED = [("omap4-2011", site) for site in RING_SITES[:4]] + [("paranoid", B1)]

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    sources = [C / "ring_parts.c", *(SOURCES[f"ring_{side}_ported.c"] for side in ("driver", "device"))]
    return shared_object(tmp_path_factory.mktemp("ring") / "ring.so", sources)


def c_explore(
    ring: ctypes.CDLL,
    name: str,
    platform: str,
    *,
    messages: int = 2,
    barriers: BarrierClass = MANDATORY,
    weaken: Mapping[Site, BarrierClass] = NOTHING,
    python: str = "",
    merging: bool = True,
) -> Exploration:
    """The program `name` with both sides in C, but the side `python` (host, remote) as it is shipped."""
    program = EXPLORABLE[name]
    config = program.config(Mode.LOCKSTEP, messages=messages, ring_size=None)
    sites = SiteMap.for_class(barriers, program.sites)
    for site, to in weaken.items():
        sites = sites.weaken(site, to)
    plan = one_ring(config)
    shared = plan.layout(model_bytes=8).shared
    notified = name in ("vring-flags", "vring-event-idx")
    numbers = (*ring_layout(plan.ring), *shared, *plan.memory, plan.tables, messages, notified, config.event_idx)
    job = (ctypes.c_uint64 * len(numbers))(*numbers)
    table = dict(enumerate(site_bytes(sites)))
    parts: list[Part] = [c_part(ring, side, ctypes.addressof(job), table) for side in ("drive", "serve")]
    if python:
        number = ["host", "remote"].index(python)
        part = program.parts[number].load()
        parts[number] = lambda port: part(port, config, Tally())
    return Explorer(Machine(PLATFORMS[platform], sites, shared), parts, merging).explore(BOUNDS)


def holds(result: Exploration) -> bool:
    assert result.bound is None
    return result.verified


def test_with_mandatory_barriers_it_is_verified_on_the_machine_of_2011(ring: ctypes.CDLL) -> None:
    for messages in (1, 2, 3):
        assert c_explore(ring, "vring", "omap4-2011", messages=messages).verified


@pytest.mark.parametrize("python", ["", "host", "remote"], ids=["C and C", "Python and C", "C and Python"])
@pytest.mark.parametrize(("platform", "site"), NEEDED, ids=str)
def test_each_missing_barrier_is_found(ring: ctypes.CDLL, platform: str, site: Site, python: str) -> None:
    for messages in range(1, 5):
        result = c_explore(ring, "vring", platform, messages=messages, weaken={site: NONE}, python=python)
        if not holds(result):
            return
    pytest.fail(f"nothing was found without {site.name}")


@pytest.mark.parametrize("python", ["host", "remote"])
def test_c_and_python_understand_each_other(ring: ctypes.CDLL, python: str) -> None:
    assert c_explore(ring, "vring", "omap4-2011", messages=3, python=python).verified
    assert c_explore(ring, "vring-indirect", "omap4-2011", messages=2, python=python).verified


@pytest.mark.a_few(3)
@pytest.mark.parametrize("platform", sorted(PLATFORMS))
def test_the_verdicts_are_those_of_the_python_ring(ring: ctypes.CDLL, platform: str) -> None:
    for barriers in BarrierClass:
        of_python = explore("vring", platform, messages=2, barriers=barriers)
        assert holds(c_explore(ring, "vring", platform, messages=2, barriers=barriers)) == holds(of_python), barriers


@pytest.mark.a_few(3)
@pytest.mark.parametrize("platform", sorted(PLATFORMS))
def test_the_same_sites_need_a_barrier_as_in_the_python_ring(ring: ctypes.CDLL, platform: str) -> None:
    for site in RING_SITES:
        weaken = {site: NONE}
        of_python = explore("vring", platform, messages=2, weaken=weaken)
        assert holds(c_explore(ring, "vring", platform, messages=2, weaken=weaken)) == holds(of_python), site


@pytest.mark.parametrize("platform", ["omap4-2011", "paranoid"])
def test_merging_changes_no_verdict(ring: ctypes.CDLL, platform: str) -> None:
    for site in RING_SITES:
        weaken = {site: NONE}
        merged, met = (c_explore(ring, "vring", platform, weaken=weaken, merging=merging) for merging in (True, False))
        assert holds(merged) == holds(met), site


NOTIFIED = [
    ("vring-flags", S5),
    ("vring-flags", S7),
    ("vring-event-idx", S6),
    ("vring-event-idx", S8),
]


@pytest.mark.parametrize(("name", "site"), NOTIFIED, ids=str)
def test_the_sites_of_sleeping_are_found_in_c_too(ring: ctypes.CDLL, name: str, site: Site) -> None:
    assert not holds(c_explore(ring, name, "paranoid", weaken={site: NONE}))


@pytest.mark.parametrize("name", ["vring-flags", "vring-event-idx", "vring-indirect"])
def test_the_other_rings_hold_with_mandatory_barriers(ring: ctypes.CDLL, name: str) -> None:
    assert c_explore(ring, name, "omap4-2011", messages=1 if name != "vring-indirect" else 2).verified
