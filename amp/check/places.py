"""Where a finding is, as other tools want to know it: below the root of the repository, or somewhere else."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from amp.check.judged import JudgedCell, relative


@dataclass(frozen=True, slots=True)
class Spot:
    """`path` is relative to the repository with "/" between, or absolute; `line` counts from 1."""

    path: str
    line: int

    @property
    def is_inside(self) -> bool:
        return not os.path.isabs(self.path)


def root_of(folder: str) -> str:
    """The repository that `folder` is in: the nearest folder with .git, from there up; else `folder` itself."""
    return next((str(each) for each in (Path(folder), *Path(folder).parents) if (each / ".git").exists()), folder)


def spot_of(cell: JudgedCell, root: str) -> Spot:
    """Of what was found; where nothing was, or its line is not known, of the check in the configuration."""
    found = cell.told.found if cell.is_finding else None
    if found is not None and found.path and found.line:
        return Spot(relative(found.path, root), found.line)
    path, _, line = cell.check.where.rpartition(":")
    if not line.isdigit():
        path, line = cell.check.where, "1"
    return Spot(relative(os.path.abspath(path), root), int(line))
