"""Round trips and floods of rpmsg between two processes, through a booted firmware that echoes.

Endpoints, vrings and doorbells are those of any firmware, Python on both sides. Each way of running it has a machine of
its own that stays up; a turn is a batch of round trips and a flood on each of them. Every message is checked.
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import product
from typing import Any, Final

from amp.bench import yardstick
from amp.bench.cpus import bound_to
from amp.bench.facts import result_data
from amp.bench.pairs import WorkWrong
from amp.bench.stats import Ratio, Sample, interval_data, percentiles
from amp.bench.turns import Part, Turns, take_turns, timed
from amp.errors import UsageError
from amp.lab.board import Board
from amp.lab.echo import SERVICE, echo_board
from amp.machine.config import Mode
from amp.ordering import platform
from amp.rpmsg import Channel, Endpoint, Message
from amp.rpmsg.wire import HEADER_BYTES

PLATFORM: Final = "arm64-domains"
NUMBER_BYTES: Final = 4  # at the start of every message
BUFFER_BYTES: Final = 512  # Linux v6.1 drivers/rpmsg/virtio_rpmsg_bus.c: MAX_RPMSG_BUF_SIZE
SIZE_MAX: Final = BUFFER_BYTES - HEADER_BYTES
SPIN_NS: Final = 20_000  # the default: amp.machine.soc
# Of one sample, which so takes a few milliseconds: a quiet machine's own interruptions leave most samples alone.
ROUND_TRIPS: Final = {True: 200, False: 50}  # spinning or not
ECHOES: Final = 500
UNDER_WAY: Final = 64  # of a flood
WARM_UP: Final = 3  # samples that come first, and do not count
ANSWER_LIMIT_S: Final = 10.0
RANKS: Final = (50.0, 90.0, 99.0, 99.9)
ORDINARY: Final = "Python round"  # the yardstick among the parts of a run

Progress = Callable[[float], None] | None


class Wait(StrEnum):
    """What a side does when there is nothing to do."""

    SPIN = "spin"  # for SPIN_NS, and then sleep: the default
    BLOCK = "block"  # sleep at once


@dataclass(frozen=True, slots=True, order=True)
class Way:
    """One way of running it. `size` is of the payload, bytes; UsageError for one that no buffer holds."""

    mode: Mode
    wait: Wait
    size: int

    def __post_init__(self) -> None:
        if not NUMBER_BYTES <= self.size <= SIZE_MAX:
            raise UsageError(
                f"--size is {self.size} bytes, expected {NUMBER_BYTES} (the message's number) to {SIZE_MAX} "
                f"(a buffer of {BUFFER_BYTES} without the header)"
            )
        if self.mode is Mode.LOCKSTEP:
            raise UsageError("--mode lockstep: a firmware that stays up needs a clock; direct or free")

    @property
    def trip(self) -> str:
        """The name of its round trips among the parts of a run."""
        return f"{self.mode} {self.wait} {self.size} trip"

    @property
    def flood(self) -> str:
        return f"{self.mode} {self.wait} {self.size} flood"


@dataclass(slots=True)
class Echo:
    """A machine that is up, and its batches. `trips_ns` are the round trips of every sample, in order, by size."""

    board: Board
    wait: Wait
    channel: Channel
    endpoint: Endpoint
    trips_ns: dict[int, list[list[int]]] = field(default_factory=dict)
    _sent: int = 0

    def trips(self, size: int) -> Sample:
        """A batch of round trips, one message at a time: their median, ns."""
        taken: list[int] = []
        count = ROUND_TRIPS[self.wait is Wait.SPIN]
        sample = timed(lambda: self._trips(count, size, taken), count, self._others)
        self.trips_ns.setdefault(size, []).append(taken)
        return replace(sample, value=statistics.median(taken))

    def _trips(self, count: int, size: int, taken: list[int]) -> None:
        endpoint, padding, clock = self.endpoint, bytes(size - NUMBER_BYTES), time.perf_counter_ns
        for number in range(self._sent, self._sent + count):
            data = (number & 0xFFFF_FFFF).to_bytes(NUMBER_BYTES, "little") + padding
            start = clock()
            endpoint.send(data)
            answer = endpoint.recv(ANSWER_LIMIT_S)
            taken.append(clock() - start)
            if answer.data != data:
                raise WorkWrong(f"rpmsg round trip {number}: another message came back than was sent")
        self._sent += count

    def flood(self, size: int) -> Sample:
        """Echoes with UNDER_WAY messages on their way: ns each."""
        return timed(lambda: self._flood(ECHOES, size), ECHOES, self._others)

    def _flood(self, count: int, size: int) -> None:
        padding, bus = bytes(size - NUMBER_BYTES), self.board.bus
        sent = came = 0
        deadline_s = time.monotonic() + ANSWER_LIMIT_S

        def check(_: Endpoint, message: Message) -> None:
            nonlocal came
            if message.data != came.to_bytes(NUMBER_BYTES, "little") + padding:
                raise WorkWrong(f"rpmsg flood: message {came} came back as another")
            came += 1

        with bus.open_channel(self.channel, check) as endpoint:
            while came < count:
                while sent < count and sent - came < UNDER_WAY:
                    endpoint.send(sent.to_bytes(NUMBER_BYTES, "little") + padding)
                    sent += 1
                bus.wait(ANSWER_LIMIT_S)
                if time.monotonic() > deadline_s:
                    raise WorkWrong(f"rpmsg flood: {came} of {count} messages came back in {ANSWER_LIMIT_S:g} s")

    @property
    def _others(self) -> tuple[int, ...]:
        assert self.board.core.pid is not None, "the core runs"
        return (self.board.core.pid,)


@dataclass(frozen=True, slots=True)
class Measured:
    """All ways of one run, measured in turn."""

    ways: Sequence[Way]
    turns: Turns
    trips_ns: dict[Way, list[list[int]]]  # of every sample, in the turns' order

    @property
    def exit_status(self) -> int:
        """3 if something left nothing to say it from."""
        return 0 if all(self.turns.interval(name) is not None for name in self.turns.parts) else 3

    def percentiles_us(self, way: Way) -> dict[float, float] | None:
        """Percentiles over the single round trips of all kept batches; None if none was kept."""
        kept = [
            value / 1e3
            for batch, keep in zip(self.trips_ns[way], self.turns.kept(way.trip), strict=True)
            if keep
            for value in batch
        ]
        return percentiles(kept, RANKS) if kept else None

    def against(self, way: Way, **other: Any) -> Ratio | None:
        """Its round trip against that of the way that differs in this; None if that was not measured."""
        base = next((each for each in self.ways if each == replaced(way, **other)), None)
        return None if base is None or base == way else self.turns.ratio(way.trip, base.trip)


def replaced(way: Way, **other: Any) -> Way:
    """The way with other fields."""
    return Way(**{"mode": way.mode, "wait": way.wait, "size": way.size, **other})


def open_echo(mode: Mode, wait: Wait, cpus: tuple[int, int], stack: ExitStack) -> Echo:
    """Boot the firmware, and bind its core to the second CPU; `stack` powers it off."""
    on = None if mode is Mode.DIRECT else platform(PLATFORM)
    board = stack.enter_context(echo_board(mode, on, SPIN_NS if wait is Wait.SPIN else 0))
    channel = board.bus.wait_for_channel(SERVICE, ANSWER_LIMIT_S)
    endpoint = stack.enter_context(board.bus.open_channel(channel))
    assert board.core.pid is not None, "it has just announced its service"
    os.sched_setaffinity(board.core.pid, {cpus[1]})
    return Echo(board, wait, channel, endpoint)


def measure(
    ways: Sequence[Way], cpus: tuple[int, int], time_s: float, progress: Progress = None, *, kept_min: int = 0
) -> Measured:
    """Turns of all ways for about `time_s`, at least one; on the first of `cpus`, the firmware on the second."""
    with ExitStack() as stack:
        # Booted on both CPUs: who sees only one does not spin.
        pairs = dict.fromkeys((way.mode, way.wait) for way in ways)
        echoes = {(mode, wait): open_echo(mode, wait, cpus, stack) for mode, wait in pairs}
        stack.enter_context(bound_to(cpus[0]))
        parts = {}
        for way in ways:
            echo = echoes[way.mode, way.wait]
            for _ in range(WARM_UP):
                echo.trips(way.size)
                echo.flood(way.size)
            parts[way.trip] = Part(lambda echo=echo, way=way: echo.trips(way.size), sleeps=True)  # type: ignore[misc]
            parts[way.flood] = Part(lambda echo=echo, way=way: echo.flood(way.size), sleeps=True)  # type: ignore[misc]
        for echo in echoes.values():
            echo.trips_ns.clear()
        parts[ORDINARY] = Part(yardstick.python)
        stack.enter_context(_no_collection())
        turns = take_turns(parts, time_s, progress, kept_min=kept_min)
        return Measured(ways, turns, {way: echoes[way.mode, way.wait].trips_ns[way.size] for way in ways})


@contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage is collected in the middle of a sample."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def as_data(measured: Measured, known: dict[str, Any]) -> dict[str, Any]:
    """The --json object."""
    rows = []
    for way in measured.ways:
        ranks = measured.percentiles_us(way)
        rows.append(
            {
                "mode": way.mode,
                "wait": way.wait,
                "size": way.size,
                "round_trip_us": None if ranks is None else {f"p{rank:g}": value for rank, value in ranks.items()},
                "round_trip_batch_median_ns": interval_data(measured.turns.interval(way.trip)),
                "flood_ns_per_echo": interval_data(measured.turns.interval(way.flood)),
                "round_trip_against_spin": interval_data(measured.against(way, wait=Wait.SPIN)),
                "round_trip_against_direct": interval_data(measured.against(way, mode=Mode.DIRECT)),
            }
        )
    return {
        **result_data("rpmsg", measured.exit_status, measured.turns.seconds, known),
        "platform": PLATFORM,
        "spin_ns": SPIN_NS,
        "samples": {**measured.turns.counts(), "round_trips": {"spin": ROUND_TRIPS[True], "block": ROUND_TRIPS[False]}},
        "ways": rows,
    }


def ways_of(modes: Sequence[str], waits: Sequence[str], sizes: Sequence[int]) -> list[Way]:
    """Every combination, each once. UsageError for a way that cannot be."""
    named = product(map(Mode, modes), map(Wait, waits), sizes)
    return list(dict.fromkeys(Way(mode, wait, size) for mode, wait, size in named))
