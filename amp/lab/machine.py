"""A machine that runs a program: the region, its model, and a process for each part.

The processes are fresh interpreters (`python -m amp.machine.side`) that inherit two descriptors and nothing else. They
serve one run after another, so a thousand seeds cost one interpreter start a part. If one dies, the others are told at
once, and stop cleanly; if this process dies, the kernel ends them.
"""

from __future__ import annotations

import select
import selectors
import signal
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final, Self

import msgspec

from amp._core import _bridge
from amp.errors import AmpError, ScheduleMismatch, UsageError
from amp.machine.children import ctrl_c_waits, start_child
from amp.machine.config import Mode, Report, Request, RunConfig
from amp.machine.model_room import ModelConfig, model_bytes, model_config, prepare_model
from amp.machine.patience import Patience
from amp.machine.schedule import Schedule
from amp.ordering.platforms import Platform
from amp.ordering.sites import SiteMap
from amp.port.doors import site_bytes
from amp.programs import load
from amp.region import Region

TRACE_EVENTS: Final = 1 << 16
EVENTS_LOOK_S: Final = 0.2  # between two looks at how far a run has come
STOP_LIMIT_S: Final = 5.0  # how long a side that has a processor may take to stop once it is told to
LINGER_LIMIT_S: Final = 60.0  # how long a side may go on after the other has ended
MODULE: Final = "amp.machine.side"


class SideDied(AmpError):
    """A side's process ended in the middle of a run: killed, or crashed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run's end. `reports` host first; `finder` is the index of the side whose report is the finding, or None.

    `events` and `digest` describe the trace (0 in direct mode): all of it, kept or not.
    """

    config: RunConfig
    reports: tuple[Report, ...]
    finder: int | None
    events: int
    digest: int

    @property
    def finding(self) -> Report | None:
        """The violation, if one was found."""
        return None if self.finder is None else self.reports[self.finder]

    @property
    def messages(self) -> int:
        """How many messages made the whole way and were right: both sides have looked at them.

        A message may be back before the side that had it first has looked at it.
        """
        return self.reports[0].messages if self.finder is None else min(report.messages for report in self.reports)

    @property
    def elapsed_s(self) -> float:
        """Seconds the host's side of the run took, by its own clock."""
        return self.reports[0].elapsed_ns / 1e9


@dataclass(slots=True)
class _SideProcess:
    process: subprocess.Popen[bytes]
    control: socket.socket
    received: bytes = b""
    due: bool = False  # it was sent a request, and has not reported yet
    report: Report | None = None  # on this run


