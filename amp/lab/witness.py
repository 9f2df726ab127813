"""A witness as a file: what ran, what was found, and the trace, so that it can be explained and repeated elsewhere.

One JSON object. `story` is the run in words, for the reader of the file; `trace` is the trace's own bytes
(amp.report.trace), deflated, in base 64, and the only one of the two that is read back. A file is refused, with the
reason, if it is not one, is damaged, or was made by another version of amp or of its platform.
"""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec

from amp import __version__
from amp.errors import AmpError, UsageError
from amp.files import open_regular, read_whole
from amp.lab.machine import Machine, Outcome
from amp.lab.plan import Plan, sites_for
from amp.lab.repair import repair_compiled
from amp.lab.run import Witness, check_ended, explain, trace_of
from amp.lab.verify import retold
from amp.machine.config import Lines, Mode, Report, RunConfig
from amp.machine.schedule import Schedule
from amp.ordering import platform as find_platform
from amp.ordering.barriers import Primitive
from amp.ordering.platforms import Platform, Side
from amp.programs import SHIPPED
from amp.programs import load as load_program
from amp.programs.loader import digest_of, is_compiled
from amp.programs.program import Program
from amp.report.history import History
from amp.report.places import place
from amp.report.trace import EventKind, Trace
from amp.report.words import Words

FORMAT: Final = "amp witness 3"
ADDRESS_LIMIT: Final = (1 << 32) - 1  # struct amp_event's
STORY_LIMIT: Final = 400  # events; a longer run is not read line by line
TRACE_LIMIT_BYTES: Final = 1 << 22  # a trace holds TRACE_EVENTS of 40 bytes
FILE_LIMIT_BYTES: Final = 1 << 24  # such a trace that cannot be deflated, in base 64, and its story
TEXT_LIMIT: Final = 4096  # characters that one side says of a violation


class Diverged(UsageError):
    """A witness did not repeat: the program, the file it sends, or the machine's tables are not what they were."""


class WitnessFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file's object. `platform_crc` is over everything the platform orders; `file_sha256` of what a stream sent.

    `not_repeated` says why processes did not repeat the finding; then there is no trace, and the story is all.
    """

    format: str
    amp: str
    platform: str
    platform_crc: int
    barriers: str
    weaken: tuple[str, ...]
    config: RunConfig
    file_sha256: str | None
    finder: int
    reports: tuple[Report, ...]
    digest: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}\Z")]
    events: Annotated[int, msgspec.Meta(ge=0)]
    story: tuple[str, ...]
    trace: bytes
    not_repeated: str = ""
    lines: tuple[Lines | None, ...] = ()


def content(plan: Plan, found: Witness) -> bytes:
    """The file of `found`. Raises UsageError for one without a trace, and if what a stream has sent is gone."""
    outcome = found.outcome
    if plan.platform is None or plan.platform_name is None:
        raise UsageError("a finding of direct mode keeps no trace: there is nothing to save")
    if not plan.is_nameable:
        raise UsageError(f"platform {plan.platform_name} is no name and no file: a witness cannot say what it is")
    if not plan.program.reference:
        raise UsageError(f"program {plan.program.name} is made inside a function: no other process can find it")
    if found.trace is None and not found.not_repeated:
        raise UsageError("of the findings of many runs only the first keep their trace: save one of those")
    assert outcome.finder is not None, outcome
    file = WitnessFile(
        format=FORMAT,
        amp=__version__,
        platform=plan.platform_name,
        platform_crc=_crc(plan.platform),
        barriers=plan.barriers,
        weaken=plan.weaken,
        config=msgspec.structs.replace(outcome.config, sites=b""),  # barriers and weaken say it
        file_sha256=None if outcome.config.file is None else _sha256(outcome.config.file),
        finder=outcome.finder,
        reports=tuple(msgspec.structs.replace(report, lines=None) for report in outcome.reports),
        digest=f"{outcome.digest:016x}",
        events=outcome.events,
        story=found.story or tuple(story_of(plan, found)),
        trace=b"" if found.trace is None or found.not_repeated else zlib.compress(found.trace.to_bytes()),
        not_repeated=found.not_repeated,
        lines=found.lines,
    )
    return msgspec.json.format(msgspec.json.encode(file))


def story_of(plan: Plan, found: Witness) -> Iterator[str]:
    """The events up to what was found, a line each: "#7 host: store avail.idx = 1"."""
    assert found.trace is not None, found
    if found.explanation is None or found.trace.last > STORY_LIMIT:
        return
    words = Words(History(found.trace), found.explanation, plan.name_of, gives="->")
    explanation = found.explanation
    ends_at_bad = explanation.pair is not None and not explanation.elsewhere and not explanation.finding.stall
    for event in found.trace.events:
        visible = "visible: " if event.kind is EventKind.VISIBLE else ""
        where = words.standing(event)
        yield f"#{event.number} {words.cpu(event.cpu)}: {visible}{words.said(event)}{where and f'  {where}'}"
        if ends_at_bad and event == explanation.bad:
            return
        if event.kind is EventKind.RETIRE and event.cpu == found.outcome.finder and not explanation.finding.stall:
            return


def load(path: str, program: str | None = None) -> tuple[Plan, Witness]:
    """Read a witness. Raises UsageError that says why it cannot be used.

    `program` says where its program is now, if not where it was.
    """
    plan, found, _ = _opened(path, program)
    return plan, (retold(plan, found) if found.not_repeated else found).repaired(repair_compiled(plan))


def replay(path: str, program: str | None = None, *, stale: bool = False) -> tuple[Plan, Witness, Outcome, bool]:
    """Read a witness and run it again: what was found then, what came of it now, and whether it is the very same run.

    `program` as for `load`. With `stale` compiled code may be another program than the one that ran: its schedule is
    tried all the same. Raises UsageError if it cannot be used, or the file that it sends is no longer the one that it
    sent.
    """
    plan, found, file_sha256 = _opened(path, program, stale=stale)
    if found.not_repeated:
        raise UsageError(f"witness {path}: its processes did not repeat it when it was found: {found.not_repeated}")
    try:
        if plan.config.file is not None and _sha256(plan.config.file) != file_sha256:
            raise UsageError(f"file {plan.config.file} is not the one that was sent: its sha256 differs")
    except UsageError as error:
        raise UsageError(f"witness {path}: {error}") from None
    return plan, found, *repeat(plan, found, stale=stale)


def replay_data(outcome: Outcome, *, same: bool, stale: bool = False) -> dict[str, Any]:
    """The --json object of a run that was made again; `stale`: by another program."""
    found = outcome.finding
    return {
        "command": "replay",
        "status": "violation" if found is not None else "inconclusive" if stale else "holds",
        "stale": stale,
        "violations": int(found is not None),
        "executions": 1,
        "states": outcome.events,
        "seconds": round(outcome.elapsed_s, 3),
        "same": same,
        "events": outcome.events,
        "text": None if found is None else found.text,
        "digest": f"{outcome.digest:016x}",
    }


def stale_text(outcome: Outcome, *, same: bool) -> tuple[str, int]:
    """What came of a schedule that another program was run by, in words, and the exit status."""
    if same:
        return "another program than the one that ran, and the same violation, the same trace", 1
    if outcome.finding is not None:
        return f"another program than the one that ran, and a violation by the same schedule: {outcome.finding.text}", 1
    return "another program than the one that ran: by the old schedule it ends well, which says nothing of others", 3


def _opened(path: str, program: str | None, *, stale: bool = False) -> tuple[Plan, Witness, str | None]:
    try:
        content = msgspec.json.decode(read_whole(path, FILE_LIMIT_BYTES), type=WitnessFile)
    except OSError as error:
        raise UsageError(f"witness {path}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"witness {path}: not a witness file: {error}") from None
    try:
        return *_checked(content, program, stale=stale), content.file_sha256
    except UsageError as error:
        raise UsageError(f"witness {path}: {error}") from None


def _checked(content: WitnessFile, moved_to: str | None, *, stale: bool = False) -> tuple[Plan, Witness]:
    for field, value, expected in (("format", content.format, FORMAT), ("amp", content.amp, __version__)):
        if value != expected:
            raise UsageError(f"{field} is {value!r}, this is {expected!r}")
    config = content.config
    config.check()
    if config.schedule:
        Schedule.from_token(config.schedule)
    if config.sites:
        raise UsageError(f"config.sites has {len(config.sites)} bytes, expected none: barriers and weaken say it")
    program = _program(config, moved_to, stale=stale)
    is_other = program.source is not None and program.source.sha256 != config.program_sha256  # asked for: --stale
    now = program.source.sha256 if program.source is not None else ""
    config = msgspec.structs.replace(config, program=program.reference, program_sha256=now)
    config = program.settle(config)
    platform = find_platform(content.platform)
    if _crc(platform) != content.platform_crc:
        raise UsageError(f"platform {content.platform} orders otherwise than when the witness was made")
    if len(content.reports) != len(program.parts):
        raise UsageError(f"reports are {len(content.reports)}, {program.name} has {len(program.parts)} parts")
    if not 0 <= content.finder < len(program.parts) or config.mode is Mode.DIRECT:
        raise UsageError(f"finder {content.finder} in mode {config.mode.value} is no modelled run's finding")
    _check_reports(content)
    _check_whole(content, program)
    trace = None if content.not_repeated else _trace(content, program, platform)
    if trace is not None and (f"{trace.digest:016x}" != content.digest or trace.last != content.events):
        raise UsageError(f"the trace ends at event {trace.last} with digest {trace.digest:016x}, not as the file says")
    sites = sites_for(program, content.barriers, content.weaken)
    shown = moved_to or config.program
    plan = Plan(program, shown, config, content.platform, platform, content.barriers, content.weaken, sites)
    outcome = Outcome(config, content.reports, content.finder, content.events, 0 if trace is None else trace.digest)
    if trace is None:
        return plan, Witness(config.seed, outcome, None, None, not_repeated=content.not_repeated, story=content.story)
    _check_lines(content.lines)
    place(trace, content.lines)
    if is_other:  # its sites are not those of the trace: nothing is explained
        return plan, Witness(config.seed, outcome, trace, None, lines=content.lines)
    repeatable = config.file is None or _is_still(config.file, content.file_sha256)
    explanation = explain(plan, outcome, trace, repeatable=repeatable)
    return plan, Witness(config.seed, outcome, trace, explanation, lines=content.lines)


def _trace(content: WitnessFile, program: Program, platform: Platform) -> Trace:
    trace = Trace.from_bytes(_inflate(content.trace), program.sites, program.placement.on(platform).staged)
    parts = len(program.parts)
    for event in trace.events:
        if event.cpu >= parts:
            raise UsageError(f"trace: event {event.number}: cpu is {event.cpu}, {program.name} has {parts} parts")
    return trace


def _check_lines(lines: tuple[Lines | None, ...]) -> None:
    """Raises UsageError for names of files that no terminal should be shown."""
    for each in lines:
        texts = (*each.files, *(each.code.texts + each.code.names if each.code else ())) if each is not None else ()
        for text in texts:
            if len(text) > TEXT_LIMIT or not text.isprintable():
                raise UsageError(f"lines name {text!r:.80}, expected what is printable")


def _program(config: RunConfig, moved_to: str | None, *, stale: bool) -> Program:
    """The program that the witness is of. Raises UsageError if it is not there, or is another one now.

    A user's file is compared before it is imported: a witness by somebody else runs nothing that it is not of.
    """
    then, asked = config.program_sha256, moved_to or config.program
    if is_compiled(config.program):
        return _compiled(config, asked, stale=stale)
    before = config.program.partition("?")[1:]  # the sites before its lines
    asked = asked if "?" in asked else "".join((asked, *before))
    if stale:
        raise UsageError(
            "--stale is for compiled code: another Python program is not imported to find out what it does"
        )
    if then:
        file = asked.partition("?")[0]
        path = file.rpartition(":")[0] if ":" in file else file
        try:
            now = digest_of(path)
        except UsageError as error:
            hint = "" if moved_to else "; say with --program where it is now"
            raise UsageError(f"{error}{hint}") from None
        if now != then:
            raise UsageError(f"program {path} is not the one that ran: its sha256 is {now}, was {then}")
    elif asked not in tuple(SHIPPED):  # whatever else has no digest is not imported to find out what it is
        raise UsageError(f"program is {asked!r:.80}, expected {', '.join(SHIPPED)} where it has no sha256")
    program = load_program(asked)
    ran = _name_in_file(config.program)
    if _name_in_file(program.reference) != ran or bool(then) != (program.source is not None):
        raise UsageError(f"program {program.reference} is not the one that ran, {ran:.80}")
    return program


def _name_in_file(reference: str) -> str:
    """A program's name in its file, with the sites before lines."""
    head, *before = reference.partition("?")
    return "".join((head.rpartition(":")[2], *before))


