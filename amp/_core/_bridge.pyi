"""The C core as Python sees it: the two ports, the room of the ordering model, the bare silicon, and their numbers.

Addresses are byte offsets from the start of the region. Scalars are little endian, 1, 2, 4 or 8 bytes, and aligned to
their size. A buffer is the region's mmap, usually; a port keeps it mapped as long as it lives. What the functions do
is written in core.h, what the rules are in model.h.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, final

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

# Lockstep by a schedule. A goal is 16 bytes, struct amp_goal, of one of three kinds: enum amp_goal_kind.
GOALS: Final[int]  # the most goals of a schedule
INITIAL: Final[int]  # as the CPU of a read's source: memory as it was at the start
GOAL_VISIBLE: Final[int]
GOAL_READ: Final[int]
GOAL_TAKEN: Final[int]
GOAL_NEAR: Final[int]

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
EV_SEEN: Final[int]
EV_LOAD: Final[int]
EV_BARRIER: Final[int]
EV_KICK: Final[int]
EV_RUNG: Final[int]
EV_TAKEN: Final[int]
EV_WAIT: Final[int]
EV_STALL: Final[int]
EV_RETIRE: Final[int]
EV_NOTE: Final[int]
EV_STATUS: Final[int]
EV_ACKNOWLEDGE: Final[int]
EV_ACKNOWLEDGED: Final[int]

# enum amp_event_flag
FL_STALE: Final[int]
FL_FORWARDED: Final[int]
FL_DEFERRED: Final[int]
FL_PART: Final[int]
FL_RELEASE: Final[int]
FL_ACQUIRE: Final[int]
FL_ATOMIC: Final[int]
FL_SIBLINGS: Final[int]

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

@final
class ExploredBytes(Buffer):
    """Bytes of a bulk load: what they are is chosen when they are used. Only an ExploredPort makes them."""

    def __bytes__(self) -> bytes: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: int) -> int: ...
    @property
    def performed(self) -> bool: ...

class _Port:
    """What both doors offer. One CPU of one process; not for two threads at once.

    Every access raises AccessFault outside the shared memory or when not aligned, OverflowError for a value that does
    not fit, PeerDied once a CPU's process is known to have died, and ScheduleMismatch once the run's schedule is found
    not to fit.
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

    def barrier(self, site: Any, /) -> None:
        """The primitive that the port's site map has for that site. ValueError for a number nobody knows."""

    def fence(self, primitive: int, /) -> None:
        """That primitive, at no site."""

    def kick(self, cpu: int, /) -> None:
        """Ring that CPU's doorbell. Never blocks; kicks coalesce."""

    def rung(self) -> int:
        """1 if its doorbell has rung, and was neither taken nor acknowledged; else 0. A load of Device memory."""

    def acknowledge(self) -> None:
        """Takes its doorbell: a store to its own mailbox."""

    def wait(self, timeout_s: float | None = None, /) -> bool:
        """True with the interrupt taken, False when the time was up (lockstep has no clock: it never is).

        Raises Stall when every CPU sleeps and no doorbell is under way, PeerFinished when every other CPU has retired,
        PeerDied when one died, and whatever a signal handler raises. The GIL is released meanwhile.
        """

    def note(self, code: int, value: int, /) -> None:
        """Leave a NOTE event in the trace, `code` below 256."""

    def run_code(self, engine: Code, /) -> None:
        """Compiled code as this CPU's part, to its end: amp_run() of code_part(), amp/_core/code/code.h.

        Raises what the engine's owner makes of an early end, and whatever an access raises.
        """

    def run_c(self, function: int, argument: int = 0, sites: Buffer | None = None, /) -> None:
        """Call the C function at address `function` as this CPU's part; see include/amp.h.

        It is `void function(const struct amp_port *, void *)`. What stands at a site of this port stands at the site of
        the same number, from 1, in C; or `sites` says so: its byte n is the primitive at site n. Raises Violation for
        amp_fail(), AccessFault for an access outside the shared memory.
        """

    def retire(self) -> None:
        """No more accesses from this CPU; in lockstep a further one would wait for ever."""

    def set_spin_ns(self, spin_ns: int, /) -> None:
        """How long `wait` spins before it sleeps."""

