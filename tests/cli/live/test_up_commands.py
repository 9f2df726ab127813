"""The second terminal: commands that find a machine by name and talk to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cli_runs import WAIT_LIMIT_S, watched
from commands import AMP
from live_machines import Home, a_home, image, talk_to

from amp.cli.live.commands import COMMANDS


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image(tmp_path_factory.mktemp("up") / "box.elf")


@pytest.fixture(scope="module")
def home(firmware: Path) -> Iterator[Home]:
    """With one machine, called box, that is up."""
    with a_home() as home, home.up(firmware):
        yield home


def test_ps_says_what_is_up_and_where_its_services_are(home: Home) -> None:
    [box] = home.json("ps")["machines"]
    told = {key: box[key] for key in ("name", "state", "firmware", "mode", "platform", "barriers", "crashes")}
    assert told == {
        "name": "box",
        "state": "running",
        "firmware": "box.elf",
        "mode": "free",
        "platform": "omap4-2011",
        "barriers": "virtio-strong",
        "crashes": 0,
    }
    assert [(each["name"], each["addr"], each["device"], each["kind"]) for each in box["channels"]] == [
        ("rpmsg-echo", 1024, "rpmsg0", "seqpacket"),
        ("rpmsg-tty", 1025, "ttyRPMSG0", "pty"),
        ("keeper", 1026, "rpmsg1", "seqpacket"),
        ("failing", 1027, "rpmsg2", "seqpacket"),
    ]
    table = home.told("ps")
    assert "free, omap4-2011" in table
    assert str(home.path / "amp" / "box" / "rpmsg0") in table


def test_send_prints_the_reply(home: Home) -> None:
    sent = home.process("send", "rpmsg-echo", "hello", "--reply")
    assert (sent.returncode, sent.stdout, sent.stderr) == (0, "hello\n", "")
    assert home.told("send", "rpmsg-echo", "", "--reply", "--machine", "box") == "\n"
    told = home.amp("send", "rpmsg-echo", "nobody waits")
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "amp: rpmsg-echo was sent 12 bytes\n")
    assert home.told("send", "rpmsg-tty", "by the pty", "--reply") == "by the pty\n"
    assert home.json("send", "rpmsg-echo", "é", "--reply")["hex"] == "c3a9"


def test_a_reply_that_does_not_come_is_exit_status_3(home: Home) -> None:
    run = home.amp("send", "failing", "no answer to that", "--reply", "--timeout", "0.1")
    assert (run.returncode, run.stdout, run.stderr) == (3, "", "amp: failing sent nothing in 0.1 s\n")


def test_listen_prints_what_comes(home: Home) -> None:
    assert home.told("listen", "rpmsg-echo", "--count", "1", "--send", "ping") == "ping\n"
    heard = home.json("listen", "rpmsg-echo", "--count", "1", "--send", "ping")
    assert [each["text"] for each in heard["messages"]] == ["ping"]
    assert home.amp("listen", "rpmsg-echo", "--count", "1", "--timeout", "0.1").returncode == 3


def test_trace_follows_what_the_firmware_prints(home: Home) -> None:
    assert home.told("trace").startswith("ready\n")
    with subprocess.Popen(
        [*AMP, "trace", "--follow"], stdout=subprocess.PIPE, text=True, env=home.environment
    ) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "ready\n"
        for word in ("first", "second"):
            assert home.told("send", "failing", f"print {word}", "--reply") == "printed\n"
            assert follower.stdout.readline() == f"{word}\n"
        follower.terminate()
    assert home.json("trace")["traces"]["trace0"].endswith("first\nsecond\n")


def test_the_numbers_of_vrings_add_up(home: Home) -> None:
    before = home.json("vrings")["rings"]
    for _ in range(3):
        assert home.told("send", "rpmsg-echo", "x", "--reply") == "x\n"
    rings = home.json("vrings")["rings"]
    assert [ring["name"] for ring in rings] == ["vdev0vring0", "vdev0vring1"]
    for ring in rings:
        assert (ring["num"], ring["align"]) == (16, 4096)
        assert ring["free"] + ring["in_flight"] == 16, "a message is one descriptor"
        # Where Linux puts them: include/uapi/linux/virtio_ring.h, vring_init.
        assert ring["avail"] == ring["desc"] + 16 * 16
        assert ring["used"] == ring["desc"] + 4096
    receiving, sending = rings
    assert receiving["in_flight"] == 16, "every receive buffer is with the firmware"
    assert (receiving["avail_idx"] - receiving["used_idx"]) % 65536 == 16
    assert receiving["used_idx"] == before[0]["used_idx"] + 3
    assert sending["avail_idx"] == sending["used_idx"] == before[1]["avail_idx"] + 3, "all were read"
    assert sending["kicks"] == before[1]["kicks"] + 3
    assert 0 <= sending["last_kick_s"] < WAIT_LIMIT_S
    text = home.told("vrings")
    assert "vdev0vring1: 16 entries, align 4096, notify id 1" in text
    assert f"avail.idx {sending['avail_idx']}, used.idx {sending['used_idx']}" in text


def test_a_service_that_is_not_there_is_refused_with_those_that_are(home: Home) -> None:
    assert home.refusal("send", "rpmsg-ecko", "x") == (
        "amp: machine box has no service 'rpmsg-ecko'; did you mean rpmsg-echo? "
        "(known: failing, keeper, rpmsg-echo, rpmsg-tty)\n"
    )


def test_other_mistakes_are_one_line_and_status_2(home: Home, firmware: Path, tmp_path: Path) -> None:
    (tmp_path / "no.elf").write_bytes(b"\x7fELF")
    for arguments, text in (
        (("up", firmware), "machine box is up already"),
        (("up", tmp_path / "none.elf"), "none.elf: No such file or directory"),
        (("up", tmp_path / "no.elf"), "firmware image"),
        (("up", firmware, "--name", "a/b"), "machine name 'a/b'"),
        (("up", firmware, "--name", "c", "--barriers", "smb"), "did you mean smp?"),
        (("up", firmware, "--name", "c", "--mode", "direct", "--platform", "sc"), "no meaning in direct mode"),
        (("up", firmware, "--name", "c", "--memory", "4096"), "memory is 4096 bytes"),
        (("send", "rpmsg-echo", "x", "-m", "bax"), "no machine 'bax' is up (there is box)"),
        (("send", "rpmsg-echo", "x" * 497), "message is 497 bytes, at most 496 fit"),
        (("down", "bax"), "no machine 'bax' is up"),
        (("crash", "--kind", "boredom"), "known: watchdog, mmufault, fatal error, kill"),
        (("coredump", "-o", tmp_path / "core"), "no coredump: 0 crashes"),
    ):
        assert text in home.refusal(*arguments), arguments
    assert home.entries == ["box"]


def test_with_two_machines_up_a_command_wants_a_name(home: Home, firmware: Path) -> None:
    started = home.process("up", firmware, "--name", "second", "--mode", "direct", "--detach", "--json")
    assert (started.returncode, started.stderr) == (0, "")
    up = json.loads(started.stdout)["machine"]
    with watched(up["pid"], up["core_pid"]) as all_ended:
        assert up["state"] == "running"
        assert len(up["channels"]) == 4
        assert "2 machines are up: say which with --machine (box, second)" in home.refusal("trace")
        assert home.told("send", "rpmsg-echo", "hi", "--reply", "-m", "second") == "hi\n"
        again = home.process("up", firmware, "--name", "second", "--detach")
        assert (again.returncode, again.stdout) == (2, "")
        assert again.stderr == "amp: machine second is up already (amp down second, or another --name)\n"
        command = [*AMP, "trace", "--follow", "--machine", "second"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=home.environment) as follower:
            assert follower.stdout is not None
            assert follower.stdout.readline() == "ready\n"
            assert home.told("down", "second") == "second is down\n"
            assert follower.wait(WAIT_LIMIT_S) == 0, "its end is no error"
        all_ended()
    assert home.entries == ["box"]


WITH_A_MACHINE = {
    "ps": (),
    "down": (),
    "send": ("rpmsg-echo", "x"),
    "listen": ("rpmsg-echo", "--count", "1", "--send", "x"),
    "trace": (),
    "vrings": (),
    "crash": (),
    "coredump": ("-o", "core"),
}


@pytest.mark.parametrize("option", ["-m", "--machine"])
@pytest.mark.parametrize("command", WITH_A_MACHINE)
def test_every_command_takes_the_machine_by_the_same_option(home: Home, command: str, option: str) -> None:
    assert "-m, --machine NAME" in home.told(command, "--help")
    told = home.refusal(command, *WITH_A_MACHINE[command], option, "bax")
    assert told == "amp: no machine 'bax' is up (there is box)\n"


def test_no_other_command_takes_a_machine_and_the_docs_know_the_option() -> None:
    named = {command.name for command in COMMANDS if any("--machine" in each.opts for each in command.params)}
    assert named == set(WITH_A_MACHINE) == {command.name for command in COMMANDS} - {"up"}
    docs = (Path(__file__).parents[3] / "docs" / "rpmsg.md").read_text()
    assert "`-m NAME` (`--machine NAME`)" in docs
    assert all(f"| `amp {name}" in docs for name in named)


def test_a_machine_goes_down_by_name_whichever_way_it_is_said(firmware: Path) -> None:
    with a_home() as home:
        for arguments in (
            ("down", "-m", "box"),
            ("down", "--machine", "box"),
            ("down", "box"),
            ("down", "box", "-m", "box"),
        ):
            with home.up(firmware, "--mode", "direct") as up:
                assert [each["name"] for each in home.json("ps", "-m", "box")["machines"]] == ["box"]
                told = home.refusal("down", "box", "-m", "bax")
                assert told == "amp: down: NAME is 'box' and --machine 'bax': say one of them\n"
                assert home.told(*arguments) == "box is down\n"
                assert up.ended() == ""


def test_nobody_is_up_and_commands_say_so() -> None:
    with a_home() as home:
        assert home.refusal("trace") == "amp: no machine is up; amp up FIRMWARE boots one\n"
        assert home.told("ps") == "no machine is up\n"
        assert home.json("ps")["machines"] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_after_a_signal(firmware: Path, number: signal.Signals) -> None:
    with a_home() as home, home.up(firmware) as up:
        [machine] = home.json("ps")["machines"]
        with watched(machine["core_pid"]) as all_ended, talk_to(Path(machine["channels"][0]["path"])) as program:
            os.killpg(up.process.pid, number)
            with suppress(ConnectionResetError):  # so it is told if the machine had not taken it in yet
                assert program.recv(10) == b""
            assert up.ended() == ""
            assert up.log.endswith(" down\n")
            all_ended()
        assert home.entries == []


def test_after_kill_9_the_core_is_gone_and_the_next_command_sweeps(firmware: Path) -> None:
    with a_home() as home, home.up(firmware) as up:
        [machine] = home.json("ps")["machines"]
        with watched(machine["core_pid"]) as all_ended:
            up.process.kill()
            up.process.wait(WAIT_LIMIT_S)
            all_ended()
        assert home.entries == ["box"]
        assert home.json("ps")["machines"] == []
        assert home.entries == []
        with home.up(firmware):  # the name is free
            assert home.entries == ["box"]


STRANGER = 65534  # "nobody"
CONNECT = """
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
kind = socket.SOCK_STREAM if sys.argv[2].endswith("control") else socket.SOCK_SEQPACKET
with socket.socket(socket.AF_UNIX, kind) as connection:
    connection.settimeout(240)
    try:
        connection.connect(sys.argv[2])
        connection.sendall(b'{"op": "describe", "version": 1}\\n')
        print("got", connection.recv(100))
    except OSError as error:
        print(type(error).__name__)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_is_kept_out_by_the_directory_and_without_it_by_the_sockets(home: Home) -> None:
    def tried(name: str) -> str:
        path = home.path / "amp" / "box" / name
        command = [sys.executable, "-c", CONNECT, str(STRANGER), str(path)]
        return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_LIMIT_S, check=True).stdout

    closed = [home.path, home.path / "amp", home.path / "amp" / "box"]
    sockets = [closed[2] / "control", closed[2] / "rpmsg0"]
    assert [tried(path.name) for path in sockets] == ["PermissionError\n"] * 2
    modes = [path.stat().st_mode for path in (*closed, *sockets)]
    try:
        for path in (*closed, *sockets):
            path.chmod(0o777)  # as somebody careless might
        for path in sockets:
            assert tried(path.name) in ("got b''\n", "ConnectionResetError\n", "BrokenPipeError\n")
    finally:
        for path, mode in zip((*closed, *sockets), modes, strict=True):
            path.chmod(mode)
    assert home.told("send", "rpmsg-echo", "ours", "--reply") == "ours\n"
