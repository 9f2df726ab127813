"""The C core as Python sees it: the two ports, the room of the ordering model, the bare silicon, and their numbers.

Addresses are byte offsets from the start of the region. Scalars are little endian, 1, 2, 4 or 8 bytes, and aligned to
their size. A buffer is the region's mmap, usually; a port keeps it mapped as long as it lives. What the functions do
is written in core.h, what the rules are in model.h.
"""

from typing import Final, TypeAlias, final

from typing_extensions import Buffer

# (cpus, mode, shared_start, shared_end, store_depth, log_writes, trace_events, seed): amp_model_config in core.h.
# shared_* are bytes, multiples of GRANULE; store_depth is 2..STORES; log_writes and trace_events are powers of two.
_ModelConfig: TypeAlias = tuple[int, int, int, int, int, int, int, int]
# (messages, ring_size, payload_bytes, primitive, budget_ns): amp_silicon_config in silicon.h.
_SiliconConfig: TypeAlias = tuple[int, int, int, int, int]

CPUS: Final[int]  # the most CPUs of one machine
PRIMITIVES: Final[int]  # room in the table of barriers
STORES: Final[int]  # the deepest list of pending stores
GRANULE: Final[int]  # bytes that one aligned access may cover at most

# How the CPUs take turns: enum amp_mode.
FREE: Final[int]
LOCKSTEP: Final[int]

# What a barrier orders: enum amp_orders, amp.ordering's Orders.
RR: Final[int]
RW: Final[int]
WR: Final[int]
WW: Final[int]
WD: Final[int]
RCSC: Final[int]

# The kinds of event in the trace: enum amp_event_kind. An event is 40 bytes, struct amp_event.
EV_STORE: Final[int]
EV_VISIBLE: Final[int]
EV_LOAD: Final[int]
EV_BARRIER: Final[int]
EV_KICK: Final[int]
EV_RUNG: Final[int]
EV_TAKEN: Final[int]
EV_WAIT: Final[int]
EV_STALL: Final[int]
EV_RETIRE: Final[int]
EV_NOTE: Final[int]

# enum amp_event_flag
FL_STALE: Final[int]
FL_FORWARDED: Final[int]
FL_DEFERRED: Final[int]
FL_PART: Final[int]
FL_RELEASE: Final[int]
FL_ACQUIRE: Final[int]
FL_ATOMIC: Final[int]

@final
class Word(int):
    """An unsigned 64-bit integer that remembers when the write it was read from became visible.

    Declared an int because it behaves as one, though it is none: code of the protocols is typed with int. It has int's
    operators, comparisons, hash, index, format and pickle, but not its methods (`to_bytes`, `bit_length`), and
    `isinstance(word, int)` is False. What is computed from words is a Word with the latest of their times; a result
    outside 0..2**64-1 is an int. OverflowError for a value outside that range.
    """

    def __new__(cls, value: int, time: int = 0) -> Word: ...
    @property
    def time(self) -> int: ...

@final
class LazyBytes(Buffer):
    """Bytes of a bulk load, loaded when they are used, or earlier: a barrier or chance may have it performed.

    Only a ModelledPort makes them. Bytes and slices taken from it carry no time: no address dependency goes through.
    """

    def __bytes__(self) -> bytes: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: int) -> int: ...
    @property
    def performed(self) -> bool: ...