def _compiled(config: RunConfig, asked: str, *, stale: bool) -> Program:
    """The program of an ELF file: nothing in it runs when it is read, so it is compared then. Raises UsageError."""
    ran = config.program.partition("?")[2]
    program = load_program(asked if "?" in asked else f"{asked}?{ran}")
    assert program.source is not None, program
    if program.source.sha256 != config.program_sha256 and not stale:
        raise UsageError(
            f"program {program.source.path} is not the one that ran: its code, its data or its sites have changed. "
            "`amp replay --stale` tries the schedule on it all the same; `amp verify` finds what is there now"
        )
    if program.source.name != ran:
        raise UsageError(f"program {program.reference} is not the one that ran, {ran:.80}")
    return program


def _check_whole(content: WitnessFile, program: Program) -> None:
    """Raises UsageError for fields that contradict each other: a trace and no run, a run and no trace."""
    config = content.config
    if (config.file is None) != (content.file_sha256 is None):
        raise UsageError(
            f"config.file is {config.file!r} and file_sha256 {content.file_sha256!r}, expected both or none"
        )
    if not content.not_repeated:
        if not content.trace:
            raise UsageError("trace is empty and not_repeated too, expected one of them")
        return
    if program.exchange or config.mode is not Mode.LOCKSTEP:
        raise UsageError(
            f"not_repeated with program {config.program!r} in mode {config.mode.value!r}: "
            "only what amp verify explores is not repeated"
        )
    run = {
        "trace": f"{len(content.trace)} bytes" if content.trace else "",
        "events": str(content.events or ""),
        "digest": content.digest.strip("0") and content.digest,
    }
    for field, value in run.items():
        if value:
            raise UsageError(f"{field} is {value}, expected none: not_repeated says that there was no run")
    if not content.story:
        raise UsageError("story is empty, expected the explorer's execution: not_repeated leaves no trace")


