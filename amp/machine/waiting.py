"""How the small programs of both sides wait: for memory, or for whatever ends in a stall, and what they say then."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from amp.errors import LinkDown, PeerDied, PeerFinished, Stall
from amp.port.port import Port

T = TypeVar("T")


def until_changed(port: Port, address: int, old: int, otherwise: str) -> None:
    """Returns once the u32 at `address` is not `old`. What it is instead is not said: nobody needs it."""
    waiting(lambda: port.poll(lambda: True if port.load_u32(address) != old else None), otherwise)


def waiting(wait: Callable[[], T], otherwise: str) -> T:
    """What `wait` returns. Raises Stall that says `otherwise` if nobody is left who could end the wait."""
    try:
        return wait()
    except (Stall, PeerFinished) as error:
        raise Stall(f"{otherwise}: {error}") from None
    except LinkDown as error:
        if isinstance(error.__cause__, PeerDied):  # the run ended, it did not go wrong
            raise error.__cause__ from None
        raise Stall(f"{otherwise}: {error}") from None
