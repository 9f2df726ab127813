"""A command ends by its verdict, whatever its descriptors are, whoever reads, however little there is of anything."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from commands import AMP
from commands import process as amp

DATA = Path(__file__).parents[1] / "litmus/data"
# What a command ends with when all is well. WITNESS stands for a file.
VERDICTS = {
    "run vring": 0,
    "run echo --barriers smp --messages 60 --seeds 3": 1,
    "verify spsc-vring": 0,
    "verify spsc-vring --barriers smp": 1,
    "verify spsc-vring --barriers smp --json": 1,
    "verify vring-event-idx --max-executions 100": 3,
    "replay WITNESS": 1,
    "explain WITNESS": 1,
    "sites spsc-vring --no-replay": 0,
    "sites spsc-vring --no-replay --barriers smp": 1,
    f"litmus {DATA}/X86": 0,
    "platforms": 0,
    "scenarios": 0,
    "--help": 0,
    "run nonsense": 2,
}
CHEAP = ["run echo --barriers smp --messages 60 --seeds 3", "verify spsc-vring", "replay WITNESS", "platforms"]
CHEAPEST = ["replay WITNESS", "platforms"]  # one of either verdict, one with processes
WAYS = {
    "closed stdin": "{} <&- >/dev/null",
    "closed stdout": "{} >&-",
    "closed stderr": "{} >/dev/null 2>&-",
    "all closed": "{} <&- >&- 2>&-",
    "a reader that leaves": "{} | head -1 >/dev/null",
    "a reader that is not there": "{} | true",
    "a reader of stderr that is not there": "{} 2>&1 >/dev/null | true",
    "a full stderr": "{} 2>/dev/full >/dev/null",
}


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("witness") / "witness.json"
    assert amp("run", "echo", "--barriers", "smp", "--messages", "60", "--save", path).returncode == 1
    return path


def in_bash(line: str, way: str, witness: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    """The line the way it is typed; the status is the command's own."""
    command = shlex.join([*AMP, *shlex.split(line.replace("WITNESS", shlex.quote(str(witness))))])
    script = f"{before}\n{way.format(command)}\nexit ${{PIPESTATUS[0]}}"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.a_few(4)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "line", [line if line in CHEAPEST else pytest.param(line, marks=pytest.mark.slow) for line in VERDICTS]
)
def test_the_exit_status_is_the_verdict_whatever_the_descriptors_are(line: str, way: str, witness: Path) -> None:
    done = in_bash(line, WAYS[way], witness)
    assert done.returncode == VERDICTS[line], done.stderr
    assert "internal error" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.a_few(3)
@pytest.mark.parametrize("line", [*CHEAP, "run nonsense"])
def test_output_that_is_lost_is_told_and_a_violation_stays_one(line: str, witness: Path) -> None:
    done = in_bash(line, "{} >/dev/full", witness)
    assert done.returncode == (VERDICTS[line] or 2)
    if VERDICTS[line] < 2:
        assert done.stderr == "amp: standard output: No space left on device\n"


@pytest.mark.parametrize("limit", [5, 8, 30])
@pytest.mark.parametrize("line", ["run vring", "replay WITNESS"])
def test_too_few_descriptors_are_one_line_and_exit_status_2(line: str, limit: int, witness: Path) -> None:
    done = in_bash(line, "{} 2>&1", witness, f"ulimit -n {limit}")
    assert done.returncode == 2
    assert done.stdout.startswith("amp: Too many open files: ")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("line", CHEAP[:2])
def test_thirty_two_descriptors_more_than_there_are_is_enough(line: str, witness: Path) -> None:
    done = in_bash(line, "{} >/dev/null", witness, "ulimit -n 40")
    assert done.returncode == VERDICTS[line], done.stderr


def test_output_that_an_encoding_lacks_is_shown_all_the_same(witness: Path) -> None:
    done = amp("explain", witness, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (1, "")
    assert "Replay: " in done.stdout
