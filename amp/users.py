"""Which modules are a user's own: neither Python's, nor amp's, nor installed ones."""

from __future__ import annotations

import sys
from typing import Final

_INSTALLED: Final = ("site-packages", "dist-packages")


def is_users(module: str, file: str | None) -> bool:
    """`module` is its dotted name, `file` where its code is from; what has no file is nobody's."""
    root = module.partition(".")[0]
    if file is None or root == "amp" or root in sys.stdlib_module_names:
        return False
    return not any(part in file for part in _INSTALLED)