class Machine:
    """Use as a context manager. All runs have the program and the sizes of `config`; seeds, sites, platform may vary.

    Belongs to the thread that makes it: when that thread ends, the kernel ends the sides (prctl(2), PR_SET_PDEATHSIG).
    """

    def __init__(self, config: RunConfig) -> None:
        if not config.program:
            raise UsageError("the program is made inside a function: no other process can import it, so it cannot run")
        self.program, self._config = load(config.program), config
        self._sides: list[_SideProcess] = []
        self.memory = self.program.memory(config)
        layout = self.memory.layout(self._model_bytes(config))
        self.region = Region.create(layout)
        self.staged: tuple[int, ...] = ()  # of the last run: Placement.staged

    def __enter__(self) -> Self:
        try:
            with ctrl_c_waits():
                for cpu in range(len(self.program.parts)):
                    self._sides.append(_SideProcess(*start_child(MODULE, self.region.fd, cpu)))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """The parts' process ids, in their order."""
        return tuple(side.process.pid for side in self._sides)

    @property
    def model_offset(self) -> int:
        return self.region.layout["model"].offset

    def run(
        self,
        config: RunConfig,
        platform: Platform | None = None,
        sites: SiteMap | None = None,
        *,
        events: int | None = None,
        until_violation: bool = False,
        goals: bytes | None = None,
    ) -> Outcome:
        """One run on fresh memory. `platform` is needed unless the mode is direct.

        With `events` a run that goes on behind so many of them is stopped: its sides are lost.

        With `until_violation` the other side is stopped as soon as one has found something. `goals` are a schedule's,
        packed, in place of the config's.

        Raises SideDied, and ScheduleMismatch if the config's schedule does not fit the run.
        """
        self._clear()
        if config.mode is not Mode.DIRECT:
            assert platform is not None, "a modelled run needs a platform"
            self._prepare_model(config, platform, goals)
        if sites is not None:
            config = msgspec.structs.replace(config, sites=site_bytes(sites))
        self._send(msgspec.structs.replace(config, schedule=""))  # the core has it
        reports = self._collect(events, until_violation=until_violation)
        if config.schedule or goals is not None:
            self._check_schedule()
        state = {} if config.mode is Mode.DIRECT else _bridge.model_state(self.region.memory, self.model_offset)
        return Outcome(config, reports, _finder(reports), int(state.get("events", 0)), int(state.get("digest", 0)))

    def _check_schedule(self) -> None:
        misfit = _bridge.model_misfit(self.region.memory, self.model_offset)
        if misfit is not None:
            number, why = misfit
            raise ScheduleMismatch(why, number)

    def run_bare(self, config: RunConfig, program_config: tuple[int, int, int, int, int]) -> Outcome:
        """A run on the bare silicon; `program_config` is struct amp_silicon_config."""
        self._clear()
        _bridge.silicon_init(self.region.memory, self.region.layout["vrings"].offset, program_config)
        self._send(config)
        return Outcome(config, self._collect(), None, 0, 0)

    def _send(self, config: RunConfig) -> None:
        """The request to both sides. Raises SideDied."""
        line = msgspec.json.encode(Request(run=config)) + b"\n"
        for side in self._sides:
            side.report = None
        for cpu, side in enumerate(self._sides):
            try:
                side.control.sendall(line)
                side.due = True
            except (BrokenPipeError, ConnectionResetError):
                raise SideDied(self._obituary(cpu)) from None

    def _model_bytes(self, config: RunConfig) -> int:
        if config.mode is Mode.DIRECT:
            return 1
        return model_bytes(self._model_config(config, self.memory.layout(1).shared))

    def _model_config(self, config: RunConfig, shared: tuple[int, int]) -> ModelConfig:
        return model_config(config.mode, shared, config.seed, TRACE_EVENTS, len(self.program.parts))

    def _prepare_model(self, config: RunConfig, platform: Platform, goals: bytes | None) -> None:
        model = self._model_config(config, self.region.layout.shared)
        placed = self.program.placement.on(platform)
        prepare_model(self.region, model, platform, placed)
        self.staged = placed.staged
        if goals is None and config.schedule:
            goals = Schedule.from_token(config.schedule).pack(len(self.program.parts))
        if goals is not None:
            _bridge.model_set_schedule(self.region.memory, self.model_offset, goals)

    def _clear(self) -> None:
        """Rings, buffers, resources and mailbox as at power-on."""
        for name in ("vrings", "buffers", "resources", "mailbox"):
            carveout = self.region.layout[name]
            self.region.memory[carveout.offset : carveout.end] = bytes(carveout.size)

    def _collect(self, events: int | None = None, *, until_violation: bool = False) -> tuple[Report, ...]:
        """Both reports. The first side found dead makes the other one stop, and raises SideDied."""
        reports: dict[int, Report] = {}
        with selectors.DefaultSelector() as selector:
            for cpu, side in enumerate(self._sides):
                selector.register(side.control, selectors.EVENT_READ, cpu)
            while len(reports) < len(self._sides):
                ready = selector.select(LINGER_LIMIT_S if reports else None if events is None else EVENTS_LOOK_S)
                if not ready and not reports and events is not None:
                    if self._events() > events:
                        self._tell_lost(0)
                elif not ready:  # one side has ended long ago: the other polls for what will never come
                    self._tell_lost(min(reports))
                for key, _ in ready:
                    report = self._receive(key.data)
                    if report is not None:
                        if until_violation and report.outcome == "violation" and not reports:
                            self._tell_lost(key.data)
                        reports[key.data] = report
                        selector.unregister(key.fileobj)
        return tuple(reports[cpu] for cpu in range(len(self._sides)))

    def _events(self) -> int:
        """How many events the run has made so far, while it goes on: at least so many."""
        return int(_bridge.model_state(self.region.memory, self.model_offset)["events"])

    def _receive(self, cpu: int) -> Report | None:
        """A side's report, once it is here as a whole."""
        side = self._sides[cpu]
        try:
            part = side.control.recv(65536)
        except ConnectionResetError:
            part = b""
        if not part:
            raise SideDied(self._obituary(cpu))
        side.received += part
        if not side.received.endswith(b"\n"):
            return None
        line, side.received, side.due = side.received, b"", False
        side.report = msgspec.json.decode(line, type=Report)
        return side.report

    def _obituary(self, cpu: int) -> str:
        """What happened to the side that is gone, and to the others; all are ended when this returns."""
        self._tell_lost(cpu)
        side, names = self._sides[cpu], self.program.part_names
        status = side.process.wait(STOP_LIMIT_S)
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        others = (other for other in range(len(names)) if other != cpu)
        survivors = ", ".join(f"the {names[other]} {self._survivor(self._sides[other])}" for other in others)
        return f"the {names[cpu]}'s process (pid {side.process.pid}) {how}; {survivors or 'it was the only one'}"

    def _survivor(self, side: _SideProcess) -> str:
        if not side.due:  # it may have noticed, and said so, before we did
            return "was idle" if side.report is None else _last_words(side.report)
        patience = Patience(side.process.pid, STOP_LIMIT_S)
        try:
            while not side.received.endswith(b"\n"):
                if not patience.until(lambda seconds: bool(select.select([side.control], [], [], seconds)[0])):
                    side.process.kill()
                    return f"did not stop within {STOP_LIMIT_S:g} s and was killed"
                part = side.control.recv(65536)
                if not part:
                    return "died as well"
                side.received += part
        except ConnectionResetError:
            return "died as well"
        return _last_words(msgspec.json.decode(side.received, type=Report))

    def _tell_lost(self, cpu: int) -> None:
        _bridge.board_lost(self.region.memory, self.region.layout["mailbox"].offset)
        if self._config.mode is not Mode.DIRECT:
            _bridge.model_lost(self.region.memory, self.model_offset, cpu)

    def close(self) -> None:
        """End both processes and the region, whatever state they are in."""
        for side in self._sides:
            side.control.close()  # idle: the end of the requests ends it
        if any(side.process.poll() is None for side in self._sides):
            self._end_processes()
        self._sides = []
        self.region.close()

    def _end_processes(self) -> None:
        patience = [Patience(side.process.pid, STOP_LIMIT_S) for side in self._sides]
        with suppress(OSError):  # no run has prepared the model yet
            self._tell_lost(0)  # in a run: its next access fails
        for side, its in zip(self._sides, patience, strict=True):
            if not its.until(partial(_ended, side.process)):
                side.process.kill()
                side.process.wait()


def _ended(process: subprocess.Popen[bytes], within_s: float) -> bool:
    with suppress(subprocess.TimeoutExpired):
        process.wait(within_s)
    return process.returncode is not None


def _last_words(report: Report) -> str:
    """What a survivor did, in words."""
    did = "noticed" if report.outcome == "lost" else "ended its part"
    return f"{did} after {report.messages} messages and stopped"


def _finder(reports: tuple[Report, ...]) -> int | None:
    """The side that found the violation; of two, the one that did not merely stall behind the other."""
    found = [cpu for cpu, report in enumerate(reports) if report.outcome == "violation"]
    if not found:
        return None
    return min(found, key=lambda cpu: (reports[cpu].kind == "Stall", cpu))
