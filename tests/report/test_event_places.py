"""Every event of a trace stands at the very line of the program that made it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from own_programs import own

import amp
from amp.lab.plan import make_plan
from amp.lab.run import Witness, run
from amp.report.trace import EventKind

HOST = """
cpu.store(at.data[0], 1)  # store data[0]
cpu.store(at.text, b"0123456789ab")  # write text
old = cpu.fetch_add(at.data[1], 2)  # load data[1], store data[1]
cpu.cmpxchg(at.data[2], 7, 8)  # load data[2]
cpu.cmpxchg(at.data[2], 0, 9)  # load data[2], store data[2]
cpu.barrier(publish)  # publish
cpu.store_u32(at.flag, 1)  # store flag
cpu.kick(1)  # ring
cpu.xchg(at.data[3], 1)  # load data[3], store data[3]
"""
REMOTE = """
cpu.wait()
cpu.barrier(consume)  # consume
text = cpu.load(at.text)  # read text
first = cpu.load(at.data[0])  # load data[0]
assert cpu.load_acquire(at.flag) == 1  # load flag
assert bytes(text) == b"0123456789ab"
cpu.fence(2)  # mb
assert False
"""
_SAID = {EventKind.STORE: ("store", "write"), EventKind.LOAD: ("load", "read"), EventKind.KICK: ("ring",)}


def witness(path: Path, seed: int) -> Witness:
    plan = make_plan(str(path), platform="paranoid")
    (found,) = run(plan, range(seed, seed + 1)).witnesses
    return found


@pytest.mark.a_few(3)
@pytest.mark.parametrize("seed", range(1, 9))
def test_each_access_and_barrier_has_the_line_whose_comment_says_it(tmp_path: Path, seed: int) -> None:
    path = own(tmp_path, HOST, REMOTE)
    lines = path.read_text().splitlines()
    found = witness(path, seed)
    trace = found.trace
    assert trace is not None
    memory = amp.load(str(path)).memory(found.outcome.config)
    seen = 0
    for event in trace.events:
        if event.kind not in (*_SAID, EventKind.BARRIER):
            assert event.number not in trace.places
            continue
        file, line = trace.places[event.number]
        assert file == str(path)
        comment = lines[line - 1].partition("# ")[2]
        if event.kind is EventKind.BARRIER:
            site = trace.site(event)
            assert (site.name if site else "mb") == comment
        elif event.kind is EventKind.KICK:
            assert comment == "ring"
        else:
            name = re.sub(r" \+.*", "", memory.name_of(event.address))
            assert any(f"{verb} {name}" in comment for verb in _SAID[event.kind]), (comment, name, event)
        seen += 1
    assert seen >= 14


def test_a_program_whose_lines_have_moved_has_its_own_places(tmp_path: Path) -> None:
    """The other direction: places are the run's own, not those of a file that was read later."""
    found = witness(own(tmp_path, HOST, REMOTE), 1)
    other = witness(own(tmp_path, HOST, REMOTE, before="x = 1\ny = 2", name="other.py"), 1)
    assert found.trace is not None
    assert other.trace is not None
    assert found.trace == other.trace
    before, after = found.trace.places, other.trace.places
    shift = {after[number][1] - before[number][1] for number in before}
    assert len(shift) == 1
    assert shift != {0}
    assert {path for path, _ in after.values()} == {str(tmp_path / "other.py")}
