"""Every exception that amp raises, in one tree, each with the exit status it ends a command with.

Exit statuses: 0 holds, 1 violation found, 2 bad usage or input, 3 inconclusive (a bound was reached), 4 internal error.
"""

from __future__ import annotations


class AmpError(Exception):
    """Anything amp reports in one line. `exit_status` is what the command ends with."""

    exit_status = 4


class UsageError(AmpError):
    """What the user gave cannot be used: an option, a name, a file."""

    exit_status = 2


class RegionError(AmpError):
    """A shared memory object that is not ours, not this version's, or not there."""

    exit_status = 2


class PeerDied(AmpError):
    """The other processor is gone: its process was killed, or it ended while we still needed it."""


class PeerFinished(AmpError):
    """Every other processor has retired in good order: nothing will ever ring again."""


class AccessFault(AmpError):
    """An access outside the carveouts, or not aligned to its size: what an MMU or a bus would refuse."""


class ScriptMismatch(AmpError):
    """A schedule that lockstep follows does not fit what the CPUs do, or what the platform allows.

    `number` is the goal that could not be reached, counted from 1.
    """

    exit_status = 2

    def __init__(self, text: str, number: int) -> None:
        self.number = number
        super().__init__(text)


class Violation(AmpError):
    """Something the protocol promises did not hold. The run's finding, not the tool's failure."""

    exit_status = 1


class BadRing(Violation):
    """A ring field that the peer wrote breaks the rules of the ring.

    `field` is its name in the specification ("avail.ring head"), `value` what was read, `limit` what would have been
    allowed, `writer` the side that writes the field ("host" or "remote"), `address` where it lies in the region.
    """

    def __init__(self, field: str, value: int, *, limit: object, writer: str, address: int | None = None) -> None:
        self.field, self.value, self.limit, self.writer, self.address = field, int(value), limit, writer, address
        super().__init__(f"{field} is {self.value}, allowed is {limit}; written by the {writer}")


class WrongMessage(Violation):
    """A message arrived that is not the one that was sent: wrong bytes, stale, twice, or out of order.

    `address` is the first wrong byte in the region, `number` the message that was due.
    """

    def __init__(self, text: str, *, number: int, writer: str, address: int | None = None) -> None:
        self.number, self.writer, self.address = number, writer, address
        super().__init__(f"message {number}: {text}; written by the {writer}")


class Stall(Violation):
    """Both sides sleep, no doorbell is under way, and work is left: a kick or an interrupt was lost."""
