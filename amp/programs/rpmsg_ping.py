"""rpmsg-ping: a service is announced, pinged, and answers; the bus as it is coded; the two sides sleep."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from amp.machine.config import RunConfig
from amp.machine.stamps import STAMPS_LIMIT
from amp.machine.wiring import VRINGS_AT
from amp.ordering.platforms import Side
from amp.programs.one_ring import BEHIND_MB, INTERRUPT
from amp.programs.program import Part, Program, Size
from amp.programs.room import GRANULE_BYTES, plus, small_region
from amp.region import Layout
from amp.rpmsg.wire import HEADER_BYTES
from amp.virtio.sites import B1, K1, K2, LINUX, S1, S2, S3, S4, S5, S6, S7, S8, SITES
from amp.virtio.split import DESC_BYTES, SplitLayout, align_up, split_layout


@dataclass(frozen=True, slots=True)
class RpmsgRings:
    """rpmsg-ping's device: its status byte, two vrings, and as many buffers for each as it has entries.

    `input` is the host's: it brings the remote's messages. The buffers of `input` come first, `buffer_bytes` each.
    """

    status: int
    input: SplitLayout
    output: SplitLayout
    buffers: int
    buffer_bytes: int

    @property
    def count(self) -> int:
        return self.input.num + self.output.num

    @property
    def end(self) -> int:
        return self.buffers + self.count * self.buffer_bytes

    @property
    def memory(self) -> tuple[int, int]:
        """(start, end): where a descriptor may point."""
        return self.buffers, self.end

    def layout(self, model_bytes: int) -> Layout:
        return small_region(self.end, model_bytes)

    def name_of(self, address: int) -> str:
        for ring, name in ((self.input, "input"), (self.output, "output")):
            field = ring.field_at(address)
            if field is not None:
                return f"{name} {field}"
        if self.buffers <= address < self.end:
            number, offset = divmod(address - self.buffers, self.buffer_bytes)
            way, number = ("input", number) if number < self.input.num else ("output", number - self.input.num)
            part = "header" if offset < HEADER_BYTES else "payload"
            return f"{way} buffer {number} {part}{plus(offset if part == 'header' else offset - HEADER_BYTES)}"
        return "device status" if address == self.status else f"{address:#x}"


def rpmsg_rings(config: RunConfig) -> RpmsgRings:
    """The device of a run. Raises UsageError for impossible sizes."""
    config.check()
    first = split_layout(config.ring_size, VRINGS_AT + DESC_BYTES, config.align)
    second = split_layout(config.ring_size, align_up(first.end, DESC_BYTES), config.align)
    return RpmsgRings(VRINGS_AT, first, second, align_up(second.end, GRANULE_BYTES), config.payload_bytes)


PROGRAM: Final = Program(
    name="rpmsg-ping",
    summary="rpmsg: a service is announced, pinged, and answers; the bus as it is coded; the two sides sleep",
    parts=(
        Part("host", Side.HOST, "hostside.rpmsg_ping:ping"),
        Part("remote", Side.REMOTE, "remoteside.rpmsg_ping:ping"),
    ),
    memory=rpmsg_rings,
    sites=SITES,
    violations="a header, a name or a payload that is not the one sent; a ring rule broken; both asleep, work left",
    symptoms=MappingProxyType(
        {
            S1: "the remote takes a descriptor or a message that is not there yet (avail.idx came first)",
            S2: "the remote reads the descriptor or the message from before avail.idx moved",
            S3: "the host takes a used entry or a message that is not there yet (used.idx came first)",
            S4: "the host reads the used entry or the message from before used.idx moved",
        }
    ),
    idle=MappingProxyType(
        {
            **dict.fromkeys((S5, S7), "nobody waits for a buffer, and messages always ring"),
            K1: BEHIND_MB,
            K2: INTERRUPT,
            B1: "a buffer comes round only after what was read from it has been looked into",
        }
    ),
    stands_at=frozenset(SITES) - {S6, S8},
    sizes=MappingProxyType({"messages": Size(1, 1, STAMPS_LIMIT), "ring_size": Size(2, 1, 4, power_of_two=True)}),
    fixed=MappingProxyType({"payload_bytes": 56, "align": 4}),
    policies=LINUX,
    sleeps=True,
    shipped=True,
)
