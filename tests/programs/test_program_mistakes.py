"""What a user does wrong gets a good answer: one line, the user's own line, exit status 2; or it is a finding."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from commands import here as amp
from own_programs import line_of, own

from amp.lab.machine import Machine
from amp.lab.plan import make_plan
from amp.machine.config import Mode

SPIN = """
while cpu.load(at.flag) != 1:
    pass  # spinning
cpu.barrier(consume)
assert cpu.load(at.data[0]) == 42
"""
STORE = "cpu.store(at.data[0], 42)\ncpu.barrier(publish)\ncpu.store(at.flag, 1)"


def refused(path: Path, *says: str) -> str:
    told = amp("verify", path, "--platform", "arm64")
    assert told.returncode == 2, (told.stdout, told.stderr)
    for text in says:
        assert text in told.stderr, told.stderr
    return told.stderr


def test_a_loop_that_spins_on_memory_is_named_with_its_line_and_the_cure(tmp_path: Path) -> None:
    path = own(tmp_path, STORE, SPIN)
    line = line_of(path, "while cpu.load")
    said = refused(path, "a loop loads the same memory again and again", "poll(cell, predicate)")
    assert f"own.py:{line}:" in said or f"own.py:{line + 1}:" in said


def test_a_loop_that_makes_progress_is_no_spinning_and_told_as_too_large(tmp_path: Path) -> None:
    path = own(tmp_path, "for n in range(100_000): cpu.store(at.flag, n)", "pass")
    assert "again and again" not in refused(path, "too large to explore")


def test_a_file_that_explores_itself_as_it_is_imported_is_told_where_that_belongs(tmp_path: Path) -> None:
    """Whoever repeats what it finds imports it, and would explore it again, and so on."""
    path = own(tmp_path, STORE, "assert cpu.load(at.data[0]) == 42")
    text = path.read_text()
    path.write_text(f'{text}\nprint(amp.verify(Own, platform="arm64").verified)\n')
    says = 'it explores or runs while it is imported: that belongs under `if __name__ == "__main__":`'
    refused(path, f"own.py:{line_of(path, 'print(amp')}: {says}")
    guarded = f'{text}\nif __name__ == "__main__":\n    print(amp.verify(Own, platform="arm64").verified)\n'
    for written in (path.read_text(), guarded):
        path.write_text(written)
        done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=240, check=True)
        assert done.stdout == "False\n"


def test_processes_may_spin(tmp_path: Path) -> None:
    assert amp("run", own(tmp_path, STORE, SPIN), "--platform", "arm64").returncode == 0


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("cpu.store(at.dat[0], 1)", "AttributeError: the layout has no dat (it has flag, data, text)"),
        ("cpu.store(at.flag, 1 << 40)", "OverflowError: store_u32: 1099511627776 does not fit into 4 bytes"),
        ("{}['missing']", "KeyError: 'missing'"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("cpu.load(at.flag) + 'x'", "TypeError"),
        ("cpu.kick(7)", "ValueError: kick: this program has no processor 7"),
        ("cpu.kick('remote')", "TypeError: kick: 'remote' is no number of a processor, such as amp.REMOTE"),
    ],
)
def test_an_exception_is_the_programs_error_with_its_own_line(tmp_path: Path, host: str, says: str) -> None:
    path = own(tmp_path, f"{host}  # here", "pass")
    where = f"{path}:{line_of(path, '# here')}"
    said = refused(path, f"{where}: the program failed: {says}")
    assert f"  {where}, in host: " in said
    told = amp("run", path, "--platform", "arm64")
    assert (told.returncode, says in told.stderr) == (2, True), told.stderr


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("cpu.store(at.flag + 4, 1)", "is no cell of a layout; of a bare address say the width: store_u32"),
        ("cpu.store((at.flag, at.flag), 1)", "is an array: name one of its elements, at.NAME[0]"),
        ("cpu.load(4096)", "say the width: load_u32"),
        ("cpu.store(at.text, bytes(13))", "13 bytes to text, which has 12"),
        ("cpu.poll(at.flag)", "a cell needs a predicate"),
        ("cpu.poll(lambda: 1, lambda x: x)", "a look takes no predicate"),
        ("cpu.poll(at.flag, 1)", "the predicate is 1, expected a function"),
        ("cpu.barrier(other)", "other is no site of this program (it has publish, consume)"),
        ("cpu.barrier('publish')", "'publish' is no site of this program"),
    ],
)
def test_a_call_that_cannot_be_is_refused_with_its_line(tmp_path: Path, host: str, says: str) -> None:
    other = 'other = amp.Site("other", "x before y", needs="WW", kind="wmb")'
    path = own(tmp_path, f"{host}  # here", "pass", before=other)
    refused(path, says, f"own.py:{line_of(path, '# here')}: ")


def reports_of(path: Path, mode: Mode) -> list[str]:
    """How each part ended in processes, where nothing ends one for the time that it takes."""
    plan = make_plan(str(path), platform="arm64", mode=mode)
    with Machine(plan.config) as machine:
        return [each.outcome for each in machine.run(plan.config, plan.platform, plan.sites).reports]


@pytest.mark.parametrize(
    ("mode", "host", "ended"),
    [
        (Mode.LOCKSTEP, "assert False", "violation"),
        pytest.param(Mode.FREE, "assert False", "violation", marks=pytest.mark.slow),
        pytest.param(Mode.LOCKSTEP, "raise ValueError('mine')", "error", marks=pytest.mark.slow),
        pytest.param(Mode.FREE, "raise ValueError('mine')", "error", marks=pytest.mark.slow),
    ],
)
def test_a_part_that_fails_ends_who_only_looks_on(
    tmp_path: Path, mode: Mode, host: str, ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amp.lab.machine.LINGER_LIMIT_S", None)
    assert reports_of(own(tmp_path, host, SPIN), mode) == [ended, "lost"]


BUSY = """
for round in range(300):
    cpu.store(at.data[0], round)
    for each in at.data:
        cpu.load(each)