class ModelledPort(_Port):
    """One CPU's accesses through the ordering model whose room starts `room_offset` bytes into `region`.

    `sites[number]` is the primitive at that site; `numbers` gives a site its number, and raises for what is none. Loads
    return `Word`. ValueError if there is no such model or CPU.
    """

    def __new__(
        cls, region: Buffer, room_offset: int, cpu: int, sites: Buffer, numbers: Mapping[Any, int] | None = None, /
    ) -> ModelledPort: ...
    def fail(self) -> None:
        """Before `retire`: this CPU's part has failed. Who then only looks on is ended: PeerDied."""

    def read(self, address: int, length: int, /) -> LazyBytes:
        """A bulk load of any length and alignment, performed at the latest when its bytes are used."""

    def listen(self, timeout_s: float, /) -> bool:
        """For a second thread: True when `wait(timeout)` has something to take, False when time is up. Takes nothing.

        It sleeps on the board's word alone, and touches neither the model nor the port's state. A sleep with a limit is
        no part of a stall (bell.c, nobody_can_ring), so no Stall is ever found because of it. While one thread listens
        no other may be inside `wait`: they share the CPU's sign that it sleeps. Otherwise raises what `wait` does;
        OSError ENOTSUP under lockstep. The GIL is released meanwhile.
        """

    def interrupt(self) -> None:
        """Ring this CPU's own doorbell from outside the machine: orders nothing, leaves no event; any thread.

        OSError ENOTSUP under lockstep.
        """

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
        numbers: Mapping[Any, int] | None = None,
        /,
    ) -> DirectPort: ...
    def read(self, address: int, length: int, /) -> bytes: ...
    def write_rows(self, addresses: Buffer, lengths: Buffer, rows: Buffer, /) -> None:
        """Bulk stores: amp.virtio.batch.write_rows. ValueError for arrays of another type or shape."""

    def read_rows(self, addresses: Buffer, lengths: Buffer, rows: Buffer, /) -> None:
        """Bulk loads: amp.virtio.batch.read_rows."""

    def listen(self, timeout_s: float, /) -> bool:
        """As ModelledPort.listen."""

    def interrupt(self) -> None:
        """As ModelledPort.interrupt."""

# --- all executions: explore.h ---

