"""Echo: every message goes back to whom it came from.

After open-amp's apps/examples/echo/rpmsg-echo.c in what it does.
"""

from __future__ import annotations

from typing import Final

from amp.rpmsg import Bus, Endpoint, Message
from remoteside.firmware import Firmware
from remoteside.services.serving import answer, serve

SERVICE: Final = "rpmsg-echo"


def main(firmware: Firmware) -> None:
    serve(firmware, start)


def start(firmware: Firmware, bus: Bus) -> None:
    def echo(endpoint: Endpoint, message: Message) -> None:
        answer(firmware, endpoint, message.source, message.data)

    bus.create_endpoint(SERVICE, echo)
    firmware.print(f"{SERVICE}: ready")
