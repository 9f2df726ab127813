"""A machine small enough to drive by hand: two modelled ports in one process, free mode, a seed."""

import mmap
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from amp._core import _bridge
from amp.ordering import platform as platform_named
from amp.ordering.barriers import BarrierClass
from amp.ordering.platforms import Side
from amp.ordering.sites import Site, SiteMap
from amp.report.blame import Explanation, Finding, blame
from amp.report.trace import Trace
from amp.virtio.sites import B1, K1, K2, S1, S2, S4, S5, S6, SITES

IDX, RING, DESC, FLAG, USED, BUFFER, SCRATCH = 0x00, 0x08, 0x10, 0x18, 0x20, 0x40, 0x800
NAMES = {IDX: "avail.idx", RING: "avail.ring[0]", DESC: "desc[0].addr", FLAG: "used.flags", USED: "used.idx"}
SHARED, ROOM = 0x1000, 0x1000


class Machine:
    """Host is CPU 0, remote CPU 1. Every site is MANDATORY but those in `weak`."""

    def __init__(self, platform: str, weak: dict[Site, BarrierClass], seed: int = 1, trace_events: int = 4096) -> None:
        self.platform = platform_named(platform)
        sites = SiteMap.for_class(BarrierClass.MANDATORY, SITES)
        for site, barrier_class in weak.items():
            sites = sites.weaken(site, barrier_class)
        config = (2, _bridge.FREE, 0, SHARED, 64, 1024, trace_events, seed)
        self.memory = mmap.mmap(-1, ROOM + _bridge.model_room(config))
        _bridge.model_init(self.memory, ROOM, config)
        for cpu, side in enumerate(Side):
            _bridge.model_set_orders(
                self.memory, ROOM, cpu, int(self.platform.implicit(side)), bytes(self.platform.table(side))
            )
        numbers = bytes([0, *(sites[site] for site in SITES)])
        self.host, self.remote = (
            _bridge.ModelledPort(self.memory, ROOM, cpu, numbers, SITES.numbers) for cpu in range(2)
        )

    def trace(self) -> Trace:
        return Trace.from_region(self.memory, ROOM, SITES)

    def explain(self, finding: Finding) -> Explanation:
        explanation = blame(self.trace(), finding, self.platform)
        assert explanation is not None
        return explanation

    def close(self) -> None:
        del self.host, self.remote
        self.memory.close()


def settle(port: Any) -> None:
    """Time passes for this CPU: its stores become visible (each access is an even chance for one of them)."""
    for _ in range(24):
        port.load_u8(SCRATCH)


def message_passing(m: Machine, messages: int = 40) -> Finding | None:
    """The host announces ring entries by idx, S1 and S2 between; the remote checks each."""
    for number in range(1, messages + 1):
        m.host.store_u32(DESC, number)
        m.host.store_u16(RING, number)
        m.host.barrier(S1)
        m.host.store_u16(IDX, number)
        for _ in range(4):
            if m.remote.load_u16(IDX) == number:
                break
        else:
            settle(m.host)
            m.remote.barrier(K2)
            if m.remote.load_u16(IDX) != number:
                settle(m.remote)
                continue
        m.remote.barrier(S2)
        head = m.remote.load_u16(RING)
        if head != number:
            return Finding(1, f"avail.ring head is {head}, allowed is {number}; written by the host", RING)
        m.remote.barrier(B1)
        m.remote.store_u16(USED, number)
        settle(m.remote)
    return None


def store_buffering(m: Machine) -> Finding | None:
    """The host adds and looks at the flag (S5); the remote clears the flag and looks again (S6). Do both sleep?"""
    m.host.store_u16(IDX, 1)
    m.host.barrier(S5)
    wanted = m.host.load_u16(FLAG)
    m.remote.store_u16(FLAG, 1)
    m.remote.barrier(S6)
    seen = m.remote.load_u16(IDX)
    return Finding(1, "both sides sleep and a message waits", stall=True) if not wanted and not seen else None


