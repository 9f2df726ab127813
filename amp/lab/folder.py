"""The folder in which a project keeps what amp has found: witnesses, schedules, verdicts. Git does not see it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from amp.files import write_whole

FOLDER: Final = ".amp"


def prepare(folder: Path) -> None:
    """Make the folder, which keeps itself out of git. If that cannot be, who writes there says so."""
    ignore = folder / ".gitignore"
    if not ignore.exists():
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(ignore, b"*\n")
