"""The host's half of rpmsg-ping: a service is announced, pinged, and answers; small enough to explore.

The bus, its rings and its doorbells are the ones that every machine runs. There is no clock: whoever waits, waits until
the doorbell rings, and a doorbell that is lost is a stall.
"""

from __future__ import annotations

from amp.machine.config import RunConfig, Tally
from amp.machine.stamps import check_stamp, stamp
from amp.machine.waiting import waiting
from amp.port.notes import Note
from amp.port.port import Port
from amp.programs.rpmsg_ping import rpmsg_rings
from amp.rpmsg.bus import Bus
from amp.virtio.device import Status
from amp.virtio.sites import K1
from hostside.rpmsg import DriverLink

SERVICE = "ping"


def ping(port: Port, config: RunConfig, tally: Tally) -> None:
    """Waits for the service, sends it `config.messages` pings, one by one, and checks each answer."""
    at = rpmsg_rings(config)
    link = DriverLink(port, at.input, at.output, at.buffers, at.count, buffer_bytes=at.buffer_bytes)
    # K1: the device must not see DRIVER_OK before the rings that it announces. Pairs with K2 at the remote.
    port.barrier(K1)
    port.store_u8(at.status, Status.DRIVER_OK)
    link.flush()
    bus = Bus(port, link)
    channel = waiting(lambda: bus.wait_for_channel(SERVICE), "the service was never announced")
    with bus.open_channel(channel) as endpoint:
        for number in range(config.messages):
            port.note(Note.SEND, number)
            waiting(lambda: endpoint.send(stamp(number), None), f"message {number} found no buffer")  # noqa: B023
            answer = waiting(endpoint.recv, f"the answer to message {number} never came")
            port.note(Note.RECEIVE, number)
            check_stamp(answer.data, number, writer="remote", address=at.buffers)
            tally.messages += 1
