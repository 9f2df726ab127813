"""The sites of a binary: any instruction of its own may be put there, accesses that order may be made plain ones."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from machine_code import HERE, SHARED, built, holds

import amp
from amp.errors import UsageError
from amp.explore.explorer import Bounds
from amp.lab.necessity import necessity, plan_of
from amp.report.matrix import Built, Matrix, Worth


def line(source: str, text: str) -> str:
    lines = (HERE / f"{source}.c").read_text().splitlines()
    return f"{source}.c:{next(n for n, each in enumerate(lines, 1) if text in each)}"


def program(path: Path, host: str = "send", remote: str = "receive") -> str:
    return f"{path}?host={host}&remote={remote}&{SHARED}"


def judged(reference: str, platform: str) -> dict[str, Built]:
    return {each.site.name: each for each in matrix(reference, platform).built}


def matrix(reference: str, platform: str) -> Matrix:
    return necessity(plan_of(reference, platform=platform, barriers=None, weaken=()), Bounds(), replayed=False)


RELEASE, ACQUIRE = line("ordered", "__ATOMIC_RELEASE"), line("ordered", "__ATOMIC_ACQUIRE")
EXCHANGE = line("ordered", "__ATOMIC_ACQ_REL")


@pytest.mark.parametrize(
    ("barrier", "verified"),
    [("dmb-osh", True), ("dsb-st", True), ("dmb-ish", False), ("dmb-oshld", False), ("none", False), ("dma", True)],
)
def test_any_instruction_of_the_set_may_stand_at_a_site(tmp_path: Path, barrier: str, verified: bool) -> None:
    path, site = built(tmp_path, "ring", "-O2"), line("ring", "WMB(); /* the entry")
    assert holds(program(path), "arm64-domains", [f"{site}={barrier}"]) is verified


def test_a_wrong_name_is_answered_in_one_line_by_what_fits(tmp_path: Path) -> None:
    path, site = built(tmp_path, "ring", "-O2"), line("ring", "WMB(); /* the entry")
    with pytest.raises(UsageError) as caught:
        amp.verify(program(path), platform="arm64-domains", weaken=[f"{site}=dmb-isht"])
    said = str(caught.value)
    assert "\n" not in said
    assert f"weaken: barrier for {site} 'dmb-isht' is unknown; did you mean dmb-ish" in said
    assert "dsb-nshld" in said
    assert "fence" not in said.partition("known:")[2].replace("fence_", "")


def test_the_barriers_of_a_binary_are_needed_too_strong_or_for_nothing(tmp_path: Path) -> None:
    source = (HERE / "ring.c").read_text().replace("dmb oshst", "dsb sy").replace("dmb oshld", "dmb oshld; dmb ishst")
    (tmp_path / "strong.c").write_text(source)
    path = built(tmp_path, "strong", "-O2", at=tmp_path)
    found = judged(program(path), "arm64-domains")
    assert {(each.text, each.worth, each.weakest) for each in found.values()} == {
        ("dsb sy", Worth.STRONG, "dmb oshst"),
        ("dmb oshld, dmb ishst", Worth.NEEDED, ""),
    }
    on_x86 = judged(program(built(tmp_path, "ring", "-O2", target="x86-64")), "x86-wc")
    assert [each.worth for each in on_x86.values()] == [Worth.NEEDED, *[Worth.IDLE] * 3]
    assert all("hardware keeps" in each.why for each in list(on_x86.values())[1:])


@pytest.mark.parametrize(("target", "platform"), [("aarch64", "arm64"), ("rv64", "riscv")])
def test_accesses_that_order_are_sites_and_may_be_made_plain(tmp_path: Path, target: str, platform: str) -> None:
    flags = ("-march=armv8.1-a",) if target == "aarch64" else ()
    path = built(tmp_path, "ordered", "-O2", *flags, target=target)
    by_exchange = program(path, host="announce")
    assert holds(by_exchange, platform)
    if target == "rv64":  # its releases are fences; the exchange has one, and is an acquire by itself
        assert not holds(by_exchange, platform, [f"{EXCHANGE}=none"])
        assert holds(by_exchange, platform, [f"{EXCHANGE}:accesses=plain"])
        return
    assert not holds(by_exchange, platform, [f"{EXCHANGE}=plain"])
    assert {name: each.worth for name, each in judged(program(path), platform).items()} == {
        RELEASE: Worth.NEEDED,
        ACQUIRE: Worth.NEEDED,
    }
    for site in (RELEASE, ACQUIRE):
        assert not holds(program(path), platform, [f"{site}=plain"])
    with pytest.raises(UsageError, match=f"barrier for {RELEASE} 'dmb-ish' is unknown"):
        amp.verify(program(path), platform=platform, weaken=[f"{RELEASE}=dmb-ish"])


def test_a_locked_instruction_is_listed_and_cannot_be_weakened_unless_it_is_a_fence(tmp_path: Path) -> None:
    path = built(tmp_path, "ordered", "-O2", target="x86-64")
    assert judged(program(path, host="announce"), "x86-wb")[EXCHANGE].worth is Worth.FIXED
    with pytest.raises(UsageError, match=r"ordered.c:\d+: a locked instruction of x86 orders whatever it is for"):
        amp.verify(program(path, host="announce"), platform="x86-wb", weaken=[f"{EXCHANGE}=plain"])
    knocks, fence = program(path, "knock", "answer"), line("ordered", "lock orl")
    assert holds(knocks, "x86-wb")
    assert judged(knocks, "x86-wb")[fence].worth is Worth.NEEDED
    assert not holds(knocks, "x86-wb", [f"{fence}=none"])


def test_of_several_platforms_those_that_the_code_does_not_fit_say_so_and_the_others_are_explored(
    tmp_path: Path,
) -> None:
    path = built(tmp_path, "ring", "-O2")
    table = amp.verify(program(path), platform="omap4-2011,arm64,riscv")
    assert [cell.status for cell in table.cells] == ["does not fit", "verified", "does not fit"]
    assert table.status == "verified"
    assert re.search("`dmb oshst` is AArch64's, and the host of riscv is riscv", str(table.cells[2].bound))
    with pytest.raises(UsageError, match="is AArch64's, and the host of omap4-2011 is armv7-2011"):
        amp.verify(program(path), platform="omap4-2011,riscv")
    bare = program(built(tmp_path, "ring", "-O2", "-DSYMBOLIC"))
    site = line("ring", "RING->avail_idx = ++avail")
    with pytest.raises(UsageError, match=f"before:{site}=dmb-ish is aarch64's, and the host of omap4-2011 is armv7"):
        amp.verify(f"{bare}&before={site}", platform="omap4-2011", weaken=[f"before:{site}=dmb-ish"])


WRAPPED = """
#include <stdint.h>
#include "amp_code.h"
#include "wrapped.h"
#define DATA ((volatile uint32_t *)0x40000000)
#define FLAG ((volatile uint32_t *)0x40000004)
void send(void)
{
    put(DATA, 1);
    wmb();
    put(FLAG, 1);
    wmb();
    put(DATA, 1);
}
void receive(void)
{
    while (!get(FLAG))
        ;
    __asm__ volatile("dmb oshld" : : : "memory");
    amp_assert(get(DATA) == 1);
}
void _start(void) { send(); receive(); }
"""
WRAPPERS = """
#define WRAPPER static inline __attribute__((always_inline))
WRAPPER void wmb(void) { __asm__ volatile("dmb oshst" : : : "memory"); }
WRAPPER void put(volatile uint32_t *at, uint32_t value) { *at = value; }
WRAPPER uint32_t get(volatile uint32_t *at) { return *at; }
"""


@pytest.mark.parametrize("flags", [("-O2",), ("-O1", "-gdwarf-4"), ("-O0",)])
@pytest.mark.parametrize("target", ["aarch64", "aarch64-clang"])
def test_what_is_wrapped_in_an_inlined_function_is_of_the_line_that_calls_it(
    tmp_path: Path, target: str, flags: tuple[str, ...]
) -> None:
    (tmp_path / "wrapped.h").write_text(WRAPPERS)
    (tmp_path / "wrapped.c").write_text(WRAPPED)
    path = built(tmp_path, "wrapped", *flags, target=target, at=tmp_path)
    found = judged(program(path), "arm64-domains")
    assert {name: each.worth for name, each in found.items()} == {
        "wrapped.c:10": Worth.NEEDED,
        "wrapped.c:12": Worth.IDLE,
        "wrapped.c:19": Worth.NEEDED,
    }
    assert holds(
        f"{program(path)}&before=wrapped.c:11", "arm64-domains", ["wrapped.c:10=none", "before:wrapped.c:11=dma"]
    )


def test_code_without_lines_is_named_by_function_and_offset(tmp_path: Path) -> None:
    path = built(tmp_path, "ring", "-O2", "-DWITHOUT=1")
    subprocess.run(["aarch64-linux-gnu-strip", "-g", path], check=True)
    found = amp.verify(program(path), platform="arm64-domains").finding
    assert found is not None
    assert found.repair is not None
    (remedy,) = found.repair.remedies
    assert remedy.where.startswith("before send+0x")
    assert "?:0" not in str(found)
    assert re.search(r"at send\+0x\w+ \(A\), then 0x40000014 at send\+0x\w+ \(B\)", str(found)), str(found)


def test_a_line_without_an_access_has_no_place_before_it(tmp_path: Path) -> None:
    path = built(tmp_path, "ring", "-O2")
    with pytest.raises(UsageError, match=r"no access to shared memory stands at 'ring\.c:1'"):
        amp.verify(f"{program(path)}&before=ring.c:1", platform="arm64")
