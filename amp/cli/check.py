"""`amp check`: the gate of a project in its CI, as amp.toml says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from amp.cli.options import json_option
from amp.cli.output import append_output, check_output, complain, echo, print_json, write_output

if TYPE_CHECKING:
    from amp.check.judged import Summary


@click.command()
@click.option("--config", metavar="F", help="The configuration.  [default: amp.toml, or pyproject.toml's [tool.amp]]")
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes at a time.  [default: one for each core]")
@click.option("--no-cache", is_flag=True, help="Explore everything, also what has not changed.")
@click.option("--quiet", is_flag=True, help="Print what is not as expected, and nothing else.")
@json_option
@click.option("--junit", metavar="F", help="Also write JUnit XML: a case for each cell.")
@click.option("--sarif", metavar="F", help="Also write SARIF 2.1.0: a result for each finding, at its line.")
@click.option("--html", metavar="F", help="Also write one page: the matrix, and each finding with its timeline.")
@click.option("--github", is_flag=True, help="Also annotate lines, and write the step summary, in GitHub's CI.")
@click.option("--baseline", metavar="F", help="Known findings: only others fail.")
@click.option("--update-baseline", is_flag=True, help="Make what is found now the known findings.")
def check(
    *,
    config: str | None,
    jobs: int | None,
    no_cache: bool,
    quiet: bool,
    as_json: bool,
    github: bool,
    baseline: str | None,
    update_baseline: bool,
    **files: str | None,
) -> int:
    """The gate: explore all that amp.toml asks for, and judge it.

    Exit status 0: all is as expected; 1: something is not; 3: a bound was reached; 2: the configuration, or a program,
    is wrong. What has not changed since it was last explored is not explored again.
    """
    from amp.check import baseline as known  # noqa: PLC0415
    from amp.check.config import BadConfig, find, load  # noqa: PLC0415
    from amp.check.judged import accepting  # noqa: PLC0415
    from amp.check.run import run  # noqa: PLC0415
    from amp.check.written import written  # noqa: PLC0415
    from amp.cli.terminal import cells_done  # noqa: PLC0415

    try:
        asked = load(find(config))
    except BadConfig as error:
        for line in error.lines:
            complain(line)
        return error.exit_status
    files["baseline"] = baseline if update_baseline else None
    for option, path in files.items():
        check_output(f"--{option}", path)
    before = known.Baseline() if baseline is None else known.load(baseline, new=update_baseline)
    with cells_done("cells") as progress:
        summary = run(asked, jobs=jobs, use_cache=not no_cache, known=before.fingerprints, progress=progress)
    after = known.updated(before, summary) if update_baseline and not summary.interrupted else None
    summary = summary if after is None else accepting(summary, after.fingerprints)
    _print(summary, asked.folder, quiet=quiet, as_json=as_json)
    status = summary.exit_status
    for written_to in written(summary, asked.folder, after, files):
        status = write_output(*written_to, status)
    return _annotate(summary, asked.folder, status) if github else status


def _print(summary: Summary, folder: str, *, quiet: bool, as_json: bool) -> None:
    from amp.check.judged import as_data  # noqa: PLC0415
    from amp.check.told import lines, rows  # noqa: PLC0415
    from amp.cli.terminal import make_console, print_grid  # noqa: PLC0415

    if as_json:
        print_json(as_data(summary, folder))
        return
    if not quiet:
        print_grid(make_console(80), ("check", "platform", "barriers", "verdict", ""), rows(summary))
    for line in (*lines(summary, folder, os.getcwd()), *([] if quiet else [summary.text])):
        echo(line)


def _annotate(summary: Summary, folder: str, status: int) -> int:
    from amp.check import github  # noqa: PLC0415
    from amp.check.places import root_of  # noqa: PLC0415

    root = root_of(folder)
    for line in github.commands(summary, root):
        echo(line)
    path = os.environ.get(github.SUMMARY)
    return status if not path else append_output(github.SUMMARY, path, github.step_summary(summary, root), status)


@click.command()
@click.argument("folder", metavar="[DIR]", default=".")
def init(*, folder: str) -> int:
    """Write an example project. A protocol in Python and in C, its test, amp.toml, files for GitHub's and GitLab's CI.

    A file that is there is never written over.
    """
    from amp.check import project  # noqa: PLC0415

    for path in project.init(folder):
        echo(path)
    echo(project.next_line(folder))
    return 0
