"""Options that several commands have. Loads nothing but click."""

from __future__ import annotations

import click

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
platform_option = click.option(
    "--platform", metavar="NAME", help="A platform's name or a TOML file.  [default: omap4-2011]"
)
weaken_option = click.option(
    "--weaken", metavar="SITE=CLASS", multiple=True, help="Another barrier at one site; repeatable."
)


def _sizes(_context: click.Context, _option: click.Parameter, texts: tuple[str, ...]) -> dict[str, int]:
    from amp.lab.plan import parse_sizes  # noqa: PLC0415

    return parse_sizes(texts)


size_option = click.option(
    "--size", "sizes", metavar="NAME=N", multiple=True, callback=_sizes, help="A size of your own program."
)