@final
class Explorer:
    """The runs of one program, and the choices each is made of. amp.explore.explorer runs the program itself.

    A run: `begin`; while `next` is a CPU, let that CPU's part go on; then `ending`, and `advance` to the next. One run
    at a time in a process.
    """

    def __new__(
        cls,
        shared_start: int,
        shared_end: int,
        levels: int,
        rows: tuple[tuple[int, int, bytes, bytes, bool], ...],
        unlook: type[BaseException],
        over: type[BaseException],
        broken: Callable[[str], object],
        /,
    ) -> Explorer:
        """A CPU for each of `rows`: its domain, what its hardware keeps by itself, and what each primitive orders, four
        bytes each, towards siblings and towards the others, and whether its stores reach the others one by one.
        `levels` is 2 where siblings and others are to be told apart, else 1.

        `unlook` unwinds a look of a poll, `over` a run; `broken` is told the rule that a program breaks, and must not
        refer to the explorer. ValueError for bounds that are no multiples of GRANULE.
        """

    def begin(self, again: bool = False, /) -> None:
        """The next run; or the last once more, counted once."""

    def next(self) -> int:
        """Whose turn it is; -1: nobody can go on."""

    def ending(self) -> int:
        """How the run ended: enum xp_ending. From here on accesses raise `over`."""

    def advance(self) -> bool:
        """To the next list of choices; False: that was the last one, or there was an error (`stats`)."""

    def restart(self) -> None:
        """Forget choices and states. Cells, and who reads and writes them, stay known."""

    def set_chooser(self, kind: int, seed: int, depth: int, /) -> None:
        """Who chooses: enum xp_chooser. ValueError for another one, or a depth above 16."""

    def set_merging(self, merging: bool, /) -> None:
        """Cut a run that comes to a state where an earlier one has been? So it is at first."""

    def final(self, address: int, /) -> int:
        """The 8 bytes at `address`, as the run left them."""

    def set_hazards(self, hazards: bool, /) -> None:
        """Whether a read comes before what a later, wider one of its CPU that shares bytes with it has missed (Arm)."""

    def plant(self, rule: str, /) -> None:
        """Leave out a rule of the model: "coherence", "dependency", "control", "cumulativity" or "observer".

        Without "observer" barriers do not wait for the last CPU. For the tests of the tests.
        """

    def choices(self) -> list[tuple[int, int]]:
        """[(enum xp_branch, the option's index or the value promised)] of this run."""

    def ways(self) -> list[tuple[int, int, int, int]]:
        """[(enum xp_choice_kind, cpu, options, may it be postponed?)] of this run's choices."""

    def replay(self, choices: Sequence[tuple[int, int]], /) -> None:
        """Make these choices in the next run, and take the first option behind their end."""

    def end(self, cpu: int, /) -> None:
        """That CPU's part has come to its end."""

    def fail(self, cpu: int, /) -> None:
        """That CPU's part has found a violation."""

    def stats(self) -> dict[str, float]:
        """Keys runs, executions, redundant, merged, states; of the last run: events, error (0 or a negative errno),
        trail, weight."""

    def passages(self) -> list[tuple[int, int, int, int]]: ...
    def events(self) -> list[tuple[int, int, int, int, int, int, int, tuple[int, ...], int, bytes, int, bytes, int]]:
        """The run's accesses: amp.explore.schedule.Event, in its order."""

class ExploredPort(_Port):
    """One CPU's accesses as events of the execution that an Explorer builds. Loads return `Word`.

    When the CPU has to wait it calls `wait_turn`, which returns when it may go on.
    """

    def __new__(
        cls,
        explorer: Explorer,
        cpu: int,
        sites: Buffer,
        wait_turn: Callable[[], object],
        numbers: Mapping[Any, int] | None = None,
        /,
    ) -> ExploredPort: ...
    def read(self, address: int, length: int, /) -> ExploredBytes: ...
    def look_begin(self) -> None:
        """A look of a poll begins: until it ends, the CPU only loads."""

    def look_end(self, found: bool, /) -> bool:
        """It has ended. False: it is as if it had not been, since it found nothing, or could not go on and the program
        caught what told it so; returns when it is worth another.
        """

    def look_undone(self) -> bool:
        """It could not go on, and `unlook` has unwound it. Returns False when it is worth another."""

    def look_place(self) -> int:
        """Before a look: a number that tells what the program knows."""

    def look_path(self) -> int:
        """In a look: a number that tells what the program knew before it, and what the look has done so far."""

# --- the model's room; OSError with the core's errno, ValueError for an offset behind the buffer ---

def model_room(config: _ModelConfig, /) -> int:
    """Bytes that the model's state needs. ValueError if it cannot be of these sizes."""

def model_init(buffer: Buffer, offset: int, config: _ModelConfig, /) -> None:
    """Make a model at `offset`, a multiple of 64 bytes. No table of barriers is set: nothing orders anything."""

def model_set_orders(buffer: Buffer, offset: int, cpu: int, implicit: int, orders: bytes, /) -> None:
    """What that CPU's hardware keeps by itself, and what each primitive orders towards the others: a byte each."""

def model_set_copies(buffer: Buffer, offset: int, cpus: int, /) -> None:
    """The CPUs, a bit each, whose stores reach the others one by one; of two CPUs it means nothing.

    Behind model_set_orders and model_set_domains. Raises ValueError for a CPU that is not there.
    """