class _Port:
    """What both doors offer. One CPU of one process; not for two threads at once.

    Every access raises AccessFault outside the shared memory or when not aligned, OverflowError for a value that does
    not fit, and PeerDied once a CPU's process is known to have died.
    """

    def load_u8(self, address: int, /) -> int: ...
    def load_acquire_u8(self, address: int, /) -> int: ...
    def store_u8(self, address: int, value: int, /) -> None: ...
    def store_release_u8(self, address: int, value: int, /) -> None: ...
    def xchg_u8(self, address: int, value: int, /) -> int: ...
    def cmpxchg_u8(self, address: int, old: int, new: int, /) -> int: ...
    def fetch_add_u8(self, address: int, n: int, /) -> int: ...
    def load_u16(self, address: int, /) -> int: ...
    def load_acquire_u16(self, address: int, /) -> int: ...
    def store_u16(self, address: int, value: int, /) -> None: ...
    def store_release_u16(self, address: int, value: int, /) -> None: ...
    def xchg_u16(self, address: int, value: int, /) -> int: ...
    def cmpxchg_u16(self, address: int, old: int, new: int, /) -> int: ...
    def fetch_add_u16(self, address: int, n: int, /) -> int: ...
    def load_u32(self, address: int, /) -> int: ...
    def load_acquire_u32(self, address: int, /) -> int: ...
    def store_u32(self, address: int, value: int, /) -> None: ...
    def store_release_u32(self, address: int, value: int, /) -> None: ...
    def xchg_u32(self, address: int, value: int, /) -> int: ...
    def cmpxchg_u32(self, address: int, old: int, new: int, /) -> int: ...
    def fetch_add_u32(self, address: int, n: int, /) -> int: ...
    def load_u64(self, address: int, /) -> int: ...
    def load_acquire_u64(self, address: int, /) -> int: ...
    def store_u64(self, address: int, value: int, /) -> None: ...
    def store_release_u64(self, address: int, value: int, /) -> None: ...
    def xchg_u64(self, address: int, value: int, /) -> int: ...
    def cmpxchg_u64(self, address: int, old: int, new: int, /) -> int: ...
    def fetch_add_u64(self, address: int, n: int, /) -> int: ...
    def write(self, address: int, data: Buffer, /) -> None:
        """A bulk store of any length and alignment, granule by granule, in no order."""

    def barrier(self, site: int, /) -> None:
        """The primitive that the port's site map has for that site. ValueError for a number nobody knows."""

    def fence(self, primitive: int, /) -> None:
        """That primitive, at no site."""

    def kick(self, cpu: int, /) -> None:
        """Ring that CPU's doorbell. Never blocks; kicks coalesce."""

    def wait(self, timeout_s: float | None = None, /) -> bool:
        """True with the interrupt taken, False when the time was up (lockstep has no clock: it never is).

        Raises Stall when every CPU sleeps and no doorbell is under way, PeerFinished when every other CPU has retired,
        PeerDied when one died, and whatever a signal handler raises. The GIL is released meanwhile.
        """

    def note(self, code: int, value: int, /) -> None:
        """Leave a NOTE event in the trace, `code` below 256."""

    def retire(self) -> None:
        """No more accesses from this CPU; in lockstep a further one would wait for ever."""

    def set_spin_ns(self, spin_ns: int, /) -> None:
        """How long `wait` spins before it sleeps."""

class ModelledPort(_Port):
    """One CPU's accesses through the ordering model whose room starts `room_offset` bytes into `region`.

    `sites[number]` is the primitive at that site. Loads return `Word`. ValueError if there is no such model or CPU.
    """

    def __new__(cls, region: Buffer, room_offset: int, cpu: int, sites: Buffer, /) -> ModelledPort: ...
    def read(self, address: int, length: int, /) -> LazyBytes:
        """A bulk load of any length and alignment, performed at the latest when its bytes are used."""

class DirectPort(_Port):
    """One CPU's accesses to the bare region, with this machine's own fences. The board is an aligned u32, 0 at first.

    Loads return int. ValueError if the memory or the board lies outside the region, or there is no such CPU.
    """

    def __new__(
        cls,
        region: Buffer,
        shared_start: int,
        shared_end: int,
        board_offset: int,
        cpu: int,
        cpus: int,
        sites: Buffer,
        /,
    ) -> DirectPort: ...
    def read(self, address: int, length: int, /) -> bytes: ...

# --- the model's room; OSError with the core's errno, ValueError for an offset behind the buffer ---

def model_room(config: _ModelConfig, /) -> int:
    """Bytes that the model's state needs. ValueError if it cannot be of these sizes."""

def model_init(buffer: Buffer, offset: int, config: _ModelConfig, /) -> None:
    """Make a model at `offset`, a multiple of 64 bytes. No table of barriers is set: nothing orders anything."""

def model_set_orders(buffer: Buffer, offset: int, cpu: int, implicit: int, orders: bytes, /) -> None:
    """What that CPU's hardware keeps by itself, and what each primitive orders towards the others: a byte each."""

def model_reset(buffer: Buffer, offset: int, seed: int, /) -> None:
    """All CPUs back at the start. The shared bytes are the caller's to clear; no CPU may be running."""

def model_lost(buffer: Buffer, offset: int, cpu: int, /) -> None:
    """That CPU's process died: from now on every other CPU's access raises PeerDied."""

def model_state(buffer: Buffer, offset: int, /) -> dict[str, int]:
    """Keys events, digest, writes, trace_offset (bytes from the room's start), trace_events, stalls, turns."""

def board_lost(buffer: Buffer, offset: int, /) -> None:
    """A process died, for a machine without a model."""

def die_with_parent(parent_pid: int, /) -> bool:
    """SIGKILL for this process when its parent dies. False if that parent is dead already."""

# --- the ring on the bare silicon: silicon.h ---

def silicon_room(config: _SiliconConfig, /) -> int: ...
def silicon_init(buffer: Buffer, offset: int, config: _SiliconConfig, /) -> None: ...
def silicon_driver(buffer: Buffer, offset: int, /) -> None: ...
def silicon_device(buffer: Buffer, offset: int, /) -> dict[str, int]:
    """Keys messages, corrupted, first_number, first_word, first_value, first_expected, elapsed_ns."""
