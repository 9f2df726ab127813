"""The numbers that `amp run … --json` gives: there, positive, consistent. How good they are is measured by hand.

The bound is so loose that only a broken path is below it: a sleep for every message, a trace where none is due.
"""

import json

import pytest
from cli_runs import amp

SANE_PER_S = 2000


@pytest.mark.parametrize(("mode", "messages"), [("direct", 50_000), ("free", 5_000)])
@pytest.mark.parametrize("window", ["1", "64"])
def test_throughput_is_reported_and_adds_up(mode: str, messages: int, window: str) -> None:
    asked = ["--mode", mode, "--messages", str(messages), "--window", window, "--ring-size", "256", "--event-idx"]
    run = amp("run", "echo", "--json", *asked)
    assert run.returncode == 0, run.stderr
    data = json.loads(run.stdout)
    print(f"{mode}, window {window}: {data['round_trips_per_s']:,.0f} round trips/s, {data['messages_per_s']:,.0f}/s")
    assert data["messages"] == messages
    assert data["round_trips_per_s"] >= SANE_PER_S
    assert data["messages_per_s"] == pytest.approx(2 * data["round_trips_per_s"], abs=0.2)
    assert data["seconds"] >= messages / data["round_trips_per_s"] * 0.99, "the runs' own time is part of the whole"
    assert 0 < data["notifications"] <= 2 * 2 * messages + 2
    assert data["sleeps"] >= 0
