"""Commands at once on one machine: each of them ends in an answer or in one clear line, never in silence.

Every command is a process of its own, forked off this one since that is a hundred times faster than starting one.
"""

from __future__ import annotations

import os
import random
import re
import select
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest
from live_machines import Home, a_home, image

from amp.cli.main import main
from amp.lab.live.control import CONNECTIONS_LIMIT

COMMAND_LIMIT_S = 60.0
GOING = (
    r"amp: (no machine( box)? is up; amp up FIRMWARE boots one|machine box is not up yet, or going down"
    r"|machine box has gone down|runtime directory .*)\n"
)
NO_SERVICE = r"amp: machine box has no service 'rpmsg-echo' \(it has none; the core is \w+\)\n"
WENT = r"amp: (rpmsg-echo went before it replied|the channel .*went before .*|rpmsg-echo sent nothing in 2 s)\n"
NO_CORE = r"amp: crash: the (remote processor is \w+|machine is going down)\n"
RINGS = r"(vdev0vring[01]: .*\n  .*\n  .*\n){2}|no rings: no rpmsg device is up\n"
# What a command may end with: status, stdout, stderr. A row is right by itself; none of them is silence.
Allowed = tuple[int, str, str]
GONE: tuple[Allowed, ...] = ((2, "", GOING),)
SENT: tuple[Allowed, ...] = ((2, "", NO_SERVICE), (3, "", WENT), *GONE)
COMMANDS: dict[tuple[str, ...], tuple[Allowed, ...]] = {
    ("down",): ((0, r"box is down\n", ""), *GONE),
    ("down", "-m", "box"): ((0, r"box is down\n", ""), *GONE),
    ("send", "rpmsg-echo", "hi", "--reply", "--timeout", "2"): ((0, r"hi\n", ""), *SENT),
    ("send", "rpmsg-echo", "hi"): ((0, "", r"amp: rpmsg-echo was sent 2 bytes\n"), *SENT),
    ("crash",): ((0, r"crash \d+: .*; (recovered|the core stays down)\n", ""), (2, "", NO_CORE), *GONE),
    ("crash", "--kind", "kill"): (
        (0, r"crash \d+: .*; (recovered|the core stays down)\n", ""),
        (2, "", NO_CORE),
        *GONE,
    ),
    ("trace",): ((0, r"(.*\n)+", ""), (0, "", r"amp: the firmware has (printed nothing yet|no trace)\n"), *GONE),
    ("vrings",): ((0, RINGS, ""), *GONE),
    ("ps",): ((0, r"(.*\n)*.*box(.*\n)*|no machine is up\n", ""), (0, "", GOING)),
    ("coredump", "-o", "/dev/null"): ((0, r"/dev/null: \d+ bytes\n", ""), (2, "", r"amp: .*no coredump: .*\n"), *GONE),
}


class Running(NamedTuple):
    """A command's process, and the read ends of its stdout and stderr."""

    words: tuple[str, ...]
    pid: int
    out: int
    err: int


def start(home: Home, *words: str) -> Running:
    out, err = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(home, words, out[1], err[1])
    os.close(out[1])
    os.close(err[1])
    return Running(words, pid, out[0], err[0])


def _child(home: Home, words: tuple[str, ...], out: int, err: int) -> NoReturn:
    status = 99
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.closerange(3, 200)  # other commands' pipes among them
        sys.stdout, sys.stderr = (os.fdopen(fd, "w", closefd=False) for fd in (1, 2))
        os.environ["XDG_RUNTIME_DIR"] = str(home.path)
        main(list(words))
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        status = int(end.code or 0)
    finally:
        os._exit(status)


