"""The firmware's trace buffer (RSC_TRACE): text that the host reads whenever it likes, as far as the first NUL.

Linux shows it as a file, up to the first NUL or the buffer's end (drivers/remoteproc/remoteproc_debugfs.c,
rproc_trace_read). Here a NUL follows the newest text, and the buffer's last byte is always NUL. Text that reaches the
end goes on at the start, over the oldest; from there on a reader finds the newest text before the first NUL, and older
text behind it. Written by the firmware alone.
"""

from __future__ import annotations

from amp.ordering.barriers import Primitive
from amp.port.port import Port
from remoteside.memory import Memory


class TraceBuffer:
    """`length` bytes at device address `da`, a NUL first: begins empty. MmuFault if they are in no window."""

    def __init__(self, port: Port, memory: Memory, da: int, length: int) -> None:
        self._port, self._memory, self._da = port, memory, da
        self._room, self._at = length - 1, 0
        memory.window(da, length)
        memory.store_u8(da, 0)
        memory.store_u8(da + self._room, 0)

    def write(self, text: str) -> None:
        """Add text, in UTF-8. Of a text larger than the buffer the end is kept. NULs in it become U+FFFD."""
        data = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="backslashreplace")
        data = data[len(data) - min(len(data), self._room) :]
        while data:
            part = data[: self._room - self._at]
            self._put(part)
            self._at = (self._at + len(part)) % self._room
            data = data[len(part) :]

    def _put(self, part: bytes) -> None:
        """What lies behind its first byte first, and that byte last: a reader never runs past the newest text."""
        at = self._da + self._at
        self._memory.write(at + 1, part[1:] + b"\0")
        self._port.fence(Primitive.WMB)
        self._memory.store_u8(at, part[0])
