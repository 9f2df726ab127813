"""Python on both sides of the bare region, two processes: messages a second through the ring, round trips over rpmsg.

    python bench/batches.py [--rounds N] [--cpus A,B] [--only NAME]

Every message is written and checked, 16 bytes each. The kinds of work take turns for so many rounds; a sample counts
only if nobody disturbed either side (amp.bench.stats). The ring's two sides poll; rpmsg's wait as they do by default,
spinning 20 us before they sleep, or without any spin. Times are this machine's.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from amp.bench.cpus import two_cpus
from amp.bench.stats import Interval, Sample, percentiles
from amp.port.doors import DirectPort, open_direct
from amp.port.port import HOST, REMOTE
from amp.region import PAGE_SIZE, Layout, Region
from amp.rpmsg import Bus, Endpoint, Message
from amp.virtio.batch import read_rows, write_rows
from amp.virtio.sites import linux_choice
from amp.virtio.split import Segment, SplitLayout
from hostside.rpmsg import DriverLink
from hostside.virtqueue import driver_queue
from remoteside.rpmsg import DeviceLink, Rings
from remoteside.virtqueue import device_queue

BATCH: Final = 256
PAYLOAD: Final = 16
# Entries of the ring: eight batches under way. With four, the sides may fall into step and wait for each other's lines:
# 12, 18 or 29 M messages/s, for the whole of a run (2 vCPUs of an AMD EPYC).
NUM: Final = 2048
SAMPLES: Final = 40  # of a round
FACTOR: Final = 0x9E37_79B9_7F4A_7C15  # of a payload's second word: its number times this, modulo 2^64
MASK: Final = (1 << 64) - 1
RPMSG_NUM: Final = 256
UNDER_WAY: Final = 64  # of a flood

STEP: Final = np.array([1, FACTOR], np.uint64)  # from one message to the next

Taken = list[tuple[float, float, int]]  # wall_s, cpu_s, involuntary switches of each sample


class Clock:
    """What one side spent on each sample."""

    def __init__(self) -> None:
        self.taken: Taken = []
        self._start = self._now()

    def _now(self) -> tuple[float, float, int]:
        switches = resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
        return time.perf_counter(), time.thread_time(), switches

    def sample(self) -> None:
        now = self._now()
        self.taken.append(tuple(b - a for a, b in zip(self._start, now, strict=True)))  # type: ignore[arg-type]
        self._start = now


def ring_layout() -> tuple[SplitLayout, Layout]:
    ring = SplitLayout(NUM, PAGE_SIZE)
    return ring, Layout.plan(vrings=ring.end - PAGE_SIZE, buffers=NUM * PAYLOAD, resources=1, model=1)


# --- the ring, in batches


def messages(count: int) -> NDArray[np.uint64]:
    """The first so many: number, number * FACTOR."""
    return np.arange(count, dtype=np.uint64)[:, None] * STEP


def drive_batches(port: DirectPort, region: Region, batches: int) -> Taken:
    """Keeps as many batches under way as the ring holds; each has buffers of its own."""
    ring, _ = ring_layout()
    queue = driver_queue(port, ring)
    queue.disable_interrupts()
    start = region.layout["buffers"].offset
    parts = (start + PAYLOAD * np.arange(NUM, dtype=np.uint64)).reshape(NUM // BATCH, BATCH)
    lengths = np.full(BATCH, PAYLOAD, np.uint32)
    rows = np.empty((BATCH, PAYLOAD), np.uint8)
    words = rows.view(np.uint64)
    words[:] = messages(BATCH)
    step = np.tile(BATCH * STEP, (BATCH, 1))
    clock, back, sent = Clock(), 0, 0
    for batch in range(SAMPLES * batches):
        while sent - back > NUM - BATCH:
            back += len(queue.take_many()[0])
        addresses = parts[batch % len(parts)]
        write_rows(port, addresses, lengths, rows)
        assert len(queue.add_many(addresses, lengths)) == BATCH
        queue.kick()
        sent += BATCH
        words += step
        if batch % batches == batches - 1:
            clock.sample()
    while back < sent:
        back += len(queue.take_many()[0])
    return clock.taken


def serve_batches(port: DirectPort, region: Region, batches: int) -> Taken:
    ring, _ = ring_layout()
    buffers = region.layout["buffers"]
    queue = device_queue(port, ring, (buffers.offset, buffers.end))
    queue.disable_notifications()
    rows = np.zeros((BATCH, PAYLOAD), np.uint8)
    words = rows.view(np.uint64)
    wanted, step = messages(BATCH), np.tile(BATCH * STEP, (BATCH, 1))
    nothing = np.zeros(BATCH, np.uint32)
    clock, came = Clock(), 0
    for due in range(batches, SAMPLES * batches + 1, batches):
        while came < due * BATCH:
            heads, addresses, lengths = queue.take_many(min(BATCH, due * BATCH - came))
            n = len(heads)
            if not n:
                continue
            read_rows(port, addresses, lengths, rows[:n])
            queue.finish_reading()
            if words[:n].tobytes() != wanted[:n].tobytes():
                raise AssertionError(f"messages from {came} on: {words[:n].tolist()}")
            wanted += step if n == BATCH else n * STEP
            queue.add_many(heads, nothing[:n])
            queue.call()
            came += n
        clock.sample()
    return clock.taken


# --- the ring, one at a time


def drive_singly(port: DirectPort, region: Region, count: int) -> Taken:
    ring, _ = ring_layout()
    queue = driver_queue(port, ring)
    queue.disable_interrupts()
    start = region.layout["buffers"].offset
    idle = [(Segment(start + PAYLOAD * number, PAYLOAD),) for number in range(NUM)]
    add, get_used, kick, write = queue.add, queue.get_used, queue.kick, port.write
    clock = Clock()
    for number in range(SAMPLES * count):
        while (used := get_used()) is not None:
            idle.append(used[0])
        while not idle:
            if (used := get_used()) is not None:
                idle.append(used[0])
        segments = idle.pop()
        write(segments[0][0], (number | (number * FACTOR & MASK) << 64).to_bytes(PAYLOAD, "little"))
        add(segments, (), segments)
        kick()
        if number % count == count - 1:
            clock.sample()
    return clock.taken


def serve_singly(port: DirectPort, region: Region, count: int) -> Taken:
    ring, _ = ring_layout()
    buffers = region.layout["buffers"]
    queue = device_queue(port, ring, (buffers.offset, buffers.end))
    queue.disable_notifications()
    next_chain, push_used, call, read = queue.next_chain, queue.push_used, queue.call, port.read
    clock = Clock()
    for number in range(SAMPLES * count):
        while (chain := next_chain()) is None:
            pass
        address, length = chain[1][0]
        payload = read(address, length)
        queue.finish_reading()
        if int.from_bytes(payload, "little") != number | (number * FACTOR & MASK) << 64:
            raise AssertionError(f"message {number}: {payload.hex()}")
        push_used(chain[0], 0)
        call()
        if number % count == count - 1:
            clock.sample()
    return clock.taken


# --- rpmsg


def rpmsg_layout() -> tuple[SplitLayout, SplitLayout, Layout]:
    first = SplitLayout(RPMSG_NUM, PAGE_SIZE)
    second = SplitLayout(RPMSG_NUM, first.end + -first.end % PAGE_SIZE)
    return first, second, Layout.plan(vrings=second.end - PAGE_SIZE, buffers=512 * 512, resources=1, model=1)


def host_bus(port: DirectPort, region: Region) -> Bus:
    first, second, _ = rpmsg_layout()
    link = DriverLink(port, first, second, region.layout["buffers"].offset, 512, event_idx=True)
    bus = Bus(port, link, clock=time.monotonic, name_service=False)
    link.flush()
    return bus


def remote_bus(port: DirectPort, region: Region) -> Bus:
    first, second, _ = rpmsg_layout()
    buffers = region.layout["buffers"]
    rings = Rings(first, second, (buffers.offset, buffers.end), event_idx=True)
    return Bus(port, DeviceLink(port, rings), clock=time.monotonic, name_service=False)


def echo(port: DirectPort, region: Region, count: int) -> Taken:
    """Answers so many samples of messages."""
    bus, clock, came = remote_bus(port, region), Clock(), 0

    def answer(endpoint: Endpoint, message: Message) -> None:
        nonlocal came
        endpoint.sendto(message.data, message.source)
        came += 1
        if came % count == 0:
            clock.sample()

    bus.create_endpoint(callback=answer, addr=1)
    bus.wait_until(lambda: came == SAMPLES * count, 60.0)
    return clock.taken


def ping(port: DirectPort, region: Region, count: int) -> Taken:
    endpoint, clock = host_bus(port, region).create_endpoint(dest=1), Clock()
    for number in range(SAMPLES * count):
        data = number.to_bytes(PAYLOAD, "little")
        endpoint.send(data)
        if endpoint.recv(60.0).data != data:
            raise AssertionError(f"message {number} came back wrong")
        if number % count == count - 1:
            clock.sample()
    return clock.taken


def flood(port: DirectPort, region: Region, count: int) -> Taken:
    bus, clock, sent, came = host_bus(port, region), Clock(), 0, 0

    def check(_: Endpoint, message: Message) -> None:
        nonlocal came
        if message.data != came.to_bytes(PAYLOAD, "little"):
            raise AssertionError(f"echo {came}: {message.data.hex()}")
        came += 1
        if came % count == 0:
            clock.sample()

    endpoint = bus.create_endpoint(callback=check, dest=1)
    while came < SAMPLES * count:
        while sent < SAMPLES * count and sent - came < UNDER_WAY:
            endpoint.send(sent.to_bytes(PAYLOAD, "little"))
            sent += 1
        bus.wait(60.0)
    return clock.taken


def send_many(port: DirectPort, region: Region, count: int) -> Taken:
    """One way, so many messages a call."""
    endpoint, clock = host_bus(port, region).create_endpoint(dest=1), Clock()
    for start in range(0, SAMPLES * count, UNDER_WAY):
        endpoint.send_many([number.to_bytes(PAYLOAD, "little") for number in range(start, start + UNDER_WAY)])
        if (start + UNDER_WAY) % count == 0:
            clock.sample()
    return clock.taken


def recv_many(port: DirectPort, region: Region, count: int) -> Taken:
    endpoint, clock, came = remote_bus(port, region).create_endpoint(addr=1), Clock(), 0
    while came < SAMPLES * count:
        for message in endpoint.recv_many(timeout_s=60.0):
            if message.data != came.to_bytes(PAYLOAD, "little"):
                raise AssertionError(f"message {came}: {message.data.hex()}")
            came += 1
            if came % count == 0:
                clock.sample()
    return clock.taken


# --- both sides, and the report

Side = Callable[[DirectPort, Region, int], Taken]


@dataclass(frozen=True)
class Work:
    """Both sides of it. A sample is `each` steps of their loops, `messages` messages. spin_ns None: the default."""

    host: Side
    remote: Side
    layout: Layout
    each: int
    messages: int
    unit: str
    spin_ns: int | None = None


RING, RPMSG = ring_layout()[1], rpmsg_layout()[2]
WORKS: Final = {
    "ring, batches of 256": Work(drive_batches, serve_batches, RING, 64, 64 * BATCH, "M messages/s"),
    "ring, one at a time": Work(drive_singly, serve_singly, RING, 500, 500, "k messages/s"),
    "rpmsg ping-pong": Work(ping, echo, RPMSG, 50, 50, "us a round trip"),
    "rpmsg ping-pong, no spin": Work(ping, echo, RPMSG, 50, 50, "us a round trip", spin_ns=0),
    "rpmsg send_many, recv_many": Work(send_many, recv_many, RPMSG, 1024, 1024, "k messages/s"),
    "rpmsg flood": Work(flood, echo, RPMSG, 200, 200, "k echoes/s"),
}
SCALE: Final = {"M messages/s": 1e-6, "k messages/s": 1e-3, "k echoes/s": 1e-3}


def run(work: Work, cpus: tuple[int, int]) -> Iterator[tuple[float, Sample]]:
    """(value, how disturbed) of every sample of one round but the first, in which both sides warm up."""
    with Region.create(work.layout) as region:
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(ours)
            status = 1
            try:
                os.write(theirs, json.dumps(side(work.remote, work, region, REMOTE, cpus[1])).encode())
                status = 0
            finally:
                os._exit(status)
        os.close(theirs)
        host = side(work.host, work, region, HOST, cpus[0])
        with open(ours, "rb") as answer:
            text = answer.read()
        _, status = os.waitpid(child, 0)
        if status:
            raise SystemExit("the other side failed")
    for mine, its in list(zip(host, json.loads(text), strict=True))[1:]:
        value = work.messages / mine[0] * SCALE[work.unit] if work.unit in SCALE else mine[0] / work.messages * 1e6
        sides = [Sample(value, cpu, wall, switches) for wall, cpu, switches in (mine, its)]
        yield value, Sample.of_sides(value, sides)


def side(do: Side, work: Work, region: Region, cpu: int, core: int) -> Taken:
    os.sched_setaffinity(0, {core})
    gc.disable()
    port = open_direct(region, cpu, linux_choice(weak_barriers=False))
    if work.spin_ns is not None:
        port.set_spin_ns(work.spin_ns)
    return do(port, region, work.each)


def main() -> None:
    parser = argparse.ArgumentParser(description="Python through the ring and over rpmsg, in direct mode")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--cpus", default="", help="two CPUs, A,B")
    parser.add_argument("--only", choices=list(WORKS), action="append", help="this kind of work; may be repeated")
    options = parser.parse_args()
    cpus = two_cpus([int(cpu) for cpu in options.cpus.split(",") if cpu])
    names = options.only or list(WORKS)
    taken: dict[str, list[tuple[float, Sample]]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            taken[name] += run(WORKS[name], cpus)
            sys.stdout.flush()
    for name in names:
        report(name, WORKS[name], taken[name])


def report(name: str, work: Work, taken: list[tuple[float, Sample]]) -> None:
    """A line of percentiles. A side that sleeps leaves its CPU by itself: then only being switched out disturbs it."""
    kept = [
        value
        for value, sample in taken
        if (sample.involuntary_switches == 0 if work.spin_ns == 0 else sample.undisturbed)
    ]
    if not kept:
        print(f"{name:26} no sample of {len(taken)} was undisturbed")
        return
    found = Interval.of(kept)
    parts = "  ".join(f"p{rank:g} {value:.2f}" for rank, value in percentiles(kept, (10, 50, 90, 99)).items())
    print(
        f"{name:26} {work.unit}: median {found.median:.2f} ({found.low:.2f} to {found.high:.2f})  {parts}"
        f"  ({len(kept)} of {len(taken)} samples kept)"
    )


if __name__ == "__main__":
    main()
