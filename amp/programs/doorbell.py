"""doorbell: no ring: a request and its number, a kick, a reply and its number, a kick back."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from amp.machine.config import RunConfig
from amp.machine.stamps import STAMP_BYTES, STAMPS_LIMIT
from amp.machine.wiring import VRINGS_AT
from amp.ordering.platforms import Side
from amp.programs.one_ring import INTERRUPT
from amp.programs.program import Part, Program, Reuse, Size
from amp.programs.room import GRANULE_BYTES, plus, small_region
from amp.region import Layout
from amp.virtio.sites import B1, K1, K2, LINUX, SITES


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The doorbell program's two slots, request and reply: a payload of 8 bytes and a u32 sequence number each."""

    request: int = VRINGS_AT
    request_number: int = VRINGS_AT + GRANULE_BYTES
    reply: int = VRINGS_AT + 2 * GRANULE_BYTES
    reply_number: int = VRINGS_AT + 3 * GRANULE_BYTES

    @property
    def end(self) -> int:
        return self.reply_number + GRANULE_BYTES

    def layout(self, model_bytes: int) -> Layout:
        return small_region(self.end, model_bytes)

    def name_of(self, address: int) -> str:
        number, offset = divmod(address - VRINGS_AT, GRANULE_BYTES)
        if not VRINGS_AT <= address < self.end:
            return f"{address:#x}"
        return f"{('request payload', 'request number', 'reply payload', 'reply number')[number]}{plus(offset)}"


def mailbox(config: RunConfig) -> Mailbox:
    """The slots of a run."""
    config.check()
    return Mailbox()


PROGRAM: Final = Program(
    name="doorbell",
    summary="no ring: a request and its number, a kick, a reply and its number, a kick back",
    parts=(
        Part("host", Side.HOST, "hostside.small:doorbell"),
        Part("remote", Side.REMOTE, "remoteside.small:doorbell"),
    ),
    memory=mailbox,
    sites=SITES,
    violations="a payload or a number that is not the one whose doorbell rang; both asleep with messages left",
    symptoms=MappingProxyType(
        {
            K1: "the doorbell overtakes what it announces: the payload or the number is stale",
            B1: "the next request is written while the remote still reads this one: it arrives early",
        }
    ),
    idle=MappingProxyType({K2: INTERRUPT}),
    stands_at=frozenset({K1, K2, B1}),
    sizes=MappingProxyType({"messages": Size(2, 1, STAMPS_LIMIT), "ring_size": Size(1, 1, 1)}),
    fixed=MappingProxyType({"payload_bytes": STAMP_BYTES}),
    policies=LINUX,
    reuse=Reuse(B1, beyond=1, entries=1),
    shipped=True,
)
