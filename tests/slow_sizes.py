"""How much the slow tests do: minutes each, or all of it, which takes hours, with AMP_SLOW=full. Not a test."""

import os


def size(usual: int, full: int) -> int:
    return full if os.environ.get("AMP_SLOW") == "full" else usual
