"""The control socket takes nothing that comes to be well formed."""

from __future__ import annotations

import asyncio
import json
import select
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amp.errors import RprocError, UsageError
from amp.lab.live import protocol
from amp.lab.live.control import CONNECTIONS_LIMIT, PATIENT_LIMIT, ControlServer, parse

REQUESTS = (
    protocol.Describe(version=1),
    protocol.Find(version=1, service="rpmsg-echo", timeout_s=1.5),
    protocol.Trace(version=1, follow=True),
    protocol.Vrings(version=1),
    protocol.CrashIt(version=1, kind="watchdog"),
    protocol.Coredump(version=1),
    protocol.Down(version=1),
)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: type(each).__name__)
def test_every_request_comes_over_as_it_was(request_: protocol.AnyRequest) -> None:
    assert parse(msgspec.json.encode(request_) + b"\n") == request_


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(lambda each: json.dumps(each).encode())
)
def test_whatever_else_comes_is_refused_in_one_line(line: bytes) -> None:
    with pytest.raises(UsageError) as refused:
        parse(line)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b'{"op": "describe"}', "missing required field `version`"),
        (b'{"op": "describe", "version": 2}', "version is 2, this machine speaks 1"),
        (b'{"op": "of tomorrow", "version": 2}', "version is 2, this machine speaks 1"),
        (b'{"op": "reboot", "version": 1}', "Invalid value 'reboot'"),
        (b'{"op": "describe", "version": 1, "more": 1}', "unknown field `more`"),
        (b'{"op": "find", "version": 1, "service": "x", "timeout_s": 1e9}', "<= 60.0"),
        (b'{"op": "find", "version": 1, "service": "' + b"x" * 65 + b'"}', "length <= 64"),
        (b"[" * 60_000, "request: "),
    ],
)
def test_what_is_wrong_is_named(line: bytes, text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(line)
    assert text in str(refused.value)


class Answers:
    """A machine that has nothing to say, for the server to ask."""

    def __init__(self) -> None:
        self.followers: list[Callable[[str, str], None]] = []
        self.was_told_down = False

    def describe(self) -> protocol.MachineInfo:
        raise RprocError("the machine says no")

    async def find(self, service: str, timeout_s: float) -> protocol.ChannelInfo:
        raise UsageError(f"no {service} in {timeout_s} s")

    def traces(self) -> dict[str, str]:
        return {"trace0": "text"}

    def follow(self, follower: Callable[[str, str], None]) -> Callable[[], None]:
        self.followers.append(follower)
        return lambda: self.followers.remove(follower)

    def vrings(self) -> tuple[protocol.RingInfo, ...]:
        return ()

    async def crash(self, kind: str) -> protocol.CrashInfo:
        return protocol.CrashInfo(number=1, kind=kind, text="", recovered=True)

    def coredump(self) -> bytes:
        return b"\x7fELF\n\0"

    def down(self) -> None:
        self.was_told_down = True


def served(tmp_path: Path, talk: Callable[[socket.socket], Any], silent_limit_s: float = 10.0) -> tuple[Any, Answers]:
    """What `talk` returns of a client's connection, made in another thread."""
    answers, path = Answers(), tmp_path / "control"

    def client() -> Any:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(240)
            connection.connect(str(path))
            return talk(connection)

    async def both() -> Any:
        async with ControlServer(path, answers, silent_limit_s=silent_limit_s):
            return await asyncio.to_thread(client)

    return asyncio.run(both()), answers


def until_the_end(connection: socket.socket) -> bytes:
    data = b""
    while part := connection.recv(65536):
        data += part
    return data


def test_requests_are_answered_in_order_and_a_refusal_ends_nothing(tmp_path: Path) -> None:
    def talk(connection: socket.socket) -> bytes:
        for op in ("describe", "vrings", "coredump", "down"):
            connection.sendall(b'{"op": "%s", "version": 1}\n' % op.encode())
        connection.shutdown(socket.SHUT_WR)
        return until_the_end(connection)

    data, answers = served(tmp_path, talk)
    assert data == (b'{"error":"the machine says no","status":4}\n{"result":[]}\n{"result":6}\n\x7fELF\n\0{}\n')
    assert answers.was_told_down


@pytest.mark.parametrize(
    ("sent", "error"),
    [(b"nonsense\n", "request: JSON is malformed"), (b"x" * (1 << 17), "a request has at most 65536 bytes")],
)
def test_what_is_no_request_ends_the_connection_with_an_error(tmp_path: Path, sent: bytes, error: str) -> None:
    def talk(connection: socket.socket) -> bytes:
        try:
            connection.sendall(sent)
            return until_the_end(connection)
        except ConnectionResetError:  # it did not read all of it
            return b""

    data, _ = served(tmp_path, talk)
    if data:
        assert error in json.loads(data)["error"]
    else:
        assert len(sent) > protocol.LINE_LIMIT_BYTES


def test_a_follower_is_told_until_it_hangs_up(tmp_path: Path) -> None:
    def talk(connection: socket.socket) -> bytes:
        connection.sendall(b'{"op": "trace", "version": 1, "follow": true}\n')
        return connection.recv(1000)

    data, answers = served(tmp_path, talk)
    assert json.loads(data) == {"result": {"trace0": "text"}}
    assert answers.followers == []


DESCRIBE = b'{"op": "vrings", "version": 1}\n'
FOLLOW = b'{"op": "trace", "version": 1, "follow": true}\n'


def another(connection: socket.socket) -> socket.socket:
    """One more connection to where that one goes."""
    more = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    more.settimeout(10)
    more.connect(connection.getpeername())
    return more


def test_who_is_silent_makes_room_for_who_has_something_to_say(tmp_path: Path) -> None:
    def talk(first: socket.socket) -> list[bytes]:
        answers = []
        with ExitStack() as stack:
            for _ in range(3 * CONNECTIONS_LIMIT):
                silent = stack.enter_context(another(first))
                silent.sendall(b'{"op": ')  # half a line is no request
                with another(first) as speaks:
                    speaks.sendall(DESCRIBE)
                    answers.append(speaks.recv(1000))
            answers.append(until_the_end(first))  # it was silent longest
            silent.sendall(b'"vrings", "version": 1}\n')
            answers.append(silent.recv(1000))
        return answers

    data, _ = served(tmp_path, talk)
    assert data[: 3 * CONNECTIONS_LIMIT] == [b'{"result":[]}\n'] * (3 * CONNECTIONS_LIMIT)
    told, last = data[-2:]
    assert json.loads(told) == {"error": "64 others came, and this one said nothing", "status": 3}
    assert last == b'{"result":[]}\n', "the last half line is made whole"


def test_who_says_nothing_for_long_is_told_so_and_hung_up_on(tmp_path: Path) -> None:
    def talk(connection: socket.socket) -> bytes:
        connection.sendall(DESCRIBE + DESCRIBE[:5])
        return until_the_end(connection)

    data, _ = served(tmp_path, talk, silent_limit_s=0.2)
    assert data == b'{"result":[]}\n{"error":"no request came in 0.2 s","status":3}\n'


def test_followers_leave_room_for_orders(tmp_path: Path) -> None:
    def talk(first: socket.socket) -> tuple[list[dict[str, Any]], bytes]:
        with ExitStack() as stack:
            followers = [stack.enter_context(another(first)) for _ in range(PATIENT_LIMIT + 2)]
            told = []
            for each in followers:
                each.sendall(FOLLOW)
                told.append(json.loads(each.recv(1000)))
            for op in (b'"find", "service": "x", "timeout_s": 60', b'"trace"', b'"down"'):
                first.sendall(b'{"version": 1, "op": %s}\n' % op)
            first.shutdown(socket.SHUT_WR)
            return told, until_the_end(first)

    (told, orders), answers = served(tmp_path, talk)
    assert [each.get("result") for each in told] == [{"trace0": "text"}] * PATIENT_LIMIT + [None] * 2
    assert told[-1] == {"error": f"{PATIENT_LIMIT} others follow or wait: try again later", "status": 3}
    assert orders == b'{"error":"no x in 0.0 s","status":2}\n{"result":{"trace0":"text"}}\n{}\n'
    assert answers.was_told_down


def test_who_does_not_read_is_hung_up_on_after_a_while(tmp_path: Path) -> None:
    def talk(connection: socket.socket) -> int:
        connection.setblocking(False)
        answers = 0
        try:
            for _ in range(100_000):
                select.select([], [connection], [], 10)
                connection.send(DESCRIBE * 50)
                answers += 50
        except OSError:  # hung up on
            return answers
        return 0

    data, _ = served(tmp_path, talk, silent_limit_s=0.2)
    assert data > 0


def test_a_machine_that_stumbles_over_a_request_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(_: Answers) -> dict[str, str]:
        raise ZeroDivisionError("a bug\nof ours")

    monkeypatch.setattr(Answers, "traces", stumble)

    def talk(connection: socket.socket) -> bytes:
        connection.sendall(b'{"op": "trace", "version": 1}\n' + DESCRIBE)
        connection.shutdown(socket.SHUT_WR)
        return until_the_end(connection)

    data, _ = served(tmp_path, talk)
    stumbled = b'{"error":"internal error: ZeroDivisionError: a bug of ours","status":4}\n'
    assert data == stumbled + b'{"result":[]}\n'


PIECES = st.sampled_from(
    [DESCRIBE, FOLLOW, DESCRIBE[:-1], DESCRIBE[:7], b"\n", b"\0", b"{}\n", b"[" * 999, b"\xff\xfe\n", b"1e999\n"]
) | st.binary(max_size=60)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.lists(PIECES, max_size=6), st.booleans()), min_size=1, max_size=4))
def test_whatever_clients_say_and_whenever_they_leave_the_next_one_is_answered(
    talks: list[tuple[list[bytes], bool]],
) -> None:
    def talk(first: socket.socket) -> bytes:
        for pieces, reads in talks:
            with another(first) as client, suppress(BrokenPipeError, ConnectionResetError):
                for piece in pieces:
                    client.sendall(piece)
                if reads:
                    client.shutdown(socket.SHUT_WR)
                    for line in until_the_end(client).splitlines():
                        assert json.loads(line).keys() <= {"result", "error", "status"}
        first.sendall(DESCRIBE)
        return first.recv(1000)

    with TemporaryDirectory() as directory:
        data, answers = served(Path(directory), talk)
    assert data == b'{"result":[]}\n'
    assert answers.followers == []
