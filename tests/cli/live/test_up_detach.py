"""`amp up --detach` says "is up" of what is up, and else why not: in one line, with nothing left."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from cli_runs import WAIT_LIMIT_S, until, watched
from live_machines import Home, a_home, image

AMP = (sys.executable, "-m", "amp.cli")
NO_RPMSG = "from amp.remoteproc.spec import Firmware\nFIRMWARE = Firmware(vdevs=())\n"
ANNOUNCES = "bus = firmware.rpmsg()\nbus.create_endpoint('doomed', lambda *_: None)\n"
DIES = [
    ("raise OSError('no such bus')", "OSError: no such bus"),
    ("import os; os._exit(9)", "ended with status 9"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL"),
    (ANNOUNCES + "firmware.panic('announced, and dies')", "Panic: announced, and dies"),
    (ANNOUNCES + "firmware.wait(0.1)\nfirmware.panic('a moment later')", "Panic: a moment later"),
    ("firmware.pet(); firmware.wait(0.2)\nfirmware.panic('pets first')", "Panic: pets first"),
    ("firmware.memory.load_u32(0x7000_0000)", "MmuFault: "),
]


def firmware(directory: Path, body: str, head: str = "") -> Path:
    module = directory / "dies.py"
    module.write_text(f"{head}def main(firmware):\n{textwrap.indent(body, '    ')}\n")
    return image(directory / "dies.elf", module)


def nothing_is_up(home: Home, run: subprocess.CompletedProcess[str], why: str) -> None:
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1), (run.stdout, run.stderr)
    assert why in run.stderr
    assert home.entries == []


WITHOUT_BUS = [pytest.param(NO_RPMSG, *row, marks=pytest.mark.slow) for row in DIES[1:] if "bus" not in row[0]]


@pytest.mark.a_few(3)
@pytest.mark.parametrize(("head", "body", "why"), [*(("", *row) for row in DIES), (NO_RPMSG, *DIES[1]), *WITHOUT_BUS])
def test_a_firmware_that_dies_at_every_boot_is_never_up(tmp_path: Path, head: str, body: str, why: str) -> None:
    with a_home() as home:
        run = home.process("up", firmware(tmp_path, body, head), "--mode", "direct", "--detach")
        nothing_is_up(home, run, why)
        assert "machine dies: no boot has held" in run.stderr or "the core died while" in run.stderr


def test_without_recovery_the_first_crash_is_enough(tmp_path: Path) -> None:
    with a_home() as home:
        run = home.process("up", firmware(tmp_path, "firmware.panic('once')"), "--no-recovery", "--detach", "--json")
        nothing_is_up(home, run, "Panic: once")


def test_a_firmware_that_never_pets_its_watchdog_is_not_up(tmp_path: Path) -> None:
    with a_home() as home:
        busy = firmware(tmp_path, "while True:\n    pass")
        run = home.process("up", busy, "--watchdog", "0.2", "--mode", "direct", "--detach")
        nothing_is_up(home, run, "the heartbeat stood still at 1 for 0.2 s")


def test_a_firmware_whose_second_boot_holds_is_up(tmp_path: Path) -> None:
    once = "import os\nif not os.path.exists({0!r}):\n    open({0!r}, 'w').close()\n    firmware.panic('first time')"
    with a_home() as home:
        body = once.format(str(tmp_path / "been")) + "\n" + ANNOUNCES + "bus.serve()"
        run = home.process("up", firmware(tmp_path, body), "--mode", "direct", "--detach")
        assert (run.returncode, run.stderr) == (0, "")
        assert "dies is up: pid " in run.stdout
        assert "channel doomed addr 1024" in run.stdout
        assert home.json("ps")["machines"][0]["crashes"] == 1
        home.told("down")


def test_confined_firmware_is_up_and_what_it_may_not_is_its_crash(tmp_path: Path) -> None:
    with a_home() as home:
        body = ANNOUNCES + "bus.serve()"
        run = home.process("up", firmware(tmp_path, body), "--confine", "--detach", "--json")
        assert (run.returncode, run.stderr) == (0, "")
        [machine] = home.json("ps")["machines"]
        assert (machine["confined"], machine["state"], machine["crashes"]) == (True, "running", 0)
        assert "Seccomp:\t2" in Path(f"/proc/{machine['core_pid']}/status").read_text()
        assert home.told("crash").endswith("; recovered\n")
        again = Path(f"/proc/{home.json('ps')['machines'][0]['core_pid']}/status")
        until(lambda: "Seccomp:\t2" in again.read_text(), "confined again")
        with watched(int(again.parent.name)) as ended:
            os.kill(machine["pid"], signal.SIGKILL)
            ended()
        thief = firmware(tmp_path, "import socket\nsocket.create_connection(('127.0.0.1', 9))")
        nothing_is_up(home, home.process("up", thief, "--confine", "--detach"), "PermissionError")


def limited(home: Home, what: int, limit: int, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*AMP, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=home.environment,
        preexec_fn=lambda: resource.setrlimit(what, (limit, limit)),
    )


@pytest.mark.a_few(3)
@pytest.mark.parametrize("descriptors", [8, 12, 24, 63])
@pytest.mark.parametrize("detach", [("--detach",), ()], ids=["detached", "foreground"])
def test_with_too_few_descriptors_one_line_says_so(tmp_path: Path, descriptors: int, detach: tuple[str, ...]) -> None:
    with a_home() as home:
        quiet = firmware(tmp_path, "pass")
        run = limited(home, resource.RLIMIT_NOFILE, descriptors, "up", quiet, *detach)
        nothing_is_up(home, run, "(ulimit -n")


@pytest.mark.parametrize(
    "kib",
    [
        *(60_000, 90_000, 120_000, 200_000),
        *(pytest.param(kib, marks=pytest.mark.slow) for kib in range(48_000, 76_000, 500)),  # where threads are started
    ],
)
def test_with_too_little_memory_one_line_says_so_or_it_is_up(tmp_path: Path, kib: int) -> None:
    """What an interpreter takes is not ours to say: both ends are right; "is up" of a core that never starts is not."""
    with a_home() as home:
        quiet = firmware(tmp_path, ANNOUNCES + "bus.serve()")
        run = limited(home, resource.RLIMIT_AS, kib << 10, "up", quiet, "--mode", "direct", "--detach")
        if run.returncode:
            nothing_is_up(home, run, "")
        else:
            assert [each["state"] for each in home.json("ps")["machines"]] == ["running"]
            assert "channel doomed" in run.stdout
            home.told("down")


@pytest.mark.parametrize("closed", [(0,), (0, 2)], ids=str)
def test_standard_streams_that_are_closed_change_nothing(tmp_path: Path, closed: tuple[int, ...]) -> None:
    with a_home() as home:
        quiet = firmware(tmp_path, ANNOUNCES + "bus.serve()")
        started = subprocess.run(
            [*AMP, "up", str(quiet), "--detach"],
            capture_output=True,
            timeout=240,
            check=False,
            env=home.environment,
            preexec_fn=lambda: [os.close(each) for each in closed],
        )
        assert started.returncode == 0, started.stderr
        [machine] = home.json("ps")["machines"]
        assert (machine["state"], machine["crashes"]) == ("running", 0)
        held = [os.readlink(f"/proc/{machine['pid']}/fd/{each}") for each in range(3)]
        assert held == ["/dev/null"] * 3
        home.told("down")


def test_a_machine_that_is_told_to_go_down_while_it_comes_up_says_so(tmp_path: Path) -> None:
    with a_home() as home:
        never = firmware(tmp_path, "while True:\n    pass")
        with subprocess.Popen(
            [*AMP, "up", str(never), "--detach"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=home.environment
        ) as starting:
            told = home.amp("down", "dies")
            while "is not up yet" in told.stderr or "is up" in told.stderr:
                told = home.amp("down", "dies")
            out, err = starting.communicate(timeout=WAIT_LIMIT_S)
        assert (told.returncode, told.stdout) == (0, "dies is down\n")
        assert (starting.returncode, out) == (3, b"")
        assert err == b"amp: machine dies: it was told to go down before a boot had held\n"
        assert home.entries == []