def model_set_domains(buffer: Buffer, offset: int, domains: bytes, near: tuple[bytes, ...], /) -> None:
    """Who is whose sibling, a byte a CPU; and for each CPU what each primitive orders towards its siblings.

    After model_init. Raises ValueError unless each CPU has a domain, from 0 to CPUS - 1.
    """

def model_set_schedule(buffer: Buffer, offset: int, goals: bytes, /) -> None:
    """Lockstep follows these goals, 16 bytes each. Before the run; model_init forgets them, model_reset starts anew.

    OSError E2BIG for more than GOALS, EINVAL for a goal that makes no sense, or a model that is not in lockstep.
    """

def model_misfit(buffer: Buffer, offset: int, /) -> tuple[int, str] | None:
    """(number of the goal, counted from 1; why) if the run's schedule turned out not to fit."""

def model_reset(buffer: Buffer, offset: int, seed: int, /) -> None:
    """All CPUs back at the start. The shared bytes are the caller's to clear; no CPU may be running."""

def model_lost(buffer: Buffer, offset: int, cpu: int, /) -> None:
    """That CPU's process died: from now on every other CPU's access raises PeerDied."""

def model_ring(buffer: Buffer, offset: int, cpu: int, /) -> None:
    """Ring that CPU's doorbell from outside the machine, in free mode; any thread. OSError EINVAL for no such CPU."""

def model_state(buffer: Buffer, offset: int, /) -> dict[str, int]:
    """Keys events, digest, writes, trace_offset (bytes from the room's start), trace_events, stalls, turns, and of the
    schedule: goals, reached."""

def board_lost(buffer: Buffer, offset: int, /) -> None:
    """A process died, for a machine without a model."""

def board_ring(buffer: Buffer, offset: int, cpu: int, /) -> None:
    """Ring that CPU's doorbell from outside the machine, for a machine without a model; any thread."""

def die_with_parent(parent_pid: int, /) -> bool:
    """SIGKILL for this process when its parent dies. False if that parent is dead already."""

# --- the ring in C, measured: ring.h, ring_bench.h ---

# How the ring's barriers are chosen: enum amp_ring_how.
RING_NONE: Final[int]
RING_COMPILER: Final[int]
RING_SMP: Final[int]
RING_DMA: Final[int]
RING_MANDATORY: Final[int]
RING_BRANCH: Final[int]
RING_TABLE: Final[int]

# How the sides wait for each other: enum amp_bench_wait.
BENCH_POLL: Final[int]
BENCH_SLEEP: Final[int]
BENCH_FILL: Final[int]
BENCH_CONTROL_BYTES: Final[int]  # of the control block

# struct amp_ring_layout; (start, end, buffers, buffers_end); (tables, entries); how, weak, event_idx, indirect, fifo,
# rewrite.
_RingConfig: TypeAlias = tuple[
    tuple[int, ...], tuple[int, int, int, int], tuple[int, int], int, bool, bool, bool, bool, bool
]

class DriverRing:
    """The driver's half of a split ring: hostside.virtqueue.DriverQueue says what its methods do.

    `sites[number]` is the primitive at that site, where `how` is RING_TABLE. `board_offset`: of the doorbells; `cpu` is
    the device's and `writer` its side. OSError EFAULT for a ring outside the shared memory, EINVAL for other numbers;
    ValueError for shared memory or doorbells behind the buffer's end.
    """

    def __new__(
        cls,
        buffer: Buffer,
        ring: _RingConfig,
        layout: object,
        sites: Buffer,
        board_offset: int,
        cpu: int,
        writer: str,
        /,
    ) -> DriverRing: ...
    layout: Any
    kicks: int
    @property
    def free(self) -> int: ...
    @property
    def in_flight(self) -> int: ...
    def add(self, readable: Sequence[tuple[int, int]], writable: Sequence[tuple[int, int]], token: Any, /) -> int: ...
    def _add_many(self, addresses: Buffer, lengths: Buffer, heads: Buffer, writable: bool, /) -> int: ...
    def get_used(self) -> tuple[Any, int] | None: ...
    def _take_many(self, heads: Buffer, written: Buffer, /) -> int: ...
    def finish_reading(self) -> None: ...
    def look_through(self, port: Any, /) -> None:
        """Nothing: the ring looks at the bare memory already."""

    def kick_prepare(self) -> bool: ...
    def notify(self) -> None: ...
    def kick(self) -> bool: ...
    def disable_interrupts(self) -> None: ...
    def enable_interrupts(self) -> bool: ...

