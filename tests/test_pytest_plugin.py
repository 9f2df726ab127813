"""`@amp.explore`: a protocol as a test, an item a platform and class; what fails, how it is told, what is kept."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

import amp
import amp.lab.booted
import amp.lab.gate
import amp.programs.decorator  # pytester forgets what a run has loaded, so all of it is loaded here

pytest_plugins = ["pytester"]

PROGRAM = """
import pytest

import amp

box = amp.Layout(flag=amp.u32, data=amp.u32)
publish = amp.Site("publish", "data before flag", needs="WW", kind="wmb", pairs_with="consume")
consume = amp.Site("consume", "flag before data", needs="RR", kind="rmb", pairs_with="publish")


@amp.program(layout=box, sites=[publish, consume])
class Handover:
    def host(self, cpu, at):
        cpu.store(at.data, 42)
        cpu.barrier(publish)
        cpu.store(at.flag, 1)

    def remote(self, cpu, at):
        cpu.poll(at.flag, lambda flag: flag == 1)
        cpu.barrier(consume)
        assert cpu.load(at.data) == 42
"""
SMP = '@amp.explore(platforms=["omap4-2011", "arm64"], barriers=["smp"])\ndef test_handover(): return Handover\n'


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\n")
    return pytester


def ran(project: pytest.Pytester, text: str, *options: str) -> pytest.RunResult:
    """A run of a test module that has the program and `text`."""
    project.makepyfile(test_own=f"{PROGRAM}\n\n{text}")
    return again(project, *options)


def again(project: pytest.Pytester, *options: str) -> pytest.RunResult:
    return project.runpytest_inprocess("-p", "no:cacheprovider", *options)


def said(result: pytest.RunResult) -> str:
    return str(result.stdout)


def test_an_item_for_each_platform_and_class(project: pytest.Pytester) -> None:
    result = ran(project, SMP, "-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*::test_handover?omap4-2011-smp? FAILED*", "*::test_handover?arm64-smp? PASSED*"])
    result.stdout.fnmatch_lines(["amp: 1 verified, 1 violation"])


def test_a_failure_is_the_explained_timeline_with_the_tests_own_lines(project: pytest.Pytester) -> None:
    told = said(ran(project, SMP))
    lines = (project.path / "test_own.py").read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if "assert cpu" in text)
    assert f"check failed at test_own.py:{line}: assert cpu.load(at.data) == 42\n" in told
    assert "Site: publish, at the host (test_own.py:" in told
    assert "Cure: dma_wmb (dsb; outer_sync) at publish" in told
    assert "Traceback" not in told
    assert "pytest_plugin.py" not in told, "no frame of ours"


def test_the_line_that_it_prints_shows_the_same_again(project: pytest.Pytester) -> None:
    found = re.search(r"Again: pytest '(\S+)' --amp-replay (\S+)", said(ran(project, SMP)))
    assert found is not None
    result = again(project, found[1], "--amp-replay", found[2])
    result.assert_outcomes(failed=1)
    assert "check failed at test_own.py" in said(result)


def test_a_schedule_that_shows_nothing_passes_and_is_no_verification(project: pytest.Pytester) -> None:
    found = re.search(r"Again: pytest '(\S+)' --amp-replay (\S+)", said(ran(project, SMP)))
    assert found is not None
    stronger = SMP.replace('["smp"]', '["smp"], weaken={"publish": "mandatory", "consume": "mandatory"}')
    ran(project, stronger, found[1], "--amp-replay", found[2]).assert_outcomes(failed=1)  # it cannot go that way
    checkless = PROGRAM.replace("assert cpu.load(at.data) == 42", "cpu.load(at.data)")
    project.makepyfile(test_own=f"{checkless}\n\n{SMP}")
    result = again(project, found[1], "--amp-replay", found[2])
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["amp: 1 followed"])


def test_a_mark_that_says_what_it_cannot_is_told_in_one_line(project: pytest.Pytester) -> None:
    told = said(ran(project, '@pytest.mark.amp_broken(platform="arm64")\n' + SMP))
    assert "amp_broken takes platforms=, barriers= and site=, not {'platform': 'arm64'}" in told
    assert "Error" not in told


def test_the_witness_lies_where_ci_can_upload_it_and_can_be_replayed(project: pytest.Pytester) -> None:
    found = re.search(r"Witness: (\S+) ", said(ran(project, SMP)))
    assert found is not None
    path = project.path / found[1]
    assert path.parent == project.path / ".amp" / "witnesses"
    assert amp.replay(str(path)).same
    assert amp.explain(str(path)).site == "publish"
    assert (project.path / ".amp" / ".gitignore").read_text() == "*\n"


def test_what_was_found_is_tried_first_and_forgotten_when_all_is_verified(project: pytest.Pytester) -> None:
    remembered = "Remembered: its schedule was tried first"
    assert remembered not in said(ran(project, SMP))
    assert remembered in said(again(project))
    kept = list((project.path / ".amp").rglob("*.json"))
    assert {path.parent.name for path in kept} == {"witnesses", "schedules"}
    assert remembered not in said(ran(project, SMP.replace("smp", "mandatory")))
    renamed = SMP.replace('["smp"]', '["smp"], weaken={"publish": "mandatory", "consume": "mandatory"}')
    ran(project, renamed).assert_outcomes(passed=2)
    assert list((project.path / ".amp").rglob("*.json")) == []


@pytest.mark.a_few(4)
@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{}", b"\xff", b"[" * 10_000, b'{"format": "amp schedule 1", "schedule": "s1.AAAA"}'),
        b'{"format":"amp schedule 1","schedule":"s1.!","messages":1,"ring_size":1,"sizes":{}}',
        b'{"format":"amp schedule 1","schedule":"s1.yEIr","messages":1,"ring_size":99999999999,"sizes":{}}',
    ],
)
def test_a_kept_schedule_that_is_none_or_damaged_is_no_hindrance(project: pytest.Pytester, content: bytes) -> None:
    ran(project, SMP)
    for path in (project.path / ".amp" / "schedules").iterdir():
        path.write_bytes(content)
    again(project).assert_outcomes(passed=1, failed=1)


def test_the_schedule_of_another_program_verifies_nothing(project: pytest.Pytester) -> None:
    """It fits the new program, and shows nothing: all is explored all the same."""
    ran(project, SMP)
    weaker = PROGRAM.replace("cpu.barrier(publish)", "cpu.store(at.flag, 0)")
    project.makepyfile(test_own=f"{weaker}\n\n{SMP}")
    result = again(project)
    result.assert_outcomes(failed=2)


def test_forgotten_brackets_are_told_with_the_line(project: pytest.Pytester) -> None:
    told = said(ran(project, "@amp.explore\ndef test_handover(): return Handover\n"))
    assert "amp.explore is called without its brackets: write @amp.explore()" in told
    assert re.search(r"test_own.py:\d+: in <module>\s+@amp.explore\n", told)


BROKEN = '@pytest.mark.amp_broken(platforms=["omap4-2011"], site="{}")\n'


def test_what_is_marked_as_broken_passes_if_the_bug_is_found_at_that_site(project: pytest.Pytester) -> None:
    result = ran(project, BROKEN.format("publish") + SMP)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["amp: 1 broken, as marked (violation), 1 verified"])


def test_what_is_marked_as_broken_fails_at_another_site_and_where_nothing_is_found(project: pytest.Pytester) -> None:
    elsewhere = ran(project, BROKEN.format("consume") + SMP)
    assert "a violation blamed on publish, expected consume" in said(elsewhere)
    elsewhere.stdout.fnmatch_lines(["amp: 1 verified, 1 violation"])
    everywhere = '@pytest.mark.amp_broken(platforms="all", site="publish")\n' + SMP
    result = ran(project, everywhere)
    result.assert_outcomes(passed=1, failed=1)
    assert "no violation, expected one at publish: verified" in said(result)


def test_a_bound_that_is_reached_is_a_failure_that_says_so(project: pytest.Pytester) -> None:
    text = '@amp.explore("vring", platforms="sc", max_executions=2)\ndef test_ring(): pass\n'
    result = ran(project, text)
    result.assert_outcomes(failed=1)
    assert "inconclusive: stopped after 2 runs; nothing found so far" in said(result)
    within = text.replace("sc", "paranoid").replace(", max_executions=2", ", messages=6")
    assert "inconclusive: stopped after" in said(ran(project, within, "--amp-budget", "0.01"))


def test_the_command_line_chooses_other_platforms(project: pytest.Pytester) -> None:
    result = ran(project, SMP, "-v", "--amp-platform", "sc,x86-wb")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*test_handover?sc-smp? PASSED*", "*test_handover?x86-wb-smp? PASSED*"])


def test_runs_by_chance_prove_nothing_and_say_so(project: pytest.Pytester) -> None:
    text = '@amp.explore("doorbell", platforms="arm64", runs=20)\ndef test_door(): pass\n'
    result = ran(project, text, "--amp-seed", "7")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["amp: 1 sampled"])


def test_a_program_may_be_made_with_fixtures_inside_the_test(project: pytest.Pytester) -> None:
    text = """
