"""How much is tried of each test on the silicon, unless asked otherwise. Loads nothing: the options show it."""

from __future__ import annotations

from typing import Final

TRIES: Final = 1_000_000
SECONDS: Final = 10.0
SEED: Final = 1
