"""The commands that read a witness: explain, replay. What they need is loaded when they run."""

from __future__ import annotations

from typing import Final

import click

from amp.cli.options import json_option
from amp.cli.output import NOTHING_RUN, echo, print_json

_moved_program = click.option("--program", metavar="FILE:NAME", help="Where its program is now, if it was moved.")


@click.command()
@click.argument("witness")
@_moved_program
@click.option("--html", metavar="F", help="Also write one self-contained page with an interactive timeline.")
@click.option("--perfetto", metavar="F", help="Also write a trace that ui.perfetto.dev opens.")
@json_option
def explain(witness: str, *, program: str | None, html: str | None, perfetto: str | None, as_json: bool) -> int:
    """Tell the story of WITNESS. It is a file that `amp run --save` or `amp verify --save` wrote."""
    from amp.cli import explain as files  # noqa: PLC0415
    from amp.cli import run as command  # noqa: PLC0415
    from amp.cli.terminal import make_console  # noqa: PLC0415
    from amp.lab import witness as witness_file  # noqa: PLC0415
    from amp.lab.run import finding_data, verdict  # noqa: PLC0415

    plan, found = witness_file.load(witness, program)
    asked = {form: path for form, path in (("html", html), ("perfetto", perfetto)) if path is not None}
    files.check(witness, found, asked)
    if as_json:
        told = {"command": "explain", "status": "violation", "violations": 1}
        print_json({**NOTHING_RUN, **told, **finding_data(plan, found)})
    else:
        console = make_console()
        console.print(verdict(plan, found), markup=False)
        command.render_witness(console, plan, found, plan.name_of)
    return files.write(plan, found, asked, 1)


@click.command()
@click.argument("witness")
@_moved_program
@click.option("--stale", is_flag=True, help="Compiled code has changed: try the schedule all the same.")
@json_option
def replay(witness: str, *, program: str | None, stale: bool, as_json: bool) -> int:
    """Run WITNESS again in fresh processes, access for access. Exit status 1 if it is the same."""
    from amp.cli.terminal import working  # noqa: PLC0415
    from amp.lab import witness as witness_file  # noqa: PLC0415

    with working("replaying"):
        _, found, outcome, same = witness_file.replay(witness, program, stale=stale)
    stale = stale and found.explanation is None  # it is another program indeed
    if as_json:
        print_json(witness_file.replay_data(outcome, same=same, stale=stale))
    if stale:
        said, status = witness_file.stale_text(outcome, same=same)
        echo(said, err=as_json)
        return status
    if same and not as_json:
        echo(f"the same violation, the same trace: {outcome.events} events, digest {outcome.digest:016x}")
    if not same:
        raise witness_file.Diverged(
            f"the run took another way: digest {outcome.digest:016x}, not {found.outcome.digest:016x}"
        )
    return 1


COMMANDS: Final = (explain, replay)
