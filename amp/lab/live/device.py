"""What a channel looks like to programs: a device in the machine's directory, of one of two kinds.

| channel's name          | device               | kind                                             |
|-------------------------|----------------------|--------------------------------------------------|
| begins with `rpmsg-tty` | symlink `ttyRPMSGN`  | a pty, as Linux's drivers/tty/rpmsg_tty.c has it |
| any other               | socket `rpmsgN`      | Unix seqpacket, for its drivers/rpmsg/rpmsg_char.c |

Both have tasks in the event loop's thread, which send by the bus's pump and end when the channel goes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from amp.errors import Violation
from amp.report.counts import count_of
from amp.rpmsg.aio import Pump
from amp.rpmsg.bus import Bus
from amp.rpmsg.endpoint import Endpoint
from amp.rpmsg.names import Channel
from amp.rpmsg.wire import HEADER_BYTES

TTY_PREFIX: Final = "rpmsg-tty"  # rpmsg_driver_tty_id_table has the one name; samples number theirs

Log = Callable[[str], None]
Wrong = Callable[[Violation], None]


@dataclass(frozen=True, slots=True)
class ChannelPort:
    """All that a device needs of the machine: its channel, the bus and the pump that serve it, where it is to lie.

    `wrong` is told of a ring that the core has broken, when a send has met it.
    """

    channel: Channel
    bus: Bus
    pump: Pump
    path: Path
    log: Log
    wrong: Wrong

    @property
    def payload_bytes(self) -> int:
        """The longest message."""
        return self.bus.link.message_bytes - HEADER_BYTES


class Device(Protocol):
    """A device that programs can open, from its making until `close`."""

    kind: str

    @property
    def connections(self) -> int:
        """Programs that have it open, as far as it can know."""
        ...

    def close(self) -> None:
        """The channel is gone: the path goes now, whoever has the device open is hung up on in the loop's next turn.

        What programs have sent and the core's end loses is logged, also for programs that have left.
        """
        ...

    async def closed(self) -> None:
        """Returns when every task and descriptor is gone. After `close`."""
        ...


def powers_of_two(count: int) -> bool:
    """When to log the count of something that may come in masses: the 1st, 2nd, 4th, 8th time."""
    return count & (count - 1) == 0


def end_endpoint(port: ChannelPort, endpoint: Endpoint) -> None:
    """Close a program's endpoint, and say what the core had not acknowledged when it went."""
    mine = [sent for sent in endpoint.unacknowledged if sent.dest == port.channel.addr]
    if mine:
        port.log(f"{port.path.name}: {count_of(len(mine), 'message')} sent and not acknowledged")
    endpoint.close()


def lost_with_the_core(port: ChannelPort, living: Collection[int], names: Mapping[int, str]) -> None:
    """Say what the core had not acknowledged of programs that have left: nobody else is there to be told.

    `living` are the addresses of endpoints that say so themselves; `names` say who had an address last.
    """
    lost: dict[int, int] = {}
    for sent in port.bus.unacknowledged:
        if sent.dest == port.channel.addr and sent.source not in living:
            lost[sent.source] = lost.get(sent.source, 0) + 1
    for source, count in sorted(lost.items()):
        who = names.get(source, f"endpoint {source}")
        port.log(f"{port.path.name}: {who} has left; {count_of(count, 'message')} of it sent and not acknowledged")
