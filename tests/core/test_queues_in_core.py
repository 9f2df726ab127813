"""A side's queue in the core against the one in Python, as the factories make them: the whole interface, four pairings.

Every program of operations runs on four machines, with driver and device in the core or in Python each; after every
operation all four have given the same answer and have the same shared memory and the same doorbells, byte by byte.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core_objects import CORE, SOURCES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ring_machine import RingMachine

from amp.errors import AccessFault, BadRing, UsageError
from amp.ordering.barriers import Primitive
from amp.port.doors import DeviceRing, DirectPort, DriverRing, RecordingPort, open_direct
from amp.port.port import HOST, REMOTE
from amp.virtio.batch import read_rows, write_rows
from amp.virtio.sites import K2, S1, SITES, linux_choice
from amp.virtio.split import SplitLayout
from hostside.virtqueue import DriverQueue, driver_queue
from remoteside.virtqueue import Chain, DeviceQueue, device_queue

NUM = 8
ROOM = 1024
PAIRINGS = ((False, False), (False, True), (True, False), (True, True))  # is the driver, is the device in the core?


class Four:
    """The pairings, and what both sides hold: `heads` of the device with their room, in the order they were taken."""

    def __init__(self, stack: ExitStack, *, event_idx: bool, indirect: bool) -> None:
        self.machines = [
            stack.enter_context(RingMachine(NUM, event_idx=event_idx, indirect=indirect, buffers_bytes=ROOM))
            for _ in PAIRINGS
        ]
        self.drivers, self.devices = [], []
        for machine, (driver, device) in zip(self.machines, PAIRINGS, strict=True):
            ring = machine.layout
            made = driver_queue if driver else DriverQueue
            self.drivers.append(made(machine.host, ring, event_idx=event_idx, indirect=machine.tables))
            made = device_queue if device else DeviceQueue
            self.devices.append(made(machine.remote, ring, machine.memory, event_idx=event_idx, indirect=indirect))
        self.heads: list[tuple[int, int]] = []
        self.tokens = 0

    def all_do(self, queues: list[Any], act: Callable[[Any], Any]) -> Any:
        """What all four answer; they must agree, in the answer, in their counts and in every byte."""
        answers = [outcome(act, queue) for queue in queues]
        assert answers == answers[:1] * 4
        for names, each in ((("free", "in_flight", "kicks"), self.drivers), (("held", "calls"), self.devices)):
            counts = [[getattr(queue, name) for name in names] for queue in each]
            assert counts == counts[:1] * 4, names
        images = [image(machine) for machine in self.machines]
        assert images == images[:1] * 4
        return answers[0]


def outcome(act: Callable[[Any], Any], queue: Any) -> Any:
    try:
        return plain(act(queue))
    except BadRing as error:
        return error.field, error.value, str(error.limit), error.writer, error.address, str(error)
    except (UsageError, AssertionError) as error:
        return type(error), str(error).partition("\n")[0]


def plain(answer: Any) -> Any:
    if isinstance(answer, np.ndarray):
        return str(answer.dtype), answer.tolist()
    return tuple(map(plain, answer)) if isinstance(answer, tuple) and not isinstance(answer, Chain) else answer


def image(machine: RingMachine) -> bytes:
    """All shared memory, and the doorbells."""
    start, end = machine.region.layout.shared
    board = machine.region.layout["mailbox"].offset
    return bytes(machine.region.memory[start:end]) + bytes(machine.region.memory[board : board + 4])


@contextmanager
def four(**asked: bool) -> Iterator[Four]:
    with ExitStack() as stack:
        yield Four(stack, **asked)


DRIVER = ("kick_prepare", "notify", "kick", "disable_interrupts", "enable_interrupts", "finish_reading", "get_used")
DEVICE = ("call_prepare", "notify", "call", "disable_notifications", "enable_notifications", "finish_reading")
lengths = st.lists(st.integers(0, 64), max_size=5)
operations = st.one_of(
    st.tuples(st.just("add"), lengths, lengths),
    st.tuples(st.just("add many"), st.lists(st.integers(0, 64), max_size=NUM + 2), st.booleans()),
    st.tuples(st.just("next"), st.none(), st.none()),
    st.tuples(st.just("next many"), st.sampled_from([None, 0, 1, 3]), st.booleans()),
    st.tuples(st.just("push"), st.integers(0, NUM), st.booleans()),
    st.tuples(st.just("push many"), st.integers(0, NUM), st.booleans()),
    st.tuples(st.just("used many"), st.sampled_from([None, 0, 1, 3]), st.none()),
    st.tuples(st.just("driver"), st.sampled_from(DRIVER), st.none()),
    st.tuples(st.just("device"), st.sampled_from(DEVICE), st.none()),
)


def do(run: Four, operation: tuple[str, Any, Any]) -> Any:  # noqa: PLR0911  (a return for each kind)
    name, x, y = operation
    first = run.machines[0]
    if name == "add":
        run.tokens += 1
        readable, writable = first.segments(x), first.segments(y, start=ROOM // 2)
        return run.all_do(run.drivers, lambda queue: queue.add(readable, writable, ("token", run.tokens)))
    if name == "add many":
        addresses = np.array([address for address, _ in first.segments(x)], np.uint64)
        return run.all_do(run.drivers, lambda queue: queue.add_many(addresses, np.array(x, np.uint32), writable=y))
    if name == "next":
        chain = run.all_do(run.devices, lambda queue: queue.next_chain())
        if isinstance(chain, Chain):
            run.heads.append((chain.head, sum(length for _, length in chain.writable)))
        return chain
    if name == "next many":
        taken = run.all_do(run.devices, lambda queue: queue.take_many(x, writable=y))
        if isinstance(taken[0], tuple):
            run.heads += [(head, length * y) for head, length in zip(taken[0][1], taken[2][1], strict=True)]
        return taken
    if name == "push":
        head, room = run.heads.pop(x % len(run.heads)) if run.heads else (0, 0)
        return run.all_do(run.devices, lambda queue: queue.push_used(head, room * y))
    if name == "push many":
        some, run.heads = run.heads[:x], run.heads[x:]
        heads = np.array([head for head, _ in some], np.uint16)
        written = np.array([room * y for _, room in some], np.uint32)
        return run.all_do(run.devices, lambda queue: queue.add_many(heads, written))
    if name == "used many":
        return run.all_do(run.drivers, lambda queue: queue.take_many(x))
    return run.all_do(run.drivers if name == "driver" else run.devices, lambda queue: getattr(queue, x)())


@pytest.mark.parametrize("indirect", [False, True], ids=["direct", "indirect"])
@pytest.mark.parametrize("event_idx", [False, True], ids=["flags", "event-idx"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(program=st.lists(operations, min_size=1, max_size=50))
def test_every_pairing_does_the_same(program: list[tuple[str, Any, Any]], event_idx: bool, indirect: bool) -> None:
    with four(event_idx=event_idx, indirect=indirect) as run:
        for operation in program:
            do(run, operation)


POKES = st.tuples(
    st.sampled_from(["avail_idx", "used_idx", "avail_ring", "used_ring", "desc"]),
    st.integers(0, 63),
    st.sampled_from([0, 1, 2, 7, 8, 0x7F, 0xFF]),
)


@pytest.mark.parametrize("indirect", [False, True], ids=["direct", "indirect"])
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pokes=st.lists(POKES, min_size=1, max_size=5), program=st.lists(operations, max_size=12))
def test_whatever_is_in_the_ring_every_pairing_refuses_the_same(
    pokes: list[tuple[str, int, int]], program: list[tuple[str, Any, Any]], indirect: bool
) -> None:
    with four(event_idx=False, indirect=indirect) as run:
        for operation in [("add", [8], [8, 8]), ("add many", [16] * 3, False), ("next", None, None), ("push", 0, True)]:
            do(run, operation)
        for field, offset, value in pokes:
            for machine in run.machines:
                width = 2 if field.endswith("idx") else 64
                machine.region.memory[getattr(machine.layout, field) + offset % width] = value
        for operation in [*program, ("used many", None, None), ("next many", None, False), ("next", None, None)]:
            do(run, operation)


def test_a_queue_that_answers_something_else_is_noticed() -> None:
    class Wrong(DriverQueue[Any]):
        def kick_prepare(self) -> bool:
            return not super().kick_prepare()

    with four(event_idx=False, indirect=False) as run:
        run.drivers[1] = Wrong(run.machines[1].host, run.machines[1].layout)
        with pytest.raises(AssertionError):
            do(run, ("driver", "kick", None))


def test_a_chain_takes_the_descriptors_of_chains_that_came_back() -> None:
    """A free list of Python's, last in, first out, and a stack of the core's."""
    with four(event_idx=False, indirect=False) as run:
        for first, second in (([8] * 3, [8] * 2), ([8], [8]), ([8], []), ([8] * 4, [8] * 4)):
            do(run, ("add", first, second))
            do(run, ("next", None, None))
        for which in (1, 0, 0):
            do(run, ("push", which, True))
            do(run, ("driver", "get_used", None))
        assert run.drivers[0].free == NUM
        assert isinstance(do(run, ("add", [1] * 5, [2] * 3)), int)
        assert do(run, ("add", [1], [])) == (UsageError, "a chain of 1 descriptors, 0 are free")


def test_what_is_wrong_behind_the_first_of_a_batch_is_the_next_calls() -> None:
    with four(event_idx=False, indirect=False) as run:
        do(run, ("add many", [8] * 3, False))
        do(run, ("next many", None, False))
        do(run, ("push many", 3, False))
        for machine in run.machines:
            machine.region.memory[machine.layout.used_ring + 8] = 77
        heads, written = do(run, ("used many", None, None))
        assert (heads, written) == (("uint16", [0]), ("uint32", [0]))
        assert do(run, ("used many", None, None))[:3] == ("used.ring id", 77, "a head in flight")


def test_a_modelled_or_recorded_port_offers_no_queue_in_the_core_and_a_direct_one_does() -> None:
    with RingMachine(NUM) as bare, RingMachine(NUM, door="arm64") as modelled:
        assert isinstance(driver_queue(bare.host, bare.layout), DriverRing)
        assert isinstance(device_queue(bare.remote, bare.layout, bare.memory), DeviceRing)
        for port in (modelled.host, RecordingPort(bare.host)):
            assert isinstance(driver_queue(port, bare.layout), DriverQueue)  # type: ignore[arg-type]
            assert isinstance(device_queue(port, bare.layout, bare.memory), DeviceQueue)  # type: ignore[arg-type]


def test_a_ring_outside_the_shared_memory_is_an_access_fault() -> None:
    with RingMachine(NUM) as machine:
        beyond = SplitLayout(NUM, machine.region.layout.shared[1])
        with pytest.raises(AccessFault, match=r"ring of 8 entries at 0x.*not in the shared memory"):
            driver_queue(machine.host, beyond)
        with pytest.raises(AccessFault, match="buffers at 0x0"):
            device_queue(machine.remote, machine.layout, (0, 8))


def test_looking_through_another_port_still_finds_what_came_back() -> None:
    with RingMachine(NUM) as machine:
        driver, device = driver_queue(machine.host, machine.layout), machine.device()
        driver.add(machine.segments([8]), (), "token")
        chain = device.next_chain()
        assert chain is not None
        device.push_used(chain.head, 0)
        driver.look_through(machine.remote)
        assert driver.get_used() == ("token", 0)


def test_tokens_live_as_long_as_their_buffers_are_in_flight() -> None:
    class Token:
        alive = 0

        def __init__(self) -> None:
            Token.alive += 1

        def __del__(self) -> None:
            Token.alive -= 1

    with RingMachine(NUM) as machine:
        driver, device = driver_queue(machine.host, machine.layout), machine.device()
        for _ in range(3):
            driver.add(machine.segments([8]), (), Token())
        for _ in range(2):
            chain = device.next_chain()
            assert chain is not None
            device.push_used(chain.head, 0)
        assert Token.alive == 3
        assert driver.get_used() is not None
        driver.take_many()
        assert Token.alive == 1
        del driver
        assert Token.alive == 0


# --- payloads


def test_rows_are_copied_alike_at_once_and_one_by_one() -> None:
    with RingMachine(NUM) as machine:
        widths = np.array([0, 5, 16, 7], np.uint32)
        addresses = np.array([machine.buffers + 64 * n for n in range(4)], np.uint64)
        rows = np.arange(64, dtype=np.uint8).reshape(4, 16)
        found = []
        for port in (machine.host, RecordingPort(machine.host)):
            machine.region.memory[machine.buffers : machine.buffers + 256] = b"\xee" * 256
            write_rows(port, addresses, widths, rows)  # type: ignore[arg-type]
            back = np.full((4, 16), 0xAA, np.uint8)
            read_rows(port, addresses, widths, back)  # type: ignore[arg-type]
            found.append((bytes(machine.region.memory[machine.buffers : machine.buffers + 256]), back.tolist()))
        assert found[0] == found[1]
        assert found[0][1] == [[*range(16 * n, 16 * n + w), *[0xAA] * (16 - w)] for n, w in enumerate(widths.tolist())]


@pytest.mark.parametrize("recorded", [False, True])
def test_rows_that_cannot_be_copied_are_refused(recorded: bool) -> None:
    with RingMachine(NUM) as machine:
        port: Any = RecordingPort(machine.host) if recorded else machine.host
        addresses, rows = np.array([machine.buffers] * 2, np.uint64), np.zeros((2, 16), np.uint8)
        with pytest.raises(UsageError, match=r"lengths\[1\] is 17, a row has 16 bytes"):
            write_rows(port, addresses, np.array([16, 17], np.uint32), rows)
        far = np.array([machine.buffers, machine.region.layout.shared[1] - 8], np.uint64)
        with pytest.raises(AccessFault, match="of 16 bytes"):
            read_rows(port, far, np.array([16, 16], np.uint32), rows)
        for wrong in (rows.T, rows[:1], rows.astype(np.uint16), [[0] * 16] * 2):
            with pytest.raises(UsageError, match="rows: "):
                write_rows(port, addresses, np.array([16, 16], np.uint32), wrong)  # type: ignore[arg-type]


# --- sites


C = Path(__file__).parent / "c"


def python_sites(*, event_idx: bool) -> dict[str, list[int]]:
    """What ring_sites.c prints, of the Python queues."""
    found = {}
    with RingMachine(NUM, event_idx=event_idx) as machine:
        host, remote = RecordingPort(machine.host), RecordingPort(machine.remote)
        driver, device = machine.driver(host), machine.device(remote)

        def record(name: str, call: Callable[[], Any]) -> Any:
            host.calls.clear()
            remote.calls.clear()
            answer = call()
            calls = host.calls + remote.calls
            found[name] = [SITES.number(call.arguments[0]) for call in calls if call.method == "barrier"]
            return answer

        record("add", lambda: driver.add(machine.segments([8]), (), 0))
        record("kick_prepare", driver.kick_prepare)
        record("kick notify", driver.notify)
        head = record("next_chain", device.next_chain).head
        record("device finish_reading", device.finish_reading)
        record("push_used", lambda: device.push_used(head, 0))
        record("call_prepare", device.call_prepare)
        record("call notify", device.notify)
        record("enable_notifications", device.enable_notifications)
        record("get_used", driver.get_used)
        record("driver finish_reading", driver.finish_reading)
        record("enable_interrupts", driver.enable_interrupts)
    return found


@pytest.mark.parametrize("event_idx", [False, True], ids=["flags", "event-idx"])
def test_the_core_stands_at_the_same_sites_as_python_in_the_same_order(tmp_path: Path, event_idx: bool) -> None:
    program = tmp_path / "ring_sites"
    core = (SOURCES[name] for name in ("bell.c", "direct.c", "port.c", "port_direct.c", "port_poll.c"))
    flags = ("-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{CORE}")
    subprocess.run(["cc", *flags, C / "ring_sites.c", *core, "-o", program], check=True, timeout=300)
    printed = subprocess.run(
        [program, str(int(event_idx))], check=True, timeout=300, capture_output=True, text=True
    ).stdout
    lines = (line.partition(":") for line in printed.splitlines())
    found = {name: [int(number) for number in numbers.split()] for name, _, numbers in lines}
    assert found == python_sites(event_idx=event_idx)
    assert {SITES.at(site) for sites in found.values() for site in sites} == set(SITES) - {K2}, (
        "K2 is whoever wakes up's"
    )


def test_a_queue_in_the_core_has_its_ports_own_sites() -> None:
    """A primitive that does not exist is refused wherever it stands: so every site's number reaches the core."""
    with RingMachine(NUM) as machine:
        sites = linux_choice(weak_barriers=False).weaken(S1, Primitive.NONE)
        port = open_direct(machine.region, HOST, sites)
        driver_queue(port, machine.layout)
        memory, shared, board, numbers = port._room
        assert numbers[SITES.number(S1)] == Primitive.NONE
        for site in SITES:
            wrong = bytearray(numbers)
            wrong[SITES.number(site)] = 0xEE
            broken = DirectPort(memory, *shared, board, REMOTE, 2, bytes(wrong), SITES.numbers)
            with pytest.raises(AccessFault):
                driver_queue(broken, machine.layout)
            with pytest.raises(AccessFault):
                device_queue(broken, machine.layout, machine.memory)
