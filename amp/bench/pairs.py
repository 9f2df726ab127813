"""Two processes over one region, each bound to a CPU of its own, that do the two halves of one piece of work.

They are fresh interpreters (`python -m amp.bench.child`) that stay for all samples, so that a sample costs no start.
The work is a function of the C core: the halves meet at a spin barrier in the region and read their clocks inside, so
nothing that happens here, in the parent, is in a figure. The parent sleeps meanwhile.
"""

from __future__ import annotations

import selectors
import socket
import subprocess
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from amp.bench.stats import NS_PER_S, Sample
from amp.errors import AmpError, Violation
from amp.machine.children import ctrl_c_waits, start_child
from amp.region import Layout, Region

ROLES: Final = ("driver", "device")
ANSWER_LIMIT_S: Final = 120.0  # a half that is silent for so long is given up; its own budget ends it earlier

Figures = Mapping[str, int]  # what one half returned


class PairFailed(AmpError):
    """A half ended, fell silent, or refused its work."""


class WorkWrong(Violation):
    """What a half found in the shared memory breaks the rules that both go by."""


def sample_of(value: float, figures: Sequence[Figures]) -> Sample:
    """One sample of both halves' work, as disturbed as the worse of them. They tell wall_ns, cpu_ns and
    involuntary_switches."""
    sides = [
        Sample(value, each["cpu_ns"] / NS_PER_S, each["wall_ns"] / NS_PER_S, each["involuntary_switches"])
        for each in figures
    ]
    return Sample.of_sides(value, sides)


class Pair:
    """Use as a context manager. Belongs to the thread that makes it: when that ends, the kernel ends both processes."""

    def __init__(self, layout: Layout, cpus: tuple[int, int]) -> None:
        self.cpus = cpus
        self.region = Region.create(layout)
        self._halves: list[tuple[subprocess.Popen[bytes], socket.socket]] = []

    def __enter__(self) -> Self:
        try:
            with ctrl_c_waits():
                for role, cpu in enumerate(self.cpus):
                    self._halves.append(start_child("amp.bench.child", self.region.fd, cpu, role))
        except BaseException:
            self.close()
            raise
        return self

    @property
    def pids(self) -> tuple[int, ...]:
        """The halves' process ids, driver first."""
        return tuple(process.pid for process, _ in self._halves)

    def do(self, function: str, *work: Any) -> tuple[Figures, Figures]:
        """Both halves do their part of `function` (see amp.bench.child); what they return, driver first.

        Raises WorkWrong if a half found the other's writing wrong, else PairFailed.
        """
        request = msgspec.json.encode([function, work]) + b"\n"
        try:
            for _, control in self._halves:
                control.sendall(request)
        except OSError:
            raise PairFailed("a measuring process has ended") from None
        answers = self._answers()
        errors = [
            f"{role}: {answer['error']}" for role, answer in zip(ROLES, answers, strict=True) if "error" in answer
        ]
        if errors:
            wrong = any(answer.get("violation") for answer in answers)
            raise (WorkWrong if wrong else PairFailed)("; ".join(errors))
        return answers[0]["result"], answers[1]["result"]

    def _answers(self) -> list[dict[str, Any]]:
        received = [b""] * len(self._halves)
        with selectors.DefaultSelector() as selector:
            for role, (_, control) in enumerate(self._halves):
                selector.register(control, selectors.EVENT_READ, role)
            while selector.get_map():
                ready = selector.select(ANSWER_LIMIT_S)
                if not ready:
                    raise PairFailed(f"no answer within {ANSWER_LIMIT_S:g} s")
                for key, _ in ready:
                    part = _received(self._halves[key.data][1])
                    if not part:
                        raise PairFailed(f"the {ROLES[key.data]}'s process ended in the middle of a sample")
                    received[key.data] += part
                    if part.endswith(b"\n"):
                        selector.unregister(key.fileobj)
        return [msgspec.json.decode(line) for line in received]

    def close(self) -> None:
        """Ends both processes, if they still run, and gives the region back."""
        for process, control in self._halves:
            control.close()
            process.kill()
            process.wait()
        self._halves = []
        self.region.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _received(control: socket.socket) -> bytes:
    """What is there; nothing if the other end is gone."""
    try:
        return control.recv(1 << 16)
    except ConnectionResetError:  # it went without reading our request
        return b""
