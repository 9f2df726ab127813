"""rpmsgN and ttyRPMSGN: what ordinary programs find there."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runs import WAIT_LIMIT_S, until
from live_machines import Up, a_home, image, talk_to

PAYLOAD_BYTES = 496


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image(tmp_path_factory.mktemp("up") / "box.elf")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with a_home() as home, home.up(image(tmp_path_factory.mktemp("up") / "devices.elf")) as up:
        yield up


def device(machine: Up, service: str) -> Path:
    [found] = machine.home.json("ps")["machines"]
    return next(Path(channel["path"]) for channel in found["channels"] if channel["name"] == service)


def test_a_packet_of_every_size_comes_back_as_one_packet(machine: Up) -> None:
    with talk_to(device(machine, "rpmsg-echo")) as program:
        for size in range(PAYLOAD_BYTES + 1):
            data = bytes((size + at) % 256 for at in range(size))
            assert program.send(data) == size
            got, ancillary, flags, _ = program.recvmsg(1024, 64)
            assert (got, bool(ancillary), flags & socket.MSG_TRUNC) == (data, True, 0), size


def test_a_packet_that_is_too_long_ends_its_connection_and_the_log_says_why(machine: Up) -> None:
    path = device(machine, "rpmsg-echo")
    with talk_to(path) as program, talk_to(path) as other:
        program.send(bytes(PAYLOAD_BYTES + 1))
        data, ancillary, _, _ = program.recvmsg(1024, 64)
        assert (data, ancillary) == (b"", []), "the end, not an empty packet"
        machine.line("rpmsg0: a packet of more than 496 bytes: its connection is closed")
        other.send(b"still here")
        assert other.recv(100) == b"still here"


def test_a_program_that_has_said_all_still_hears_the_answers_and_its_endpoint_goes_with_it(machine: Up) -> None:
    path = device(machine, "rpmsg-echo")
    with talk_to(path) as program:
        for number in range(20):
            program.send(b"%d" % number)
        program.shutdown(socket.SHUT_WR)
        assert [program.recv(100) for _ in range(20)] == [b"%d" % number for number in range(20)]

    def connections() -> int:
        [found] = machine.home.json("ps")["machines"]
        return int(next(each for each in found["channels"] if each["name"] == "rpmsg-echo")["connections"])

    asked = 0
    while connections():
        asked += 1
        assert asked < 100, "each asking takes longer than one look"


def test_every_connection_is_an_endpoint_of_its_own(machine: Up) -> None:
    path = device(machine, "rpmsg-echo")
    programs = [talk_to(path) for _ in range(8)]
    for number, program in enumerate(programs):
        program.send(b"%d" % number)
    assert [program.recv(100) for program in programs] == [b"%d" % number for number in range(8)]
    [found] = machine.home.json("ps")["machines"]
    assert next(each for each in found["channels"] if each["name"] == "rpmsg-echo")["connections"] == 8
    for program in programs:
        program.close()


def test_what_is_written_to_the_tty_comes_back_raw_and_whole(machine: Up) -> None:
    path = device(machine, "rpmsg-tty")
    assert path.is_symlink()
    data = bytes(range(256)) * 200
    written = 0
    got = b""
    tty = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        while len(got) < len(data):
            wants = [tty] if written < len(data) else []
            readable, writable, _ = select.select([tty], wants, [], WAIT_LIMIT_S)
            assert readable or writable, f"{len(got)} of {len(data)} bytes"
            if writable:
                written += os.write(tty, data[written : written + 4000])
            if readable:
                got += os.read(tty, 65536)
    finally:
        os.close(tty)
    assert got == data


def test_cat_reads_the_tty(machine: Up) -> None:
    path = device(machine, "rpmsg-tty")
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat:
        try:
            path.write_bytes(b"one line\n")
            assert cat.stdout is not None
            assert cat.stdout.readline() == b"one line\n"
        finally:
            cat.kill()


def test_a_program_is_held_back_while_no_buffer_is_free_and_hung_up_on_when_the_core_crashes(machine: Up) -> None:
    with talk_to(device(machine, "keeper")) as program:
        program.setblocking(False)

        def full() -> bool:
            try:
                program.send(bytes(PAYLOAD_BYTES))
            except BlockingIOError:
                rings = machine.home.json("vrings")["rings"]
                # Every buffer is with the firmware, and nothing more fits into the socket: nobody reads it.
                return rings[1]["in_flight"] == rings[1]["num"] and not select.select([], [program], [], 0)[1]
            return False

        until(full, "the ring is full")
        machine.home.told("crash", "--kind", "kill")
        program.setblocking(True)
        program.settimeout(WAIT_LIMIT_S)
        with pytest.raises(ConnectionError):  # EPIPE; ECONNRESET first, for what was never read
            until(lambda: program.send(b"x") and None, "the hang-up")
    machine.line("rpmsg1: 16 messages sent and not acknowledged")
    assert machine.home.told("send", "rpmsg-echo", "free again", "--reply") == "free again\n"


CROWD = """
def main(firmware):
    bus = firmware.rpmsg()
    services = [bus.create_endpoint(f"service{number}", leave) for number in range(270)]
    bus.serve()

