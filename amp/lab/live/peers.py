"""Who is at the other end of a Unix socket: the kernel's word for it (SO_PEERCRED, unix(7))."""

from __future__ import annotations

import os
import socket
import struct
from typing import Final, NamedTuple

_CREDENTIALS: Final = struct.Struct("=iII")  # struct ucred: pid, uid, gid


class Peer(NamedTuple):
    """The process that connected, or listens, as it was then."""

    pid: int
    uid: int

    @property
    def is_ours(self) -> bool:
        return self.uid == os.geteuid()


def peer_of(connection: socket.socket) -> Peer:
    pid, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Peer(pid, uid)
