"""Text of unknown origin made safe to show on a terminal and in a page."""

from __future__ import annotations

import re
from typing import Final

# What a terminal acts upon instead of showing it: C0 but tab and newline, DEL, C1, the line and paragraph separators,
# what changes the direction of writing (Unicode UAX 9), and bytes of a file name that were no text.
_ACTS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    r"""`text` with every character that a terminal would act upon shown as \xNN or \uNNNN; newlines and tabs stay."""
    return _ACTS.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no text, as Python keeps it (PEP 383)
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
