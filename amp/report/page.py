"""What the pages share: one file each, a Jinja template that escapes everything, style and script put in as they are.

A page forbids itself every connection, and every style and script but its own by hash (Content Security Policy
level 3).
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def template(name: str) -> Template:
    """A template of the package. A variable that is not given is an error."""
    environment = Environment(
        loader=PackageLoader("amp.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(name)


def asset(name: str) -> str:
    """A file that lies beside the templates."""
    return (files("amp.report") / "templates" / name).read_text(encoding="utf-8")


def source_hash(text: str) -> str:
    """How a policy names an inline style or script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