class DeviceRing:
    """The device's half of a split ring: remoteside.virtqueue.DeviceQueue says what its methods do.

    `chain` and `segment` are the types, subtypes of tuple, of what next_chain returns. The rest as for DriverRing.
    """

    def __new__(
        cls,
        chain: type[tuple[Any, ...]],
        segment: type[tuple[Any, ...]],
        buffer: Buffer,
        ring: _RingConfig,
        layout: object,
        sites: Buffer,
        board_offset: int,
        cpu: int,
        writer: str,
        /,
    ) -> DeviceRing: ...
    layout: Any
    calls: int
    @property
    def held(self) -> int: ...
    def next_chain(self) -> Any: ...
    def _take_many(self, heads: Buffer, addresses: Buffer, lengths: Buffer, writable: bool, /) -> int: ...
    def push_used(self, head: int, written: int, /) -> None: ...
    def _add_many(self, heads: Buffer, written: Buffer, /) -> None: ...
    def finish_reading(self) -> None: ...
    def call_prepare(self) -> bool: ...
    def notify(self) -> None: ...
    def call(self) -> bool: ...
    def disable_notifications(self) -> None: ...
    def enable_notifications(self) -> bool: ...

def ring_bench(
    buffer: Buffer,
    role: int,
    ring: _RingConfig,
    bench: tuple[int, int, int, int, int, int, int, int, int],
    checks: bool,
    relax: bool,
    /,
) -> dict[str, int]:
    """One side of struct amp_ring_bench, to its end; 0 is the driver. `bench`: control, board, messages, budget_ns,
    run, outstanding, batch, payload, wait. The keys are those of struct amp_ring_bench_result, without the fault.

    Raises BadRing, Stall, and OSError with the core's errno.
    """

# --- the ring on the bare silicon: silicon.h ---

def silicon_room(config: _SiliconConfig, /) -> int: ...
def silicon_init(buffer: Buffer, offset: int, config: _SiliconConfig, /) -> None: ...
def silicon_driver(buffer: Buffer, offset: int, /) -> None: ...
def silicon_device(buffer: Buffer, offset: int, /) -> dict[str, int]:
    """Keys messages, corrupted, first_number, first_word, first_value, first_expected, elapsed_ns."""

def litmus(
    threads: tuple[bytes, ...],
    initial: tuple[int, ...],
    orders: bytes,
    levels: int,
    domains: tuple[int, ...],
    implicit: bytes,
    observed_registers: tuple[int, ...],
    observed_locations: tuple[int, ...],
    executions: int,
    ns: int,
    sizes: tuple[int, ...],
    faults: int,
    copies: bool,
    /,
) -> tuple[list[tuple[tuple[int, ...], int]], int, int, bool]:
    """All outcomes of a litmus test, for amp.litmus.enumerate: [(values, how many executions)], executions, runs, all?

    A thread is packed instructions (amp.litmus.program). `orders` has eight bytes an ordering, `implicit` two in all:
    towards siblings, towards the others; with one level only the first counts. `observed_registers` alternates threads
    and registers. `copies`: stores reach the others one by one. Raises RuntimeError for a test that cannot be run,
    ValueError for a malformed one.
    """

