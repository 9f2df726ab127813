"""The shipped programs, one file each, and the loader that finds them and a user's own alike.

Their halves are in hostside and remoteside, and imported only by who runs them.
"""

from __future__ import annotations

from amp.programs.loader import check_not_importing, load
from amp.programs.shipped import EXPLORABLE, SHIPPED

__all__ = ["EXPLORABLE", "SHIPPED", "check_not_importing", "load"]
