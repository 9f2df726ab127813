"""Named programs for two sides, each with what it checks, what it needs and what breaks it."""

from __future__ import annotations

from amp.scenarios.catalogue import SCENARIOS
from amp.scenarios.scenario import Scenario

__all__ = ["SCENARIOS", "Scenario"]
