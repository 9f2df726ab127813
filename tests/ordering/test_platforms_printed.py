"""What `amp platforms` prints: complete, in plain text when piped, no wider than the terminal."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from rich.text import Text

from amp.cli.platforms import render_list, render_platform
from amp.ordering.barriers import Primitive
from amp.ordering.platform_data import as_dict
from amp.ordering.platforms import PLATFORMS, Side


def printed(*names: str, terminal: bool = False, width: int = 100) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal)
    if not names:
        render_list(console)
    for name in names:
        render_platform(console, PLATFORMS[name])
    return out.getvalue()


def test_the_list_names_every_platform_in_a_hundred_columns() -> None:
    text = printed()
    assert all(f" {name} " in text for name in PLATFORMS)
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_platform_is_printed_with_every_row_and_every_source(name: str) -> None:
    text = printed(name)
    machine = PLATFORMS[name]
    assert "\x1b" not in text
    for side in Side:
        architecture = machine.processor(side).architecture
        assert architecture.implicit_source in text
        for primitive in Primitive:
            assert text.count(f" {primitive.label} ") >= 2
            assert architecture.rows[primitive].source in text
    table = [line for line in text.splitlines() if line.startswith(" ")]
    assert max(map(len, table)) <= 100


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_terminal_of_a_hundred_columns_is_never_overrun(name: str) -> None:
    coloured = printed(name, terminal=True)
    assert "\x1b" in coloured
    assert max(map(len, Text.from_ansi(coloured).plain.splitlines())) <= 100


def test_the_row_of_2011_says_why() -> None:
    lines = printed("omap4-2011").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(" smp_wmb"))
    assert "no: PL310 write" in lines[start]


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_data_is_json_and_says_the_same(name: str) -> None:
    data = json.loads(json.dumps(as_dict(PLATFORMS[name])))
    assert data["name"] == name
    for side in Side:
        rows = {row["primitive"]: row for row in data[side.value]["rows"]}
        assert list(rows) == [primitive.label for primitive in Primitive]
        for primitive in Primitive:
            explanation = PLATFORMS[name].explain(side, primitive)
            assert rows[primitive.label]["reaches_other_side"] == explanation.verdict.value
            assert set(rows[primitive.label]["orders_to_other_side"]) == {order.name for order in explanation.orders}