def leave(endpoint, message):
    endpoint.close()
"""


def test_services_come_and_go_and_beyond_a_limit_have_no_device(tmp_path: Path) -> None:
    module = tmp_path / "crowd.py"
    module.write_text(CROWD)
    with a_home() as home, home.up(image(tmp_path / "crowd.elf", module)) as up:
        directory = home.path / "amp" / "crowd"
        until(lambda: up.look() and "service263 addr 1287: no device" in up.log, "the 8th without")
        assert len(list(directory.glob("rpmsg*"))) == 256
        with talk_to(directory / "rpmsg7") as program:
            program.send(b"leave")
            assert program.recv(100) == b"", "the service has ended"
        up.line("channel service7 addr 1031: rpmsg7 is gone")
        assert not (directory / "rpmsg7").exists()
        assert home.amp("send", "service8", "leave", "--reply").returncode == 3
        assert len(list(directory.glob("rpmsg*"))) == 254


@pytest.mark.parametrize("kind", ["fatal error", "kill"])
def test_what_a_program_that_has_left_loses_in_a_crash_is_logged(firmware: Path, kind: str) -> None:
    with a_home() as home, home.up(firmware, "--mode", "direct") as machine:
        few = left_behind(home.path / "amp" / "box" / "rpmsg1", 3)
        until(lambda: home.json("vrings")["rings"][1]["in_flight"] >= 3, "three messages")
        until(lambda: home.json("ps")["machines"][0]["channels"][2]["connections"] == 0, "its end")
        home.told("crash", "--kind", kind)
        machine.line(f"rpmsg1: pid {few} has left; 3 messages of it sent and not acknowledged")
        machine.line("recovered in ")
        until(lambda: len(home.json("ps")["machines"][0]["channels"]) == 4, "the channels")
        many = left_behind(home.path / "amp" / "box" / "rpmsg1", 20)
        until(lambda: home.json("vrings")["rings"][1]["in_flight"] == 16, "no buffer left")
        home.told("crash", "--kind", kind)
        machine.line("crash 2: ")
        until(lambda: machine.look() and "recovered" in machine.log.partition("crash 2: ")[2], "the recovery")
        lost = machine.log.partition("recovered in ")[2]
        assert "rpmsg1: 16 messages sent and not acknowledged" in lost
        assert f"rpmsg1: 4 messages of pid {many} taken and not sent" in lost


def left_behind(device: Path, messages: int) -> int:
    """The pid of a program that has written so many messages, and is gone."""
    script = f"""
import os, socket
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as echo:
    echo.connect({str(device)!r})
    for number in range({messages}):
        echo.send(b"%d" % number)
print(os.getpid())
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=240)
    return int(run.stdout)


def test_bytes_that_a_tty_has_taken_and_nobody_will_send_are_logged(firmware: Path) -> None:
    with a_home() as home, home.up(firmware, "--mode", "direct") as machine:
        left_behind(home.path / "amp" / "box" / "rpmsg1", 16)
        until(lambda: home.json("vrings")["rings"][1]["in_flight"] == 16, "no buffer left")
        tty = os.open(home.path / "amp" / "box" / "ttyRPMSG0", os.O_RDWR | os.O_NOCTTY)
        os.write(tty, bytes(range(97, 117)))
        os.close(tty)
        home.told("crash")
        machine.line("ttyRPMSG0: 20 bytes taken and not sent")
