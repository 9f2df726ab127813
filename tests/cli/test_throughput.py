"""The numbers that `amp run … --json` gives: there, positive, consistent. How good they are is measured by hand.

The bound is so loose that only a broken path is below it: a sleep for every message, a trace where none is due.
"""

import json

import pytest
from commands import here as amp
from in_time import crowded_s

SANE_PER_S = 2000


@pytest.mark.alone
@pytest.mark.parametrize(("mode", "messages"), [("direct", 20_000), ("free", 5_000)])
@pytest.mark.parametrize("window", ["1", "64"])
def test_throughput_is_reported_and_adds_up(mode: str, messages: int, window: str) -> None:
    asked = ["--mode", mode, "--messages", str(messages), "--window", window, "--ring-size", "256", "--event-idx"]
    before_s = crowded_s()
    run = amp("run", "echo", "--json", *asked)
    crowd_s = crowded_s() - before_s
    assert run.returncode == 0, run.stderr
    data = json.loads(run.stdout)
    print(f"{mode}, window {window}: {data['round_trips_per_s']:,.0f} round trips/s, {data['messages_per_s']:,.0f}/s")
    assert data["messages"] == messages
    uncrowded_s = messages / data["round_trips_per_s"] - crowd_s  # a busy machine is no broken path
    assert uncrowded_s <= messages / SANE_PER_S, f"{crowd_s:.1f} s of it crowded"
    assert data["messages_per_s"] == pytest.approx(2 * data["round_trips_per_s"], abs=0.2)
    assert data["seconds"] >= messages / data["round_trips_per_s"] * 0.99, "the runs' own time is part of the whole"
    assert 0 < data["notifications"] <= 2 * 2 * messages + 2
    assert data["sleeps"] >= 0
