"""The split ring between two processes, in C on both sides (amp/_core/bench/ring_bench.h), measured and proved.

One sample is one run of so many buffers from an empty ring on; its value is ns per buffer, on the driver's clock from
the moment both were there to the last buffer's return. Every sample proves its work: both sides' digests of what was
delivered and of what was returned are equal, and every payload byte was the right one; otherwise WorkWrong is raised
and there is no figure.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any, Final, Self

from amp._core import _bridge
from amp.bench.facts import result_data
from amp.bench.pairs import Figures, Pair, WorkWrong, sample_of
from amp.bench.stats import Interval, Kept, Sample, keep
from amp.errors import UsageError
from amp.ordering.barriers import BarrierClass
from amp.port.doors import ring_layout
from amp.region import Layout
from amp.region.carveouts import PAGE_SIZE
from amp.virtio.split import DESC_BYTES, SplitLayout, align_up

SAMPLE_S: Final = 0.002  # long beside the start, short beside a time slice
TRIAL_MESSAGES: Final = 2_000
BUDGET_NS: Final = 60_000_000_000  # of one sample
PAYLOAD_LIMIT: Final = 65_536
COUNT_LIMIT: Final = 1 << 40
# Measured on 2 vCPUs of an AMD EPYC (Zen 4), ring 256: 16 is 9.0 ns a buffer, 64 is 6.9 ns. At most half of what may
# be outstanding, so that neither side waits for the other's whole.
BATCH: Final = 64
TABLE_ENTRIES: Final = 2  # with indirect descriptors a payload is two segments
STRIDE: Final = 64  # buffers begin on cache lines of their own


class Wait(StrEnum):
    """How the sides wait for each other: see ring_bench.h."""

    POLL = "poll"
    SLEEP = "sleep"
    FILL = "fill"


class Dispatch(StrEnum):
    """Barriers fixed when the loop is compiled, or one branch at run time in front of every one."""

    CONSTANT = "constant"
    BRANCH = "branch"


_WAIT: Final = {Wait.POLL: _bridge.BENCH_POLL, Wait.SLEEP: _bridge.BENCH_SLEEP, Wait.FILL: _bridge.BENCH_FILL}
_HOW: Final = {
    BarrierClass.NONE: _bridge.RING_NONE,
    BarrierClass.COMPILER: _bridge.RING_COMPILER,
    BarrierClass.SMP: _bridge.RING_SMP,
    BarrierClass.DMA: _bridge.RING_DMA,
    BarrierClass.MANDATORY: _bridge.RING_MANDATORY,
}


@dataclass(frozen=True, slots=True)
class RingSetup:
    """What is measured. UsageError, with the field and its limit, for what makes no sense.

    outstanding: buffers the device may have at a time; 0 is all of the ring. batch: buffers announced by one store of
    the index, at most half of outstanding. payload: bytes. checks=False and rewrite=True are for measuring what the
    distrust of the other side costs, and what leaving unchanged fields alone brings. relax: a pause between looks.
    """

    ring_size: int = 256
    outstanding: int = 0
    batch: int = BATCH
    event_idx: bool = False
    indirect: bool = False
    wait: Wait = Wait.POLL
    payload: int = 0
    barriers: BarrierClass = BarrierClass.SMP
    dispatch: Dispatch = Dispatch.CONSTANT
    checks: bool = True
    rewrite: bool = False
    relax: bool = True

    def __post_init__(self) -> None:
        SplitLayout(self.ring_size, 0)  # its own complaint
        if not 0 <= self.outstanding <= self.ring_size:
            raise UsageError(f"--outstanding is {self.outstanding}, at most the ring's {self.ring_size} (0: all)")
        if self.batch < 1:
            raise UsageError(f"--batch is {self.batch}, at least 1")
        if not 0 <= self.payload <= PAYLOAD_LIMIT:
            raise UsageError(f"--payload is {self.payload} bytes, at most {PAYLOAD_LIMIT}")
        if self.dispatch is Dispatch.BRANCH and self.barriers not in {BarrierClass.SMP, BarrierClass.MANDATORY}:
            raise UsageError("--dispatch branch chooses between smp and mandatory, as weak_barriers does")
        if self.wait is Wait.FILL and not self.event_idx:
            raise UsageError("--fill asks for one call by its index: it needs --event-idx")

    @property
    def most(self) -> int:
        """Buffers that the device may have at a time."""
        return self.outstanding or self.ring_size

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "outstanding": self.most, "batch": min(self.batch, max(1, self.most // 2))}


def setup_from(options: Mapping[str, Any]) -> RingSetup:
    """The setup that the command line's words say. UsageError."""
    words: Mapping[str, Callable[[str], StrEnum]] = {"wait": Wait, "barriers": BarrierClass, "dispatch": Dispatch}
    values: dict[str, Any] = {name: words[name](value) if name in words else value for name, value in options.items()}
    return RingSetup(**values)


