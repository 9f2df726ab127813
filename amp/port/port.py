"""Port: one CPU's accesses to the shared memory, its barriers and its doorbells. Three doors have this shape.

- `ModelledPort`: the ordering model; accesses are late, early and stale as far as the platform allows.
- `DirectPort`: the bare region, with this machine's own loads, stores and fences.
- `RecordingPort`: passes on to another door, and keeps a list of what was asked for.

Addresses are byte offsets in the region. Scalars are unsigned, little endian, aligned to their size; each is one
access.
`read` and `write` are bulk: any length and alignment; no order, no atomicity between granules of 8 bytes.

Every method may raise PeerDied. Accesses outside the shared memory, or not aligned, raise AccessFault; a value that
does not fit its width raises OverflowError. A modelled load returns a `Word`, which carries its dependency along.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from amp.ordering.barriers import Primitive

if TYPE_CHECKING:
    from typing_extensions import Buffer

HOST: Final = 0
REMOTE: Final = 1
CPU_NAMES: Final[Sequence[str]] = ("host", "remote")


class Payload(Protocol):
    """What `read` returns: bytes that are loaded at the latest when they are used; `bytes(payload)` uses them."""

    def __bytes__(self) -> bytes: ...
    def __len__(self) -> int: ...


class Port(Protocol):
    """See the module. All arguments are positional."""

    def load_u8(self, address: int, /) -> int: ...
    def load_u16(self, address: int, /) -> int: ...
    def load_u32(self, address: int, /) -> int: ...
    def load_u64(self, address: int, /) -> int: ...

    def load_acquire_u8(self, address: int, /) -> int: ...
    def load_acquire_u16(self, address: int, /) -> int: ...
    def load_acquire_u32(self, address: int, /) -> int: ...
    def load_acquire_u64(self, address: int, /) -> int: ...

    def store_u8(self, address: int, value: int, /) -> None: ...
    def store_u16(self, address: int, value: int, /) -> None: ...
    def store_u32(self, address: int, value: int, /) -> None: ...
    def store_u64(self, address: int, value: int, /) -> None: ...

    def store_release_u8(self, address: int, value: int, /) -> None: ...
    def store_release_u16(self, address: int, value: int, /) -> None: ...
    def store_release_u32(self, address: int, value: int, /) -> None: ...
    def store_release_u64(self, address: int, value: int, /) -> None: ...

    # Atomics return the old value and are fully ordered, as Linux's value-returning ones are.
    def xchg_u8(self, address: int, value: int, /) -> int: ...
    def xchg_u16(self, address: int, value: int, /) -> int: ...
    def xchg_u32(self, address: int, value: int, /) -> int: ...
    def xchg_u64(self, address: int, value: int, /) -> int: ...

    def cmpxchg_u8(self, address: int, old: int, new: int, /) -> int: ...
    def cmpxchg_u16(self, address: int, old: int, new: int, /) -> int: ...
    def cmpxchg_u32(self, address: int, old: int, new: int, /) -> int: ...
    def cmpxchg_u64(self, address: int, old: int, new: int, /) -> int: ...

    def fetch_add_u8(self, address: int, addend: int, /) -> int: ...
    def fetch_add_u16(self, address: int, addend: int, /) -> int: ...
    def fetch_add_u32(self, address: int, addend: int, /) -> int: ...
    def fetch_add_u64(self, address: int, addend: int, /) -> int: ...

    def read(self, address: int, length: int, /) -> Payload:
        """Bulk load of `length` bytes."""
        ...

    def write(self, address: int, data: Buffer, /) -> None:
        """Bulk store."""
        ...

    def barrier(self, site: int, /) -> None:
        """The primitive that stands at `site` (amp.ordering.sites.Site) in this run."""
        ...

    def fence(self, primitive: int, /) -> None:
        """One primitive (amp.ordering.barriers.Primitive), whatever the sites say."""
        ...

    def virtio_mb(self) -> None: ...
    def virtio_rmb(self) -> None: ...
    def virtio_wmb(self) -> None: ...
    def virtio_store_mb_u16(self, address: int, value: int, /) -> None: ...

    def kick(self, cpu: int, /) -> None:
        """Ring the doorbell of `cpu`: a store to its mailbox. Never blocks; kicks not yet taken coalesce into one."""
        ...

    def wait(self, timeout_s: float | None = None, /) -> bool:
        """Take the next kick for this CPU: spin briefly, then sleep. False if the time was up first.

        Raises Stall if every CPU waits without a limit and nothing is under way, PeerFinished if every other CPU has
        retired. Under lockstep there is no clock, and the limit is ignored.
        """
        ...

    def note(self, code: int, value: int, /) -> None:
        """Leave a mark in the trace (amp.port.notes.Note). No access."""
        ...

    def retire(self) -> None:
        """No more accesses from this CPU. Its pending stores become visible in their own time."""
        ...


class VirtioBarriers:
    """virtio_mb, virtio_rmb, virtio_wmb and virtio_store_mb as include/linux/virtio_ring.h has them.

    With `weak_barriers` (the device is a sibling: a hypervisor) they are virt_mb, virt_rmb, virt_wmb, virt_store_mb;
    without (the device is on the far side: rpmsg, 7b21e34fd1c2) mb, dma_rmb, dma_wmb, and a store with mb behind it.
    """

    weak_barriers = False

    def fence(self, primitive: int, /) -> None:
        raise NotImplementedError

    def store_u16(self, address: int, value: int, /) -> None:
        raise NotImplementedError

    def virtio_mb(self) -> None:
        self.fence(Primitive.VIRT_MB if self.weak_barriers else Primitive.MB)

    def virtio_rmb(self) -> None:
        self.fence(Primitive.VIRT_RMB if self.weak_barriers else Primitive.DMA_RMB)

    def virtio_wmb(self) -> None:
        self.fence(Primitive.VIRT_WMB if self.weak_barriers else Primitive.DMA_WMB)

    def virtio_store_mb_u16(self, address: int, value: int, /) -> None:
        self.store_u16(address, value)
        self.fence(Primitive.VIRT_STORE_MB if self.weak_barriers else Primitive.MB)
