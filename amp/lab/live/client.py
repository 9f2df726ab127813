"""The second terminal: find a machine by name, ask it, talk to its channels as any other program does.

The kernel says who listens at a socket; a machine of another user's is not talked to.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar

import msgspec

from amp.errors import AmpError, UsageError
from amp.lab.live import directory, protocol
from amp.lab.live.chardev import receive_packet
from amp.lab.live.peers import peer_of
from amp.rpmsg.wire import SEND_TIMEOUT_S

ANSWER_LIMIT_S: Final = 30.0  # a machine that is stopping a core or making a core file
FIND_S: Final = 5.0  # for the services of a core that was booted just now
DOWN_LIMIT_S: Final = 20.0
CONNECT_LIMIT_S: Final = 5.0  # while as many wait at its socket as the kernel lets
CONNECT_LOOKS_S: Final = 0.01
MESSAGE_LIMIT_BYTES: Final = 1 << 16  # the header's len is 16 bits

Record = TypeVar("Record")


def machine_path(name: str | None) -> Path:
    """The directory of the machine of that name, or of the only one. UsageError if that is none, or not clear."""
    up = directory.machines()
    if not up:
        raise UsageError(f"no machine{f' {name}' if name else ''} is up; amp up FIRMWARE boots one")
    if name is not None and name not in up:
        raise UsageError(f"no machine {name!r:.80} is up (there is {', '.join(up)})")
    if name is None and len(up) > 1:
        raise UsageError(f"{len(up)} machines are up: say which with --machine ({', '.join(up)})")
    return up[name] if name is not None else next(iter(up.values()))


class Gone(AmpError):
    """The channel went in the middle of a conversation: the core crashed, or the service ended."""

    exit_status = 3


class NotTaken(AmpError):
    """The firmware took no message for as long as rpmsg_send waits."""

    exit_status = 3


class NoAnswer(AmpError):
    """The firmware said nothing in time: neither a finding nor a mistake."""

    exit_status = 3


class Refused(AmpError):
    """The machine's own error, with its exit status."""

    def __init__(self, text: str, status: int) -> None:
        self.exit_status = status
        super().__init__(text)


class HasGone(UsageError):
    """The machine went down before it answered."""


class Control:
    """A connection to a machine's control socket. UsageError if nobody is there, Refused for what is refused.

    Whatever becomes of the socket is told as an error of this command: an OSError of it never gets out.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        try:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError as error:
            raise UsageError(f"machine {self.name}: {error.strerror}") from None
        try:
            self._connect(str(path / directory.CONTROL))
            self.peer = peer_of(self._socket)
            if not self.peer.is_ours:
                raise UsageError(f"machine {self.name} is of uid {self.peer.uid}")
        except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError):
            self._socket.close()
            raise UsageError(f"machine {self.name} is not up yet, or going down") from None
        except OSError as error:
            self._socket.close()
            raise UsageError(f"machine {self.name}: {error.strerror}") from None
        except BaseException:
            self._socket.close()
            raise
        self._socket.settimeout(ANSWER_LIMIT_S)
        self._file = self._socket.makefile("rb")

    def _connect(self, path: str) -> None:
        """Connect without blocking: where the queue of waiting clients is full, connect(2) would wait for ever."""
        self._socket.setblocking(False)
        deadline = time.monotonic() + CONNECT_LIMIT_S
        while True:
            try:
                self._socket.connect(path)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise UsageError(f"machine {self.name} does not answer: others wait at its socket") from None
                time.sleep(CONNECT_LOOKS_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, request: protocol.AnyRequest) -> Any:
        """One request and its result, as JSON values."""
        try:
            self._socket.sendall(msgspec.json.encode(request) + b"\n")
        except TimeoutError:
            raise UsageError(f"machine {self.name} does not answer") from None
        except OSError:  # it may have said why before it hung up
            return self._reply()
        return self._reply()

    def ask_for(self, request: protocol.AnyRequest, kind: type[Record]) -> Record:
        """One request and its result, as that record."""
        result = self.ask(request)
        try:
            return msgspec.convert(result, kind)
        except msgspec.ValidationError as error:
            raise self._nonsense(error) from None

    def _reply(self) -> Any:
        line = self._read(lambda: self._file.readline(protocol.REPLY_LIMIT_BYTES))
        if not line.endswith(b"\n"):
            raise HasGone(f"machine {self.name} has gone down")
        try:
            reply = msgspec.json.decode(line, type=protocol.Reply)
        except (msgspec.DecodeError, RecursionError) as error:
            raise self._nonsense(error) from None
        if reply.error is not None:
            raise Refused(reply.error, reply.status)
        return reply.result

    def _read(self, read: Callable[[], bytes]) -> bytes:
        try:
            return read()
        except TimeoutError:
            raise UsageError(f"machine {self.name} does not answer") from None
        except OSError:  # reset: it has gone down
            return b""

    def _nonsense(self, error: Exception) -> UsageError:
        text = " ".join(str(error).split())[:100]
        return UsageError(f"machine {self.name}: its answer is not of protocol version {protocol.VERSION}: {text}")

    def coredump(self) -> bytes:
        length = self.ask_for(protocol.Coredump(version=protocol.VERSION), int)
        data = self._read(lambda: self._file.read(length))
        if len(data) != length:
            raise HasGone(f"machine {self.name} has gone down")
        return data

    def follow(self) -> Iterator[dict[str, str]]:
        """The trace buffers' text, then what is new, by buffer, until the machine goes down."""
        yield self.ask_for(protocol.Trace(version=protocol.VERSION, follow=True), dict[str, str])
        self._socket.settimeout(None)
        while True:
            try:
                yield self._reply()
            except HasGone:
                return

    def down(self) -> None:
        """Returns when the machine's process has ended, by this order or another's. UsageError if it does not."""
        try:
            process = os.pidfd_open(self.peer.pid)
        except ProcessLookupError:
            return  # it was going down when we came
        except OSError as error:
            raise UsageError(f"machine {self.name}: {error.strerror}") from None
        try:
            with suppress(HasGone):
                self.ask(protocol.Down(version=protocol.VERSION))
            ended, _, _ = select.select([process], [], [], DOWN_LIMIT_S)
        finally:
            os.close(process)
        if not ended:
            raise UsageError(f"machine {self.name} (pid {self.peer.pid}) did not go down in {DOWN_LIMIT_S:g} s")


