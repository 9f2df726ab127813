"""A terminal's other end: a line shell on the channel of Linux's rpmsg tty (v6.1 drivers/tty/rpmsg_tty.c).

Bytes come as they are typed, any number in a message. Whoever wrote last is answered, and has a line of his own.
"""

from __future__ import annotations

import time
from typing import Final

from amp.rpmsg import Bus, Endpoint, Message
from remoteside.firmware import Firmware
from remoteside.services.serving import answer, serve

SERVICE: Final = "rpmsg-tty"  # rpmsg_driver_tty_id_table
PROMPT: Final = b"> "
LINE_BYTES: Final = 120
ANSWER_BYTES: Final = 400  # of a message: more than fits goes in several
ERASE: Final = (0x08, 0x7F)  # backspace, delete


def main(firmware: Firmware) -> None:
    serve(firmware, start)


def start(firmware: Firmware, bus: Bus) -> None:
    bus.create_endpoint(SERVICE, Shell(firmware).take)
    firmware.print(f"{SERVICE}: ready")


class Shell:
    """One line, and what becomes of it."""

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware
        self._began = time.monotonic()
        self._writer = -1
        self._line = bytearray()
        self._after_return = False

    def take(self, endpoint: Endpoint, message: Message) -> None:
        """The callback."""
        if message.source != self._writer:
            self._writer, self._line, self._after_return = message.source, bytearray(), False
        out = b"".join(self._typed(byte) for byte in message.data)
        for at in range(0, len(out), ANSWER_BYTES):
            if not answer(self._firmware, endpoint, message.source, out[at : at + ANSWER_BYTES]):
                return

    def _typed(self, byte: int) -> bytes:
        """What one byte is answered with: its echo, or what its line says."""
        second_of_two, self._after_return = self._after_return and byte == 0x0A, byte == 0x0D
        if second_of_two:
            return b""
        if byte in (0x0A, 0x0D):
            line, self._line = self._line.decode("ascii"), bytearray()
            return b"\r\n" + b"".join(each.encode() + b"\r\n" for each in self._run(line)) + PROMPT
        if byte in ERASE:
            return b"\b \b" if self._line and self._line.pop() else b""
        if not 0x20 <= byte < 0x7F or len(self._line) == LINE_BYTES:
            return b"\a"
        self._line.append(byte)
        return bytes((byte,))

    def _run(self, line: str) -> list[str]:
        command, _, rest = line.strip().partition(" ")
        if command == "panic":
            self._firmware.panic(rest or "somebody typed panic")
        match command:
            case "":
                return []
            case "help":
                return ["help, uptime, windows, echo TEXT, panic TEXT"]
            case "uptime":
                return [f"{time.monotonic() - self._began:.3f} s"]
            case "windows":
                return [f"{each.da:#010x} {each.length:8} {each.name}" for each in self._firmware.memory.windows]
            case "echo":
                return [rest]
            case _:
                return [f"{command}: not known, try help"]
