"""Where a barrier is missing in Python, and in a program of both kinds: what is proposed, put there, cures it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from commands import here
from own_programs import HANDOVER

import amp
from amp.code.build import build
from amp.errors import UsageError
from amp.explore.explorer import Bounds
from amp.lab.plan import Plan, make_plan
from amp.lab.repair import repair
from amp.lab.verify import explorer_of
from amp.report.repair import Repair

ON = "arm64-domains"
HALF = """
#include <stdint.h>
#include "amp_code.h"
AMP_SHARED volatile uint32_t data, flag;
void send(uint32_t value)
{
    data = value;
    flag = 1;
}
"""
MIXED = """
import amp

code = amp.Code("{elf}")


@amp.program(layout=amp.Layout(window=amp.Bytes(0x1000)))
class Mixed:
    host = code.function("send", 42)

    def remote(self, cpu, at):
        cpu.poll(lambda: cpu.load_u32(at.window + 4) or None)
        assert cpu.load_u32(at.window) == 42  # the check
"""


def line_of(text: str, what: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if what in line)


def found_in(reference: str, barriers: str | None = None, weaken: tuple[str, ...] = ()) -> Repair:
    found = repair(make_plan(reference, platform=ON, barriers=barriers, weaken=weaken))
    assert found is not None
    return found


def holds(plan: Plan) -> bool:
    return explorer_of(plan).explore(Bounds()).verified


def is_verified_and_needs_each(found: Repair) -> None:
    """Its command holds; not so with one barrier of it less."""
    _, _, reference, *options = shlex.split(found.command)
    given = [options[at + 1] for at, word in enumerate(options) if word == "--weaken"]
    barriers = options[options.index("--barriers") + 1]
    assert holds(make_plan(reference, platform=ON, barriers=barriers, weaken=tuple(given)))
    for each in given:
        fewer = (*tuple(other for other in given if other is not each), f"{each.partition('=')[0]}=none")
        assert not holds(make_plan(reference, platform=ON, barriers=barriers, weaken=fewer)), each


def test_without_any_site_both_barriers_are_proposed_before_the_lines_that_need_them(tmp_path: Path) -> None:
    path = tmp_path / "handover.py"
    path.write_text("".join(line + "\n" for line in HANDOVER.splitlines() if "cpu.barrier" not in line))
    found = found_in(str(path))
    text = path.read_text()
    flag, check = (line_of(text, f"# line of the {what}") for what in ("flag", "check"))
    assert [(each.where, each.inside, each.linux) for each in found.remedies] == [
        (f"before handover.py:{flag}", "host", "dma_wmb"),
        (f"before handover.py:{check}", "remote", "dma_rmb"),
    ]
    is_verified_and_needs_each(found)
    told = here("verify", path, "--platform", ON, "--barriers", "smp").stdout
    (line,) = (each for each in told.splitlines() if each.startswith("Repair: amp "))
    said = here(*shlex.split(line.removeprefix("Repair: amp "))).stdout
    assert -1 < said.find("Enough to repair it: 2 barriers") < said.find("One site at a time"), said


def test_a_site_with_a_name_is_made_stronger_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "handover.py"
    path.write_text(HANDOVER)
    found = found_in(str(path), "mandatory", ("publish=smp",))
    (remedy,) = found.remedies
    assert remedy.text == "dma_wmb: dmb oshst in place of smp_wmb: host dmb ishst, remote dmb ish at publish"
    is_verified_and_needs_each(found)
    assert repair(make_plan(str(path), platform=ON)) is None  # as it is it holds


def test_of_a_compiled_part_and_one_in_python_both_are_repaired(tmp_path: Path) -> None:
    (tmp_path / "half.c").write_text(HALF)
    build([str(tmp_path / "half.c")], str(tmp_path / "half.elf"), "aarch64", flags=["-O2"])
    path = tmp_path / "mixed.py"
    path.write_text(MIXED.format(elf=tmp_path / "half.elf"))
    verdict = amp.verify(str(path), platform=ON)
    assert verdict.finding is not None
    found = verdict.finding.repair
    assert found is not None
    check, flag = line_of(path.read_text(), "the check"), line_of(HALF, "flag = 1;")
    assert {(each.where, each.barrier) for each in found.remedies} == {
        (f"before mixed.py:{check}", "dma_rmb: dmb oshld"),
        (f"before half.c:{flag}", "dmb oshst"),
    }
    is_verified_and_needs_each(found)
    # With one of them processes show the other's absence, and say it again.
    half = amp.verify(
        f"{path}?before=mixed.py:{check}&before=half.c:{flag}", platform=ON, weaken=[f"before:half.c:{flag}=dmb-oshst"]
    ).finding
    assert half is not None
    half.save(str(tmp_path / "w.json"))
    assert half.repair is not None
    assert [each.where for each in half.repair.remedies] == [f"before mixed.py:{check}"]
    done = here("replay", tmp_path / "w.json")
    assert "the same violation, the same trace" in done.stdout, done.stdout + done.stderr


TWO = """
import amp
{imported}
from {second}.util import check

box = amp.Layout(flag=amp.u32, data=amp.u32)


