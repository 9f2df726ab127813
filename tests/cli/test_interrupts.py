"""Ctrl-C and signals: what was found so far is told, the status is 130 (143), and nothing is left."""

import fcntl
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from cli_runs import AMP, WAIT_LIMIT_S, until, watched

from amp.region.names import SHM_DIRECTORY

ROOT = Path(__file__).parents[2]
SB = ROOT / "tests/litmus/data/X86/SB+po+mfence.litmus"

# Each with what it prints of what it had by then; none ends by itself within minutes.
LONG = {
    "run echo --barriers smp --messages 200 --seeds 1000000": "found a violation",
    "run echo --mode direct --messages 1000000000": "0 violations in 0 runs",
    "run echo --mode free --messages 1000000000": "0 violations in 0 runs",
    "verify vring-event-idx --messages 6 --platform paranoid": "stopped after Ctrl-C",
    "verify vring --chooser random --max-executions 1000000000": "runs by chance",
    "sites vring-event-idx --messages 4 --platform paranoid": "unknown: a bound was reached",
}
# What these print is their result, which they do not have: they say so.
WITHOUT_RESULT = {
    "bench ring --time 600": "amp: interrupted",
    "bench verify --time 600": "amp: interrupted",
    "bench question --time 600": "turns of all four",
    f"litmus --hardware {SB} --time 600 --tries 1000000000000": f"{SB} has no result; before it: 0 tests run",
}


def children(pid: int) -> list[int]:
    """Of the process `pid`, and theirs. One that ends meanwhile (a compiler) has none."""
    found = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *children(child)]
    return found


def start(line: str, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*AMP, *line.split()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )


def cpu_ticks(pid: int) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):
        return _cpu_ticks(pid)
    return 0


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def is_at_work(pid: int, line: str) -> bool:
    """Its children run, and it, or one of them, has computed for long enough to have started."""
    below = children(pid)
    starts_some = not line.startswith(("verify", "sites", "bench verify"))
    enough = os.sysconf("SC_CLK_TCK")
    return bool(below or not starts_some) and max(map(cpu_ticks, [pid, *below])) > enough


def ours() -> set[str]:
    return {name for name in os.listdir(SHM_DIRECTORY) if name.startswith("amp.")}


ALIKE = ("run echo --mode free", "verify vring --chooser random", "bench ring")  # end as others do


@pytest.mark.a_few(4)
@pytest.mark.parametrize(
    "line",
    [pytest.param(line, marks=pytest.mark.slow if line.startswith(ALIKE) else ()) for line in (*LONG, *WITHOUT_RESULT)],
)
def test_ctrl_c_tells_what_was_found_and_leaves_nothing(line: str, tmp_path: Path) -> None:
    with start(line, tmp_path) as process:
        try:
            until(lambda: is_at_work(process.pid, line), "work")
            with watched(*children(process.pid)) as all_ended:
                os.killpg(process.pid, signal.SIGINT)
                out, err = process.communicate(timeout=WAIT_LIMIT_S)
                all_ended()
        finally:
            process.kill()
    assert process.returncode == 130, err
    if line in WITHOUT_RESULT:
        assert (out, len(err.splitlines())) == ("", 1), err
        assert err.startswith("amp: interrupted")
        assert WITHOUT_RESULT[line] in err
    else:
        assert err == ""
        assert LONG[line] in " ".join(out.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.a_few(2)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("line", [list(LONG)[1], list(WITHOUT_RESULT)[-1]])
def test_a_command_that_is_ended_leaves_no_process_and_no_file(line: str, number: int, tmp_path: Path) -> None:
    """Of a hardware run also the process of the compiled test, which knows nothing of Python."""
    with start(line, tmp_path) as process:
        try:
            until(lambda: is_at_work(process.pid, line), "work")
            with watched(*children(process.pid)) as all_ended:
                process.send_signal(number)
                process.communicate(timeout=WAIT_LIMIT_S)
                all_ended()
        finally:
            process.kill()
    assert process.returncode == (128 + number if number == signal.SIGTERM else -number)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moments", [1, pytest.param(5, marks=pytest.mark.slow)])
@pytest.mark.parametrize("line", ["bench question --time 600", "bench ring --time 600"])
def test_a_hang_up_in_a_measurement_leaves_nothing_and_says_nothing(line: str, moments: int, tmp_path: Path) -> None:
    """At some moments: a measuring process may be in the middle of its answer."""
    for _ in range(moments):
        with start(line, tmp_path) as process:
            try:
                until(lambda pid=process.pid: is_at_work(pid, line), "work")
                with watched(*children(process.pid)) as all_ended:
                    process.send_signal(signal.SIGHUP)
                    _, err = process.communicate(timeout=WAIT_LIMIT_S)
                    all_ended()
            finally:
                process.kill()
        assert (process.returncode, err) == (-signal.SIGHUP, "")


def test_what_a_killed_compilation_has_left_is_removed_by_the_next_run(tmp_path: Path) -> None:
    """A folder that nobody holds a lock on, and old enough; not one that is young, in use, or of another name."""
    for name in ("amp-litmus-old", "amp-litmus-young", "amp-litmus-used", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "test.c").write_text("")
        if name != "amp-litmus-young":
            os.utime(tmp_path / name, (0, 0))
    lock = os.open(tmp_path / "amp-litmus-used", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with start(f"litmus --hardware {SB} --time 0.1 --tries 1000", tmp_path) as process:
        assert process.communicate(timeout=240)[1] == ""
    os.close(lock)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["amp-litmus-used", "amp-litmus-young", "mine"]


def test_a_second_ctrl_c_ends_it_at_once(tmp_path: Path) -> None:
    line = "verify rpmsg-ping --messages 8 --platform paranoid"
    with start(line, tmp_path) as process:
        try:
            until(lambda: is_at_work(process.pid, line), "work")
            for _ in range(2):
                process.send_signal(signal.SIGINT)
            process.communicate(timeout=WAIT_LIMIT_S)
        finally:
            process.kill()
    assert process.returncode == 130
