"""Processes that commands start import nothing from where the user stands, whatever is planted there."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from commands import AMP
from commands import process as amp

ROOT = Path(__file__).parents[2]
PLANTED = (
    *("amp/__init__.py", "amp/machine/__init__.py", "amp/bench/child.py", "hostside.py", "remoteside/__init__.py"),
    *("json.py", "socket.py", "random.py", "numpy.py", "msgspec.py", "signal.py", "sitecustomize.py"),
    *("usercustomize.py", "matplotlib.py", "greenlet.py"),
)
FIRMWARE = '"""Firmware of the test."""\nimport json, socket, random\n\ndef main(port, link):\n    return\n'

# The command itself is started with -P, as the installed one is: what `python -m` takes from the current folder is its
# user's doing. The commands that start no process stand here as well: they could.
COMMANDS = (
    "run vring",
    pytest.param("run vring --mode free", marks=pytest.mark.slow),
    pytest.param("run vring --mode direct", marks=pytest.mark.slow),
    "run stream --file sent --messages 20",
    "verify vring --platform arm64-domains --barriers smp --save again.json",
    "replay witness.json",
    "explain witness.json --html page.html --perfetto trace.json",
    "sites spsc-vring --platform arm64-domains",
    pytest.param("demo --file sent", marks=pytest.mark.slow),
    "bench ring --time 0.1",
    "bench question --time 0.1",
    "bench rpmsg --time 0.1 --mode direct --wait spin --size 16",
    pytest.param("bench model --time 0.1", marks=pytest.mark.slow),
    "firmware build fw.py -o fw.elf",
    pytest.param("firmware show echo.elf", marks=pytest.mark.slow),
    "litmus test.litmus",
    "litmus --hardware test.litmus --time 0.1 --tries 1000",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the commands read, made where nothing is planted."""
    folder = tmp_path_factory.mktemp("made")
    found = amp(
        "verify", "vring", "--platform", "arm64-domains", "--barriers", "smp", "--save", folder / "witness.json"
    )
    assert found.returncode == 1, found.stderr
    built = amp("firmware", "build", "remoteside.services.echo", "-o", folder / "echo.elf")
    assert built.returncode == 0, built.stderr
    (folder / "sent").write_bytes(bytes(range(256)) * 100)
    (folder / "fw.py").write_text(FIRMWARE)
    (folder / "test.litmus").write_bytes((ROOT / "tests/litmus/data/LKMM/MP+rmb+po.litmus").read_bytes())
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def hostile(made: dict[str, bytes], tmp_path: Path) -> Path:
    """A folder full of traps beside what the user has there."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name, data in made.items():
        (folder / name).write_bytes(data)
    trap = f"open({str(tmp_path / 'marker')!r}, 'a').write(__name__ + ' ')\nraise ImportError('planted')\n"
    for name in PLANTED:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(trap)
    return folder


def in_folder(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", *AMP[1:], *shlex.split(line)]
    own = {**os.environ, "XDG_RUNTIME_DIR": str(folder.parent)}
    return subprocess.run(
        command, cwd=folder, env=own, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=400, check=False
    )


def test_a_machine_that_stays_up_imports_nothing_of_it_either(hostile: Path) -> None:
    up = in_folder(hostile, "up echo.elf --name trapped --detach")
    try:
        said = in_folder(hostile, "send rpmsg-echo hello --reply -m trapped")
        crash = in_folder(hostile, "crash -m trapped")
    finally:
        down = in_folder(hostile, "down trapped")
    assert sprung(hostile) == ""
    assert [each.returncode for each in (up, said, crash, down)] == [0, 0, 0, 0], up.stderr + said.stderr + down.stderr
    assert said.stdout == "hello\n"


def sprung(folder: Path) -> str:
    marker = folder.parent / "marker"
    return marker.read_text() if marker.exists() else ""


@pytest.mark.a_few(4)
@pytest.mark.parametrize("line", COMMANDS)
def test_no_process_imports_what_is_planted_in_the_current_folder(hostile: Path, line: str) -> None:
    done = in_folder(hostile, line)
    assert sprung(hostile) == ""
    assert done.returncode in (0, 1, 3), done.stderr
    assert "amp: internal" not in done.stderr


@pytest.mark.a_few(2)
@pytest.mark.parametrize("path", [":", ".", "hostile/..::.", "relative"])
def test_an_empty_or_relative_entry_of_pythonpath_does_not_reach_the_children(hostile: Path, path: str) -> None:
    """`PYTHONPATH=$PYTHONPATH:/x` has an empty entry, which means the current folder."""
    start = f"import os, sys; os.environ['PYTHONPATH'] = {path!r}; os.chdir({str(hostile)!r}); "
    start += "sys.argv[1:] = ['run', 'vring']; from amp.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-P", "-c", start], capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, done.stderr, sprung(hostile)) == (0, "", "")


def test_the_traps_work(hostile: Path) -> None:
    """Without -P and with the folder in PYTHONPATH they are sprung: the checks above can fail."""
    done = amp("run", "vring", cwd=hostile, env={**os.environ, "PYTHONPATH": str(hostile)})
    assert done.returncode == 1, "it does not even start"
    assert sprung(hostile) != ""
    assert AMP[1:] == ("-m", "amp.cli")