@pytest.fixture
def expected(): return 41


@amp.explore(platforms="arm64", barriers="mandatory")
def test_made(expected, tmp_path):
    @amp.program(layout=box, sites=[publish, consume])
    class Made:
        def host(self, cpu, at):
            cpu.store(at.data, expected)

        def remote(self, cpu, at):
            assert cpu.load(at.data) in (0, 42)
    return Made
"""
    told = said(ran(project, text))
    assert "check failed at test_own.py" in told
    assert "Not repeated in processes: the program is made inside a function" in told
    assert "Witness: none: program Made is made inside a function" in told
    mended = text.replace("41", "42  # of another length: bytecode is known by its second and its length")
    ran(project, mended).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return None", "test_it[arm64] returns None, expected an amp.Program, or the name of one"),
        ("return 3", "test_it[arm64] returns 3, expected an amp.Program"),
        ("return 'vrng'", "program 'vrng' is unknown; did you mean vring?"),
    ],
)
def test_a_test_that_builds_no_program_fails_with_one_line(project: pytest.Pytester, body: str, says: str) -> None:
    told = said(ran(project, f'@amp.explore(platforms="arm64")\ndef test_it():\n    {body}\n'))
    assert says in told
    assert "Error" not in told


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (
            "import random; cpu.store(at.flag, random.randrange(4))",
            "not deterministic, so what was explored says nothing",
        ),
        ("cpu.store(at.flg, 1)", "the program failed: AttributeError: the layout has no flg"),
    ],
)
def test_chance_and_a_programs_own_error_are_told_as_such(project: pytest.Pytester, part: str, says: str) -> None:
    text = f"""
