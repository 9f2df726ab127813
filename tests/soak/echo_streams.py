"""Firmware for soak tests: STREAMS services, each checks that its own messages come in order and sends them back."""

from functools import partial

from amp.rpmsg import Endpoint, Message
from remoteside.firmware import Firmware

STREAMS = 256


def main(firmware: Firmware) -> None:
    bus = firmware.rpmsg()
    due = [0] * STREAMS

    def echo(stream: int, endpoint: Endpoint, received: Message) -> None:
        wanted = message(stream, due[stream])  # noqa: F821  (soak_messages stands before this text in the image)
        if received.data != wanted:
            firmware.panic(
                f"stream {stream}: message {due[stream]} came as {received.data[:16]!r}, {len(received.data)} bytes"
            )
        due[stream] += 1
        endpoint.sendto(received.data, received.source)

    for stream in range(STREAMS):
        bus.create_endpoint(f"soak-{stream}", partial(echo, stream))
    bus.serve()
