"""Hello: the other end of the kernel's rpmsg sample client. Each "hello world!" is answered with another.

Linux v6.1 samples/rpmsg/rpmsg_client_sample.c sends the first one when it sees the channel, and the next one for every
answer, COUNT in all. What is no "hello world!" is dropped and counted.
"""

from __future__ import annotations

from amp.rpmsg import Bus, Endpoint, Message
from amp.services.hello import COUNT, MESSAGE, SERVICE
from remoteside.firmware import Firmware
from remoteside.services.serving import answer, serve


def main(firmware: Firmware) -> None:
    serve(firmware, start)


def start(firmware: Firmware, bus: Bus) -> None:
    greeted = dropped = 0

    def hear(endpoint: Endpoint, message: Message) -> None:
        nonlocal greeted, dropped
        if message.data != MESSAGE:
            dropped += 1
            firmware.print(f"{SERVICE}: no greeting, {len(message.data)} bytes ({dropped} so far)")
            return
        greeted += 1
        if greeted % COUNT == 0:
            firmware.print(f"{SERVICE}: {greeted} greetings")
        answer(firmware, endpoint, message.source, MESSAGE)

    bus.create_endpoint(SERVICE, hear)
    firmware.print(f"{SERVICE}: ready")