@amp.program(layout=box)
class Wrong:
    def host(self, cpu, at):
        {part}


@amp.explore(platforms="arm64")
def test_it():
    return Wrong
"""
    assert says in said(ran(project, text))


def test_an_unknown_platform_is_told_where_it_is_asked_for(project: pytest.Pytester) -> None:
    told = said(ran(project, '@amp.explore("vring", platforms="omap5")\ndef test_it(): pass\n'))
    assert "platform 'omap5' is unknown (known: sc, " in told


def test_workers_find_keep_and_count_the_same(project: pytest.Pytester) -> None:
    three = "x86-wb", "arm64", "omap4-2011"
    text = f'@amp.explore(platforms={three}, barriers="smp")\ndef test_handover(): return Handover\n'
    alone = ran(project, text)
    first = {path.name: json.loads(path.read_text()) for path in (project.path / ".amp" / "schedules").iterdir()}
    for path in (project.path / ".amp").rglob("*.json"):
        path.unlink()
    shared = project.runpytest_subprocess("-p", "no:cacheprovider", "-n", "2")
    assert alone.parseoutcomes() == shared.parseoutcomes()
    second = {path.name: json.loads(path.read_text()) for path in (project.path / ".amp" / "schedules").iterdir()}
    assert first == second
    for result in (alone, shared):
        assert "amp: 2 verified, 1 violation" in result.outlines


def test_a_run_without_such_tests_loads_nothing_of_amp(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_other="import sys\n"
        "def test_it(): assert {n for n in sys.modules if n.startswith('amp.')} == {'amp.lists', 'amp.pytest_plugin'}\n"
    )
    project.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_the_tests_above_see_the_installed_plugin(pytestconfig: pytest.Config) -> None:
    plugin = pytestconfig.pluginmanager.get_plugin("amp")
    assert plugin is not None, "installed by its entry point: pip install -e ."
    assert Path(plugin.__file__).name == "pytest_plugin.py"


PAIRS = """
import pytest


def test_ring(vring_pair):
    driver, device = vring_pair.driver(), vring_pair.device()
    [buffer] = vring_pair.segments([16])
    vring_pair.host.write(buffer.address, b"sixteen bytes, 1")
    driver.add([buffer], [], "token")
    chain = device.next_chain()
    assert bytes(vring_pair.remote.read(chain.readable[0].address, 16)) == b"sixteen bytes, 1"
    device.push_used(chain.head, 0)
    assert driver.get_used() == ("token", 0)