def _check_reports(content: WitnessFile) -> None:
    """Raises UsageError unless the finder's report is of a violation."""
    for number, report in enumerate(content.reports):
        longest = max(map(len, (report.text, report.kind, report.sha256, *report.said)))
        if longest > TEXT_LIMIT:
            raise UsageError(f"reports[{number}] has a text of {longest} characters, expected at most {TEXT_LIMIT}")
    found = content.reports[content.finder]
    if found.outcome != "violation" or not found.kind:
        raise UsageError(
            f"reports[{content.finder}] has outcome {found.outcome!r} and kind {found.kind!r}, expected a violation"
        )
    if found.address is not None and found.address > ADDRESS_LIMIT:
        raise UsageError(f"reports[{content.finder}].address is {found.address}, expected at most {ADDRESS_LIMIT}")


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
        with open(open_regular(path), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"file {path}: {error.strerror}") from None


def _crc(platform: Platform) -> int:
    """Of what each side's barriers keep in order: towards the others, a mailbox's status included, and the siblings.

    And whether all see its stores at once. Instructions of compiled code are amp's own, and left out.
    """
    told = bytearray()
    for side in Side:
        architecture = platform.processor(side).architecture
        rows = [architecture.rows[primitive] for primitive in Primitive]
        told.append(platform.implicit(side))
        told += platform.core_table(side)[: len(Primitive)]
        told += bytes(platform.towards_siblings(side, row.orders, row.reach) for row in rows)
        told.append(architecture.multi_copy_atomic)
    return zlib.crc32(told)


_FILE: Final = re.compile(r" at \S+\.py:")  # a program that was moved may have another file's name


def _what(outcome: Outcome) -> tuple[str, str, int | None] | None:
    """What was found."""
    found = outcome.finding
    return None if found is None else (found.kind, _FILE.sub(" at :", found.text), found.address)


def repeat(plan: Plan, found: Witness, *, stale: bool = False) -> tuple[Outcome, bool]:
    """Run it again in two fresh processes; is it the very same run? Raises UsageError for one that cannot repeat.

    A run that goes on behind the events of the witness is another one, and stopped; not so one of a `stale` witness.
    """
    if plan.config.mode is not Mode.LOCKSTEP:
        raise UsageError(f"a run in mode {plan.config.mode.value} does not repeat; only lockstep does")
    with Machine(plan.config) as machine:
        outcome = machine.run(
            plan.at_seed(found.seed), plan.platform, plan.sites, events=None if stale else found.outcome.events
        )
        try:
            check_ended(outcome, plan.program.part_names)
        except AmpError as error:
            raise Diverged(f"the run took another way: {error}") from None
        same = (
            outcome.digest == found.outcome.digest
            and trace_of(machine) == found.trace
            and _what(outcome) == _what(found.outcome)
        )
    return outcome, same
