"""The doorbell, with and without a model: kicks are kept and coalesce, sleepers cost nothing and are always told."""

from __future__ import annotations

import os
import signal
from random import Random

import pytest
from core_sides import TwoSides, outcome
from model_machine import ROOM, Machine

from amp._core import _bridge
from amp.errors import PeerDied, PeerFinished, Stall

DOORS = pytest.mark.parametrize("door", ["direct", "modelled"])


@DOORS
def test_a_kick_before_the_wait_is_kept_and_kicks_coalesce(door: str) -> None:
    with TwoSides() as sides:
        host, remote = sides.port(0, door), sides.port(1, door)
        assert not remote.wait(0)
        for _ in range(1000):  # nobody takes them, nobody blocks
            host.kick(1)
            if door == "modelled":
                host.fence(2)  # mb: until the doorbell is there
        assert remote.wait()
        assert not remote.wait(0)
        assert not host.wait(0), "it was for the other"


@DOORS
def test_two_that_wait_for_each_other_lose_no_kick(door: str) -> None:
    with TwoSides() as sides:
        both = [sides.start(0, door, "ping", 3000), sides.start(1, door, "pong", 3000)]
        assert [outcome(process) for process in both] == ["3000", "3000"]


@DOORS
def test_a_wait_ends_when_its_time_is_up_and_a_sleeper_costs_no_cpu(door: str) -> None:
    with TwoSides() as sides:
        sides.start(1, door, "idle")
        rung, _, wall, _, cpu = outcome(sides.start(0, door, "sleep_for", 300)).split()
        assert rung == "False"
        assert 0.3 <= float(wall) < 5
        assert float(cpu) < 0.2 * float(wall)


@DOORS
def test_a_wait_with_a_limit_ends_though_the_peer_never_pauses(door: str) -> None:
    with TwoSides() as sides:
        sides.start(1, door, "hammer")
        rung, _, wall, *_ = outcome(sides.start(0, door, "sleep_for", 300)).split()
        assert rung == "False"
        assert float(wall) < 5


@DOORS
def test_a_sleeper_is_woken_by_a_kick(door: str) -> None:
    with TwoSides() as sides:
        sleeper = sides.start(1, door, "sleep")
        while door == "direct" and not sides.asleep(1):
            pass
        host = sides.port(0, door)
        host.kick(1)
        assert outcome(sleeper) == "True"


@DOORS
def test_the_last_to_fall_asleep_finds_the_stall_and_wakes_the_other_to_tell_it(door: str) -> None:
    with TwoSides() as sides:
        sleeper = sides.start(1, door, "sleep")
        with pytest.raises(Stall, match="every processor sleeps and no doorbell is under way"):
            sides.port(0, door).wait()
        assert outcome(sleeper) == "Stall"


@DOORS
def test_a_sleeper_with_a_time_limit_is_no_part_of_a_stall(door: str) -> None:
    with TwoSides() as sides:
        sleeper, remote = sides.start(0, door, "sleep"), sides.port(1, door)
        assert not remote.wait(0.2)
        with pytest.raises(Stall):
            remote.wait()
        assert outcome(sleeper) == "Stall"


@DOORS
def test_who_waits_for_a_cpu_that_has_retired_is_told_that_it_finished(door: str) -> None:
    with TwoSides() as sides:
        sleeper = sides.start(1, door, "sleep")
        host = sides.port(0, door)
        host.retire()
        assert outcome(sleeper) == "PeerFinished"
        with pytest.raises(PeerFinished, match="every other processor has retired"):
            sides.port(1, door).wait()


@DOORS
def test_a_kick_is_taken_before_the_news_that_the_peer_has_retired(door: str) -> None:
    with TwoSides() as sides:
        host, remote = sides.port(0, door), sides.port(1, door)
        host.kick(1)
        host.retire()
        assert remote.wait()
        with pytest.raises(PeerFinished):
            remote.wait()


@DOORS
def test_a_sleeper_killed_leaves_the_other_told(door: str) -> None:
    with TwoSides() as sides:
        victim = sides.start(0, door, "sleep")
        survivor = sides.start(1, door, "sleep_for", 50_000)
        victim.kill()
        victim.wait()
        sides.lost(0, door)
        assert outcome(survivor) == "PeerDied"
        with pytest.raises(PeerDied, match="the other processor died"):
            sides.port(1, door).wait()


@DOORS
@pytest.mark.parametrize("busy_peer", [True, False])
def test_ctrl_c_during_a_wait_raises_keyboard_interrupt(door: str, busy_peer: bool) -> None:
    with TwoSides() as sides:
        sides.start(1, door, "hammer" if busy_peer else "idle")
        sleeper = sides.start(0, door, "sleep")
        while door == "direct" and not sides.asleep(0):
            pass
        sleeper.send_signal(signal.SIGINT)
        assert outcome(sleeper) == "KeyboardInterrupt"


@pytest.mark.parametrize("contends", [False, True], ids=["survivor looks on", "survivor makes accesses"])
def test_a_process_killed_inside_the_model_takes_no_survivor_with_it(contends: bool) -> None:
    turns, inside = Random(1), 0
    for _ in range(10):
        machine = Machine("paranoid", depth=2)
        survivor, victim = machine.ports
        pid = os.fork()
        if pid == 0:
            try:
                while True:
                    victim.write(0, bytes(4096))  # 512 granules in one critical section
            finally:
                os._exit(1)
        events = turns.randrange(1, 3000)  # not a time: on a busy machine the victim may not have begun by then
        while machine.state()["events"] < events:
            if contends:
                survivor.load_u32(0)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        try:
            for _ in range(10):
                survivor.store_u32(8, 1)
        except PeerDied:
            inside += 1
            with pytest.raises(PeerDied):  # and it stays so, before any parent says a word
                survivor.wait(30)
        _bridge.model_lost(machine.memory, ROOM, 1)
        for name, argument in (("load_u8", 0), ("wait", 1), ("kick", 1)):
            with pytest.raises(PeerDied):
                getattr(survivor, name)(argument)
    print(f"{inside} of 20 kills met the lock held")
    assert inside or contends, "no kill met the lock held"
