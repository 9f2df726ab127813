"""The words for a run in which nothing is out of order: the steps that make it, in the order in which they came.

A lost update has three: a look, somebody else's store, a store over it. A stall has two for each CPU that sleeps: its
last look, and what came after that. Otherwise it is the look that was found wrong, and where the other CPU stood then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from amp.report.blame import Explanation
from amp.report.history import GRANULE
from amp.report.trace import Event, EventKind

if TYPE_CHECKING:
    from amp.report.words import Words


def interleaving(words: Words) -> str:
    """What happened, by the accesses that made it."""
    e = words.explanation
    if e.story:
        look, lost, over = e.story
        return (
            f"{words.looked(look)}; after that value came {_whose(words, lost)}, and {_whose(words, over)} over that: "
            f"an update of {words.name(lost.address)} is lost."
        )
    early = _looked_early(words) if e.finding.stall else []
    if early:
        return " ".join(early)
    if e.bad is None:
        return "Each access took effect in its turn."
    writer = words.history.trace.event(e.read or 0)
    whose = f"what the {words.cpu(writer.cpu)} stored at #{writer.number}" if writer else words.origin(e.read)
    return f"{words.looked(e.bad)}: {whose}, and nothing newer.{_beside(words, e.bad)}"


def in_order(explanation: Explanation) -> str:
    """How it is known that no barrier is missing."""
    said = "nothing in this run is out of order (it is sequentially consistent)"
    if not explanation.sequential:
        said = "the program ends badly even with every access in order, as was tried"
    return f"{said}: it happens on sc as well, and no barrier repairs it"


def _whose(words: Words, event: Event) -> str:
    return f"the {words.cpu(event.cpu)}'s {words.placed(event)}"


def _beside(words: Words, bad: Event) -> str:
    """What another CPU had done last by then: where it stood."""
    history = words.history
    stores = (EventKind.STORE, EventKind.KICK)
    done = [history.of_kind(cpu, *stores, before=bad.number) for cpu in history.cpus if cpu != bad.cpu]
    last = max((events[-1] for events in done if events), key=lambda event: event.number, default=None)
    if last is None or last.number == words.explanation.read:
        return ""
    return f" The {words.cpu(last.cpu)} had come as far as its {words.placed(last)}."


def _looked_early(words: Words) -> list[str]:
    """Each CPU's last look that missed something newer: it has not looked again since that became visible."""
    said, history = [], words.history
    for cpu in history.cpus:
        last = {load.address: load for load in history.loads(cpu) if load.size <= GRANULE}
        for look in sorted(last.values(), key=lambda load: load.number, reverse=True):
            newer = [
                store
                for store in history.stores_to(look.address, before=history.trace.last + 1)
                if store.cpu != cpu and (history.visible_at(store, look.address) or 0) > look.number
            ]
            if newer:
                said.append(
                    f"{words.looked(look)}; {_whose(words, newer[0])} came after that, and it never looked again."
                )
                break
    return said
