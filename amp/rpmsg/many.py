"""Many messages at once: what `Endpoint.send_many` is given, and the frames that go into the buffers.

Frames are u8 [n, header and widest payload]: row i is message i as the wire has it (amp.rpmsg.wire), and lengths u32
[n] say how much of each row counts. This module touches no shared memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from amp.errors import UsageError
from amp.rpmsg.wire import HEADER, HEADER_BYTES
from amp.virtio.batch import checked

if TYPE_CHECKING:
    from typing_extensions import Buffer as BytesLike

    from amp.virtio.batch import U8s, U32s


_LEN: Final = 12  # where a header's `len` lies


class Frames(NamedTuple):
    """Whole messages, and their payloads by themselves."""

    rows: U8s
    lengths: U32s
    payloads: Sequence[bytes]


def payloads_of(messages: Sequence[BytesLike] | U8s, lengths: U32s | None) -> Sequence[bytes]:
    """The payloads: a sequence of bytes, or of rows u8 [n, width] the first lengths[i] bytes. Raises UsageError."""
    if lengths is None:
        return [data if type(data) is bytes else bytes(memoryview(data)) for data in messages]
    rows = checked("messages", messages, "uint8", ndim=2)
    checked("lengths", lengths, "uint32", len(rows))
    whole, width = rows.tobytes(), rows.shape[1]
    most = max(lengths.tolist(), default=0)
    if most > width:
        raise UsageError(f"lengths: {most} is the largest, a row has {width} bytes")
    return [whole[row * width : row * width + length] for row, length in enumerate(lengths.tolist())]


def frames(source: int, dest: int, payloads: Sequence[bytes]) -> Frames:
    """`payloads` as messages from `source` to `dest`."""
    import numpy as np  # noqa: PLC0415  (who sends no batches needs none)

    lengths = np.fromiter(map(len, payloads), np.uint32, len(payloads))
    width = max(map(len, payloads), default=0)
    rows = np.empty((len(payloads), HEADER_BYTES + width), np.uint8)
    rows[:, :HEADER_BYTES] = np.frombuffer(HEADER.pack(source, dest, 0, 0, 0), np.uint8)
    rows[:, _LEN] = lengths & 0xFF
    rows[:, _LEN + 1] = lengths >> 8
    joined = b"".join([payload.ljust(width, b"\0") for payload in payloads])
    rows[:, HEADER_BYTES:] = np.frombuffer(joined, np.uint8).reshape(len(payloads), width)
    return Frames(rows, lengths + np.uint32(HEADER_BYTES), payloads)
