"""More processors than two in the explorer: who sees what, told by the classic shapes as programs of Ports.

Between siblings SMP barriers are enough wherever they order anything; as soon as a processor of another domain has a
part in the cycle they are worth what they reach. `test_three_observers` says the same of litmus tests.
"""

from __future__ import annotations

import pytest
from small_programs import explored

from amp.errors import UsageError
from amp.explore.explorer import Explorer, Machine
from amp.ordering.barriers import BarrierClass
from amp.ordering.placement import Placement
from amp.ordering.platforms import PLATFORMS
from amp.ordering.sites import SiteMap
from amp.virtio.sites import SITES

# {b} is the barrier. Registers in the order of their CPUs; the last values are not part of an outcome.
SHAPES = {
    "WRC": (("x=1", "r0=x {b} y=1", "r0=y {b} r1=x"), (1, 1, 0)),
    "ISA2": (("x=1 {b} y=1", "r0=y {b} z=1", "r0=z {b} r1=x"), (1, 1, 0)),
    "RWC": (("x=1", "r0=x {b} r1=y", "y=1 {b} r0=x"), (1, 0, 0)),
    "IRIW": (("x=1", "y=1", "r0=x {b} r1=y", "r0=y {b} r1=x"), (1, 0, 1, 0)),
    "MP": (("x=1 {b} y=1", "r0=y {b} r1=x", "none"), (1, 0)),
    "SB": (("x=1 {b} r0=y", "y=1 {b} r0=x", "none"), (0, 0)),
    "LB": (("r0=x {b} y=1", "r0=y {b} x=1", "none"), (1, 1)),
}
SHORT = ("armv7-smp", "arm64-domains")  # smp_mb orders among siblings, and nothing towards the others
STORES = ("omap4-2011",)  # it orders loads of what the others wrote, but drains no PL310
NOWHERE = ("armv7-up", "paranoid")  # it orders nothing for anybody
WEAK = (*SHORT, *STORES, *NOWHERE, "arm64", "riscv")
HOSTS = ("host", "host2", "remote"), ("host", "remote", "host2"), ("host", "remote", "remote2")

# shape, processors, barrier, where the weak outcome can be seen, why
CASES = [
    ("MP", HOSTS[0], "none", WEAK, "nothing orders"),
    ("MP", HOSTS[0], "smp_mb", NOWHERE, "both are siblings: the remote that looks on changes nothing"),
    ("MP", HOSTS[1], "mb", (), "mandatory barriers reach the remote"),
    ("SB", HOSTS[0], "smp_mb", NOWHERE, "both are siblings"),
    ("SB", HOSTS[1], "mb", (), "mandatory barriers reach the remote"),
    ("LB", HOSTS[0], "none", WEAK, "nothing orders"),
    ("LB", HOSTS[0], "smp_mb", NOWHERE, "both are siblings"),
    ("LB", HOSTS[1], "mb", (), "mandatory barriers reach the remote"),
    (
        "WRC",
        HOSTS[0],
        "smp_mb",
        (*SHORT, *STORES, *NOWHERE),
        "host2 does not carry host's x to the remote before its y",
    ),
    ("WRC", HOSTS[0], "mb", (), "host2's barrier carries along what it has read of its sibling"),
    ("WRC", HOSTS[1], "mb", (), "what the remote has seen, host's sibling saw before"),
    ("ISA2", HOSTS[0], "smp_mb", (*SHORT, *STORES, *NOWHERE), "the remote reads host2's z, and host's x late"),
    ("ISA2", HOSTS[0], "mb", (), "each barrier carries along what its CPU has made or seen"),
    ("RWC", HOSTS[0], "mb", (), "each barrier reaches everybody"),
    ("RWC", HOSTS[0], "smp_mb", (*SHORT, *STORES, *NOWHERE), "what the remote wrote is not ordered"),
    ("IRIW", ("host", "host2", "host3", "remote"), "smp_mb", (*SHORT, *STORES, *NOWHERE), "host3 goes on too early"),
    ("IRIW", ("host", "host2", "host3", "remote"), "mb", (), "host3's barrier waits until the remote has x"),
    ("IRIW", ("host", "remote", "host2", "remote2"), "mb", (), "each barrier reaches everybody"),
    ("IRIW", ("host", "host2", "host3", "host4"), "smp_mb", NOWHERE, "all are siblings, and see stores in one order"),
]


@pytest.mark.parametrize("platform", WEAK)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{'-'.join(case[1])}-{case[2]}")
def test_who_sees_it_weak(case: tuple[str, tuple[str, ...], str, tuple[str, ...], str], platform: str) -> None:
    shape, names, barrier, where, why = case
    texts, outcome = SHAPES[shape]
    program = tuple(text.replace("{b} ", "" if barrier == "none" else f"{barrier} ") for text in texts)
    found = explored(program, platform, placement=Placement.of(names))
    assert found is not None
    assert any(each[: len(outcome)] == outcome for each in found.found) == (platform in where), why


def test_each_processor_needs_its_part() -> None:
    machine = Machine(
        PLATFORMS["arm64"],
        SiteMap.for_class(BarrierClass.NONE, SITES),
        (0, 4096),
        Placement.of(("host", "host2", "remote")),
    )
    with pytest.raises(UsageError, match="2 parts for 3 processors: host, host2, remote"):
        Explorer(machine, [lambda _: None] * 2)
