"""The firmware's trace buffers while the machine is up: what was new at each look goes to the log and to followers."""

from __future__ import annotations

from collections.abc import Callable

from amp.lab.live.textlog import TraceFollower, whole_text
from hostside.remoteproc.rproc import Rproc

Follower = Callable[[str, str], None]  # buffer's name, new text


class Traces:
    """The trace buffers of one machine. `log` is given whole lines.

    `poll` often: what the firmware overwrites in between is lost.
    """

    def __init__(self, rproc: Rproc, log: Callable[[str], None]) -> None:
        self._rproc, self._log = rproc, log
        self._buffers: dict[str, TraceFollower] = {}
        self._lines: dict[str, str] = {}  # the last one of each buffer, as long as it has no end
        self.followers: list[Follower] = []

    def poll(self) -> None:
        """Look at every buffer."""
        for name, snapshot in self._snapshots().items():
            text = self._buffers.setdefault(name, TraceFollower()).news(snapshot)
            if text:
                self._tell(name, text)

    def restart(self) -> None:
        """The core was booted anew, with empty buffers. An unfinished line of the old one's ends here."""
        for name, line in self._lines.items():
            if line:
                self._tell(name, "\n")
        self._buffers = {}

    def texts(self) -> dict[str, str]:
        """All text that is in the buffers, oldest first."""
        return {name: whole_text(snapshot) for name, snapshot in self._snapshots().items()}

    def _snapshots(self) -> dict[str, bytes]:
        found = {}
        for trace in self._rproc.traces:
            found[trace.name] = self._rproc.read_trace(trace.name)  # of two of one name the first
        return found

    def _tell(self, name: str, text: str) -> None:
        *lines, self._lines[name] = (self._lines.get(name, "") + text).split("\n")
        for line in lines:
            self._log(f"{name}: {line}")
        for follower in self.followers:
            follower(name, text)
