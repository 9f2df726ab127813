"""The kernel's sample client and the small services, each with a firmware that runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live_core import LIMIT_S, LiveCore, booted

from amp.errors import NoSuchEndpoint
from amp.machine.config import Mode
from amp.rpmsg import ADDR_ANY, Endpoint, Sent
from amp.rpmsg.wire import HEADER
from amp.services.hello import COUNT, MESSAGE, SERVICE
from hostside.services.client_sample import ClientSample, Instance


@pytest.fixture(scope="module")
def live() -> Iterator[LiveCore]:
    with booted("remoteside.services.suite") as machine:
        yield machine


def sample(live: LiveCore, log: list[str], **options: int) -> Instance:
    """A client that is registered, and has said goodbye."""
    live.bus.names.register(SERVICE, ClientSample(live.bus, log.append, **options))
    instance: Instance = live.bus.wait_for_channel(SERVICE, LIMIT_S).attached
    assert live.bus.wait_until(lambda: instance.done, LIMIT_S), log
    return instance


@pytest.mark.parametrize("mode", [Mode.DIRECT, Mode.FREE], ids=str)
def test_the_sample_client_says_a_hundred_greetings_and_goodbye(mode: Mode) -> None:
    log: list[str] = []
    with booted("remoteside.services.hello", mode) as live:
        before = live.bus.counts.sent
        instance = sample(live, log)
        assert instance.received == COUNT == 100
        assert live.bus.counts.sent - before == COUNT
        assert log[1:-1] == [f"incoming msg {number} (src: 0x400)" for number in range(1, COUNT + 1)]
        assert (log[0], log[-1]) == ("new channel: 0x400 -> 0x400!", "goodbye!")
        assert f"{SERVICE}: {COUNT} greetings" in live.trace()
    assert log[-1] == "rpmsg sample client driver is removed"


def test_the_client_comes_back_with_its_channel_after_a_crash() -> None:
    with booted("remoteside.services.hello") as live:
        first = sample(live, [], count=3)
        live.kill()
        live.recovered()
        assert first.endpoint.closed
        assert sample(live, [], count=3).received == 3


def test_what_is_no_greeting_is_dropped_and_counted(live: LiveCore) -> None:
    with live.open(SERVICE) as endpoint:
        for other in (b"", MESSAGE + b"\0", b"goodbye!"):
            endpoint.send(other)
        endpoint.send(MESSAGE)
        assert endpoint.recv(LIMIT_S).data == MESSAGE
        assert endpoint.queued == 0
    assert f"{SERVICE}: no greeting, 8 bytes (3 so far)" in live.trace()


def test_echo_returns_every_length(live: LiveCore) -> None:
    with live.open("rpmsg-echo") as endpoint:
        for length in (0, 1, 16, 495, 496):
            endpoint.send(bytes(number % 251 for number in range(length)))
            assert endpoint.recv(LIMIT_S).data == bytes(number % 251 for number in range(length))


def test_a_message_that_cannot_be_answered_does_not_end_the_firmware(live: LiveCore) -> None:
    with live.open("rpmsg-echo") as endpoint:
        with pytest.raises(NoSuchEndpoint):  # this side would not send such a header
            endpoint.send_offchannel(ADDR_ANY, endpoint.dest, b"nobody")
        send_raw(live, endpoint, HEADER.pack(ADDR_ANY, endpoint.dest, 0, 6, 0) + b"nobody")
        send_raw(live, endpoint, HEADER.pack(endpoint.addr, endpoint.dest, 0, 60_000, 0))
        endpoint.send(b"still there")
        assert endpoint.recv(LIMIT_S).data == b"still there"
    assert "rpmsg header src is 4294967295, allowed is below 0xffffffff" in live.trace()
    assert "rpmsg header len is 60000" in live.trace()
    assert "rpmsg header len is 60000, allowed is at most 0; written by the host (2 so far)" in live.trace()


def send_raw(live: LiveCore, endpoint: Endpoint, message: bytes) -> None:
    """A message whose header is the test's own."""
    buffer = live.bus.claim(LIMIT_S)
    live.bus.port.write(buffer.address, message)
    live.bus.link.submit(buffer, len(message), Sent(endpoint.addr, endpoint.dest, message))


def typed(endpoint: Endpoint, keys: bytes, end: bytes) -> bytes:
    """What the terminal shows for these keys, up to `end`."""
    endpoint.send(keys)
    shown = b""
    while not shown.endswith(end):
        shown += endpoint.recv(LIMIT_S).data
    return shown


def test_the_terminal_echoes_and_answers_lines(live: LiveCore) -> None:
    with live.open("rpmsg-tty") as terminal:
        assert typed(terminal, b"\r", b"> ") == b"\r\n> "
        assert typed(terminal, b"echo a", b"a") == b"echo a"
        assert typed(terminal, b"x\x7fb\r\n", b"> ") == b"x\b \bb\r\nab\r\n> "
        assert typed(terminal, b"help\n", b"> ").startswith(b"help\r\nhelp, uptime")
        assert b" store\r\n" in typed(terminal, b"windows\r", b"> ")
        assert typed(terminal, b"tea\r", b"> ") == b"tea\r\ntea: not known, try help\r\n> "
        assert b" s\r\n" in typed(terminal, b"uptime\r", b"> ")


def test_the_terminal_refuses_what_no_line_holds(live: LiveCore) -> None:
    with live.open("rpmsg-tty") as terminal:
        assert typed(terminal, b"\x00\xff\x7f", b"\a\a") == b"\a\a"
        assert typed(terminal, b"y" * 121, b"\a") == b"y" * 120 + b"\a"
        assert len(typed(terminal, b"\r" * 200, b"> " * 1)) >= 200


def test_a_line_ends_with_who_wrote_it(live: LiveCore) -> None:
    with live.open("rpmsg-tty") as one, live.open("rpmsg-tty") as other:
        typed(one, b"he", b"he")
        assert typed(other, b"lp\r", b"> ") == b"lp\r\nlp: not known, try help\r\n> "


def test_panic_typed_at_the_terminal_is_a_crash() -> None:
    with booted("remoteside.services.tty") as live:
        live.open("rpmsg-tty").send(b"panic lunch\r")
        live.recovered()
        assert live.rproc.crash_count == 1
        assert b"Panic: lunch" in live.rproc.coredump()
        assert typed(live.open("rpmsg-tty"), b"\r", b"> ") == b"\r\n> "
