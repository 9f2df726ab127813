"""What a part's run says of itself: where its accesses stand, by which instruction, with which registers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from amp.code.engine import Engine
from amp.code.rows import Kind
from amp.machine.config import Instructions
from amp.port.lines import KINDS, LINES_LIMIT, Place


def keep(engine: Engine) -> None:
    """From now on the engine keeps the accesses of its last run."""
    engine.core.keep(LINES_LIMIT, len(engine.isa.names))


def places(engine: Engine) -> tuple[list[Place], ...]:
    """(path, line) of the last run's loads, stores and barriers; line 0 where there is none."""
    at = engine.listing.called_at
    return tuple([at(pc) for pc, *_ in kind] for kind in engine.core.places())


def instructions(engine: Engine, entry: int) -> Instructions:
    """Those of the last run, from `entry` on; of the registers those that something in it writes."""
    texts: dict[str, int] = {}
    shown = _written(engine, entry)
    kept: dict[str, Any] = {
        name: tuple(
            (texts.setdefault(text_of(engine, pc), len(texts)), *(registers[slot] for slot in shown if registers))
            for pc, _, registers, _ in kind
        )
        for name, kind in zip(KINDS, engine.core.places(), strict=True)
    }
    return Instructions(texts=tuple(texts), names=tuple(engine.isa.names[slot] for slot in shown), **kept)


def text_of(engine: Engine, pc: int) -> str:
    """The function and the instruction: "send: str w1, [x0]"."""
    image, line = engine.listing.image, engine.listing.at(pc)
    symbol, text = image.function_at(pc), line.text if line is not None else "?"
    target = line.row.target if line is not None else None
    called = image.function_at(target) if target is not None else None
    if target is not None and called is not None and called.start == target:
        text = re.sub(rf"#?{target:#x}\b", called.name, text)
    return f"{symbol.name if symbol is not None else f'{pc:#x}'}: {text}"


def _written(engine: Engine, entry: int) -> list[int]:
    """The general registers that the code from `entry` on may write, by slot."""
    written = set(_writes(engine, entry))
    return [slot for slot in range(len(engine.isa.names)) if slot in written]


def _writes(engine: Engine, entry: int) -> Iterator[int]:
    for function in engine.listing.reachable(entry):
        for row in (line.row for line in function.values()):
            for to, source in row.flows:
                yield from to
                if engine.isa.link < 0:  # x86: only what is overwritten for certain is in `to`
                    yield from source
            if row.kind in (Kind.LOAD, Kind.EXCLUSIVE_LOAD, Kind.ATOMIC):
                yield from row.data
