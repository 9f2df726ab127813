"""What the explorer once got wrong is put back into the core, one error at a time: a random program shows each."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import core_objects
import pytest
from core_objects import MODULE, linked

HERE = Path(__file__).parent
PROGRAMS = 8000  # at most; most errors show in the first few hundred
QUIET = 100

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler"),
]


@dataclass(frozen=True)
class Planted:
    """What is wrong then; the file, what stands there, what is put there instead; a judge that must see it."""

    wrong: str
    file: str
    text: str
    instead: str
    judge: str


PLANTED = [
    Planted(
        "which doorbell was taken is no part of the state",
        "key.c",
        "xp_take(&s->hash, taken >= s->first[number] ? taken - s->first[number] + 1u : 0);",
        "(void)taken;",
        "merging",
    ),
    Planted(
        "values that are alive are no part of the state",
        "key.c",
        "xp_take(&s->hash, live[i].what);",
        "",
        "merging",
    ),
    Planted(
        "what a part has looked into is no part of the state",
        "key.c",
        "xp_take(&s->hash, state->log);",
        "",
        "merging",
    ),
    Planted(
        "a copy of a Word is told apart no longer",
        "py_word.c",
        "return Py_NewRef(self); /* it never changes */",
        "return py_word_new(((struct word *)self)->value, 0);",
        "merging",
    ),
    Planted(
        "pickling a Word tells nobody",
        "py_word.c",
        "(PyObject *)&PyLong_Type, as_int(self));",
        "(PyObject *)&PyLong_Type, PyLong_FromUnsignedLongLong(word->value));",
        "merging",
    ),
    Planted(
        "whether a Word is 0 is told to nobody",
        "py_word.c",
        "    looked_into(self, ((struct word *)self)->value != 0);\n",
        "",
        "merging",
    ),
    Planted(
        "the text of a Word is told to nobody",
        "py_word.c",
        "    looked_into(self, ((struct word *)self)->value);\n",
        "",
        "merging",
    ),
    Planted(
        "what an exception tells is told to nobody",
        "py_port.c",
        "        py_word_look(args[i]);\n",
        "        (void)args;\n",
        "merging",
    ),
    Planted(
        "the bytes of a bulk load are told to nobody",
        "explored_access.c",
        "        xp_log(x, part->id, value);\n",
        "",
        "merging",
    ),
    Planted(
        "of a look that is made again every load must be newer",
        "explore_reads.c",
        "if (!cpu->mark || (cpu->in_look && cpu->looked != cpu->forced))",
        "if (!cpu->mark)",
        "interleaving",
    ),
    Planted(
        "a look that could not go on counts as one that did not see the newest",
        "explore_looks.c",
        "    if (!x->over)\n        undo(x, cpu);\n",
        "    if (!x->over)\n        undo(x, cpu), x->cpu[cpu].wake_source[0] = XP_UNREAD;\n",
        "interleaving",
    ),
    Planted(
        "a doorbell that was there before another was taken can still be taken",
        "explore_reads.c",
        "if (cpu->waits && ",
        "if (cpu->waits && !cpu->taken && ",
        "sequential consistency",
    ),
    Planted(
        "a wait takes the newest doorbell that its own CPU has rung",
        "relations.c",
        "position < theirs && !xp_rings(other)",
        "position < theirs",
        "running machine",
    ),
    Planted(
        "the load of an atomic is not overtaken by a store behind it",
        "explore_writes.c",
        "if (promise && !read->interrupt && !from_thin_air(",
        "if (promise && !read->partner && !read->interrupt && !from_thin_air(",
        "other words",
    ),
    Planted(
        "the address of a bulk store comes from nothing",
        "explored_access.c",
        "nothing, depends, depends,",
        "nothing, NULL, NULL,",
        "other words",
    ),
    Planted(
        "what a cmpxchg expects comes from nothing",
        "explored_access.c",
        "    join(room, xp_tag_depends(from.expected));\n",
        "",
        "other words",
    ),
    Planted(
        "the length of a bulk load counts as its address",
        "py_port.c",
        "return read[port->way](self, address, length, after);",
        "return read[port->way](self, address, length, py_word_later(after, ignored));",
        "other words",
    ),
]


@pytest.fixture(scope="session")
def objects(shared: Path) -> Path:
    return core_objects.module(shared)


def bridge(objects: Path, to: Path, *instead: Path) -> Path:
    return linked(to, objects.glob("*.o"), *instead, flags=("-shared",))


def found(core: Path, programs: int, *judge: str) -> str:
    command = [sys.executable, str(HERE / "planted_search.py"), str(core), str(programs), *judge]
    return subprocess.run(command, capture_output=True, text=True, timeout=500, check=True).stdout


def test_no_program_shows_anything_in_the_core_as_it_is(objects: Path, tmp_path: Path) -> None:
    assert found(bridge(objects, tmp_path / "_bridge.so"), QUIET) == ""


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.wrong)
def test_a_program_shows_that(objects: Path, tmp_path: Path, planted: Planted) -> None:
    patched = core_objects.planted(tmp_path, planted.file, planted.text, planted.instead, *MODULE)
    said = found(bridge(objects, tmp_path / "_wrong.so", patched), PROGRAMS, planted.judge)
    assert planted.judge in said, f"{PROGRAMS} programs, and none shows that {planted.wrong}"
