"""Ordering as data: barriers, what they compile to, the machines they run on, and the sites that call them.

Everything here is a frozen value. Nothing here executes a barrier; that is the port's and the C core's work.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from amp.errors import UsageError
from amp.ordering import userfile
from amp.ordering.platforms import PLATFORMS, Platform

SUFFIX = ".toml"


def platform(name_or_path: str | Path) -> Platform:
    """The platform of that name, or the one that the file describes if it ends in ".toml".

    Raises UsageError for an unknown name (with the known ones) and for a file that cannot be used.
    """
    name = str(name_or_path)
    if name.endswith(SUFFIX):
        return userfile.load(name_or_path)
    if name not in PLATFORMS:
        if name == "all" or "," in name:
            raise UsageError(f"platform {name!r:.80} is several, and one is asked here (known: {', '.join(PLATFORMS)})")
        close = get_close_matches(name.lower(), PLATFORMS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UsageError(f"platform {name!r:.80} is unknown{hint} (known: {', '.join(PLATFORMS)}, or a file *{SUFFIX})")
    return PLATFORMS[name]
