"""Crashes of a machine that is up: recovery, loops, core files, and barriers that are too weak."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from cli_runs import until
from live_machines import Home, Up, a_home, image, talk_to
from slow_sizes import size


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image(tmp_path_factory.mktemp("up") / "box.elf")


def machine_of(home: Home) -> dict[str, object]:
    [machine] = home.json("ps")["machines"]
    return dict(machine)


def readelf(what: str, path: Path) -> str:
    run = subprocess.run(["readelf", what, "--wide", path], capture_output=True, text=True, check=True, timeout=300)
    assert run.stderr == ""
    return run.stdout


def test_after_a_crash_connections_end_and_the_channels_are_back_under_their_names(
    firmware: Path, tmp_path: Path
) -> None:
    with a_home() as home, home.up(firmware, "--mode", "direct") as up:
        before = machine_of(home)
        with talk_to(home.path / "amp" / "box" / "rpmsg0") as program:
            program.send(b"before")
            assert program.recv(100) == b"before"
            tty = os.open(home.path / "amp" / "box" / "ttyRPMSG0", os.O_RDWR | os.O_NOCTTY)
            fault = home.amp("send", "failing", "fault", "--reply")
            assert (fault.returncode, fault.stderr) == (3, "amp: failing went before it replied\n")
            assert program.recv(100) == b"", "the end"
            assert os.read(tty, 100) == b"", "the hang-up"
            with pytest.raises(OSError, match="Input/output error"):
                os.write(tty, b"x")
            os.close(tty)
        line = up.line("crash 1: mmufault: ")
        assert "4 bytes at device address 0x70000000: in no window" in line
        up.line("recovered in ")
        assert home.told("send", "rpmsg-echo", "after", "--reply") == "after\n"
        after = machine_of(home)
        assert after["channels"] == before["channels"]
        assert after["core_pid"] != before["core_pid"]
        assert (after["crashes"], after["pid"]) == (1, before["pid"])

        assert "bytes\n" in home.told("coredump", "-o", tmp_path / "core")
        assert "CORE (Core file)" in readelf("-h", tmp_path / "core")
        assert re.search(r"LOAD .* 0x0*10000000 ", readelf("-l", tmp_path / "core")), "the text carveout"

        told = home.told("crash", "--kind", "watchdog")
        assert told == "crash 2: watchdog: reported by amp crash; recovered\n"
        assert re.match(
            r"crash 3: fatal error: .* was killed by SIGKILL; recovered\n", home.told("crash", "--kind", "kill")
        )


def test_without_recovery_the_core_stays_down_and_can_be_looked_at(firmware: Path, tmp_path: Path) -> None:
    with a_home() as home, home.up(firmware, "--no-recovery") as up:
        assert home.told("crash") == "crash 1: fatal error: reported by amp crash; the core stays down\n"
        up.line("recovery is off: the core stays down")
        machine = machine_of(home)
        assert (machine["state"], machine["core_pid"], machine["channels"]) == ("crashed", None, [])
        assert "(it has none; the core is crashed)" in home.refusal("send", "rpmsg-echo", "x")
        assert home.refusal("crash") == "amp: crash: the remote processor is crashed\n"
        assert home.told("trace") == "ready\n"
        assert [ring["in_flight"] for ring in home.json("vrings")["rings"]] == [16, 0]
        home.told("coredump", "-o", tmp_path / "core")
        assert "CORE (Core file)" in readelf("-h", tmp_path / "core")
        assert home.told("down") == "box is down\n"


def test_a_firmware_that_crashes_for_ever_is_left_alone_at_last(tmp_path: Path) -> None:
    module = tmp_path / "dies.py"
    module.write_text("def main(firmware):\n    firmware.rpmsg()\n    firmware.panic('as always')\n")
    with a_home() as home, home.up(image(tmp_path / "dies.elf", module)) as up:
        until(lambda: up.look() and "5 crashes within 10 s: the core stays down" in up.log, "the end of the loop")
        assert len(re.findall(r"crash \d: fatal error: Panic: as always", up.log)) == 5
        assert "dies is up; no boot has held, the core is crashed; Ctrl-C" in up.log
        machine = machine_of(home)
        assert (machine["state"], machine["crashes"]) == ("crashed", 5)


VIOLATION = re.compile(r"crash \d+: fatal error: .*Bad(Ring|Message): .*; written by the (host|remote)")


def goes_wrong(up: Up, echo: Path) -> str:
    """Send until the machine reports a crash that is a broken ring or message; what it says."""

    def found() -> re.Match[str] | None:
        up.look()
        with suppress(OSError), talk_to(echo) as program:
            program.settimeout(0.2)  # what is not answered by then is lost: a kick, or the message
            for number in range(50):
                program.send(b"%d" % number)
                program.recv(500)
        return VIOLATION.search(up.log)

    match: re.Match[str] = until(found, "a violation")
    return match[0]


@pytest.mark.parametrize(("platform", "barriers"), [("paranoid", "none"), ("omap4-2011", "smp")])
def test_barriers_that_are_too_weak_are_found_and_reported_and_the_machine_stays_up(
    firmware: Path, platform: str, barriers: str
) -> None:
    with a_home() as home, home.up(firmware, "--platform", platform, "--barriers", barriers) as up:
        assert goes_wrong(up, home.path / "amp" / "box" / "rpmsg0")
        assert int(str(machine_of(home)["crashes"])) >= 1
        os.kill(up.process.pid, signal.SIGTERM)
        assert up.ended() == ""
        assert home.entries == []


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["free", "direct"])
def test_many_crashes_leave_nothing_behind(firmware: Path, mode: str) -> None:
    with a_home() as home, home.up(firmware, "--mode", mode) as up:

        def held() -> int:
            """Descriptors and threads."""
            return sum(len(os.listdir(f"/proc/{up.process.pid}/{each}")) for each in ("fd", "task"))

        counts = []
        for number in range(1, size(30, 100) + 1):
            with talk_to(home.path / "amp" / "box" / "rpmsg0") as program:
                program.send(b"x")
                assert program.recv(100) == b"x"
                kind = ("watchdog", "mmufault", "fatal error", "kill")[number % 4]
                assert home.told("crash", "--kind", kind).startswith(f"crash {number}: ")
            until(lambda: len(machine_of(home)["channels"]) == 4, "the channels")  # type: ignore[arg-type]
            counts.append(held())
        assert max(counts) <= min(counts) + 2, counts  # a command's connection may not be closed yet


def test_the_trace_of_a_core_that_crashed_ends_with_its_last_line_whole(firmware: Path) -> None:
    """On the model, where its last stores were still under way when it died."""
    for _ in range(3):
        with a_home() as home, home.up(firmware, "--mode", "free", "--no-recovery") as up:
            assert home.amp("send", "failing", "fault", "--reply").returncode == 3
            up.line("recovery is off: the core stays down")
            [(name, text)] = home.json("trace")["traces"].items()
            ready, fatal = text.splitlines()
            assert ready == "ready"
            assert fatal.startswith("mmufault: MmuFault: 4 bytes at device address 0x70000000: in no window")
            assert any(line.endswith(f"{name}: {fatal}") for line in up.log.splitlines()), up.log