"""


@pytest.mark.slow
@pytest.mark.parametrize("mode", [Mode.LOCKSTEP, Mode.FREE])
@pytest.mark.parametrize(
    ("remote", "ended"),
    [
        ("pass", "done"),
        (BUSY, "done"),
        ("while cpu.load(at.flag) == 0: pass", "done"),  # the failed part has written it: it arrives
        ("cpu.poll(at.data[1], lambda value: value == 7)", "violation"),  # a stall, as behind a part that has ended
        ("cpu.wait()", "violation"),
    ],
)
def test_who_runs_beside_a_part_that_fails_ends_in_its_own_order(
    tmp_path: Path, mode: Mode, remote: str, ended: str
) -> None:
    path = own(tmp_path, "cpu.store(at.flag, 1)\nraise ValueError('mine')", remote)
    assert reports_of(path, mode) == ["error", ended]


def test_who_has_still_to_do_beside_a_part_that_fails_does_it(tmp_path: Path) -> None:
    assert reports_of(own(tmp_path, "raise ValueError('mine')", BUSY), Mode.LOCKSTEP) == ["error", "done"]


@pytest.mark.slow
def test_a_part_that_has_ended_well_leaves_all_time_to_the_others(tmp_path: Path) -> None:
    """The tester: without a part that fails so many accesses that write nothing end nobody."""
    spin = "for _ in range(540_000): cpu.load_u32(at.flag)"
    assert reports_of(own(tmp_path, "pass", spin), Mode.LOCKSTEP) == ["done", "done"]
    assert reports_of(own(tmp_path, "raise ValueError('mine')", spin), Mode.LOCKSTEP) == ["error", "lost"]


def test_a_failed_assert_is_a_violation_with_its_line_and_its_message(tmp_path: Path) -> None:
    path = own(tmp_path, "assert cpu.load(at.flag) == 1, 'not there'  # here", "pass")
    told = amp("verify", path)
    assert told.returncode == 1
    said = " ".join(told.stdout.split())
    assert f"check failed at own.py:{line_of(path, '# here')}: assert cpu.load(at.flag) == 1, 'not there'" in said
    assert "not there" in said


def test_a_violation_of_its_own_is_a_violation(tmp_path: Path) -> None:
    path = own(tmp_path, "raise amp.Violation('the ring is broken')", "pass")
    told = amp("verify", path)
    assert (told.returncode, "the ring is broken" in told.stdout) == (1, True)


def test_two_sleepers_are_a_violation_that_says_so(tmp_path: Path) -> None:
    told = amp("verify", own(tmp_path, "cpu.wait()", "cpu.wait()"))
    assert (told.returncode, "every processor sleeps" in told.stdout) == (1, True)


def test_who_waits_when_all_others_have_ended_is_told_with_the_line_that_waits(tmp_path: Path) -> None:
    path = own(tmp_path, "pass", "cpu.load(at.flag)\ncpu.wait()  # here")
    told = amp("verify", path)
    said = " ".join(told.stdout.split())
    assert told.returncode == 1
    assert f"violation by the remote: waits for ever at own.py:{line_of(path, '# here')}: cpu.wait() # here" in said
    assert f"Ends host: done; remote: waits for ever at own.py:{line_of(path, '# here')}" in said


@pytest.mark.parametrize(
    ("before", "host"),
    [
        ("import time", "cpu.store(at.flag, int(time.time()))"),
        ("from time import time as now", "cpu.store(at.flag, int(now()))"),
        ("import random", "cpu.store(at.flag, random.randrange(10))"),
        ("import uuid", "cpu.store(at.flag, uuid.uuid4().int & 1)"),
        ("import os", "cpu.store(at.flag, os.urandom(1)[0])"),
        ("import secrets", "cpu.store(at.flag, secrets.randbelow(4))"),
        ("", "cpu.store(at.flag, id(object()) & 1)"),
        ("mine = id", "cpu.store(at.flag, mine([]) & 1)"),
        ("count = []", "count.append(1); cpu.store(at.flag, len(count))"),
    ],
)
def test_time_chance_identity_and_state_kept_between_runs_are_found(tmp_path: Path, before: str, host: str) -> None:
    path = own(tmp_path, f"{host}  # here", "cpu.load(at.flag)", before=before)
    said = refused(path, "the program is not deterministic")
    if "count" not in before:
        assert f"own.py:{line_of(path, '# here')}: " in said


def test_pythons_own_use_of_id_is_no_chance(tmp_path: Path) -> None:
    host = "cpu.store(at.flag, len(copy.deepcopy([[1], [2]])))"
    assert amp("verify", own(tmp_path, host, "cpu.load(at.flag)", before="import copy")).returncode == 0


def test_asserts_count_under_python_O_too(tmp_path: Path) -> None:
    from commands import process  # noqa: PLC0415

    path = own(tmp_path, "assert False, 'kept'", "pass")
    told = process("verify", path, env={"PYTHONOPTIMIZE": "1", "PATH": "/usr/bin:/bin"})
    assert (told.returncode, "kept" in told.stdout) == (1, True), told.stderr


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("class Own: pass", "has no part: define host(self, cpu, at)"),
        ("class Own:\n    words = 3\n    def host(self, cpu, at): pass", "size words is also an attribute"),
    ],
)
def test_a_class_that_is_no_program_is_refused_where_it_stands(tmp_path: Path, body: str, says: str) -> None:
    path = tmp_path / "own.py"
    path.write_text(f"import amp\n\n\n@amp.program(layout=amp.Layout(x=amp.u8), sizes={{'words': 1}})\n{body}\n")
    refused(path, says, f"{path}:")


NOT_CALLED = [
    ("def remote(self, cpu, at):\n        yield\n        assert False", "a generator function"),
    ("async def remote(self, cpu, at):\n        assert False", "a coroutine function"),
    ("async def remote(self, cpu, at):\n        yield\n        assert False", "a generator function"),
    ("remote = 3", "no function"),
]
MISNAMED = "parts are host, host2 ... remote, remote2 ..."


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("def device(self, cpu, at):\n        pass", f"device is no part, and no other method calls it: {MISNAMED}"),
        ("def remote(self, cpu):\n        pass", "part remote is remote(self, cpu), expected remote(self, cpu, at)"),
        ("def remote(self):\n        pass", "part remote is remote(self), expected remote(self, cpu, at)"),
    ],
)
def test_a_method_that_would_never_run_as_a_part_is_refused(tmp_path: Path, part: str, says: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import amp\n\n\n@amp.program(layout=amp.Layout(flag=amp.u32))\nclass Mine:\n"
        f"    def host(self, cpu, at):\n        cpu.store(at.flag, 1)\n\n    {part}\n"
    )
    refused(file, f"{file}:4: ", says)


@pytest.mark.parametrize(
    "call",
    [
        "self.send(cpu, at)",
        "(lambda: self.send(cpu, at))()",
        "[self.send(cpu, at) for _ in (1,)]",
        "getattr(self, 'send')(cpu, at)",
        "from_afar(self, cpu, at)",
    ],
)
def test_a_method_that_a_part_calls_may_have_any_name_and_arguments(tmp_path: Path, call: str) -> None:
    file = tmp_path / "mine.py"
    afar = "def from_afar(part, cpu, at):\n    part.send(cpu, at)" if "afar" in call else ""
    file.write_text(
        f"import amp\n\n\n{afar}\n\n\n"
        "@amp.program(layout=amp.Layout(flag=amp.u32))\nclass Mine:\n"
        f"    def host(self, cpu, at, *, value=1):\n        {call}\n\n"
        "    def send(self, cpu, at):\n        cpu.store(at.flag, 1)\n"
    )
    assert amp("verify", file).returncode == 0


@pytest.mark.parametrize(("part", "what"), NOT_CALLED)
def test_a_part_that_does_nothing_when_it_is_called_is_refused(tmp_path: Path, part: str, what: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import amp\n\n\n@amp.program(layout=amp.Layout(flag=amp.u32))\nclass Mine:\n"
        f"    def host(self, cpu, at):\n        cpu.store(at.flag, 1)\n\n    {part}\n"
    )
    for verb in ("verify", "run"):
        told = amp(verb, file)
        assert (told.returncode, told.stdout) == (2, "")
        assert f"part remote is {what}, expected a plain function" in told.stderr


PART_ERRORS = [
    ("cpu.load_u32(0)", "load_u32"),
    ("cpu.barrier(77)", "barrier: site 77, this program has 0, from 1"),
    ("cpu.barrier(0)", "barrier: site 0, this program has 0, from 1"),
]


@pytest.mark.parametrize(("call", "said"), PART_ERRORS)
def test_a_call_of_a_part_that_cannot_be_is_told_with_its_line(tmp_path: Path, call: str, said: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import amp\n\n\n@amp.program(layout=amp.Layout(flag=amp.u32))\nclass Mine:\n"
        f"    def host(self, cpu, at):\n        {call}\n"
    )
    told = amp("verify", file)
    assert (told.returncode, told.stdout) == (2, "")
    assert f"{file}:7: " in told.stderr
    assert said in told.stderr


def test_an_object_that_cannot_be_made_is_the_programs_error_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import amp\n\n\n@amp.program(layout=amp.Layout(flag=amp.u32))\nclass Mine:\n"
        "    def __init__(self):\n        raise OSError('no such thing')\n\n"
        "    def host(self, cpu, at):\n        pass\n"
    )
    told = amp("verify", file)
    assert (told.returncode, told.stdout) == (2, "")
    assert f"{file}:7: " in told.stderr
    assert "OSError: no such thing" in told.stderr


def test_with_a_second_host_the_numbers_of_host_and_remote_stay_theirs(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import amp\n\n\n@amp.program(layout=amp.Layout(flag=amp.u32))\nclass Mine:\n"
        "    def host(self, cpu, at):\n        cpu.kick(amp.REMOTE)\n\n    def host2(self, cpu, at):\n        pass\n\n"
        "    def remote(self, cpu, at):\n        cpu.wait()\n"
    )
    assert amp("verify", file, "--platform", "arm64").returncode == 0


@pytest.mark.parametrize("name", ["host1", "remote7", "remote_2"])
def test_a_method_that_looks_like_a_part_and_is_none_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import amp\n\n\n@amp.program(layout=amp.Layout(flag=amp.u32))\nclass Mine:\n"
        f"    def host(self, cpu, at):\n        pass\n\n    def {name}(self, cpu, at):\n        assert False\n"
    )
    told = amp("verify", file)
    assert (told.returncode, told.stdout) == (2, "")
    assert f"program Mine: {name} is no part: they are host, host2 ... remote, remote2 ..." in told.stderr


KEEPS = """
import amp