def described(name: str | None) -> tuple[list[protocol.MachineInfo], dict[str, str]]:
    """The machines that are up, or the one of that name; and by name why others did not answer.

    One that does not answer is coming up, or going down; asked for by its name, that is an error.
    """
    paths = directory.machines().values() if name is None else (machine_path(name),)
    found, unanswered = [], {}
    for path in paths:
        try:
            with Control(path) as control:
                found.append(control.ask_for(protocol.Describe(version=protocol.VERSION), protocol.MachineInfo))
        except AmpError as error:
            if name is not None:
                raise
            unanswered[path.name] = str(error)
    return found, unanswered


def received(conversation: Conversation, timeout_s: float | None, service: str) -> bytes | None:
    """The next message; None when the channel has gone. NoAnswer if nothing comes in time."""
    try:
        return conversation.receive(timeout_s)
    except TimeoutError:
        raise NoAnswer(f"{service} sent nothing in {timeout_s:g} s") from None


class Conversation(Protocol):
    """A program's end of a channel's device."""

    def send(self, data: bytes) -> None:
        """One message, or of a pty a part of the stream. Raises Gone, NotTaken, UsageError if it is too long."""
        ...

    def receive(self, timeout_s: float | None) -> bytes | None:
        """The next message, or of a pty what has come of the stream. None when the channel has gone. TimeoutError."""
        ...

    def close(self) -> None: ...


class PacketConversation:
    """With a seqpacket device."""

    def __init__(self, path: str, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)  # receive_packet
            self._socket.settimeout(CONNECT_LIMIT_S)
            self._socket.connect(path)
        except BaseException:
            self._socket.close()
            raise

    def send(self, data: bytes) -> None:
        if len(data) > self._limit_bytes:
            raise UsageError(f"message is {len(data)} bytes, at most {self._limit_bytes} fit")
        self._socket.settimeout(SEND_TIMEOUT_S)
        try:
            self._socket.send(data)
        except TimeoutError:
            raise NotTaken(f"the message was not taken in {SEND_TIMEOUT_S:g} s: no transmit buffer is free") from None
        except OSError:  # EPIPE, ECONNRESET
            raise Gone("the channel went before the message was sent") from None

    def receive(self, timeout_s: float | None) -> bytes | None:
        self._socket.settimeout(timeout_s)
        try:
            return receive_packet(self._socket, MESSAGE_LIMIT_BYTES)
        except TimeoutError:
            raise
        except OSError:  # ECONNRESET
            return None

    def close(self) -> None:
        self._socket.close()


class PtyConversation:
    """With a pty device."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def send(self, data: bytes) -> None:
        try:
            while data:
                if not select.select([], [self._fd], [], SEND_TIMEOUT_S)[1]:
                    raise NotTaken(f"{len(data)} bytes were not taken in {SEND_TIMEOUT_S:g} s")
                data = data[os.write(self._fd, data) :]
        except OSError:  # EIO
            raise Gone("the channel went before the data was written") from None

    def receive(self, timeout_s: float | None) -> bytes | None:
        ready, _, _ = select.select([self._fd], [], [], timeout_s)
        if not ready:
            raise TimeoutError
        try:
            return os.read(self._fd, MESSAGE_LIMIT_BYTES) or None
        except OSError as error:
            if error.errno == errno.EIO:
                return None
            raise

    def close(self) -> None:
        os.close(self._fd)


@contextmanager
def converse(control: Control, service: str) -> Iterator[Conversation]:
    """Open that service's device. UsageError if there is no such service, or it goes at this moment."""
    request = protocol.Find(version=protocol.VERSION, service=service, timeout_s=FIND_S)
    channel = control.ask_for(request, protocol.ChannelInfo)
    if channel.path is None:
        raise UsageError(f"service {service} has no device: see the log of machine {control.name}")
    try:
        conversation: Conversation = (
            PtyConversation(channel.path)
            if channel.kind == "pty"
            else PacketConversation(channel.path, channel.payload_bytes)
        )
    except BlockingIOError:  # connect(2), in place of waiting in a queue that is full
        raise NotTaken(f"{channel.path}: as many programs wait for it as can") from None
    except (FileNotFoundError, ConnectionRefusedError):
        raise Gone(f"the channel of {service} went before it was opened") from None
    except OSError as error:
        raise UsageError(f"{channel.path}: {error.strerror}") from None
    with closing(conversation):
        yield conversation
