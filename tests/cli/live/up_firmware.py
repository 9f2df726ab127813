"""Firmware of the tests of `amp up`: echoes, a service that keeps every buffer, one that fails. Not a test."""

from __future__ import annotations

from amp.remoteproc.spec import Firmware as Declaration
from amp.remoteproc.spec import rpmsg
from amp.rpmsg import Endpoint, Message, Received
from remoteside.firmware import Firmware

FIRMWARE = Declaration(vdevs=(rpmsg(num=16),))


def main(firmware: Firmware) -> None:
    bus = firmware.rpmsg()

    def fail(endpoint: Endpoint, message: Message) -> None:
        if message.data == b"fault":
            firmware.memory.read(0x7000_0000, 4)
        if message.data.startswith(b"print "):
            firmware.print(message.data[6:].decode())
            endpoint.sendto(b"printed", message.source)

    bus.create_endpoint("rpmsg-echo", echo)
    bus.create_endpoint("rpmsg-tty", echo)
    bus.create_endpoint("keeper", keep, zero_copy=True)
    bus.create_endpoint("failing", fail)
    firmware.print("ready")
    bus.serve()


def echo(endpoint: Endpoint, message: Message) -> None:
    endpoint.sendto(message.data, message.source)


def keep(_: Endpoint, message: Received) -> None:
    message.hold()
