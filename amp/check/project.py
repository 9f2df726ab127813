"""`amp init`: an example project in a folder of its own, green from the first run: protocol, test, gate, CI."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Final

from amp.errors import UsageError
from amp.files import write_whole

# Where each file of amp/check/example goes.
FILES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "README.md.in": "README.md",
        "mailslot.py.in": "mailslot.py",
        "mailslot.c.in": "mailslot.c",
        "test_mailslot.py.in": "test_mailslot.py",
        "amp.toml.in": "amp.toml",
        "Makefile.in": "Makefile",
        "requirements.txt.in": "requirements.txt",
        "gitignore.in": ".gitignore",
        "github.yml.in": ".github/workflows/amp.yml",
        "gitlab-ci.yml.in": ".gitlab-ci.yml",
    }
)


def init(folder: str) -> list[str]:
    """Write the project; the paths of its files. Raises UsageError, with nothing written, if one of them is there."""
    base = Path(folder)
    for target in FILES.values():
        if (base / target).exists() or (base / target).is_symlink():
            raise UsageError(f"{base / target} is there already: nothing is written")
    example = resources.files("amp.check") / "example"
    for name, target in FILES.items():
        path = base / target
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, (example / name).read_bytes())
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
    return [str(base / target) for target in FILES.values()]


def next_line(folder: str) -> str:
    """What to type there."""
    there = "" if Path(folder).resolve() == Path.cwd() else f"cd {shlex.quote(folder)} && "
    return f"next: {there}make && pytest && amp check"
