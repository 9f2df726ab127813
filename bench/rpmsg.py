"""rpmsg between two processes, Python on both sides: round trip and flood of 16-byte messages to a booted firmware.

    python bench/rpmsg.py [--mode direct|free] [--messages N]

Prints percentiles of the round trip and of the flood's batches. The waits are the defaults: spin briefly, then sleep.
Every message is checked. Times are this machine's; compare them with something measured in the same minute.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from itertools import pairwise
from pathlib import Path

from amp.cli.board import Board
from amp.machine.config import Mode
from amp.ordering import platform
from amp.ordering.sites import SiteMap
from amp.remoteproc.build import build, declaration, find_module
from amp.remoteproc.image import read_image
from amp.rpmsg import Bus, Channel, Endpoint, Message

WARM_UP = 2000
BATCH = 1000  # echoes of a flood whose rate is one sample
UNDER_WAY = 64  # of 256 buffers


def percentiles(samples: list[float], unit: str) -> str:
    ordered = sorted(samples)
    named = {"p1": 1, "p10": 10, "p50": 50, "p90": 90, "p99": 99, "p99.9": 99.9}
    return (
        "  ".join(
            f"{name} {ordered[min(len(ordered) - 1, int(len(ordered) * part / 100))]:,.1f}"
            for name, part in named.items()
        )
        + f"  ({len(ordered)} samples, {unit})"
    )


def round_trips(endpoint: Endpoint, count: int, size: int) -> list[float]:
    """Microseconds of each."""
    samples = []
    for number in range(WARM_UP + count):
        data = number.to_bytes(4, "little") * (size // 4)
        start = time.perf_counter_ns()
        endpoint.send(data)
        answer = endpoint.recv(5.0)
        samples.append((time.perf_counter_ns() - start) / 1e3)
        assert answer.data == data
    return samples[WARM_UP:]


def flood(bus: Bus, channel: Channel, count: int, size: int) -> tuple[float, list[float]]:
    """Echoes per second: of all, and of each batch."""
    sent = came = 0
    marks = [time.perf_counter()]

    def check(_: Endpoint, message: Message) -> None:
        nonlocal came
        assert message.data[:4] == came.to_bytes(4, "little"), came
        came += 1
        if came % BATCH == 0:
            marks.append(time.perf_counter())

    padding = bytes(size - 4)
    with bus.open_channel(channel, check) as endpoint:
        while came < count:
            while sent < count and sent - came < UNDER_WAY:
                endpoint.send(sent.to_bytes(4, "little") + padding)
                sent += 1
            bus.wait(5.0)
    rates = [BATCH / (end - start) for start, end in pairwise(marks)]
    return count / (marks[-1] - marks[0]), rates


def echo_image() -> bytes:
    module = find_module("remoteside.services.echo")
    return build(Path(module), declaration(module))


def main() -> None:
    parser = argparse.ArgumentParser(description="rpmsg round trip and flood")
    parser.add_argument("--mode", choices=["direct", "free"], default="direct")
    parser.add_argument("--platform", default="arm64-domains")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=16, help="bytes of payload, a multiple of 4")
    options = parser.parse_args()
    mode = Mode(options.mode)
    cpus = sorted(os.sched_getaffinity(0))
    chosen = None if mode is Mode.DIRECT else platform(options.platform)
    sites = SiteMap.virtio(weak_barriers=False)
    with Board(read_image(echo_image()), mode=mode, sites=sites, platform=chosen) as board:
        channel = board.bus.wait_for_channel("rpmsg-echo", 10.0)
        if len(cpus) > 1:  # a processor for each side, once both have seen that there are two
            os.sched_setaffinity(0, {cpus[0]})
            assert board.core.pid is not None
            os.sched_setaffinity(board.core.pid, {cpus[1]})
        gc.disable()
        with board.bus.open_channel(channel) as endpoint:
            samples = round_trips(endpoint, options.messages // 5, options.size)
        print(f"round trip  {percentiles(samples, 'us')}")
        rate, rates = flood(board.bus, channel, options.messages, options.size)
        print(f"flood       {rate:,.0f} echoes/s in all; batches of {BATCH}:")
        print(f"            {percentiles(rates, 'echoes/s')}")
        board.rproc.stop()


if __name__ == "__main__":
    main()
