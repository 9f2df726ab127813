"""How a C program is compiled against amp.h, or amp_code.h, and linked: what `amp config` prints.

The header and the library lie in the package, so the flags are those of this installation.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from amp import _core
from amp.errors import UsageError

_CORE: Final = Path(_core.__file__).parent
INCLUDE: Final = _CORE / "include"
CODE_INCLUDE: Final = _CORE.parent / "code" / "include"
LIBRARY: Final = _CORE / "libamp.a"


def flags(*, cflags: bool, libs: bool) -> str:
    """The flags that were asked for, as one line for a shell. Raises UsageError for none, or where nothing is built."""
    if not cflags and not libs:
        raise UsageError("config needs --cflags, --libs or both")
    for path in (INCLUDE / "amp.h", LIBRARY):
        if not path.exists():
            raise UsageError(f"{path} is not there: amp is not built")
    words = [f"-I{INCLUDE}", f"-I{CODE_INCLUDE}"] if cflags else []
    if libs:
        words += [str(LIBRARY), "-lpthread"]
    return shlex.join(words)
