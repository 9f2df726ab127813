"""A split ring in C, as the compiler made it: the correct one is verified, each missing barrier is found and named."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from commands import here
from machine_code import SHARED, built, finding
from slow_sizes import slow_unless

import amp
from amp.code import emulator
from amp.errors import UsageError

LEVELS = ("-O0", "-O1", "-O2", "-O3", "-Os")
# The builds of the default suite; all others are slow.
QUICK = {
    *(
        ("aarch64", "-O2"),
        ("aarch64-clang", "-O0"),
        ("armv7-a-thumb", "-Os"),
        ("armv7-a-clang", "-O0"),
        ("rv64", "-O2"),
    ),
}
# What is seen without each barrier, and by whom: ring.c numbers them.
WITHOUT = {1: "remote", 2: "remote", 3: "host", 4: "host"}


def program(path: Path) -> str:
    return f"{path}?host=send&remote=receive&{SHARED}"


@pytest.mark.parametrize(
    ("target", "level"), slow_unless(lambda *each: each in QUICK, product(("aarch64", "aarch64-clang"), LEVELS))
)
def test_the_correct_ring_is_verified_and_each_missing_barrier_is_found(
    tmp_path: Path, level: str, target: str
) -> None:
    whole = built(tmp_path, "ring", level, "-DMESSAGES=2", target=target)
    assert amp.verify(program(whole), platform="arm64-domains").verified
    for number, part in WITHOUT.items():
        broken = built(tmp_path, "ring", level, f"-DWITHOUT={number}", target=target)
        assert_found(program(broken), "arm64-domains", part)


def assert_found(reference: str, platform: str, part: str) -> None:
    """The assertion of that part; its story is in `test_a_finding_is_saved_explained_and_repeated`."""
    said = finding(reference, platform)
    function = {"host": "send", "remote": "receive"}[part]
    assert said is not None, reference
    assert re.search(rf"assertion failed: .* \({function}, ring.c:\d+\)", said), said


def test_the_counts_are_those_of_the_other_rings(tmp_path: Path) -> None:
    """GenMC and Nidhugg meet 1 execution with one message and 4 with two; merging leaves fewer."""
    counts = []
    for messages in (1, 2):
        path = built(tmp_path, "ring", "-O2", f"-DMESSAGES={messages}")
        (cell,) = amp.verify(program(path), platform="arm64-domains").cells
        counts.append(cell.executions)
    assert counts[0] == 1
    assert counts[1] <= 4


def test_what_does_not_reach_is_found_and_what_would_is_named(tmp_path: Path) -> None:
    path = built(tmp_path, "ring", "-O2")
    assert amp.verify(program(path), platform="arm64").verified
    line = next(
        n
        for n, text in enumerate((Path(__file__).parent / "ring.c").read_text().splitlines(), 1)
        if "WMB(); /* the entry" in text
    )
    verdict = amp.verify(program(path), platform="arm64-domains", weaken=(f"ring.c:{line}=smp",))
    assert verdict.finding is not None
    assert verdict.finding.site == f"ring.c:{line}"
    story = str(verdict.finding)
    assert f"ring.c:{line}" in story
    assert "smp_wmb (dmb ishst)" in story
    assert "dma_wmb (dmb oshst)" in story


def test_an_instruction_set_that_does_not_fit_is_refused_unless_its_barriers_are_symbolic(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError,
        match=r"ring\.c:\d+: `dmb oshst` is AArch64's, and the host of omap4-2011 is armv7-2011; "
        "it fits sc, arm64, arm64-domains; code for any platform uses the symbolic barriers",
    ):
        amp.verify(program(built(tmp_path, "ring", "-O2")), platform="omap4-2011")
    for without, verified in ((0, True), (1, False)):
        path = built(tmp_path, "ring", "-O2", "-DSYMBOLIC", f"-DWITHOUT={without}")
        assert amp.verify(program(path), platform="omap4-2011").verified is verified


def test_the_matrix_says_which_barriers_of_the_binary_are_needed(tmp_path: Path) -> None:
    matrix = amp.sites(program(built(tmp_path, "ring", "-O2")), platform="arm64-domains")
    assert [row.weakest.barrier_class.value for row in matrix.rows if row.weakest] == ["dma"] * 4
    assert {row.coded for row in matrix.rows} == {"dmb oshst", "dmb oshld"}


# The host's target, the remote's; a platform on which `dmb` is enough, one on which it is not.
ARM = [("armv7-a", "cortex-m4"), ("armv7-a-thumb", "cortex-m4"), ("armv7-a-clang", "cortex-m4-clang")]


@pytest.mark.parametrize(
    ("host", "remote", "level"),
    slow_unless(lambda host, _, level: (host, level) in QUICK, [(*pair, level) for pair in ARM for level in LEVELS]),
)
def test_a_cortex_a_and_a_cortex_m_share_a_ring(tmp_path: Path, host: str, remote: str, level: str) -> None:
    def both(without: int) -> str:
        flags = (level, f"-DWITHOUT={without}")
        other = built(tmp_path, "ring", *flags, target=remote)
        return f"{built(tmp_path, 'ring', *flags, target=host)}?host=send&remote={other}:receive&{SHARED}"

    assert amp.verify(both(0), platform="armv7-smp").verified
    for number, part in WITHOUT.items():
        assert_found(both(number), "armv7-smp", part)


def test_the_thread_of_2011(tmp_path: Path) -> None:
    """`dmb` on a Cortex-A9 does not reach a Cortex-M behind the PL310's write buffer, and outer_sync does."""
    host, remote = (built(tmp_path, "ring", "-O2", target=each) for each in ARM[0])
    program = f"{host}?host=send&remote={remote}:receive&{SHARED}"
    found = amp.verify(program, platform="omap4-2011").finding
    assert found is not None
    assert re.fullmatch(r"ring\.c:\d+", str(found.site))
    assert "PL310 write buffer needs SYSTEM for memory" in str(found)
    assert "dsb; outer_sync" in str(found)
    line = str(found.site)
    assert amp.verify(program, platform="omap4-2011", weaken=(f"{line}=mandatory",)).verified


