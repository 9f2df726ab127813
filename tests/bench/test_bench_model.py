"""The model's loops do what they say; the commands for model, rpmsg and exploration print what they promise."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from contextlib import ExitStack

import pytest

from amp._core import _bridge
from amp.bench import yardstick
from amp.bench.model import KINDS, ROUNDS_IN_PYTHON, LoneModel
from amp.bench.overhead import Exchange
from amp.bench.pairs import WorkWrong
from amp.bench.rpmsg import SIZE_MAX, Wait, Way, open_echo, replaced, ways_of
from amp.bench.verify import explored, plan_of
from amp.cli.main import main
from amp.errors import UsageError
from amp.machine.config import Mode
from amp.rpmsg import Message

TWO = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two sides need two processors")


def amp(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "amp.cli", "bench", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def data_of(ended: subprocess.CompletedProcess[str]) -> dict[str, object]:
    """Of a run that was as well as the machine allowed."""
    data: dict[str, object] = json.loads(ended.stdout)
    assert ended.returncode == {"holds": 0, "inconclusive": 3}[str(data["status"])], ended.stderr
    return data


def test_every_access_of_a_loop_leaves_its_event_in_the_model() -> None:
    for kind, (_, each) in KINDS.items():
        with LoneModel() as model:
            model.from_python(kind)
            assert model.events >= ROUNDS_IN_PYTHON * each, kind


def test_the_loops_in_c_and_in_python_make_the_same_accesses_and_direct_ones_none() -> None:
    for kind in KINDS:
        with LoneModel() as model:
            model.from_c(kind)
            assert model.events > 0
            before = model.events
            model.from_python(kind, "direct")
            assert model.events == before, "past the model"


def test_the_same_seed_leaves_the_same_events() -> None:
    def events() -> int:
        with LoneModel() as model:
            for kind in KINDS:
                model.from_c(kind)
            return model.events

    assert events() == events()


@pytest.mark.parametrize("what", [(9, 0, 4096, 1), (_bridge.BENCH_LOAD, 0, 4096, 0)], ids=["access", "rounds"])
def test_a_loop_that_makes_no_sense_is_refused(what: tuple[int, int, int, int]) -> None:
    with LoneModel() as model, pytest.raises(OSError, match="Invalid argument") as refused:
        _bridge.bench_model(model.memory, model.room_offset, 0, what)
    assert refused.value.errno == errno.EINVAL


def test_no_locked_additions_are_refused() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        _bridge.bench_locked(0)


def test_the_yardsticks_take_time_and_the_ordinary_one_does_its_work() -> None:
    assert yardstick.locked().value > 0
    assert yardstick.python().value > 0
    assert yardstick.ordinary(10) == sum(range(10))


@TWO
def test_a_line_goes_there_and_back_and_again() -> None:
    usable = sorted(os.sched_getaffinity(0))
    with yardstick.Bounce((usable[-2], usable[-1])) as bounce:
        samples = [bounce.sample() for _ in range(3)]
    assert all(sample.value > 0 for sample in samples)


@pytest.mark.parametrize("role", [0, 1])
def test_a_line_that_nobody_returns_is_given_up(role: int) -> None:
    with pytest.raises(TimeoutError):
        _bridge.bench_bounce(bytearray(64), role, 0, 0, 1, 1_000_000)


@pytest.mark.parametrize(("role", "word", "rounds"), [(2, 0, 1), (0, 4, 1), (0, 64, 1), (0, 0, 0)])
def test_a_line_that_cannot_be_is_refused(role: int, word: int, rounds: int) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        _bridge.bench_bounce(bytearray(64), role, word, 0, rounds, 1_000_000)


@TWO
@pytest.mark.parametrize("mode", list(Mode))
def test_an_exchange_brings_all_its_messages_back(mode: Mode) -> None:
    with ExitStack() as stack:
        exchange = Exchange(mode, stack)
        assert exchange.sample().value > 0


def test_exploring_counts_what_verify_counts() -> None:
    found = explored(plan_of("vring", 2, None, "arm64-domains"))
    assert (found.executions, found.runs, found.states) == (1, 6, 12)


@TWO
def test_a_message_that_comes_back_as_another_ends_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    usable = sorted(os.sched_getaffinity(0))
    before = os.sched_getaffinity(0)
    with ExitStack() as stack:
        echo = open_echo(Mode.DIRECT, Wait.SPIN, (usable[0], usable[-1]), stack)
        assert echo.trips(16).value > 0
        assert len(echo.trips_ns[16][0]) > 1
        assert echo.flood(496).value > 0
        receive = echo.endpoint.recv
        other = Message(b"another", 0)
        monkeypatch.setattr(type(echo.endpoint), "recv", lambda *_: receive and other)
        with pytest.raises(WorkWrong, match="another message came back"):
            echo.trips(16)
    assert os.sched_getaffinity(0) == before


def test_ways_are_every_combination_once_and_know_their_neighbours() -> None:
    ways = ways_of(["direct", "free"], ["spin", "spin"], [16, SIZE_MAX])
    assert len(ways) == 4
    assert replaced(ways[3], mode=Mode.DIRECT) == Way(Mode.DIRECT, Wait.SPIN, SIZE_MAX)


@pytest.mark.parametrize("size", [3, SIZE_MAX + 1])
def test_a_payload_that_no_buffer_holds_is_refused(size: int) -> None:
    with pytest.raises(UsageError, match=f"--size is {size} bytes, expected 4"):
        Way(Mode.DIRECT, Wait.SPIN, size)


MISTAKES = [
    (("rpmsg", "--size", "497"), "--size is 497"),
    (("rpmsg", "--mode", "lockstep"), "--mode"),
    (("rpmsg", "--cpus", "0"), "two CPUs"),
    (("model", "--cpus", "0"), "two CPUs"),
    (("verify", "--scenario", "vrings"), "is unknown; did you mean vring?"),
    (("verify", "--platform", "nowhere"), "nowhere"),
    (("verify", "--cpus", "0,1"), "one CPU"),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES, ids=str)
def test_a_mistake_is_one_line_and_status_2(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", *words])
    told = capsys.readouterr()
    assert ended.value.code == 2
    assert told.out == ""
    assert said in told.err
    assert told.err.count("\n") == 1


@TWO
def test_each_command_prints_one_object_with_the_machine() -> None:
    rpmsg = data_of(amp("rpmsg", "--time", "0.2", "--mode", "direct", "--size", "16", "--json"))
    assert [(way["wait"], way["size"]) for way in rpmsg["ways"]] == [("spin", 16), ("block", 16)]  # type: ignore[attr-defined]
    model = data_of(amp("model", "--time", "0.2", "--json"))
    assert len(model["ns_per_access"]) == 3 * len(KINDS) + 2  # type: ignore[arg-type]
    verify = data_of(amp("verify", "--time", "0.1", "--program", "vring", "--messages", "2", "--json"))
    assert [row["runs"] for row in verify["explorations"]] == [2, 6]  # type: ignore[attr-defined]
    for data, command in ((rpmsg, "rpmsg"), (model, "model"), (verify, "verify")):
        assert data["command"] == f"bench {command}"
        assert data["machine"]["pinned_to"]  # type: ignore[index]
