"""The control socket: a second terminal's requests, one JSON line each. See amp.lab.live.protocol.

Whoever connects must be of our user; nothing that comes is taken to be well formed. Nobody's silence keeps others out:
who says nothing for SILENT_LIMIT_S is hung up on, and where all places are taken whoever has been silent longest has to
go. Only if every place's holder waits for an answer is a newcomer sent away. All of them are told why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from amp.errors import AmpError, UsageError
from amp.lab.live import protocol
from amp.lab.live.peers import peer_of
from amp.lab.live.protocol import Reply

CONNECTIONS_LIMIT: Final = 64
SILENT_LIMIT_S: Final = 10.0  # for a request, from its connection or the answer before it on; and for reading an answer
PATIENT_LIMIT: Final = (
    CONNECTIONS_LIMIT // 2
)  # of them may follow a trace or wait for a service: the rest is for orders
BUSY: Final = 3  # the exit status of who was sent away: nothing is wrong with what it asked for
UNREAD_LIMIT_BYTES: Final = 1 << 20  # of a follower that does not read: it is hung up on


Log = Callable[[str], None]


class Answers(Protocol):
    """What the machine does for a request; raises AmpError for the client to read."""

    def describe(self) -> protocol.MachineInfo: ...
    async def find(self, service: str, timeout_s: float) -> protocol.ChannelInfo: ...
    def traces(self) -> dict[str, str]: ...
    def follow(self, follower: Callable[[str, str], None]) -> Callable[[], None]:
        """`follower(buffer, text)` is called for new text, until what this returns is called."""
        ...

    def vrings(self) -> tuple[protocol.RingInfo, ...]: ...
    async def crash(self, kind: str) -> protocol.CrashInfo: ...
    def coredump(self) -> bytes: ...
    def down(self) -> None: ...


class ControlServer:
    """`async with ControlServer(path, answers):` listens until the block ends; then every client is hung up on."""

    def __init__(
        self, path: Path, answers: Answers, *, silent_limit_s: float = SILENT_LIMIT_S, log: Log = lambda _: None
    ) -> None:
        self._path, self._answers, self._silent_limit_s, self._log = path, answers, silent_limit_s, log
        self._clients: set[asyncio.Task[None]] = set()
        self._silent: dict[asyncio.Task[None], asyncio.StreamWriter] = {}  # who is to say something, longest first
        self._patient = 0  # who follows, or waits for what may not come

    async def __aenter__(self) -> None:
        self._server = await asyncio.start_unix_server(
            self._connected, self._path, limit=protocol.LINE_LIMIT_BYTES, backlog=CONNECTIONS_LIMIT
        )

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = peer_of(writer.get_extra_info("socket"))
        if not peer.is_ours:
            writer.transport.abort()
            return
        if len(self._clients) >= CONNECTIONS_LIMIT and not self._make_room():
            _write(writer, Reply(error=f"{CONNECTIONS_LIMIT} others wait for an answer: try again later", status=BUSY))
            writer.close()
            return
        client = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._clients.add(client)
        self._silent[client] = writer
        client.add_done_callback(partial(self._gone, writer))

    def _make_room(self) -> bool:
        """Hang up on whoever has been silent longest. False if nobody is."""
        for client, writer in self._silent.items():
            _write(writer, Reply(error=f"{CONNECTIONS_LIMIT} others came, and this one said nothing", status=BUSY))
            self._forget(client)
            client.cancel()
            return True
        return False

    def _forget(self, client: asyncio.Task[None]) -> None:
        self._clients.discard(client)
        self._silent.pop(client, None)

    def _gone(self, writer: asyncio.StreamWriter, client: asyncio.Task[None]) -> None:
        self._forget(client)
        writer.close()  # once all is written; for one that does not read, after a while all the same
        asyncio.get_running_loop().call_later(self._silent_limit_s, writer.transport.abort)
        if not client.cancelled():
            client.exception()  # the client has hung up, most likely: nobody is left to be told

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.current_task()
        assert client is not None
        while (request := await self._request(reader, writer)) is not None:
            self._silent.pop(client, None)
            await self._admit(request, reader, writer)
            async with asyncio.timeout(self._silent_limit_s):  # for a client that does not read
                await writer.drain()
            self._silent[client] = writer

    async def _admit(
        self, request: protocol.AnyRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer at once, or keep one of the places for those who follow or wait as long as that takes."""
        match request:
            case protocol.Find(timeout_s=timeout_s) if timeout_s > 0 and self._patient >= PATIENT_LIMIT:
                request = msgspec.structs.replace(request, timeout_s=0.0)
            case protocol.Trace(follow=True) if self._patient >= PATIENT_LIMIT:
                _write(writer, Reply(error=f"{PATIENT_LIMIT} others follow or wait: try again later", status=BUSY))
                return
            case protocol.Find() | protocol.Trace(follow=True):
                self._patient += 1
                try:
                    await self._answer(request, reader, writer)
                finally:
                    self._patient -= 1
                return
        await self._answer(request, reader, writer)

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> protocol.AnyRequest | None:
        """The next request. None at the end, and after what is none, of which the client has been told."""
        try:
            async with asyncio.timeout(self._silent_limit_s):
                return parse(await reader.readuntil(b"\n"))
        except asyncio.IncompleteReadError:
            return None
        except TimeoutError:
            refusal = Reply(error=f"no request came in {self._silent_limit_s:g} s", status=BUSY)
        except asyncio.LimitOverrunError:
            refusal = Reply(error=f"a request has at most {protocol.LINE_LIMIT_BYTES} bytes", status=2)
        except UsageError as error:
            refusal = Reply(error=str(error), status=2)
        _write(writer, refusal)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._silent_limit_s):
                await writer.drain()
        return None

    async def _answer(
        self, request: protocol.AnyRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        answers = self._answers
        data = b""
        try:
            match request:
                case protocol.Describe():
                    result: Any = answers.describe()
                case protocol.Find(service=service, timeout_s=timeout_s):
                    result = await answers.find(service, timeout_s)
                case protocol.Trace():
                    result = answers.traces()
                case protocol.Vrings():
                    result = answers.vrings()
                case protocol.CrashIt(kind=kind):
                    result = await answers.crash(kind)
                case protocol.Coredump():
                    data = answers.coredump()
                    result = len(data)
                case protocol.Down():
                    result = None
                    answers.down()
        except AmpError as error:
            _write(writer, Reply(error=str(error), status=error.exit_status))
            return
        except Exception as error:  # our own fault: said here and there, and the machine stays up
            text = " ".join(f"internal error: {type(error).__name__}: {error}".split())
            self._log(f"control: {type(request).__name__}: {text}")
            _write(writer, Reply(error=text, status=AmpError.exit_status))
            return
        _write(writer, Reply(result=result))
        writer.write(data)
        if isinstance(request, protocol.Trace) and request.follow:
            await self._follow(reader, writer)

    async def _follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the client says anything, its end included, or reads too slowly."""

        def tell(name: str, text: str) -> None:
            if writer.transport.get_write_buffer_size() > UNREAD_LIMIT_BYTES:
                writer.transport.abort()
            else:
                _write(writer, Reply(result={name: text}))

        stop = self._answers.follow(tell)
        try:
            await reader.read(1)
        finally:
            stop()
        writer.transport.abort()


def parse(line: bytes) -> protocol.AnyRequest:
    """One request. UsageError for anything else, another version's included."""
    try:
        request: protocol.AnyRequest = msgspec.json.decode(line, type=protocol.AnyRequest)
    except (msgspec.DecodeError, RecursionError) as error:
        version = _version_of(line)
        if version is not None and version != protocol.VERSION:
            raise UsageError(_other_version(version)) from None
        raise UsageError(f"request: {' '.join(str(error).split())[:200]}") from None
    if request.version != protocol.VERSION:
        raise UsageError(_other_version(request.version))
    return request


def _version_of(line: bytes) -> object:
    try:
        said = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return None
    return said.get("version") if isinstance(said, dict) else None


def _other_version(version: object) -> str:
    return f"request: version is {version!r:.20}, this machine speaks {protocol.VERSION}"


def _write(writer: asyncio.StreamWriter, reply: Reply) -> None:
    writer.write(msgspec.json.encode(reply) + b"\n")
