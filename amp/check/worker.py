"""A worker of the gate: explores one cell after the other of one program, or litmus tests, and says what it depends on.

`python -P -m amp.check.worker CONTROL_FD PARENT_PID FOLDER AMP`, started by amp.check.pool. CONTROL_FD is one end of a
socket pair: Asked in, Answer out, a line of JSON each; AMP is where the gate's own amp lies, whose digest is part of
every key. What the program prints goes nowhere: standard output is the gate's. A worker that has loaded a program has
no other, so what it depends on is that program's.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from amp.check.recorded import Recorder
from amp.check.records import Answer, Asked, Found, Status, Told
from amp.errors import AmpError, FailedCheck, LoopBound, UsageError
from amp.lab import itself
from amp.lab.folder import FOLDER
from amp.lab.gate import Cell, Memory, Result, explored
from amp.litmus.syntax import All, Equal, Not, Proposition, Some
from amp.machine.children import inherit
from amp.ordering import platform as find_platform
from amp.ordering.placement import check_observers
from amp.shortage import shortage


def serve(arguments: list[str]) -> int:
    """The process's main. Returns its exit status."""
    control_fd, parent, folder, gates = int(arguments[0]), int(arguments[1]), *arguments[2:]
    if not inherit(parent):
        return 1
    os.chdir(folder)
    own = itself.folders()
    recorder = Recorder((*own, os.path.abspath(FOLDER)))
    recorder.start()
    with os.fdopen(control_fd, "r+b", buffering=0) as control:
        while line := _line(control):
            asked = msgspec.json.decode(line, type=Asked)
            if asked.litmus:
                recorder.forget()
            told = _told(asked) if own[0] == gates else _another(own[0], gates)
            control.write(msgspec.json.encode(Answer(told=told, record=recorder.record())) + b"\n")
    return 0


def _line(control: BinaryIO) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = control.read(65536)
        if not part:
            return b""
        line += part
    return line


def _another(own: str, gates: str) -> Told:
    return Told(status="error", why=f"two amps: {gates} gates, and its processes find {own}: install it", exit_status=2)


def _told(asked: Asked) -> Told:
    try:
        return _of_litmus(asked) if asked.litmus else _of_program(asked)
    except LoopBound as error:
        return Told(status="inconclusive", why=str(error))
    except AmpError as error:
        status = error.exit_status if error.exit_status != 1 else UsageError.exit_status
        return Told(status="error", why=" ".join(str(error).split()), exit_status=status)
    except Exception as error:
        short = shortage(error)
        if short is not None:
            return Told(status="inconclusive", why=short)
        said = " ".join(f"{type(error).__name__}: {error}".split())
        return Told(status="error", why=f"internal error: {said}", exit_status=AmpError.exit_status)


# --- a program


def _of_program(asked: Asked) -> Told:
    cell = Cell(
        asked.program,
        asked.platform,
        asked.barriers or None,
        asked.weaken,
        messages=asked.messages,
        ring_size=asked.ring_size,
        sizes=asked.sizes,
        max_executions=asked.max_executions,
        max_seconds=asked.max_seconds,
    )
    plan = cell.plan()
    assert plan.platform is not None, plan
    sites = tuple(site.name for site in plan.program.stood_at)
    try:
        check_observers(plan.platform, plan.program.placement.sides)
    except UsageError as error:
        return Told(status="inconclusive", barriers=plan.barriers, why=str(error), sites=sites)
    memory = Memory(Path(FOLDER), memory_name(asked)) if os.access(FOLDER, os.W_OK) else None
    result = explored(cell, memory)
    done = result.exploration
    assert result.status != "sampled", result
    return Told(
        status=cast("Status", result.status),
        barriers=plan.barriers,
        runs=done.runs,
        executions=done.executions,
        states=done.states,
        seconds=round(done.seconds, 3),
        why=done.bound or "" if result.status == "inconclusive" else "",
        found=_found(result),
        sites=sites,
    )


def memory_name(asked: Asked) -> str:
    """What the cell's witness and schedule are called after."""
    words = [asked.program, asked.platform, asked.barriers, *asked.weaken]
    words += [f"{name}={value}" for name, value in asked.sizes.items()]
    return " ".join([*words, str(asked.messages or ""), str(asked.ring_size or "")]).strip()


def _found(result: Result) -> Found | None:
    finding = result.finding
    if finding is None:
        return None
    path, line = finding.place or _of_check(result)
    return Found(
        kind=finding.kind,
        text=finding.text,
        part=finding.part,
        site=finding.site or "",
        path=path and os.path.realpath(path),
        line=line,
        story=tuple(str(finding).splitlines()[1:]),
        command=finding.command,
        witness=str(result.witness) if result.witness is not None else "",
    )


def _of_check(result: Result) -> tuple[str, int]:
    """The place of the check that failed, where nothing is blamed."""
    error = result.exploration.finding.error if result.exploration.finding is not None else None
    return (error.path, error.line) if isinstance(error, FailedCheck) else ("", 0)


# --- a litmus test


def _of_litmus(asked: Asked) -> Told:
    from amp.litmus.enumerate import Limits  # noqa: PLC0415  (a worker of a program loads none of it)
    from amp.litmus.outcomes import herd_text  # noqa: PLC0415
    from amp.litmus.suite import Request, run_file  # noqa: PLC0415

    platform = find_platform(asked.platform) if asked.platform else None
    limits = Limits(asked.max_executions, asked.max_seconds)
    ran = run_file(asked.litmus, Request(platform, asked.observers, limits, None))
    result, judged = ran.result, ran.result.judged
    found = None
    if judged is not None:
        test = result.compiled.test
        found = Found(
            kind=judged.observation,
            text=f"{test.name} on {ran.platform}: {judged.observation}",
            path=os.path.realpath(ran.file),
            line=_line_of(test.final.proposition),
            story=tuple(herd_text(judged).splitlines()),
            command=f"amp litmus {ran.file} --platform {ran.platform}",
        )
    return Told(
        status=cast("Status", judged.observation.lower()) if judged is not None else "inconclusive",
        runs=result.states,
        executions=result.executions,
        states=result.states,
        seconds=round(ran.seconds, 3),
        why="" if judged is not None else f"no verdict within {limits.executions:,} executions, {limits.seconds:g} s",
        holds=None if judged is None else judged.holds,
        found=found,
    )


def _line_of(proposition: Proposition) -> int:
    """Where the condition stands; 1 for a test without one."""
    match proposition:
        case Equal(line):
            return line
        case Not(inner):
            return _line_of(inner)
        case All(parts) | Some(parts) if parts:
            return _line_of(parts[0])
    return 1


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:]))
