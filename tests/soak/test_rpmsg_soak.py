"""Many endpoints, many messages, both ways, in two processes on a machine that reorders: nothing lost, twice, or out of
order. Both sides check every byte against what is due.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from pathlib import Path

import pytest
from slow_sizes import size
from soak_messages import message

from amp.lab.board import Board
from amp.machine.config import Mode
from amp.ordering import platform
from amp.ordering.sites import SiteMap, parse_policy
from amp.remoteproc.build import build, declaration
from amp.remoteproc.image import read_image
from amp.rpmsg import Endpoint, Message
from amp.virtio.sites import SITES

HERE = Path(__file__).parent
LIMIT_S = 240.0


def firmware(tmp_path: Path, streams: int) -> Path:
    """Both files in one, since an image holds one module."""
    text = (HERE / "soak_messages.py").read_text() + (HERE / "echo_streams.py").read_text()
    module = tmp_path / "soak.py"
    module.write_text(text.replace("STREAMS = 256", f"STREAMS = {streams}"))
    return module


class Soak:
    """Sends `each` messages on each of `streams` endpoints, up to `window` under way on one, and checks the echoes."""

    def __init__(self, board: Board, streams: int, each: int, window: int) -> None:
        self.board, self.streams, self.each, self.window = board, streams, each, window
        self.sent, self.due = [0] * streams, [0] * streams
        self.came = 0
        self.ready: deque[int] = deque(stream for stream in range(streams) for _ in range(window))

    def heard(self, stream: int, _: Endpoint, received: Message) -> None:
        assert received.data == message(stream, self.due[stream]), f"stream {stream}, message {self.due[stream]}"
        self.due[stream] += 1
        self.came += 1
        self.ready.append(stream)

    def run(self) -> None:
        bus = self.board.bus
        assert bus.wait_until(lambda: len(bus.names.channels) == self.streams, LIMIT_S)
        endpoints = [
            bus.open_channel(bus.wait_for_channel(f"soak-{stream}", LIMIT_S), partial(self.heard, stream))
            for stream in range(self.streams)
        ]
        while self.came < self.streams * self.each:
            while self.ready:
                stream = self.ready.popleft()
                if self.sent[stream] < self.each:
                    self.sent[stream] += 1
                    endpoints[stream].send(message(stream, self.sent[stream] - 1))
            before = self.came
            bus.wait_until(lambda: self.came > before or self.came == self.streams * self.each, LIMIT_S)  # noqa: B023
            assert self.came > before, f"{self.came} of {self.streams * self.each}: nothing comes any more"


def soak(tmp_path: Path, *, streams: int, each: int, window: int, sites: SiteMap, platform_name: str) -> Soak:
    module = firmware(tmp_path, streams)
    image = read_image(build(module, declaration(module)))
    chosen = platform(platform_name)
    with Board(image, mode=Mode.FREE, platform=chosen, sites=sites, rproc={"recovery": False}) as board:
        run = Soak(board, streams, each, window)
        run.run()
        assert board.rproc.check() is None, "the firmware found nothing either"
        counts = board.bus.counts
        assert (counts.no_recipient, counts.malformed) == (0, 0)
        assert counts.sent == streams * each
        board.rproc.stop()
        # The last one may be: an echo is sent before the buffer that it answers is given back.
        assert len(board.rproc.unacknowledged) <= 1
    assert run.due == [each] * streams
    return run


def test_nothing_is_lost_doubled_or_reordered_between_thirty_two_endpoints(tmp_path: Path) -> None:
    soak(tmp_path, streams=32, each=300, window=20, sites=parse_policy("dma", SITES), platform_name="arm64-domains")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nothing_is_lost_doubled_or_reordered_between_256_endpoints(tmp_path: Path) -> None:
    soak(
        tmp_path,
        streams=256,
        each=size(1000, 10_000),
        window=2,
        sites=parse_policy("dma", SITES),
        platform_name="arm64-domains",
    )


def test_with_smp_barriers_the_same_exchange_goes_wrong(tmp_path: Path) -> None:
    """The other direction: what the soak calls right can go wrong, and it notices."""
    with pytest.raises(Exception, match=r".") as caught:  # whichever side sees it first, in whatever shape
        soak(tmp_path, streams=32, each=3000, window=20, sites=parse_policy("none", SITES), platform_name="paranoid")
    print(type(caught.value).__name__, str(caught.value)[:200])
