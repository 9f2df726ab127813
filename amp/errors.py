"""Every exception that amp raises, in one tree, each with the exit status it ends a command with.

Exit statuses: 0 holds, 1 violation found, 2 bad usage or input, 3 inconclusive (a bound was reached), 4 internal error.
"""

from __future__ import annotations

from os.path import basename
from traceback import extract_tb, walk_tb


class AmpError(Exception):
    """Anything amp reports in one line. `exit_status` is what the command ends with."""

    exit_status = 4


class UsageError(AmpError):
    """What the user gave cannot be used: an option, a name, a file."""

    exit_status = 2


class ProgramError(UsageError):
    """A program raised what is no finding: its own mistake. `frames` is its traceback, a line each, innermost last."""

    def __init__(self, text: str, frames: tuple[str, ...] = ()) -> None:
        self.frames = frames
        super().__init__(text)

    @classmethod
    def of(cls, error: Exception, *, skip: str) -> ProgramError:
        """What a part raised. Frames of files below the folder `skip` are not the program's."""
        where, lines = cls._frames(error, skip)
        said = " ".join(f"{type(error).__name__}: {error}".split())
        return cls(f"{where}the program failed: {said}", lines)

    @classmethod
    def said(cls, error: AmpError, *, skip: str) -> ProgramError:
        """A call that a part may not make: what was said of it, with the line."""
        if isinstance(error, ProgramError):
            return error
        where, lines = cls._frames(error, skip)
        return cls(f"{where}{error}", lines)

    @staticmethod
    def _frames(error: Exception, skip: str) -> tuple[str, tuple[str, ...]]:
        frames = [frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith(skip)]
        where = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""
        return where, tuple(f"{frame.filename}:{frame.lineno}, in {frame.name}: {frame.line}" for frame in frames)


class RegionError(AmpError):
    """A shared memory object that is not ours, not this version's, or not there."""

    exit_status = 2


class PeerDied(AmpError):
    """The other processor is gone: its process was killed, or it ended while we still needed it."""


class PeerFinished(AmpError):
    """Every other processor has retired in good order: nothing will ever ring again."""


class AccessFault(AmpError):
    """An access outside the carveouts, or not aligned to its size: what an MMU or a bus would refuse."""


class FirmwareError(AmpError):
    """An ELF image or a resource table that cannot be used: which field, its value, and what was expected."""

    exit_status = 2


class RprocError(AmpError):
    """What the remote processor's life cycle does not allow in this state, or a boot that failed."""


class MmuFault(AmpError):
    """A core's access of `length` bytes at device address `da`, where none of its windows is."""

    def __init__(self, text: str, *, da: int, length: int) -> None:
        self.da, self.length = da, length
        super().__init__(text)


class RpmsgError(AmpError):
    """A message that cannot be sent or received. The children are the errno values of Linux's rpmsg, one each."""


class WouldBlock(RpmsgError):
    """No buffer is free, and the caller did not want to wait (-ENOMEM of rpmsg_trysend)."""


class SendTimeout(RpmsgError):
    """No buffer became free in time (-ERESTARTSYS of rpmsg_send, after 15 s)."""


class MessageTooLong(RpmsgError):
    """Larger than a buffer less its header (-EMSGSIZE)."""


class NoSuchEndpoint(RpmsgError):
    """The endpoint is closed, or has no destination to send to (-EINVAL)."""


class AddressInUse(RpmsgError):
    """Another endpoint has that address, or every dynamic one is taken (-ENOSPC of the address allocation)."""


class LinkDown(RpmsgError):
    """The other side is gone: it crashed, stopped, or was detached.

    `unacknowledged` are the messages that were sent and whose buffers never came back, oldest first.
    """

    def __init__(self, text: str, unacknowledged: tuple[object, ...] = ()) -> None:
        self.unacknowledged = unacknowledged
        super().__init__(text)


class ScheduleMismatch(AmpError):
    """A schedule that lockstep follows does not fit what the CPUs do, or what the platform allows.

    `number` is the goal that could not be reached, counted from 1.
    """

    exit_status = 2

    def __init__(self, text: str, number: int) -> None:
        self.number = number
        super().__init__(text)


class LoopBound(AmpError):
    """Compiled code went round a loop as often as it may: what would have come is not known."""

    exit_status = 3


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


class BadMessage(Violation):
    """An rpmsg header or name-service message that breaks the format; `field`, `value`, `limit` as for BadRing."""

    def __init__(self, field: str, value: int, *, limit: object, writer: str, address: int | None = None) -> None:
        self.field, self.value, self.limit, self.writer, self.address = field, int(value), limit, writer, address
        super().__init__(f"rpmsg {field} is {self.value}, allowed is {limit}; written by the {writer}")


class WrongMessage(Violation):
    """A message arrived that is not the one that was sent: wrong bytes, stale, twice, or out of order.

    `address` is the first wrong byte in the region, `number` the message that was due.
    """

    def __init__(self, text: str, *, number: int, writer: str, address: int | None = None) -> None:
        self.number, self.writer, self.address = number, writer, address
        super().__init__(f"message {number}: {text}; written by the {writer}")


class Stall(Violation):
    """All parts sleep and no doorbell is under way: a kick or an interrupt was lost.

    `watched` is where in the region the part looked last, if that is known.
    """

    watched: int | None = None

    @classmethod
    def of(cls, error: AmpError, *, skip: str) -> Stall:
        """`error`, with the line of the program that waits. Frames of files below the folder `skip` are not its own."""
        frames = [frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith(skip)]
        if not frames:
            return cls(str(error))
        last = frames[-1]
        return cls(f"waits for ever at {basename(last.filename)}:{last.lineno}: {last.line}: {error}")


class FailedCheck(Violation):
    """A program's own `assert` did not hold. `path` and `line` are where it stands."""

    def __init__(self, text: str, *, path: str, line: int) -> None:
        self.path, self.line = path, line
        super().__init__(text)

    @classmethod
    def of(cls, error: AssertionError, *, skip: str) -> FailedCheck:
        """What a part's AssertionError says: its line, and the message if it has one.

        Frames of files below the folder `skip` are not the program's.
        """
        frames = [frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith(skip)]
        said = cls._without_pytest(error)
        message = f": {said}" if said else ""
        if not frames:
            return cls(f"check failed{message}", path="", line=0)
        last = frames[-1]
        text = f"check failed at {basename(last.filename)}:{last.lineno}: {last.line}{message}"
        return cls(text, path=last.filename, line=last.lineno or 0)

    @staticmethod
    def _without_pytest(error: AssertionError) -> str:
        """The message as the program wrote it.

        In a test module pytest has put what it knows of the operands behind it; the program's own processes, which
        import the file as it stands, say nothing of that.
        """
        rewritten = any("@pytest_ar" in frame.f_globals for frame, _ in walk_tb(error.__traceback__))
        message, found, _ = f"\n{error}".partition("\nassert ")
        return message.strip() if rewritten and found else str(error)