@pytest.mark.parametrize("level", slow_unless({"-O2"}.__contains__, LEVELS))
def test_on_x86_only_write_combining_memory_needs_a_barrier(tmp_path: Path, level: str) -> None:
    def path(without: int) -> str:
        return program(built(tmp_path, "ring", level, f"-DWITHOUT={without}", target="x86-64"))

    assert all(amp.verify(path(without), platform="x86-wb").verified for without in range(5))
    verdicts = [amp.verify(path(without), platform="x86-wc").verified for without in range(5)]
    assert verdicts == [True, False, True, True, True]  # only the host maps it write-combining


def test_symbolic_barriers_need_no_other_compiler_than_this_machine_s(tmp_path: Path) -> None:
    def path(without: int) -> str:
        return program(built(tmp_path, "ring", "-O2", "-DSYMBOLIC", f"-DWITHOUT={without}", target="x86-64"))

    assert amp.verify(path(0), platform="omap4-2011").verified
    for number, part in WITHOUT.items():
        assert_found(path(number), "omap4-2011", part)


@pytest.mark.parametrize(
    ("target", "level"), slow_unless(lambda *each: each in QUICK, product(("rv64", "rv32"), LEVELS))
)
def test_risc_v_shares_a_ring(tmp_path: Path, target: str, level: str) -> None:
    assert amp.verify(program(built(tmp_path, "ring", level, "-DMESSAGES=2", target=target)), platform="riscv").verified
    for number, part in WITHOUT.items():
        broken = built(tmp_path, "ring", level, f"-DWITHOUT={number}", target=target)
        assert_found(program(broken), "riscv", part)


def test_a_finding_is_saved_explained_and_repeated(tmp_path: Path) -> None:
    path = built(tmp_path, "ring", "-O2", "-DWITHOUT=1")
    found = amp.verify(program(path), platform="arm64-domains").finding
    assert found is not None
    saved = tmp_path / "w.json"
    found.save(str(saved))
    assert amp.explain(str(saved)).text == found.text
    assert amp.replay(str(saved)).same
    built(tmp_path, "ring", "-O2", "-DWITHOUT=1", "-DNEITHER_CODE_NOR_DATA", "-gdwarf-4").rename(path)
    assert amp.replay(str(saved)).same
    built(tmp_path, "ring", "-O2", "-DWITHOUT=1", "-DMESSAGES=2").rename(path)
    with pytest.raises(UsageError, match=r"is not the one that ran: its code, its data or its sites .* --stale"):
        amp.replay(str(saved))
    stale = here("replay", saved, "--stale")
    assert stale.returncode == 1, stale.stderr
    assert stale.stdout.startswith("another program than the one that ran, and a violation by the same schedule: ")
    built(tmp_path, "ring", "-O2").rename(path)
    cured = here("replay", saved, "--stale")
    assert (cured.returncode, cured.stdout) == (2, "")
    assert "the schedule does not fit" in cured.stderr


def test_who_runs_no_compiled_code_loads_nothing_of_it() -> None:
    said = "import sys, amp.cli.main, amp.lab.verify, amp.explore.explorer; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", said], check=True, capture_output=True, text=True).stdout
    assert [name for name in ("capstone", "unicorn", "amp.code.engine", "elftools") if f"'{name}'" in loaded] == []


def test_where_the_emulator_is_not_installed_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"compiled code needs unicorn and capstone: pip install 'amp-soc\[code\]'"):
        emulator.unicorn.__wrapped__()