@pytest.mark.amp_pair(num=4, platform="arm64-domains")
def test_link(rpmsg_pair):
    host, remote = rpmsg_pair.endpoints()
    remote.callback = lambda end, m: end.sendto(m.data[::-1], m.source)
    host.send(b"abc")
    assert host.recv().data == b"cba"


@pytest.mark.amp_pair(buffers=1)
def test_wrong(vring_pair): pass
"""


def test_both_ends_of_a_ring_and_of_a_link_are_fixtures(project: pytest.Pytester) -> None:
    project.makepyfile(test_pairs=PAIRS)
    again(project, "--amp-seed", "3").assert_outcomes(passed=2, errors=1)


def test_the_page_in_the_docs_does_what_it_says(project: pytest.Pytester) -> None:
    page = (Path(__file__).parents[1] / "docs" / "pytest.md").read_text()
    module, *_ = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    shown, _ = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    project.makepyfile(test_handover=module)
    result = again(project)
    told = said(result)
    for line in shown.splitlines():
        assert line in told
    result.stdout.fnmatch_lines(["amp: 2 broken, as marked (violation), 3 verified, 1 violation"])


def test_the_page_s_board_does_what_it_says_and_nothing_of_it_is_left(project: pytest.Pytester) -> None:
    page = (Path(__file__).parents[1] / "docs" / "pytest.md").read_text()
    _, firmware, module = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    _, shown = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    project.makepyfile(doubler=firmware, test_doubler=module)
    before = children()
    result = again(project)
    result.assert_outcomes(passed=2, failed=1)
    for line in shown.splitlines():
        assert line in said(result)
    assert children() == before


def children() -> list[str]:
    """The processes that this one has."""
    return [child for task in Path("/proc/self/task").iterdir() for child in (task / "children").read_text().split()]


def test_a_process_that_is_left_would_be_seen() -> None:
    before = children()
    with subprocess.Popen(["sleep", "60"]) as left:
        assert set(children()) - set(before) == {str(left.pid)}
        left.kill()


BOARDS = """
import os
import select
import signal
import pytest


@pytest.mark.amp_board("remoteside.services.echo")
def test_unnoticed(amp_board):
    core = os.pidfd_open(amp_board.pid)
    signal.pidfd_send_signal(core, signal.SIGKILL)
    select.select([core], [], [])
    os.close(core)


@pytest.mark.amp_board("remoteside.services.echo")
def test_recovered_unnoticed(amp_board):
    core = os.pidfd_open(amp_board.pid)
    signal.pidfd_send_signal(core, signal.SIGKILL)
    select.select([core], [], [])
    os.close(core)
    amp_board.recover()


@pytest.mark.amp_board("remoteside.services.echo")
def test_its_own_failure(amp_board):
    echo = amp_board.open("rpmsg-echo")
    echo.send(b"hello")
    assert echo.recv(10).data == b"hello"
    assert amp_board.memory("trace") == b""


def test_no_mark(amp_board): pass


@pytest.mark.amp_board("nowhere.elf")
def test_no_file(amp_board): pass


@pytest.mark.amp_board("remoteside.services.echo", core=2)
def test_no_such_option(amp_board): pass


@pytest.fixture
def other(): return 1


def test_of_no_board(other): assert other == 2
"""


def test_a_crash_that_nobody_noticed_fails_and_a_failure_has_what_the_core_said(project: pytest.Pytester) -> None:
    project.makepyfile(test_boards=BOARDS)
    result = again(project)
    result.assert_outcomes(failed=4, errors=3)
    told = said(result)
    assert re.search(r"\namp_board: the core crashed: fatal error: .* was killed by SIGKILL\n", told)
    for line in (
        "trace0: rpmsg-echo: ready",
        "was killed by SIGKILL; recover() comes behind expect_crash()",
        "amp_board: which firmware? @pytest.mark.amp_board(FILE), or a module's name",
        f"amp_board: {project.path}/nowhere.elf: No such file or directory",
        "amp_board: the mark got an unexpected keyword argument 'core'",
    ):
        assert line in told
    assert "TypeError" not in told


def test_what_explores_is_imported_from_the_package_that_a_test_calls() -> None:
    from amp.explore.explorer import Explorer  # noqa: PLC0415

    assert callable(Explorer)
    assert callable(amp.explore)
