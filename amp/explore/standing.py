"""Where a program stands: its own file and line, for messages."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final

_OURS: Final = str(Path(__file__).resolve().parents[1])  # the package amp: ports and explorer, not the program


def _is_program(frame: FrameType) -> bool:
    """Neither the product's nor Python's own."""
    root = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return not frame.f_code.co_filename.startswith(_OURS) and root not in sys.stdlib_module_names


def standing() -> str:
    """ "FILE:LINE: " of the innermost line that is running and the program's; "" if there is none."""
    return place_of(sys._getframe(1))


def place_of(frame: FrameType | None) -> str:
    """The same, seen from that frame."""
    while frame is not None and not _is_program(frame):
        frame = frame.f_back
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}: "


def raised_at(traceback: TracebackType | None) -> str:
    """The same, of the innermost line of the program that an exception came through."""
    found = ""
    while traceback is not None:
        if _is_program(traceback.tb_frame):
            found = f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}: "
        traceback = traceback.tb_next
    return found
