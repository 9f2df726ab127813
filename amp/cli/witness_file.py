"""A witness as a file: what ran, what was found, and the trace, so that it can be explained and repeated elsewhere.

One JSON object. `story` is the run in words, for the reader of the file; `trace` is the trace's own bytes
(amp.report.trace), deflated, in base 64, and the only one of the two that is read back. A file is refused, with the
reason, if it is not one, is damaged, or was made by another version of amp or of its platform.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from amp import __version__
from amp.cli.machine import Machine, Outcome
from amp.cli.options import PROGRAMS, Plan, sites_for
from amp.cli.run import Witness, check_ended, explain, trace_of
from amp.errors import UsageError
from amp.machine.config import Mode, Report, RunConfig
from amp.machine.small import plan_for
from amp.ordering import platform as find_platform
from amp.ordering.platforms import Platform, Side
from amp.report.history import History
from amp.report.trace import EventKind, Trace
from amp.report.words import Words
from amp.scenarios import SCENARIOS

FORMAT: Final = "amp witness 2"
STORY_LIMIT: Final = 400  # events; a longer run is not read line by line
TRACE_LIMIT_BYTES: Final = 1 << 26  # sixteen times what a trace holds at most today


class WitnessFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file's object. `platform_crc` is over everything the platform orders; `file_sha256` of what a stream sent."""

    format: str
    amp: str
    platform: str
    platform_crc: int
    barriers: str
    weaken: tuple[str, ...]
    config: RunConfig
    file_sha256: str | None
    finder: int
    reports: tuple[Report, Report]
    digest: str
    events: int
    story: tuple[str, ...]
    trace: bytes


def save(path: str, plan: Plan, found: Witness) -> None:
    """Write `found`. Raises UsageError if the path cannot be written."""
    outcome = found.outcome
    assert plan.platform_name is not None, plan
    assert plan.platform is not None, plan
    assert found.trace is not None, found
    assert outcome.finder is not None, outcome
    content = WitnessFile(
        format=FORMAT,
        amp=__version__,
        platform=plan.platform_name,
        platform_crc=_crc(plan.platform),
        barriers=plan.barriers,
        weaken=plan.weaken,
        config=msgspec.structs.replace(outcome.config, sites=b""),  # barriers and weaken say it
        file_sha256=None if outcome.config.file is None else _sha256(outcome.config.file),
        finder=outcome.finder,
        reports=(outcome.reports[0], outcome.reports[1]),
        digest=f"{outcome.digest:016x}",
        events=outcome.events,
        story=tuple(_story(plan, found)),
        trace=zlib.compress(found.trace.to_bytes()),
    )
    try:
        Path(path).write_bytes(msgspec.json.format(msgspec.json.encode(content)))
    except OSError as error:
        raise UsageError(f"witness {path}: {error.strerror}") from None


def _story(plan: Plan, found: Witness) -> Iterator[str]:
    """The events up to what was found, a line each: "#7 host: store avail.idx = 1"."""
    assert found.trace is not None, found
    if found.explanation is None or found.trace.last > STORY_LIMIT:
        return
    words = Words(History(found.trace), found.explanation, plan_for(plan.config).name_of, gives="->")
    bad = found.explanation.bad
    for event in found.trace.events:
        visible = "visible: " if event.kind is EventKind.VISIBLE else ""
        yield f"#{event.number} {words.cpu(event.cpu)}: {visible}{words.said(event)}"
        if event == bad and not found.explanation.finding.stall:
            return


def load(path: str) -> tuple[Plan, Witness]:
    """Read a witness. Raises UsageError that says why it cannot be used."""
    return _opened(path)[:2]


def replay(path: str) -> tuple[Witness, Outcome, bool]:
    """Read a witness and run it again: what was found then, what came of it now, and whether it is the very same run.

    Raises UsageError if it cannot be used, or the file that it sends is no longer the one that it sent.
    """
    plan, found, file_sha256 = _opened(path)
    if plan.config.file is not None and _sha256(plan.config.file) != file_sha256:
        raise UsageError(f"witness {path}: file {plan.config.file} is not the one that was sent: its sha256 differs")
    return found, *repeat(plan, found)


def _opened(path: str) -> tuple[Plan, Witness, str | None]:
    try:
        content = msgspec.json.decode(Path(path).read_bytes(), type=WitnessFile)
    except OSError as error:
        raise UsageError(f"witness {path}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"witness {path}: not a witness file: {error}") from None
    try:
        return *_checked(content), content.file_sha256
    except UsageError as error:
        raise UsageError(f"witness {path}: {error}") from None


def _checked(content: WitnessFile) -> tuple[Plan, Witness]:
    for field, value, expected in (("format", content.format, FORMAT), ("amp", content.amp, __version__)):
        if value != expected:
            raise UsageError(f"{field} is {value!r}, this is {expected!r}")
    config = content.config
    config.check()
    if config.program not in PROGRAMS:
        raise UsageError(f"program is {config.program!r}, expected {' or '.join(PROGRAMS)}")
    scenario = SCENARIOS.get(config.program)
    if scenario is not None:
        config = scenario.settle(config)
    platform = find_platform(content.platform)
    if _crc(platform) != content.platform_crc:
        raise UsageError(f"platform {content.platform} orders otherwise than when the witness was made")
    if content.finder not in (0, 1) or config.mode is Mode.DIRECT:
        raise UsageError(f"finder {content.finder} in mode {config.mode.value} is no modelled run's finding")
    trace = Trace.from_bytes(_inflate(content.trace))
    if f"{trace.digest:016x}" != content.digest or trace.last != content.events:
        raise UsageError(f"the trace ends at event {trace.last} with digest {trace.digest:016x}, not as the file says")
    plan = Plan(
        config,
        content.platform,
        platform,
        content.barriers,
        content.weaken,
        sites_for(content.barriers, content.weaken, scenario),
    )
    outcome = Outcome(config, content.reports, content.finder, content.events, trace.digest)
    repeatable = config.file is None or _is_still(config.file, content.file_sha256)
    return plan, Witness(config.seed, outcome, trace, explain(plan, outcome, trace, repeatable=repeatable))


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        trace = inflater.decompress(data, TRACE_LIMIT_BYTES)
    except zlib.error as error:
        raise UsageError(f"the trace is damaged: {error}") from None
    if inflater.unconsumed_tail or not inflater.eof:
        raise UsageError(f"the trace is damaged: cut short, or over {TRACE_LIMIT_BYTES} bytes")
    return trace


def _is_still(path: str, sha256: str | None) -> bool:
    """Is it the file that was sent? A path that is no regular file is not looked into."""
    try:
        return os.path.isfile(path) and _sha256(path) == sha256
    except UsageError:
        return False


def _sha256(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"file {path}: {error.strerror}") from None


def _crc(platform: Platform) -> int:
    orders = [int(value) for side in Side for value in (platform.implicit(side), *platform.table(side))]
    return zlib.crc32(bytes(orders))


def repeat(plan: Plan, found: Witness) -> tuple[Outcome, bool]:
    """Run it again in two fresh processes; is it the very same run? Raises UsageError for one that cannot repeat."""
    if plan.config.mode is not Mode.LOCKSTEP:
        raise UsageError(f"a run in mode {plan.config.mode.value} does not repeat; only lockstep does")
    with Machine(plan.config) as machine:
        outcome = machine.run(plan.at_seed(found.seed), plan.platform, plan.sites)
        check_ended(outcome)
        same = outcome.digest == found.outcome.digest and trace_of(machine) == found.trace
    return outcome, same
