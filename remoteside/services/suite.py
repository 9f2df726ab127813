"""All services in one firmware."""

from __future__ import annotations

from remoteside.firmware import Firmware
from remoteside.services import echo, files, hello, matrix, sensor, tty
from remoteside.services.serving import serve

FIRMWARE = files.FIRMWARE  # the only one that needs memory of its own


def main(firmware: Firmware) -> None:
    serve(firmware, *(each.start for each in (echo, hello, matrix, sensor, files, tty)))
