"""`amp` as a user types it: mistakes, data, exit statuses, pipes, replays."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import AMP, here
from commands import process as amp

SMP = ("run", "echo", "--barriers", "smp", "--messages", "200")
KEYS = {"status", "violations", "executions", "states", "seconds"}
COLUMNS = 100


@pytest.fixture(scope="session")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "file"
    path.write_bytes(bytes(n * n % 251 for n in range(100_000)))
    return path


# --- mistakes ---------------------------------------------------------------------------------------------------------

MISTAKES = [
    ("nonsense", "No such command 'nonsense'"),
    ("run", "Missing argument"),
    ("run nonsense", "program 'nonsense' is unknown (known: echo, stream, "),
    ("run echo extra", "unexpected extra argument"),
    ("run echo --nonsense", "No such option"),
    ("run echo --mode fast", "'fast' is not one of"),
    ("run echo --platform omap5", "platform 'omap5' is unknown"),
    ("run echo --platform missing.toml", "missing.toml: file: cannot be read"),
    ("run echo --platform .", "platform '.' is unknown"),
    ("run echo --mode direct --platform sc", "--platform has no meaning in direct mode"),
    ("run echo --barriers strong", "barriers 'strong' is unknown"),
    ("run echo --weaken S1", "not of the form SITE=CLASS"),
    ("run echo --weaken S9=none", "site 'S9' is unknown"),
    ("run echo --weaken S1=weak", "barrier for S1 'weak' is unknown"),
    ("run echo --weaken S1=writel", "barrier for S1 'writel' is unknown"),
    ("run echo --ring-size 12", "ring size is 12, expected a power of two"),
    ("run echo --ring-size 0", "ring size is 0, echo has 1 to 32768"),
    ("run echo --ring-size 65536", "ring size is 65536, echo has 1 to 32768"),
    ("run echo --ring-size 32768 --payload 1048576", "bytes, expected at most"),
    ("run echo --payload 15", "payload is 15, expected at least the 16 bytes of a message's header"),
    ("run echo --segments 9", "segments is 9, expected at most the ring size"),
    ("run echo --align 24", "ring alignment is 24"),
    ("run echo --window -1", "window is -1"),
    ("run echo --polls -1", "polls is -1"),
    ("run echo --messages 0", "--messages"),
    ("run echo --messages many", "--messages"),
    ("run echo --messages 99999999999999", "messages is 99999999999999, echo has 1 to"),
    ("run echo --seeds 0", "--seeds"),
    ("run echo --seed -1", "--seed"),
    ("run echo --seed 18446744073709551615 --seeds 2", "seed is 18446744073709551616"),
    ("run echo --file .", "--file has no meaning for echo"),
    ("run stream --file missing", "/missing: No such file"),
    ("run stream --file .", ": not a regular file"),
    ("run stream --file empty", "/empty: 0 bytes"),
    ("run stream --payload 16", "nothing to send"),
    ("demo --file missing", "/missing: No such file"),
    ("demo --file empty", "/empty: 0 bytes"),
    ("demo --seed -1", "--seed"),
    ("sites vring --platform all", "platform 'all' is several, and one is asked here"),
    ("run echo --platform sc,arm64", "platform 'sc,arm64' is several, and one is asked here"),
    ("platforms omap5", "platform 'omap5' is unknown"),
    ("platforms corrupt.toml", "corrupt.toml"),
    ("platforms wrong.toml", "wrong.toml"),
    ("run echo --platform corrupt.toml", "corrupt.toml"),
]


@pytest.fixture(scope="session")
def mistaken_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "empty").write_bytes(b"")
    (folder / "corrupt.toml").write_bytes(b"\x80\xff = [\n")
    (folder / "wrong.toml").write_text('base = "sc"\nspeed = 3\n')
    return folder


@pytest.mark.parametrize(("line", "said"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_users_mistake_is_one_line_on_stderr_and_exit_status_2(
    line: str, said: str, mistaken_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mistaken_files)
    run = here(*shlex.split(line))
    assert (run.returncode, run.stdout) == (2, "")
    assert re.fullmatch(r"amp: [^\n]+\n", run.stderr), run.stderr
    assert said in run.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    path.chmod(0)
    run = amp("run", "stream", "--file", path)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == f"amp: file {path}: Permission denied\n"


# --- data and exit statuses -------------------------------------------------------------------------------------------


def data_of(*arguments: str | Path, status: int) -> dict[str, Any]:
    run = here(*arguments, "--json")
    assert (run.returncode, run.stderr) == (status, "")
    data = json.loads(run.stdout)
    assert data.keys() >= KEYS
    assert data["status"] == ("violation" if status else "holds")
    assert (data["violations"] > 0) == bool(status)
    return dict(data)


@pytest.mark.parametrize("mode", ["direct", "free", "lockstep"])
def test_a_run_that_holds_gives_its_figures_and_exit_status_0(mode: str) -> None:
    data = data_of("run", "echo", "--mode", mode, "--messages", "100", "--seeds", "3", status=0)
    assert (data["executions"], data["messages"], data["findings"]) == (3, 300, [])
    assert (data["states"] > 0) == (mode != "direct"), "direct keeps no trace"
    assert data["seconds"] > 0


def test_a_violation_gives_its_findings_and_exit_status_1() -> None:
    data = data_of(*SMP, "--seeds", "3", status=1)
    assert data["violations"] == len(data["findings"]) <= data["executions"] == 3
    for finding in data["findings"]:
        assert finding["kind"] in {"BadRing", "WrongMessage", "Stall"}
        assert finding["side"] in {"host", "remote"}
        assert finding["explanation"] is not None


@pytest.mark.parametrize("name", [(), ("omap4-2011",)], ids=["all", "one"])
def test_the_platforms_as_data(name: tuple[str, ...]) -> None:
    data = data_of("platforms", *name, status=0)
    rows = (data if name else next(each for each in data["platforms"] if each["name"] == "omap4-2011"))["host"]["rows"]
    assert {"primitive", "instruction", "orders", "reach", "source"} <= rows[0].keys()


# --- replays ----------------------------------------------------------------------------------------------------------


def in_a_shell(command: str) -> subprocess.CompletedProcess[str]:
    """A line as it was printed, typed into a shell in which `amp` is this amp."""
    shell = f'amp() {{ {shlex.join(AMP)} "$@"; }}\n{command}\n'
    return subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.a_few(2)
@pytest.mark.parametrize(
    "options",
    [
        ["--platform", "omap4-2011", "--barriers", "smp"],
        ["--platform", "paranoid", "--weaken", "S3=none", "--ring-size", "4", "--segments", "2", "--event-idx"],
        ["--platform", "paranoid", "--weaken", "K1=dma", "--no-suppression", "--window", "1", "--polls", "0"],
        ["--platform", "paranoid", "--weaken", "S4=none", "--weaken", "S2=dma", "--indirect", "--payload", "200"],
    ],
    ids=["smp", "sizes", "doorbell", "indirect"],
)
def test_the_line_that_repeats_a_finding_repeats_it_exactly(options: list[str]) -> None:
    first = data_of("run", "echo", "--messages", "300", "--seed", "40", "--seeds", "2", *options, status=1)
    for finding in first["findings"]:
        again = in_a_shell(finding["replay"] + " --json")
        assert again.returncode == 1, again.stderr
        (repeated,) = json.loads(again.stdout)["findings"]
        assert repeated == finding


def test_the_line_printed_at_the_end_is_the_one_that_repeats_it(small_file: Path, tmp_path: Path) -> None:
    """Names that a shell would take apart included."""
    awkward = tmp_path / "a file; with 'quotes'"
    awkward.write_bytes(small_file.read_bytes())
    run = amp("run", "stream", "--barriers", "smp", "--file", awkward, "--seed", "11")
    assert run.returncode == 1, run.stderr
    (replay,) = re.findall(r"^Replay: (amp run .*)$", run.stdout, re.MULTILINE)
    again = in_a_shell(replay)
    assert (again.returncode, again.stderr) == (1, "")
    assert again.stdout.splitlines()[1:] == run.stdout.splitlines()[1:]


# --- pipes ------------------------------------------------------------------------------------------------------------


def assert_plain(text: str, *long: str) -> None:
    """No ANSI codes, nothing wider than a page but lines that hold one of `long`."""
    assert "\x1b" not in text
    wide = [line for line in text.splitlines() if len(line) > COLUMNS and not any(each in line for each in long)]
    assert not wide


@pytest.mark.parametrize("arguments", [(*SMP,), ("run", "echo", "--seeds", "2"), ("platforms",), ("--help",)], ids=str)
def test_output_in_a_pipe_is_plain_and_a_page_wide(arguments: tuple[str, ...]) -> None:
    run = amp(*arguments, env={**os.environ, "COLUMNS": "300"})
    assert run.stderr == ""
    assert len(run.stdout.splitlines()) > 1
    assert_plain(run.stdout, "Replay: ")


@pytest.mark.parametrize("arguments", [("platforms",), ("platforms", "--json"), ("platforms", "paranoid")], ids=str)
def test_a_reader_that_leaves_early_is_no_error(arguments: tuple[str, ...]) -> None:
    line = f"{shlex.join([*AMP, *arguments])} | head -1"
    run = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert len(run.stdout.splitlines()) == 1


def test_a_reader_that_is_gone_before_the_first_byte_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        run = subprocess.run([*AMP, "platforms"], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(write)
    assert (run.returncode, run.stderr) == (0, "")


# --- the demo ---------------------------------------------------------------------------------------------------------


def test_the_demo_shows_the_bug_explains_it_repeats_it_and_cures_it(
    small_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amp.lab.demo.SEEDS", 16)
    run = here("demo", "--file", small_file)
    assert (run.returncode, run.stderr) == (0, "")
    assert_plain(run.stdout, "Replay: ", str(small_file))
    acts = re.split(r"^[1-4]\. ", run.stdout, flags=re.MULTILINE)
    assert len(acts) == 5, "an opening and four acts"
    assert re.search(r"^Site +S1", acts[1], re.MULTILINE)
    assert "the same trace" in acts[1]
    assert acts[2].count("intact") == acts[3].count("intact") == 1
    assert ("skipped: " in acts[4]) != (": 0 of 200,000 messages corrupted" in acts[4])
    (replay,) = re.findall(r"^Replay: (amp run .*)$", run.stdout, re.MULTILINE)
    assert in_a_shell(replay).returncode == 1


@pytest.mark.slow  # the same runs as above
def test_the_demo_as_data(small_file: Path) -> None:
    run = amp("demo", "--file", small_file, "--json")
    assert (run.returncode, run.stderr) == (0, "")
    data = json.loads(run.stdout)
    assert data.keys() >= KEYS
    assert data["replayed_identically"] is True
    assert data["shown"]["site"] == "S1"
    rows = {(row["where"], row["barriers"]): row["violations"] for row in data["rows"]}
    assert rows["omap4-2011", "smp"] > 0
    assert rows["omap4-2011", "mandatory"] == rows["x86-wb", "smp"] == rows.get(("this CPU", "mandatory"), 0) == 0


def test_python_m_and_the_installed_command_are_the_same() -> None:
    installed = Path(sys.executable).with_name("amp")
    if not installed.exists():
        pytest.skip("amp is not installed beside this Python")
    both = [
        subprocess.run([*command, "platforms"], capture_output=True, text=True, check=True)
        for command in ([str(installed)], AMP)
    ]
    assert both[0].stdout == both[1].stdout
