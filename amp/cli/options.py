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
size_option = click.option("--size", "sizes", metavar="NAME=N", multiple=True, help="A size of your own program.")
