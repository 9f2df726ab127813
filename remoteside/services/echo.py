"""Echo: every message goes back to its sender. After open-amp apps/examples/echo/rpmsg-echo.c in what it does."""

from __future__ import annotations

from amp.rpmsg import Endpoint, Message
from remoteside.firmware import Firmware

SERVICE = "rpmsg-echo"


def main(firmware: Firmware) -> None:
    bus = firmware.rpmsg()
    bus.create_endpoint(SERVICE, echo)
    firmware.print(f"{SERVICE}: ready")
    bus.serve()


def echo(endpoint: Endpoint, message: Message) -> None:
    endpoint.sendto(message.data, message.source)
