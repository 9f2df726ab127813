"""An option that changes nothing where it stands is refused in one line; where it changes something it is taken."""

import shlex

import click
import pytest
from commands import here as amp

from amp.cli.applies import spelled
from amp.cli.main import cli
from amp.lab.applies import ROWS

REFUSED = [
    ("run echo --mode direct --seed 1", "--seed"),
    ("run vring --mode direct --seed 7", "--seed"),
    ("run echo --mode direct --save x.json", "--save"),
    ("run echo --mode direct --platform sc", "--platform"),
    ("run echo --mode free --schedule s1.x", "--schedule"),
    ("run echo --mode direct --schedule s1.x", "--schedule"),
    ("run vring --schedule s1.x --seeds 3", "--seeds"),
    ("run vring --payload 64", "--payload"),
    ("run vring --window 0", "--window"),
    ("run doorbell --segments 1", "--segments"),
    ("run rpmsg-ping --align 4096", "--align"),
    ("run vring-event-idx --event-idx", "--event-idx"),
    ("run vring --no-indirect", "--indirect"),
    ("run spsc-vring --suppression", "--suppression"),
    ("run vring-flags --polls 16", "--polls"),
    ("run vring --file x", "--file"),
    ("run echo --file x", "--file"),
    ("verify vring --seed 1", "--seed"),
    ("verify vring --depth 3", "--depth"),
    ("verify vring --chooser random --depth 3", "--depth"),
    ("verify vring --schedule s1.x --chooser random", "--chooser"),
    ("verify vring --schedule s1.x --max-executions 5", "--max-executions"),
    ("verify vring --schedule s1.x --max-seconds 5", "--max-seconds"),
    ("up x.elf --mode direct --seed 1", "--seed"),
    ("check --update-baseline", "--update-baseline"),
    ("check --json --github", "--github"),
    ("check --json --quiet", "--quiet"),
    ("send x y --timeout 3", "--timeout"),
    ("litmus x.litmus --tries 5", "--tries"),
    ("litmus x.litmus --hardware --expect x", "--expect"),
]


@pytest.mark.parametrize(("line", "option"), REFUSED, ids=[line for line, _ in REFUSED])
def test_an_option_without_effect_is_refused(line: str, option: str) -> None:
    done = amp(*shlex.split(line))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"amp: {option}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("run vring --mode direct --seeds 2 --pin", 0),
        ("run vring --seed 4 --seeds 2 --ring-size 4 --messages 3 --pin", 0),
        ("run echo --mode free --seed 3 --messages 20 --window 2 --segments 2 --payload 32 --polls 1", 0),
        ("verify vring --chooser pct --seed 4 --depth 2 --max-executions 70", 3),
        ("verify vring --chooser random --max-executions 100000000 --max-seconds 0.2", 3),
    ],
)
def test_an_option_with_an_effect_is_taken(line: str, status: int) -> None:
    done = amp(*shlex.split(line))
    assert (done.returncode, done.stderr) == (status, "")


def test_the_default_of_an_option_is_no_wish() -> None:
    """Only what is typed is refused: every command above runs without it."""
    assert amp("run", "vring", "--mode", "direct").returncode == 0


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.command} {row.options[0]}" for row in ROWS])
def test_every_row_is_of_options_that_there_are_and_has_a_line_above(row: object) -> None:
    command = cli.commands[row.command]  # type: ignore[attr-defined]
    names = {each.name for each in command.params if isinstance(each, click.Option)}
    assert set(row.options) <= names  # type: ignore[attr-defined]
    refused = {(line.split()[0], option) for line, option in REFUSED}
    assert any((row.command, spelled(command, each)) in refused for each in row.options)  # type: ignore[attr-defined]