# --- timed loops around one barrier: bench_barriers.h ---

BENCH_LINE: Final[int]  # bytes; each store of a round goes to a line of its own

# What a round does before its barrier: enum amp_bench_before.
BENCH_NOTHING: Final[int]
BENCH_NEAR: Final[int]
BENCH_FAR: Final[int]
BENCH_STREAM: Final[int]

def bench_barrier(room: Buffer, what: tuple[int, int, int, int], /) -> tuple[int, int, int]:
    """Run rounds of stores and a barrier; `what` is (primitive, before, lines, rounds). The room is overwritten.

    (wall_ns, cpu_ns, involuntary switches) of this thread, over the rounds. OSError EINVAL for a field, or a room that
    is not aligned to BENCH_LINE or not a power of two; ENOTSUP for stores that this CPU has not.
    """

def bench_instruction(primitive: int, /) -> str | None:
    """What that primitive is on this CPU, as an assembler template; "" for no instruction, None for no such number."""

# --- timed loops through the model, and what they are measured against: bench_work.h ---

# What a round does: enum amp_bench_access. Each but MIXED is one access; MIXED is two.
BENCH_LOAD: Final[int]
BENCH_STORE: Final[int]
BENCH_MIXED: Final[int]
BENCH_BARRIER: Final[int]
BENCH_WARM_UP: Final[int]  # rounds of bench_bounce that come before those asked for

def bench_model(buffer: Buffer, room_offset: int, cpu: int, what: tuple[int, int, int, int], /) -> tuple[int, int, int]:
    """Run rounds of accesses by `cpu` of that model; `what` is (access, primitive, address, rounds).

    (wall_ns, cpu_ns, involuntary switches) of this thread, over the rounds. Touches two granules from `address` on.
    OSError with the errno of an access that failed; EINVAL for a field.
    """

def bench_locked(rounds: int, /) -> tuple[int, int, int]:
    """So many atomic additions to a word of this thread's own; times as bench_model's. OSError EINVAL for 0."""

def bench_bounce(buffer: Buffer, role: int, word: int, base: int, rounds: int, budget_ns: int, /) -> dict[str, int]:
    """One side of a word that two processes count up in turn, role 0 first; `rounds` and BENCH_WARM_UP before them.

    Keys wall_ns, cpu_ns, involuntary_switches. `base` is the word's value now, twice all the rounds there were. OSError
    EINVAL for a field, ETIMEDOUT when the budget is used up.
    """

@final
class Code:
    """An engine that runs compiled code: amp/_core/code/code.h.

    `owner` has compile(pc), which gives the rows of the code there, and ended(error, text, pc, before), which returns
    the exception for a part that has ended early. `functions` are the addresses of Unicorn's, in the order of struct
    code_unicorn; `uc` is its engine; `registers` are its numbers, by slot.
    """

    def __new__(
        cls,
        owner: Any,
        functions: tuple[int, ...],
        uc: int,
        registers: tuple[int, ...],
        special: tuple[int, int, int, int, int, int],
        shift: int,
        thumb: int,
        /,
    ) -> Code: ...
    def map(self, address: int, data: Buffer, permissions: int, /) -> None: ...
    def window(self, address: int, size: int, region: int, /) -> None: ...
    def device(self, kind: int, address: int, value: int, /) -> None: ...
    def reached(self) -> list[int]: ...
    def stack(self, start: int, size: int, red_zone: int, /) -> None: ...
    def open(self, max_loop: int, max_steps: int, /) -> None: ...
    def rows(self, rows: list[tuple[int, bytes]], /) -> None: ...
    def keep(self, accesses: int, /) -> None: ...
    def places(self) -> tuple[list[int], list[int], list[int]]: ...
    def said(self) -> list[tuple[int, str]]: ...
    def standing(self) -> tuple[int, int]: ...
    def steps(self) -> int: ...
    def registers(self) -> list[int]: ...
