"""Where a barrier is missing in compiled code: what the tool proposes, put into the binary and the source, cures it."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine_code import HERE, SHARED, built, holds

import amp
from amp.explore.explorer import Bounds
from amp.lab.plan import make_plan
from amp.lab.repair import repair
from amp.report.repair import Repair, paragraphs

LEVELS = ("-O0", "-O1", "-O2", "-O3", "-Os")
MISSING = (1, 2, 3, 4)
SOURCE = (HERE / "ring.c").read_text().splitlines()


def program(host: Path, remote: Path | None = None) -> str:
    where = f"{remote}:" if remote is not None else ""
    return f"{host}?host=send&remote={where}receive&{SHARED}"


def lines_after(missing: int) -> set[str]:
    """Where the barrier may stand that -DWITHOUT=n leaves out: before the next access behind it."""
    found = set()
    for at, text in enumerate(SOURCE, 1):
        if f"#if WITHOUT != {missing}" in text:
            found |= {f"before ring.c:{at + 3}"}
    return found


def proposed(reference: str, platform: str) -> Repair:
    """The repair, which the exploration of the very program that it names verifies once more."""
    found = repair(make_plan(reference, platform=platform))
    assert found is not None
    assert found.remedies, found.reason
    return found


def verified_again(reference: str, platform: str, found: Repair) -> bool:
    """As the command says: its sites before lines, and what it puts there."""
    words = found.command.replace("'", "").split()
    weaken = [words[at + 1] for at, word in enumerate(words) if word == "--weaken"]
    assert words[2].startswith(reference)
    return holds(words[2], platform, weaken)


def rebuilt(directory: Path, found: Repair, *flags: str, target: str) -> Path:
    """The source with the proposed instruction in a line of its own, compiled again."""
    lines = list(SOURCE)
    (remedy,) = found.remedies
    at = int(remedy.where.rpartition(":")[2])
    barrier = (
        f"{remedy.barrier}();" if "amp_" in remedy.barrier else f'__asm__ volatile("{remedy.barrier}" : : : "memory");'
    )
    lines.insert(at - 1, barrier)
    source = directory / "mended.c"
    source.write_text("\n".join(lines))
    return built(directory, "mended", *flags, target=target, at=directory)


@pytest.mark.parametrize(("target", "level"), [("aarch64", "-O0"), ("aarch64-clang", "-O2")])
def test_each_missing_barrier_is_cured_where_it_was_by_the_weakest_that_reaches(
    tmp_path: Path, target: str, level: str
) -> None:
    for missing, barrier, linux in ((1, "dmb oshst", "dma_wmb"), (4, "dmb oshld", "dma_rmb")):
        flags = (level, f"-DWITHOUT={missing}")
        reference = program(built(tmp_path, "ring", *flags, target=target))
        found = proposed(reference, "arm64-domains")
        (remedy,) = found.remedies
        assert remedy.where in lines_after(missing)
        assert (remedy.barrier, remedy.linux, remedy.c11) == (barrier, linux, "")
        assert "no fence of C11 is as strong on arm64-domains" in str(paragraphs(found))
        line = remedy.where.removeprefix("before ")
        for less in ("none", "dmb-ish", "dmb-oshld" if missing == 1 else "dmb-oshst"):
            assert not holds(f"{reference}&before={line}", "arm64-domains", [f"before:{line}={less}"]), less
        again = rebuilt(tmp_path, found, *flags, target=target)
        assert repair(make_plan(program(again), platform="arm64-domains")) is None


def test_where_c11_s_fences_reach_they_are_named_by_what_they_promise(tmp_path: Path) -> None:
    for missing, order, barrier in ((3, "release", "dmb ishst"), (2, "acquire", "dmb ishld")):
        reference = program(built(tmp_path, "ring", "-O2", f"-DWITHOUT={missing}"))
        (remedy,) = proposed(reference, "arm64").remedies
        assert (remedy.barrier, remedy.c11) == (barrier, f"atomic_thread_fence(memory_order_{order})")


def test_a_program_that_holds_needs_no_repair_and_one_that_no_barrier_mends_gets_none(tmp_path: Path) -> None:
    whole = program(built(tmp_path, "ring", "-O1"))
    assert repair(make_plan(whole, platform="arm64-domains")) is None
    source = tmp_path / "interleaved.c"
    source.write_text(
        '#include "amp_code.h"\n#define WORD (*(volatile int *)0x40000000)\n'
        "void send(void) { WORD = 1; }\nvoid receive(void) { amp_assert(WORD == 0); }\n"
        "void _start(void) { send(); receive(); }\n"
    )
    path = built(tmp_path, "interleaved", "-O1", at=tmp_path)
    found = repair(make_plan(program(path), platform="arm64"))
    assert found is not None
    assert found.remedies == ()
    assert found.reason == "no barrier at any line of its path repairs it, nor all of them together"


def test_a_barrier_that_was_weakened_is_asked_back_where_it_was(tmp_path: Path) -> None:
    reference = program(built(tmp_path, "ring", "-O2"))
    site = f"ring.c:{next(at for at, text in enumerate(SOURCE, 1) if 'WMB(); /* the entry' in text)}"
    for weaken, instead in (("none", ""), ("dmb-ish", "dmb ish")):
        found = repair(make_plan(reference, platform="arm64-domains", weaken=(f"{site}={weaken}",)))
        assert found is not None
        (remedy,) = found.remedies
        assert (remedy.where, remedy.barrier, remedy.instead_of) == (f"at {site}", "dmb oshst", instead)


def test_places_stay_empty_whatever_stands_at_the_barriers(tmp_path: Path) -> None:
    reference = program(built(tmp_path, "ring", "-O2", "-DWITHOUT=1"))
    found = repair(make_plan(reference, platform="arm64-domains", barriers="mandatory"))
    assert found is not None
    assert [each.where for each in found.remedies] == list(lines_after(1))
    assert not holds(f"{reference}&before={found.remedies[0].where.removeprefix('before ')}", "arm64-domains")


def test_a_search_that_reaches_a_bound_says_so_and_proposes_nothing(tmp_path: Path) -> None:
    reference = program(built(tmp_path, "ring", "-O2", "-DWITHOUT=1", "-DMESSAGES=3"))
    found = repair(make_plan(reference, platform="arm64-domains"), Bounds(executions=8))
    assert found is not None
    assert found.remedies == ()
    assert found.reason == "not known: with the strongest barrier everywhere, stopped after 8 runs"


def test_two_missing_barriers_are_found_together(tmp_path: Path) -> None:
    path = built(tmp_path, "ring", "-O2", "-DWITHOUT=1")
    found = proposed(program(path), "arm64-domains")
    wmb = [text for text in SOURCE if "WMB();" in text]
    assert len(wmb) == 2
    both = tmp_path / "both.c"
    both.write_text("\n".join(text for text in SOURCE if "/* the driver's index" not in text))
    second = proposed(program(built(tmp_path, "both", "-O2", "-DWITHOUT=1", at=tmp_path)), "arm64-domains")
    assert [each.barrier for each in second.remedies] == ["dmb oshst", "dmb oshld"]
    assert found.remedies[0].barrier == "dmb oshst"
    assert verified_again(program(tmp_path / "both-O2-DWITHOUT=1-aarch64.elf"), "arm64-domains", second)


def test_a_load_that_an_acknowledgement_overtook_has_its_lines_and_its_repair(tmp_path: Path) -> None:
    path = built(tmp_path, "ordered", "-O2", "-march=armv8.1-a")
    found = amp.verify(f"{path}?host=give&remote=take&{SHARED}", platform="arm64").finding
    assert found is not None
    assert found.command == ""  # no process repeats it
    assert found.repair is not None
    (remedy,) = found.repair.remedies
    text = (HERE / "ordered.c").read_text().splitlines()
    load, store = (next(n for n, each in enumerate(text, 1) if what in each) for what in ("got = BOX", "seen = 1;"))
    assert remedy.where == f"before ordered.c:{store}"
    assert (remedy.barrier, remedy.c11) == ("dmb ishld", "atomic_thread_fence(memory_order_acquire)")
    said = dict(found.why)["What"]
    assert (
        f"read 0x40000000 at ordered.c:{load} (A), then handed it back with 0x40000008 at ordered.c:{store} (B)" in said
    )


def test_a_hang_says_what_is_looked_at_in_vain_and_who_wrote_that_last(tmp_path: Path) -> None:
    (tmp_path / "hang.c").write_text(
        '#include "amp_code.h"\n#define WORD (*(volatile int *)0x40000000)\n'
        "void send(void) { while (WORD != 2); }\nvoid receive(void) { WORD = 1; }\n"
        "void _start(void) { send(); receive(); }\n"
    )
    found = amp.verify(program(built(tmp_path, "hang", "-O2", at=tmp_path)), platform="arm64").finding
    assert found is not None
    assert found.text.startswith("waits for ever at send, hang.c:3: ")
    waits = (
        "The host looks at 0x40000000 in vain; the last there is the remote's store 0x40000000 = 1 at hang.c:4 (#1)."
    )
    assert dict(found.why)["Waits"] == waits


def test_a_lock_that_releases_nothing_is_repeated_in_processes_and_repaired(tmp_path: Path) -> None:
    path = built(tmp_path, "locks", "-O2", "-march=armv8.1-a", "-DUNLOCK_ORDER=__ATOMIC_RELAXED")
    found = amp.verify(f"{path}?host=locked&remote=locked&{SHARED}", platform="arm64").finding
    assert found is not None
    said, lines = dict(found.why), (HERE / "locks.c").read_text().splitlines()
    unlock = next(n for n, text in enumerate(lines, 1) if "UNLOCK_ORDER);" in text)
    assert (
        f"at locks.c:{unlock - 1} (A), then 0x40000000 at locks.c:{unlock} (B). B became visible first" in said["What"]
    )
    assert said["Tried"].endswith("it ends well")
    assert found.command.startswith("amp run ")
    assert found.repair is not None
    (remedy,) = found.repair.remedies
    assert (remedy.where, remedy.c11) == (f"before locks.c:{unlock}", "atomic_thread_fence(memory_order_release)")


# Of each target: the platform, the remote's target where it is another, what may be missing there, and the instruction
# that stands for a write and for a read barrier.
BUILDS = {
    "aarch64": ("arm64-domains", None, MISSING, {"dmb oshst", "dmb oshld"}),
    "aarch64-clang": ("arm64-domains", None, MISSING, {"dmb oshst", "dmb oshld"}),
    "armv7-a": ("armv7-smp", "cortex-m4", MISSING, {"dmb st", "dmb sy"}),
    "armv7-a-clang": ("armv7-smp", "cortex-m4-clang", MISSING, {"dmb st", "dmb sy"}),
    "x86-64": ("x86-wc", None, (1,), {"sfence"}),
    "x86-64-clang": ("x86-wc", None, (1,), {"sfence"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("target", BUILDS)
def test_in_every_build_the_ring_holds_and_each_missing_barrier_is_found_and_cured(
    tmp_path: Path, target: str, level: str
) -> None:
    platform, other, needed, barriers = BUILDS[target]

    def ring(name: str, missing: int, at: Path = HERE) -> str:
        flags = (level, f"-DWITHOUT={missing}")
        remote = built(tmp_path, name, *flags, target=other, at=at) if other else None
        return program(built(tmp_path, name, *flags, target=target, at=at), remote)

    for missing in (0, *MISSING):
        reference = ring("ring", missing)
        verified = holds(reference, platform)
        assert verified is (missing not in needed), missing
        if verified:
            continue
        found = proposed(reference, platform)
        (remedy,) = found.remedies
        assert remedy.where in lines_after(missing), found
        assert remedy.barrier in barriers
        assert verified_again(reference.partition("?")[0], platform, found)
        lines = list(SOURCE)
        lines.insert(int(remedy.where.rpartition(":")[2]) - 1, f'__asm__ volatile("{remedy.barrier}" : : : "memory");')
        (tmp_path / "mended.c").write_text("\n".join(lines))
        assert holds(ring("mended", missing, tmp_path), platform), missing


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("target", ["x86-64", "x86-64-clang"])
def test_symbolic_barriers_are_proposed_to_code_that_has_those(tmp_path: Path, target: str, level: str) -> None:
    for missing in MISSING:
        reference = program(built(tmp_path, "ring", level, "-DSYMBOLIC", f"-DWITHOUT={missing}", target=target))
        found = proposed(reference, "omap4-2011")
        (remedy,) = found.remedies
        assert remedy.where in lines_after(missing)
        assert remedy.c11 is None
        assert "C11" not in str(paragraphs(found))
        assert verified_again(reference.partition("?")[0], "omap4-2011", found)