@dataclass(frozen=True, slots=True)
class Run:
    """One sample: ns per buffer, and what both sides counted."""

    sample: Sample
    messages: int
    driver: Figures
    device: Figures


@dataclass(frozen=True, slots=True)
class Measured:
    """All samples of a setup. Counts are over the samples that were kept; `runs` are in the order they were taken."""

    setup: RingSetup
    runs: tuple[Run, ...]
    seconds: float

    @property
    def samples(self) -> Kept[Sample]:
        return keep_ring(self.setup, [run.sample for run in self.runs])

    @property
    def kept(self) -> list[Run]:
        """The runs whose samples were kept."""
        kept = set(map(id, self.samples.kept))
        return [run for run in self.runs if id(run.sample) in kept]

    @property
    def ns(self) -> Interval | None:
        """ns per buffer; None if no sample was kept."""
        values = [sample.value for sample in self.samples.kept]
        return Interval.of(values) if values else None

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        found, kept = self.ns, self.kept
        per = sum(run.messages for run in kept)
        return {
            "samples": {
                "taken": len(self.runs),
                "kept": len(kept),
                "discarded_share": self.samples.discarded,
                "messages_each": self.runs[0].messages,
            },
            "ns_per_buffer": found.as_dict() if found else None,
            "million_per_s": 1e3 / found.median if found else None,
            "per_buffer": {
                name: sum(getattr(run, side)[key] for run in kept) / per for name, (side, key) in _COUNTS.items()
            }
            if per
            else None,
            "notifications_each": {"kicks": self.each("driver"), "calls": self.each("device")},
            "delivered": {
                "messages": sum(run.messages for run in self.runs),
                "payload_bytes": sum(run.messages for run in self.runs) * self.setup.payload,
                "digests_agree": True,  # or there would be no Measured
                "digest_of_last": f"{self.runs[-1].device['delivered']:016x}",
            },
        }

    @property
    def exit_status(self) -> int:
        """3 if no sample was undisturbed."""
        return 0 if self.ns is not None else 3

    def each(self, side: str) -> list[int]:
        """How often that side notified the other in one sample, of all samples: the values, without repetition."""
        return sorted({getattr(run, side)["notifications"] for run in self.runs})


def as_data(measured: Measured, known: dict[str, Any]) -> dict[str, Any]:
    """The --json object."""
    return {
        **result_data("ring", measured.exit_status, measured.seconds, known),
        "ring": measured.setup.as_dict(),
        "figures": measured.as_dict(),
    }


_COUNTS: Final = {
    "kicks": ("driver", "notifications"),
    "calls": ("device", "notifications"),
    "driver_waits": ("driver", "waits"),
    "device_waits": ("device", "waits"),
    "driver_spurious": ("driver", "spurious"),
    "device_spurious": ("device", "spurious"),
    "driver_announcements": ("driver", "announcements"),
    "device_announcements": ("device", "announcements"),
    "driver_looks": ("driver", "looks"),
    "device_looks": ("device", "looks"),
}


def keep_ring(setup: RingSetup, samples: list[Sample]) -> Kept[Sample]:
    """The undisturbed ones. A side that sleeps leaves its CPU by itself: then only being switched out disturbs it."""
    if setup.wait is not Wait.SLEEP:
        return keep(samples)
    return Kept(tuple(sample for sample in samples if sample.involuntary_switches == 0), len(samples))