def ended(command: Running) -> tuple[int, str, str]:
    """Its status, stdout and stderr. Fails if it takes longer than any command may."""
    deadline, told = time.monotonic() + COMMAND_LIMIT_S, {command.out: b"", command.err: b""}
    reading = set(told)
    while reading:
        ready, _, _ = select.select(reading, [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"{command.words} has not ended in {COMMAND_LIMIT_S:g} s"
        for fd in ready:
            part = os.read(fd, 65536)
            told[fd] += part
            if not part:
                reading.discard(fd)
                os.close(fd)
    _, status = os.waitpid(command.pid, 0)
    return os.waitstatus_to_exitcode(status), told[command.out].decode(), told[command.err].decode()


def is_allowed(words: tuple[str, ...], got: tuple[int, str, str]) -> bool:
    return any(
        got[0] == status and re.fullmatch(out, got[1]) and re.fullmatch(err, got[2])
        for status, out, err in COMMANDS[words]
    )


def raced(home: Home, firmware: Path, seconds: float, seed: int) -> dict[tuple[str, ...], set[int]]:
    """Commands in rounds of up to five at once, and the machine up again before each. The statuses met."""
    chosen, met = random.Random(seed), {words: set[int]() for words in COMMANDS}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not home.entries:
            up = ended(start(home, "up", str(firmware), "--mode", "direct", "--detach"))
            assert (up[0], up[2]) == (0, ""), up
        for command in [start(home, *words) for words in chosen.choices(list(COMMANDS), k=chosen.randint(2, 5))]:
            got = ended(command)
            assert is_allowed(command.words, got), (command.words, got)
            met[command.words].add(got[0])
    if home.entries:
        assert ended(start(home, "down"))[0] == 0
    assert home.entries == []
    return met


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image(tmp_path_factory.mktemp("up") / "box.elf")


def test_commands_at_once_end_in_an_answer_or_one_line(firmware: Path) -> None:
    with a_home() as home:
        raced(home, firmware, 3.0, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_hundred_seconds_of_commands_at_once_end_in_an_answer_or_one_line_each(firmware: Path) -> None:
    with a_home() as home:
        met = raced(home, firmware, 100.0, seed=2)
    assert {words for words, statuses in met.items() if 0 not in statuses} == set(), "each has worked, too"
    assert {words for words, statuses in met.items() if 2 in statuses} >= {("down",), ("crash",), ("trace",)}


def test_silence_is_allowed_to_no_command() -> None:
    for words in COMMANDS:
        assert not is_allowed(words, (0, "", ""))
        assert not is_allowed(words, (4, "", "amp: internal error: x\n"))


def test_idle_control_connections_keep_nobody_out(firmware: Path) -> None:
    with a_home() as home, home.up(firmware, "--mode", "direct"), ExitStack() as stack:
        for _ in range(2 * CONNECTIONS_LIMIT + 2):
            idle = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            idle.connect(str(home.path / "amp" / "box" / "control"))
        assert [each["name"] for each in home.json("ps")["machines"]] == ["box"]
        assert home.told("send", "rpmsg-echo", "hi", "--reply") == "hi\n"
        assert home.told("trace") == "ready\n"
        assert home.told("crash").endswith("; recovered\n")
        assert home.told("down") == "box is down\n"


def test_a_machine_that_does_not_answer_is_told_of_by_name(tmp_path: Path) -> None:
    with a_home() as home, home.up(image(tmp_path / "box.elf")) as up:
        control = home.path / "amp" / "box" / "control"
        control.unlink()
        for words in (("trace",), ("down", "box"), ("send", "rpmsg-echo", "x"), ("ps", "-m", "box")):
            assert home.refusal(*words) == "amp: machine box is not up yet, or going down\n"
        told = home.amp("ps")
        assert (told.returncode, told.stdout) == (0, "")
        assert told.stderr == "amp: machine box is not up yet, or going down\n"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as impostor:
            impostor.bind(str(control))
            impostor.listen()
            for said in (b"nonsense\n", b"{}\n", b'{"result": 1}\n', b'{"result": {"a": 1}}\n', b"x", b""):
                command = start(home, "vrings")
                connection, _ = impostor.accept()
                with connection:
                    connection.sendall(said)
                    connection.shutdown(socket.SHUT_WR)
                    status, out, err = ended(command)
                assert (status, out, err.count("\n")) == (2, "", 1), (said, err)
                assert re.match(r"amp: machine box.*(protocol|has gone down)", err), (said, err)
        up.process.terminate()
        assert up.ended() == ""
