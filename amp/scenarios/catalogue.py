"""The scenarios: one record each.

Which weakened site shows what is a claim on the platform `paranoid`, where nothing but the named barrier orders
anything; `tests/scenarios` makes the runs. On other platforms a site may be needed less, or its barrier reach less far.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from amp.machine.stamps import STAMP_BYTES, STAMPS_LIMIT
from amp.ordering.barriers import Kind
from amp.ordering.sites import Kinds, Site
from amp.scenarios.scenario import Scenario
from hostside import scenarios as host
from remoteside import scenarios as remote

S1, S2, S3, S4, S5, S6, S7, S8 = (Site[f"S{number}"] for number in range(1, 9))
K1, K2, B1 = Site.K1, Site.K2, Site.B1

_C11: Final[Kinds] = MappingProxyType(
    {S1: Kind.RELEASE, S2: Kind.ACQUIRE, S3: Kind.RELEASE, S4: Kind.ACQUIRE},
)
_RING_SITES: Final[Mapping[Site, str]] = MappingProxyType(
    {
        S1: "the device takes a descriptor or a request that is not there yet (avail.idx came first)",
        S2: "the device reads the descriptor or the request from before avail.idx moved",
        S3: "the driver takes a used entry or a reply that is not there yet (used.idx came first)",
        S4: "the driver reads the used entry or the reply from before used.idx moved",
        B1: "a buffer is written anew while it is still read (it takes more messages than ring entries): a later "
        "message arrives early",
    }
)
_WAKING_SITES: Final[Mapping[Site, str]] = MappingProxyType(
    {
        S5: "the driver sees the device awake, the device sees no message: both sleep",
        S6: "the device's wish is not seen and its second look is too early: both sleep",
        S7: "the device sees the driver awake, the driver sees nothing used: both sleep",
        S8: "the driver's wish is not seen and its second look is too early: both sleep",
    }
)
_BEHIND_MB: Final = "the full barrier of S5 or S7 stands between the ring and the doorbell"
_INTERRUPT: Final = "taking an interrupt orders what follows it, on every platform of the model"
_RING_VIOLATIONS: Final = (
    "a message that is wrong, stale or early; a buffer that comes back out of order, twice or never; "
    "a ring index, id, length or descriptor that breaks the ring's rules"
)
_RING_FIXED: Final[Mapping[str, Any]] = MappingProxyType({"payload_bytes": STAMP_BYTES, "align": 4})

_ALL = (
    Scenario(
        name="spsc-vring",
        summary="the core of a vring in bare cells and C11 fences; the two sides poll",
        host=host.PROGRAMS["spsc-vring"],
        remote=remote.PROGRAMS["spsc-vring"],
        violations="an id that is not in the ring's bounds or not in flight; a length or a value of another message",
        sites=MappingProxyType(
            {
                S1: "the device takes an id, a length or a value that is not there yet (avail_idx came first)",
                S2: "the device reads the id, the length or the value from before avail_idx moved",
                S3: "the driver takes a used id that is not there yet (used_idx came first)",
                S4: "the driver reads the used id from before used_idx moved",
            }
        ),
        kinds=_C11,
        fixed=MappingProxyType({"payload_bytes": 4}),
        power_of_two=False,
    ),
    Scenario(
        name="vring",
        summary="one vring, driver and device as they are coded; requests and replies by turns; the two sides poll",
        host=host.PROGRAMS["vring"],
        remote=remote.PROGRAMS["vring"],
        violations=_RING_VIOLATIONS,
        sites=_RING_SITES,
        fixed=_RING_FIXED,
        messages_limit=STAMPS_LIMIT,
    ),
    Scenario(
        name="vring-flags",
        summary="vring with kicks and interrupts forgone by NO_NOTIFY and NO_INTERRUPT; the two sides sleep",
        host=host.PROGRAMS["vring-flags"],
        remote=remote.PROGRAMS["vring-flags"],
        violations=f"{_RING_VIOLATIONS}; both sides asleep with messages left",
        sites=MappingProxyType({**_RING_SITES, **_WAKING_SITES}),
        idle_sites=MappingProxyType({K1: _BEHIND_MB, K2: _INTERRUPT}),
        fixed=_RING_FIXED,
        messages_limit=STAMPS_LIMIT,
    ),
    Scenario(
        name="vring-event-idx",
        summary="vring with kicks and interrupts forgone by event index; the two sides sleep",
        host=host.PROGRAMS["vring-event-idx"],
        remote=remote.PROGRAMS["vring-event-idx"],
        violations=f"{_RING_VIOLATIONS}; both sides asleep with messages left",
        sites=MappingProxyType({**_RING_SITES, **_WAKING_SITES}),
        idle_sites=MappingProxyType({K1: _BEHIND_MB, K2: _INTERRUPT}),
        fixed=MappingProxyType({**_RING_FIXED, "event_idx": True}),
        messages_limit=STAMPS_LIMIT,
    ),
    Scenario(
        name="vring-indirect",
        summary="vring with messages that are request and reply in one, through an indirect table; the two sides poll",
        host=host.PROGRAMS["vring-indirect"],
        remote=remote.PROGRAMS["vring-indirect"],
        violations=_RING_VIOLATIONS,
        sites=_RING_SITES,
        fixed=MappingProxyType({**_RING_FIXED, "payload_bytes": 2 * STAMP_BYTES, "indirect": True, "segments": 2}),
        messages_limit=STAMPS_LIMIT,
        ring_size_limits=(2, 8),
    ),
    Scenario(
        name="doorbell",
        summary="no ring: a request and its number, a kick, a reply and its number, a kick back",
        host=host.PROGRAMS["doorbell"],
        remote=remote.PROGRAMS["doorbell"],
        violations="a payload or a number that is not the one whose doorbell rang; both asleep with messages left",
        sites=MappingProxyType(
            {
                K1: "the doorbell overtakes what it announces: the payload or the number is stale",
                B1: "the next request is written while the remote still reads this one: it arrives early",
            }
        ),
        idle_sites=MappingProxyType({K2: _INTERRUPT}),
        fixed=MappingProxyType({"payload_bytes": STAMP_BYTES}),
        messages_limit=STAMPS_LIMIT,
        ring_size=1,
        ring_size_limits=(1, 1),
    ),
    Scenario(
        name="rpmsg-ping",
        summary="rpmsg: a service is announced, pinged, and answers; the bus as it is coded; the two sides sleep",
        host=host.PROGRAMS["rpmsg-ping"],
        remote=remote.PROGRAMS["rpmsg-ping"],
        violations="a header, a name or a payload that is not the one sent; a ring rule broken; both asleep, work left",
        sites=MappingProxyType(
            {
                S1: "the remote takes a descriptor or a message that is not there yet (avail.idx came first)",
                S2: "the remote reads the descriptor or the message from before avail.idx moved",
                S3: "the host takes a used entry or a message that is not there yet (used.idx came first)",
                S4: "the host reads the used entry or the message from before used.idx moved",
            }
        ),
        idle_sites=MappingProxyType(
            {
                **dict.fromkeys((S5, S7), "nobody waits for a buffer, and messages always ring"),
                K1: _BEHIND_MB,
                K2: _INTERRUPT,
                B1: "a buffer comes round only after what was read from it has been looked into",
            }
        ),
        fixed=MappingProxyType({"payload_bytes": 56, "align": 4}),
        messages=1,
        messages_limit=STAMPS_LIMIT,
        ring_size_limits=(1, 4),
    ),
)
SCENARIOS: Final[Mapping[str, Scenario]] = MappingProxyType({scenario.name: scenario for scenario in _ALL})