def doorbell(m: Machine) -> Finding | None:
    """The host adds and rings (K1); the remote wakes and looks (K2)."""
    m.host.store_u16(IDX, 1)
    m.host.barrier(K1)
    m.host.kick(1)
    assert m.remote.wait(240.0)
    m.remote.barrier(K2)
    return None if m.remote.load_u16(IDX) else Finding(1, "the remote sleeps and a message waits", stall=True)


def late_read(m: Machine) -> Finding | None:
    """The remote reads a buffer and hands it back (B1); the host writes it anew. Did the read see that?"""
    m.host.write(BUFFER, b"a" * 16)
    m.host.barrier(S1)
    m.host.store_u16(IDX, 1)
    settle(m.host)
    if m.remote.load_u16(IDX) != 1:
        return None
    m.remote.barrier(S2)
    payload = m.remote.read(BUFFER, 16)
    m.remote.barrier(B1)
    m.remote.store_u16(USED, 1)
    if m.host.load_u16(USED) != 1:
        return None
    m.host.barrier(S4)
    m.host.write(BUFFER, b"b" * 16)
    settle(m.host)
    wrong = next((i for i, byte in enumerate(bytes(payload)) if byte != ord("a")), None)
    return None if wrong is None else Finding(1, "message 1: bytes of message 2; written by the host", BUFFER + wrong)


def bulk_passing(m: Machine, messages: int = 30) -> Finding | None:
    """The host writes payloads of 32 bytes and announces them by idx, S1 and S2 between."""
    for number in range(1, messages + 1):
        m.host.write(BUFFER, bytes([number]) * 32)
        m.host.barrier(S1)
        m.host.store_u16(IDX, number)
        for _ in range(4):
            if m.remote.load_u16(IDX) == number:
                break
        else:
            settle(m.host)
            continue
        m.remote.barrier(S2)
        payload = bytes(m.remote.read(BUFFER, 32))
        wrong = next((i for i, byte in enumerate(payload) if byte != number), None)
        if wrong is not None:
            return Finding(1, f"message {number}: wrong bytes; written by the host", BUFFER + wrong)
        settle(m.host)
    return None


PROGRAMS: dict[str, Callable[[Machine], Finding | None]] = {
    "message passing": message_passing,
    "bulk passing": bulk_passing,
    "store buffering": store_buffering,
    "doorbell": doorbell,
    "late read": late_read,
}

Found = tuple[Machine, Finding]


def name_of(address: int) -> str:
    return NAMES.get(address, f"buffer 0 +0x{address - BUFFER:x}")


class Bench:
    """What the tests ask for: machines, and the first seed that shows something."""

    names = staticmethod(name_of)
    settle = staticmethod(settle)
    programs = PROGRAMS

    def __init__(self) -> None:
        self._machines: list[Machine] = []

    def machine(
        self, platform: str, weak: dict[Site, BarrierClass] | None = None, seed: int = 1, trace_events: int = 4096
    ) -> Machine:
        machine = Machine(platform, weak or {}, seed, trace_events)
        self._machines.append(machine)
        return machine

    def each(self, program: str, platform: str, weak: dict[Site, BarrierClass], seeds: int = 200) -> Iterator[Found]:
        """Every seed that violates, as (machine, finding)."""
        for seed in range(seeds):
            machine = self.machine(platform, weak, seed)
            finding = PROGRAMS[program](machine)
            if finding is not None:
                yield machine, finding

    def first(self, program: str, platform: str, weak: dict[Site, BarrierClass], seeds: int = 200) -> Found:
        found = next(self.each(program, platform, weak, seeds), None)
        assert found is not None, f"{program} on {platform} shows nothing in {seeds} seeds"
        return found

    def close(self) -> None:
        for machine in self._machines:
            with suppress(BufferError):
                machine.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()
