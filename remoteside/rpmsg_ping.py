"""The remote's half of rpmsg-ping: announces a service, and sends every ping back.

See the host's half: no clock, and nothing but what every machine runs.
"""

from __future__ import annotations

from amp.machine.config import RunConfig, Tally
from amp.machine.stamps import check_stamp
from amp.machine.waiting import waiting
from amp.port.notes import Note
from amp.port.port import Port
from amp.programs.rpmsg_ping import rpmsg_rings
from amp.rpmsg.bus import Bus
from amp.virtio.device import Status
from amp.virtio.sites import K2
from remoteside.rpmsg import DeviceLink, Rings

SERVICE = "ping"


def ping(port: Port, config: RunConfig, tally: Tally) -> None:
    """Waits for the driver, announces the service, and answers `config.messages` pings."""
    at = rpmsg_rings(config)
    while not port.load_u8(at.status) & Status.DRIVER_OK:
        waiting(port.wait, "the driver was never ready")
    # K2: the rings must not be read before the status that announced them. Pairs with K1 at the host.
    port.barrier(K2)
    link = DeviceLink(port, Rings(at.input, at.output, at.memory))
    bus = Bus(port, link, binds_first_sender=True)
    endpoint = waiting(lambda: bus.create_endpoint(SERVICE), "no buffer to announce the service in")
    for number in range(config.messages):
        message = waiting(endpoint.recv, f"message {number} never arrived")
        port.note(Note.RECEIVE, number)
        check_stamp(message.data, number, writer="host", address=at.buffers + at.input.num * at.buffer_bytes)
        port.note(Note.SEND, number)
        waiting(lambda: endpoint.sendto(message.data, message.source, None), "no buffer to answer in")  # noqa: B023
        tally.messages += 1
