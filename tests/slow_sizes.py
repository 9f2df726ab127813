"""How much the slow tests do: a part, or all of it with AMP_SLOW=full. Not a test."""

import os


def size(usual: int, full: int) -> int:
    return full if os.environ.get("AMP_SLOW") == "full" else usual
