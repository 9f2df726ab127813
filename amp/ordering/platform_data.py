"""A platform as JSON values, with what every barrier is worth on each of its sides."""

from __future__ import annotations

from typing import Any

from amp.ordering.barriers import Orders, Primitive
from amp.ordering.platforms import Explanation, Platform, Processor, Side


def as_dict(platform: Platform) -> dict[str, Any]:
    """The platform as JSON values, for `--json`: names in place of numbers, reasons as lists of text."""
    return {
        "name": platform.name,
        "summary": platform.summary,
        "region_memory": platform.region_memory,
        "source": platform.source,
        **{side.value: _side_dict(platform, side, platform.processor(side)) for side in Side},
    }


def _side_dict(platform: Platform, side: Side, processor: Processor) -> dict[str, Any]:
    return {
        "architecture": processor.architecture.name,
        "title": processor.architecture.title,
        "implicit": _names(processor.architecture.implicit),
        "implicit_source": processor.architecture.implicit_source,
        "multi_copy_atomic": processor.architecture.multi_copy_atomic,
        "multi_copy_source": processor.architecture.multi_copy_source,
        "load_reach": processor.load_reach.name.lower(),
        "stages": [
            {
                "name": stage.name,
                "memory": stage.memory.name.lower(),
                "doorbell": stage.doorbell.name.lower(),
                "source": stage.source,
            }
            for stage in processor.stages
        ],
        "rows": [_row_dict(platform.explain(side, primitive)) for primitive in Primitive],
    }


def _row_dict(explanation: Explanation) -> dict[str, Any]:
    row = explanation.row
    return {
        "primitive": row.primitive.label,
        "instruction": row.instruction,
        "orders": _names(row.orders),
        "reach": row.reach.name.lower(),
        "source": row.source,
        "fence": _names(row.fence),
        "orders_to_other_side": _names(explanation.orders),
        "reaches_other_side": explanation.verdict.value,
        "reasons": list(explanation.reasons),
    }


def _names(orders: Orders) -> list[str]:
    return [str(order.name) for order in Orders if order in orders]