SEEN = {}


@amp.program(layout=amp.Layout(x=amp.u32, y=amp.u32))
class Mine:
    seen = {}

    def host(self, cpu, at):
        cpu.store(at.x, 1)
        cpu.store(at.y, 1)

    def remote(self, cpu, at):
        y, x = int(cpu.load(at.y)), int(cpu.load(at.x))
        if y in WHERE:
            return
        WHERE[y] = 1
        assert not (y == 1 and x == 0)
"""


@pytest.mark.parametrize(("where", "told"), [("self.seen", "Mine.seen"), ("SEEN", "SEEN")])
def test_what_a_class_or_a_module_keeps_is_found_where_no_access_tells(tmp_path: Path, where: str, told: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(KEEPS.replace("WHERE", where))
    result = amp("verify", file, "--platform", "arm64")
    assert (result.returncode, result.stdout) == (2, "")
    assert f"{told} is not as it was before the first run" in result.stderr


def test_a_look_that_stands_in_a_run_whose_cells_are_split_is_no_chance(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("""
import amp


@amp.program(layout=amp.Layout(x=amp.u32, y=amp.u32))
class Mine:
    def host(self, cpu, at):
        cpu.store(at.x, 1)

        def look():
            if cpu.load(at.y) == 0:
                return None
            return True if cpu.load(at.x) != 1 else None

        cpu.poll(look)

    def remote(self, cpu, at):
        cpu.store(at.x, 1)

    def host2(self, cpu, at):
        cpu.store(at.y, 1)

    def remote2(self, cpu, at):
        cpu.store_u8(int(at.x), 1)
""")
    told = amp("verify", file, "--platform", "sc")
    assert (told.returncode, "every other processor has retired" in " ".join(told.stdout.split())) == (1, True)


def test_a_wait_with_a_limit_ends_when_nobody_is_left_to_ring(tmp_path: Path) -> None:
    path = own(tmp_path, "cpu.store(at.flag, 1)", "assert not cpu.wait(0.01)")
    for mode in ("lockstep", "free", "direct"):
        told = amp("run", path, "--mode", mode)
        assert (told.returncode, told.stderr) == (0, "")
