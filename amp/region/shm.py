"""The region: one POSIX shared memory object, mapped whole by every process of a machine.

The creator makes the object (mode 0600, a name nobody can guess), writes its header, and unlinks the name as soon as it
has the mapping. From then on the object lives on descriptors and mappings alone: children are given the descriptor
(`subprocess.Popen(..., pass_fds=[region.fd])`), and when the last process is gone, however it went, so is the object.

A creator that is killed in between leaves its name; the next `create` sweeps it.

Who may map it: the same user only. Who is given a descriptor trusts the kernel's word for owner, mode and size, then
the header. Nothing can stop a process of the same user from truncating the object under everybody (SIGBUS); that is
not defended against.

This module gives out bare memory. Protocol code goes through a port, which is what orders its accesses.
"""

from __future__ import annotations

import mmap
import os
import stat
import weakref
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import posix_ipc

from amp.errors import RegionError
from amp.region import names
from amp.region.carveouts import PAGE_SIZE, Layout
from amp.region.header import HEADER_SIZE, Header
from amp.region.names import Creator

if TYPE_CHECKING:
    import numpy.typing as npt

MODE: Final = 0o600


class Region:
    """A mapped region. Made by `create` or `from_fd`; ended by `close` or by leaving its `with` block."""

    def __init__(self, fd: int, memory: mmap.mmap, header: Header) -> None:
        self._fd, self._memory, self._header = fd, memory, header
        self._release = weakref.finalize(self, os.close, fd)

    @classmethod
    def create(cls, layout: Layout) -> Region:
        """A new region, zero but for its header; all its memory is reserved, so no later store can run out of it.

        Sweeps first. Raises RegionError if the object cannot be made or the memory is not there.
        """
        with ExitStack() as undo:
            try:
                names.sweep()
                creator = Creator.current()
                name = names.new_name(creator)
                fd = posix_ipc.SharedMemory(name, posix_ipc.O_CREX, mode=MODE).fd
                undo.callback(os.close, fd)
                undo.callback(names.unlink, name)
                # Not ftruncate: with a full /dev/shm (64 MiB in many containers) some later store would be a SIGBUS.
                os.posix_fallocate(fd, 0, layout.size)
                memory = mmap.mmap(fd, layout.size)
            except (OSError, posix_ipc.Error) as error:
                raise RegionError(f"cannot create a region of {layout.size} bytes in /dev/shm: {error}") from error
            header = Header(layout, os.geteuid(), creator)
            memory[:HEADER_SIZE] = header.encode()
            names.unlink(name)
            region = cls(fd, memory, header)
            undo.pop_all()
        return region

    @classmethod
    def from_fd(cls, fd: int) -> Region:
        """The region behind a descriptor that was inherited; the Region owns the descriptor from here on.

        Raises RegionError if it is not one of ours; the descriptor then stays open and the caller's.
        """
        what = f"region at descriptor {fd}"
        try:
            size = _trusted_size(fd)
            header = Header.decode(os.pread(fd, PAGE_SIZE, 0), object_size=size)
            memory = mmap.mmap(fd, size)
        except RegionError as error:
            raise RegionError(f"{what}: {error}") from None
        except (OSError, OverflowError) as error:
            raise RegionError(f"{what}: cannot be mapped: {error}") from error
        return cls(fd, memory, header)

    @staticmethod
    def sweep() -> list[str]:
        """Remove the names that dead creators of our uid left in /dev/shm; returns them. See `amp.region.names`."""
        return names.sweep()

    @property
    def fd(self) -> int:
        """The descriptor, for `pass_fds`; close-on-exec otherwise. -1 once closed."""
        return self._fd

    @property
    def layout(self) -> Layout:
        """Where everything is."""
        return self._header.layout

    @property
    def creator(self) -> Creator:
        """The process that made the region; `creator.alive` says whether it still runs."""
        return self._header.creator

    @property
    def memory(self) -> mmap.mmap:
        """All bytes of the region, header included: a writable buffer, shared with every process that maps it."""
        return self._memory

    def view(self, carveout: str, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """A one-dimensional writable array over a carveout, without copying: shape (size // itemsize,).

        The byte order is the dtype's ("<u2" for a little-endian u16). As long as such an array lives, the memory stays
        mapped. For set-up, inspection and tests: its accesses are ordered by nothing.
        """
        import numpy as np  # noqa: PLC0415  (a child that needs no arrays starts without numpy)

        room, kind = self.layout[carveout], np.dtype(dtype)
        return np.frombuffer(self._memory, kind, room.size // kind.itemsize, room.offset)

    def close(self) -> None:
        """Close the descriptor, then unmap. A second call does nothing.

        While arrays or memoryviews over the memory are alive it cannot be unmapped: they stay valid, and the mapping
        goes with the last of them.
        """
        self._fd = -1
        self._release()
        try:
            self._memory.close()
        except BufferError:  # views are alive, see above
            return

    def __enter__(self) -> Region:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _trusted_size(fd: int) -> int:
    """The object's size in bytes, after the checks on what only the kernel, not the creator, can say of it."""
    status = os.fstat(fd)
    mode, uid = stat.S_IMODE(status.st_mode), status.st_uid
    if not stat.S_ISREG(status.st_mode):
        raise RegionError(f"file type is {stat.filemode(status.st_mode)[0]!r}, expected '-' (shared memory)")
    if uid != os.geteuid():
        raise RegionError(f"owner of the object is uid {uid}, expected {os.geteuid()}")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise RegionError(f"mode is {mode:#o}, expected {MODE:#o} (no access for group and others)")
    return status.st_size