class RingPair:
    """Two processes with rooms for rings like `largest`'s: any setup that needs no more of them. A context manager."""

    def __init__(self, largest: RingSetup, cpus: tuple[int, int]) -> None:
        self._largest = largest
        ring = SplitLayout(largest.ring_size, PAGE_SIZE)
        buffers = largest.ring_size * (_stride(largest.payload) + TABLE_ENTRIES * DESC_BYTES)
        control = _bridge.BENCH_CONTROL_BYTES
        self._pair = Pair(Layout.plan(vrings=ring.end - PAGE_SIZE, buffers=buffers, resources=1, model=control), cpus)
        self.cpus = cpus
        self._run = 0

    def __enter__(self) -> Self:
        self._pair.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pair.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """The halves' process ids, driver first."""
        return self._pair.pids

    def run(self, setup: RingSetup, messages: int) -> Run:
        """One sample. Raises WorkWrong if the work was not done, or not right."""
        assert setup.ring_size <= self._largest.ring_size, "the region has room for the ring"
        assert _stride(setup.payload) <= _stride(self._largest.payload), "the region has room for the payloads"
        self._run += 1
        layout = self._pair.region.layout
        board = layout["mailbox"].offset
        bench = (
            layout["model"].offset,
            board,
            messages,
            BUDGET_NS,
            self._run,
            setup.most,
            setup.batch,
            setup.payload,
            _WAIT[setup.wait],
        )
        driver, device = self._pair.do("ring_bench", ring_numbers(layout, setup), bench, setup.checks, setup.relax)
        prove(messages, driver, device)
        ns = driver["wall_ns"] / messages
        return Run(sample_of(ns, (driver, device)), messages, driver, device)

    def count_for(self, setup: RingSetup, seconds: float = SAMPLE_S) -> int:
        """How many buffers take about so long here: the fastest of three trials, so that no disturbance decides."""
        fastest = min(self.run(setup, TRIAL_MESSAGES).sample.value for _ in range(3))
        return max(TRIAL_MESSAGES, int(seconds * 1e9 / fastest))


def ring_numbers(layout: Layout, setup: RingSetup) -> tuple[Any, ...]:
    """The ring as the C core takes it (py_ring.c): the layout of amp.virtio.split, and what the setup says."""
    ring = SplitLayout(setup.ring_size, layout["vrings"].offset)
    start, end = layout.shared
    buffers = layout["buffers"]
    tables = align_up(buffers.offset + setup.ring_size * _stride(setup.payload), DESC_BYTES)
    how, weak = _HOW[setup.barriers], setup.barriers is BarrierClass.SMP
    if setup.dispatch is Dispatch.BRANCH:
        how = _bridge.RING_BRANCH
    return (
        ring_layout(ring),
        (start, end, buffers.offset, buffers.end),
        (tables, TABLE_ENTRIES) if setup.indirect else (0, 0),
        how,
        weak,
        setup.event_idx,
        setup.indirect,
        True,  # heads go round first in, first out
        setup.rewrite,
    )


def prove(messages: int, driver: Figures, device: Figures) -> None:
    """WorkWrong unless both sides saw the same `messages` buffers go and come back, with the right bytes in them."""
    if device["corrupted"]:
        raise WorkWrong(f"{device['corrupted']} of {messages} payloads were wrong when the device read them")
    for key in ("messages", "delivered", "returned"):
        if driver[key] != device[key]:
            raise WorkWrong(f"{key}: the driver has {driver[key]:#x}, the device {device[key]:#x}")
    if driver["messages"] != messages:
        raise WorkWrong(f"{driver['messages']} buffers went round, not {messages}")


def measure(
    pair: RingPair,
    setup: RingSetup,
    time_s: float,
    *,
    count: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> Measured:
    """Samples of `count` buffers each, until `time_s` is over; at least one."""
    began = time.monotonic()
    messages = count or pair.count_for(setup)
    runs: list[Run] = []
    while not runs or time.monotonic() - began < time_s:
        runs.append(pair.run(setup, messages))
        if progress is not None:
            progress(min(1.0, (time.monotonic() - began) / time_s))
    return Measured(setup, tuple(runs), time.monotonic() - began)


def _stride(payload: int) -> int:
    return align_up(max(payload, 1), STRIDE)
