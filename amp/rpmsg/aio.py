"""Pump: a bus under asyncio. `async for message in endpoint`, and sends that wait without blocking the loop.

A bus belongs to one thread, here the event loop's: every access to the port is made there, `bus.process` and the
callbacks it calls included. A second thread does nothing but listen for the doorbell (`port.listen`), tell the loop,
and listen again once the loop has taken the interrupt. So no two threads ever sleep as the same CPU.

It sleeps with a limit only. A sleeper with a limit is no part of a stall (nobody_can_ring in amp/_core/model/bell.c),
so a loop that is idle, which anything may wake, is never taken for a processor that waits for ever.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self
from weakref import WeakKeyDictionary

from amp.errors import LinkDown, PeerDied, PeerFinished, RpmsgError, SendTimeout, UsageError, WouldBlock
from amp.port.port import Port
from amp.rpmsg.bus import Bus
from amp.rpmsg.endpoint import Endpoint
from amp.rpmsg.wire import SEND_TIMEOUT_S
from amp.threads import Worker
from amp.virtio.sites import K2

if TYPE_CHECKING:
    from typing_extensions import Buffer as BytesLike

LISTEN_S: Final = 0.5  # one sleep: as long as the core's own are (bell.h, AMP_LOOK_UP_NS)
TAKE_S: Final = 0.001  # for a doorbell on its way: in free mode who waits helps it along (free.c, amp_free_wait)
BATCH: Final = 64  # messages, before the loop's other tasks have their turn


class ListeningPort(Port, Protocol):
    """A port that a second thread can listen at: DirectPort, and ModelledPort in free mode."""

    def listen(self, timeout_s: float, /) -> bool: ...
    def interrupt(self) -> None: ...


class Pump:
    """`async with Pump(bus, port) as pump:`, in the thread that owns the bus. The second thread ends with the block.

    Every iterator and sender that waits is told when the link goes down (LinkDown; an iterator once its queue is
    empty). So they are of what a callback or `bus.on_malformed` raises, and of BadRing: these end the pumping, and
    leaving the block raises them if nobody was told. A blocking call (`recv`, `send`) inside the block works, and holds
    up the loop.
    """

    def __init__(self, bus: Bus, port: ListeningPort) -> None:
        self._bus, self._port = bus, port
        self._arrivals: WeakKeyDictionary[Endpoint, asyncio.Event] = WeakKeyDictionary()
        self._sending = asyncio.Lock()  # its holder waits for a buffer, the others for their turn
        self._news = asyncio.Event()  # for that holder: a buffer may be free, or the link is down
        self._scheduled = False
        self._running = False
        self._failure: Exception | None = None
        self._told = False  # was anybody given the failure?
        # Between the two threads: the listener sets `_heard` when its sleep is over and waits for `_may_listen`.
        self._may_listen = threading.Semaphore(0)
        self._heard = threading.Event()
        self._slept: bool | BaseException = False  # how the sleep ended
        self._listener = Worker(self._listen, "rpmsg doorbell")

    async def __aenter__(self) -> Self:
        if self._bus.pump is not None:
            raise UsageError("this bus has a pump already")
        self._loop = asyncio.get_running_loop()
        self._running = True
        self._sleeper, self._bus.sleeper = self._bus.sleeper, self._sleep
        self._bus.pump = self
        self._may_listen.release()
        self._listener.start()
        self._schedule()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running = False
        self._port.interrupt()
        self._may_listen.release()
        self._listener.join()  # it is awake, and has nothing left to do
        self._bus.pump, self._bus.sleeper = None, self._sleeper
        self._wake()
        try:
            if self._port.wait(0):  # the interrupt just made, and one that it may have covered
                self._port.barrier(K2)
        except (PeerDied, PeerFinished):
            pass  # whoever uses the bus next is told
        if self._failure is not None and not self._told and error is None:
            raise self._failure

    # --- the listening thread

    def _listen(self) -> None:
        while self._may_listen.acquire() and self._running:
            try:
                self._slept = self._port.listen(LISTEN_S)
            except BaseException as error:  # the loop's thread raises it
                self._slept = error
            self._heard.set()
            self._loop.call_soon_threadsafe(self._on_heard)

    # --- the loop's thread: what the listener heard

    def _on_heard(self) -> None:
        if not self._running or not self._heard.is_set():  # a blocking call has taken it
            return
        try:
            if self._take():
                # K2: the rings must not be read before the interrupt that announced them. Pairs with the other's K1.
                self._port.barrier(K2)
        except PeerFinished as gone:  # in good order: what it has sent is there
            while self._process() and self._failure is None:
                pass
            self._bus.down(str(gone))
        except PeerDied as gone:
            self._bus.down(str(gone))
        except Exception as error:
            self._fail(error)
        else:
            if not self._scheduled:  # else this turn of the loop has had its batch
                self._work()

    def _take(self) -> bool:
        """Take the interrupt, if there is one, and let the listener go on. Raises what `port.wait` does.

        The listener goes on in vain after an error, which is there again at its next sleep: it is left where it is.
        """
        if isinstance(self._slept, BaseException):
            raise self._slept
        self._heard.clear()
        try:
            return self._port.wait(TAKE_S if self._slept else 0)
        finally:
            self._may_listen.release()

    def _sleep(self, timeout_s: float | None) -> bool:
        """What a blocking call does for the doorbell: the listener sleeps, and this thread waits for it."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._schedule()  # once the blocking call is over there may be more to do
        while True:
            if not self._heard.wait(None if deadline is None else max(0.0, deadline - time.monotonic())):
                return False
            if self._take():
                return True

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._work_on)

    def _work_on(self) -> None:
        self._scheduled = False
        self._work()

    def _work(self) -> None:
        """Handle what is there, and again later if that may not be all."""
        if self._running and self._failure is None and self._bus.down_reason is None:
            if self._process():
                self._schedule()
            self._news.set()

    def _process(self) -> bool:
        """A batch of messages; is there more, as far as one can see?"""
        try:
            return self._bus.process(BATCH) == BATCH or not self._bus.link.await_message()
        except (LinkDown, PeerDied) as gone:
            self._bus.down(str(gone))
        except Exception as error:
            self._fail(error)
        return False

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._wake()

    def _check(self) -> None:
        """Raises what ended the pumping."""
        if self._failure is not None:
            self._told = True
            raise self._failure
        if not self._running:
            raise RpmsgError("the pump has ended")

    def link_down(self) -> None:
        """The bus is down: whoever waits looks again, and is told."""
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        for event in list(self._arrivals.values()):
            event.set()

    # --- what programs call

    async def arrival(self, endpoint: Endpoint) -> None:
        """Returns when the endpoint's queue may not be empty any more, or it was closed, or the link is down.

        Raises what ended the pumping.
        """
        self._check()
        event = self._arrivals.setdefault(endpoint, asyncio.Event())
        event.clear()
        endpoint.arrived = event.set
        await event.wait()

    async def send(self, endpoint: Endpoint, data: BytesLike, timeout_s: float | None = SEND_TIMEOUT_S) -> None:
        """Endpoint.send; senders that wait for a buffer get one in the order of their calls.

        Raises what that does: SendTimeout, MessageTooLong, NoSuchEndpoint, LinkDown; and what ended the pumping.
        """
        await self._send(lambda: endpoint.trysend(data), timeout_s)

    async def sendto(
        self, endpoint: Endpoint, data: BytesLike, dest: int, timeout_s: float | None = SEND_TIMEOUT_S
    ) -> None:
        """Endpoint.sendto, as `send`."""
        await self._send(lambda: endpoint.trysendto(data, dest), timeout_s)

    async def send_offchannel(
        self, endpoint: Endpoint, source: int, dest: int, data: BytesLike, timeout_s: float | None = SEND_TIMEOUT_S
    ) -> None:
        """Endpoint.send_offchannel, as `send`."""
        await self._send(lambda: endpoint.trysend_offchannel(source, dest, data), timeout_s)

    async def _send(self, attempt: Callable[[], None], timeout_s: float | None) -> None:
        try:
            async with asyncio.timeout(timeout_s), self._sending:
                if not self._sent(attempt):
                    self._bus.counts.waits_for_buffer += 1
                    await self._send_later(attempt)
        except TimeoutError:
            raise SendTimeout(f"no transmit buffer became free in {timeout_s:g} s") from None

    async def _send_later(self, attempt: Callable[[], None]) -> None:
        while True:
            self._news.clear()
            if self._bus.link.await_buffer():
                await self._news.wait()
            if self._sent(attempt):
                return

    def _sent(self, attempt: Callable[[], None]) -> bool:
        self._check()
        try:
            attempt()
        except WouldBlock:
            return False
        except LinkDown as gone:
            self._bus.down(str(gone))
            raise
        return True
