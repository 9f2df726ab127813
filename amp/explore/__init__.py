"""Every behaviour of a program of several CPUs: exploration, schedules, shrinking. Knows no side and no program.

The package's name is also what a test says, `@amp.explore(platforms=...)`: called, it is amp.pytest_plugin.explore.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Package(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from amp.pytest_plugin import explore  # noqa: PLC0415  (what explores needs no pytest)

        return explore(*arguments, **options)


sys.modules[__name__].__class__ = _Package
