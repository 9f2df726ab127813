"""The control socket: a second terminal's requests, one JSON line each. See amp.cli.live.protocol.

Whoever connects must be of our user; nothing that comes is taken to be well formed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from amp.cli.live import protocol
from amp.cli.live.peers import peer_of
from amp.cli.live.protocol import Reply
from amp.errors import AmpError, UsageError

CONNECTIONS_LIMIT: Final = 64
UNREAD_LIMIT_BYTES: Final = 1 << 20  # of a follower that does not read: it is hung up on


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

    def __init__(self, path: Path, answers: Answers) -> None:
        self._path, self._answers = path, answers
        self._clients: set[asyncio.Task[None]] = set()

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
        if not peer.is_ours or len(self._clients) >= CONNECTIONS_LIMIT:
            writer.transport.abort()
            return
        client = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._clients.add(client)
        client.add_done_callback(partial(self._gone, writer))

    def _gone(self, writer: asyncio.StreamWriter, client: asyncio.Task[None]) -> None:
        self._clients.discard(client)
        writer.close()
        if not client.cancelled():
            client.exception()  # the client has hung up, most likely: nobody is left to be told

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await reader.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                _write(writer, Reply(error=f"a request has at most {protocol.LINE_LIMIT_BYTES} bytes", status=2))
                await writer.drain()
                return
            try:
                request = parse(line)
            except UsageError as error:
                _write(writer, Reply(error=str(error), status=2))
                await writer.drain()
                return
            await self._answer(request, reader, writer)
            await writer.drain()

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
