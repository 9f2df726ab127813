"""Of a hang: what each part that sleeps has looked at last, who wrote that last, and what it missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amp.report.history import GRANULE
from amp.report.trace import Event, EventKind

if TYPE_CHECKING:
    from amp.report.words import Words

_DONE = "done"


def watched(words: Words) -> list[tuple[str, str]]:
    """(heading, text) for the parts that did not come to their end."""
    finding = words.explanation.finding
    if not finding.stall:
        return []
    if finding.watched is not None and words.explanation.beyond:
        return [("Waits", _in_vain(words, finding.cpu, finding.watched))]
    ended = {cpu for cpu, said in enumerate(finding.ends) if said == _DONE}
    retired = {event.cpu for event in words.history.trace.events if event.kind is EventKind.RETIRE}
    waiting = [cpu for cpu in words.history.cpus if cpu not in (ended if finding.ends else retired)]
    said = [" ".join(filter(None, (_looked(words, cpu), _rung(words, cpu)))) for cpu in waiting]
    return [("Waits", text) for text in (" ".join(filter(None, said)),) if text]


def _in_vain(words: Words, cpu: int, place: int) -> str:
    """Of an execution that has no looks in vain: what was looked at, and who stored there last."""
    history = words.history
    stores = history.stores_to(place, before=history.trace.last + 1)
    come = [store for store in stores if history.visible_at(store, place, cpu) is not None]
    if not come:
        return f"The {words.cpu(cpu)} looks at {words.name(place)} in vain: nobody stores there."
    last = max(come, key=lambda store: history.visible_at(store, place, cpu) or 0)
    whose = "its own" if last.cpu == cpu else f"the {words.cpu(last.cpu)}'s"
    return f"The {words.cpu(cpu)} looks at {words.name(place)} in vain; the last there is {whose} {words.placed(last)}."


def _looked(words: Words, cpu: int) -> str:
    """Its last look, and what has been stored there."""
    looks = [load for load in words.history.loads(cpu) if load.size <= GRANULE]
    if not looks:
        return ""
    look = looks[-1]
    stores = words.history.stores_to(look.address, before=words.history.trace.last + 1)
    origin = words.history.trace.event(words.history.read_from(look, look.address) or 0)
    return f"{words.looked(look)}: {_source(words, look, origin)}; {_since(words, look, origin, stores)}."


def _source(words: Words, look: Event, origin: Event | None) -> str:
    if origin is None:
        return words.origin(words.history.read_from(look, look.address))
    whose = "its own" if origin.cpu == look.cpu else f"the {words.cpu(origin.cpu)}'s"
    return f"{whose} {words.placed(origin)}"


def _since(words: Words, look: Event, origin: Event | None, stores: list[Event]) -> str:
    """What somebody else has stored there, and the look did not see."""
    missed = [store for store in stores if store.cpu != look.cpu and store is not origin]
    newer = [store for store in missed if _arrival(words, store, look) > _arrival(words, origin, look)]
    if not newer:
        foreign = origin is not None and origin.cpu != look.cpu
        return "that is the last store there" if foreign else "nobody else has stored there"
    last = newer[-1]
    at = words.history.visible_at(last, look.address, look.cpu)
    whose = f"the {words.cpu(last.cpu)}'s {words.placed(last)}"
    if at is None:
        return f"it missed {whose}, which is on its way for ever"
    if at > look.number:
        return f"it missed {whose}, which came at #{at}, and it never looked again"
    return f"it missed {whose}, which was there since #{at}"


def _arrival(words: Words, store: Event | None, look: Event) -> int:
    """When the store could be seen; 0 of what was there from the start."""
    if store is None:
        return 0
    at = words.history.visible_at(store, look.address, look.cpu)
    return words.history.trace.last + 1 if at is None else at


def _rung(words: Words, cpu: int) -> str:
    """The last doorbell for it, if it sleeps."""
    history = words.history
    waits, looks = history.of_kind(cpu, EventKind.WAIT), history.loads(cpu)
    if not waits or (looks and looks[-1].number > waits[-1].number):
        return ""  # it polls
    kicks = [kick for other in history.cpus for kick in history.of_kind(other, EventKind.KICK) if kick.address == cpu]
    if not kicks:
        return f"It sleeps since #{waits[-1].number}, and nobody has rung its doorbell."
    last = max(kicks, key=lambda kick: kick.number)
    taken = [event for kick, event in history.took(cpu, before=history.trace.last + 1) if kick.number == last.number]
    woke = f"which woke it at #{taken[-1].number}" if taken else "which it has not taken"
    rang = f"the {words.cpu(last.cpu)}, #{last.number}"
    return f"It sleeps since #{waits[-1].number}; the last to ring its doorbell is {rang}, {woke}."
