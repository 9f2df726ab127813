"""The tables of docs/exploration.md say what exploration does: the counts are made again here."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "bench"))

from exploration import PEERS, growth_rows  # noqa: E402

TEXT = (ROOT / "docs" / "exploration.md").read_text()
MESSAGES = {"rpmsg-ping": 2}  # of each table: its first rows, 4 unless this says fewer
ASIDE = {"rpmsg-ping": " (announce, then so many pings and answers)"}
TABLES = [
    ("spsc-vring", 2, "omap4-2011"),
    ("spsc-vring", 4, "omap4-2011"),
    ("vring", 2, "arm64-domains"),
    ("vring-indirect", 2, "arm64-domains"),
    ("rpmsg-ping", 2, "arm64-domains"),
]


def printed(scenario: str, ring_size: int, platform: str) -> list[list[str]]:
    """The rows below the title of that table."""
    _, _, after = TEXT.partition(f"`{scenario}`{ASIDE.get(scenario, '')}, ring of {ring_size}, {platform}, mandatory:")
    rows = re.match(r"\s*\|.*\|\n\|[-|]+\|\n((?:\|.*\|\n)+)", after)
    assert rows is not None, f"no table of {scenario}, ring of {ring_size}"
    return [[cell.strip().replace(",", "") for cell in row.strip("|").split("|")] for row in rows[1].splitlines()]


@pytest.mark.a_few(3)
@pytest.mark.parametrize(("scenario", "ring_size", "platform"), TABLES)
def test_the_counts_in_the_docs_are_those_of_today(scenario: str, ring_size: int, platform: str) -> None:
    rows = printed(scenario, ring_size, platform)
    for messages, executions, runs, states, _ in growth_rows(scenario, ring_size, platform, MESSAGES.get(scenario, 4)):
        assert [rows[messages - 1][0], *rows[messages - 1][-4:-1]] == [
            str(n) for n in (messages, executions, runs, states)
        ]


@pytest.mark.parametrize("ring_size", PEERS)
def test_no_more_executions_are_met_than_the_peers_meet(ring_size: int) -> None:
    for messages, executions, runs, _, _ in growth_rows("spsc-vring", ring_size, "omap4-2011", 6):
        assert executions <= PEERS[ring_size][messages - 1]
        assert runs <= max(2 * PEERS[ring_size][messages - 1], 2)