@amp.program(layout=box)
class Two:
    def host(self, cpu, at):
        {tell}(cpu, at)

    def remote(self, cpu, at):
        cpu.poll(at.flag, lambda flag: flag == 1)
        check(cpu, at)
"""
TELL = """

def tell(cpu, at):
    cpu.store(at.data, 42)
    cpu.store(at.flag, 1)
"""
CHECK = """


def check(cpu, at):
    assert cpu.load(at.data) == 42
"""


def of_two_files(folder: Path, first: str, second: str, imported: str, tell: str) -> Path:
    """A program whose parts go on in two packages' util.py, each with an access in line 5."""
    for package, text in ((first, TELL), (second, CHECK)):
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text("")
        (folder / package / "util.py").write_text(text)
    path = folder / "two.py"
    path.write_text(TWO.format(second=second, imported=imported, tell=tell))
    return path


def test_a_barrier_stands_before_a_line_of_its_own_file_only(tmp_path: Path) -> None:
    # What a module has that is imported whole is not looked through: the line of the other file is meant.
    path = of_two_files(tmp_path, "near_by", "far_off", "from near_by import util", "util.tell")
    weaken = ("before:util.py:5=mb",)
    explorer = explorer_of(make_plan(f"{path}?before=util.py:5", platform=ON, weaken=weaken))
    assert not explorer.explore(Bounds()).verified  # the store of the flag needs one as well
    assert {cpu for cpu, _, _, site in explorer.core.passages() if site} == {1}


def test_a_line_that_may_be_in_two_files_is_refused_in_one_line(tmp_path: Path) -> None:
    path = of_two_files(tmp_path, "here_a", "here_b", "from here_a.util import tell", "tell")
    with pytest.raises(UsageError) as told:
        make_plan(f"{path}?before=util.py:5", platform=ON)
    assert f"'util.py:5' may be in {tmp_path}/here_a/util.py or in {tmp_path}/here_b/util.py" in str(told.value)
    assert "\n" not in str(told.value)


LOOPS = """
import amp

box = amp.Layout(data=amp.u32[4], flag=amp.u32)


@amp.program(layout=box)
class Loops:
    def host(self, cpu, at):
        for each in at.data:
            cpu.store(each, cpu.load(each) + 1)  # round
        cpu.store(at.flag, 1)

    def remote(self, cpu, at):
        cpu.poll(at.flag, lambda flag: flag == 1)  # poll
"""


def test_a_site_is_before_each_round_of_a_line_and_once_before_a_poll(tmp_path: Path) -> None:
    path = tmp_path / "loops.py"
    path.write_text(LOOPS)
    lines = [line_of(LOOPS, f"# {what}") for what in ("round", "poll")]
    reference = f"{path}?" + "&".join(f"before=loops.py:{each}" for each in lines)
    weaken = tuple(f"before:loops.py:{each}=smp_mb" for each in lines)
    plan = make_plan(reference, platform=ON, weaken=weaken)
    explorer = explorer_of(plan)
    assert explorer.explore(Bounds()).verified
    passed = [plan.program.sites.at(site) for _, _, _, site in explorer.core.passages()]
    names = [site.name for site in passed if site is not None]
    assert names.count(f"before:loops.py:{lines[0]}") == 4
    assert names.count(f"before:loops.py:{lines[1]}") == 1
    unchanged = explorer_of(make_plan(reference, platform=ON))
    assert unchanged.explore(Bounds()).verified
    assert list(unchanged.core.passages()) == []  # as it is written nothing stands there


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("before=handover.py:1", "none of its code stands at 'handover.py:1', so no site can be before it"),
        ("before=ring.c:7", "'ring.c:7' is no line of Python, FILE.py:LINE"),
        ("host=send", "'host=send' says nothing of a program in Python (before=LINE)"),
    ],
)
def test_a_line_that_is_not_there_is_told_in_one_line(tmp_path: Path, query: str, says: str) -> None:
    path = tmp_path / "handover.py"
    path.write_text(HANDOVER)
    with pytest.raises(UsageError) as told:
        make_plan(f"{path}?{query}", platform=ON)
    assert says in str(told.value)


def test_two_programs_of_one_compiled_function_have_their_own_sites(tmp_path: Path) -> None:
    (tmp_path / "half.c").write_text(
        HALF.replace("    flag", '    __asm__ volatile("dmb oshst" : : : "memory");\n    flag')
    )
    build([str(tmp_path / "half.c")], str(tmp_path / "half.elf"), "aarch64", flags=["-O2"])
    send = amp.Code(str(tmp_path / "half.elf")).function("send", 42)
    own = amp.Site("own", "flag before data", needs="RR", kind="rmb")
    layout = amp.Layout(window=amp.Bytes(0x1000))

    @amp.program(layout=layout)
    class Plain:
        host = send

        def remote(self, _cpu, _at):  # type: ignore[no-untyped-def]
            pass

    @amp.program(layout=layout, sites=[own])
    class WithASite:
        host = send

        def remote(self, cpu, _at):  # type: ignore[no-untyped-def]
            cpu.barrier(own)

    numbers = [set(each.parts[0].compiled.sites.values()) for each in (Plain, WithASite)]
    assert numbers == [{1}, {2}]
