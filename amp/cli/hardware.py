"""What `amp litmus --hardware` prints: each test as litmus7 does, what the model does not allow, and a line for all."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from amp.cli.output import complain, echo
from amp.cli.terminal import working
from amp.errors import UsageError
from amp.litmus.hardware import NativeFailed
from amp.litmus.outcomes import KINDS, proposition_text, satisfies, state_text
from amp.litmus.silicon_suite import Ran, Request, Skipped, Summary, as_data, run_file, violations
from amp.litmus.suite import INCONCLUSIVE, find_files
from amp.litmus.syntax import Quantifier
from amp.report.counts import count_of
from amp.visible import visible


def text(ran: Ran, asked: Request) -> str:
    """The report of one test, as litmus7's, without its Time and Hash."""
    compiled, compared, observed = ran.compiled, ran.compared, ran.observed
    test, seen = compiled.test, compared.seen
    quantifier = test.final.quantifier
    witnesses = (seen.positive, seen.negative)
    if quantifier is Quantifier.NOT_EXISTS:  # litmus7: witnesses of the condition, not of the proposition
        witnesses = (seen.negative, seen.positive)
    model = "no answer within its limits" if compared.allowed is None else count_of(compared.allowed, "state")
    cpus = ",".join(map(str, asked.effort.cpus[: len(test.threads)]))
    return "\n".join(
        (
            f"Test {test.name} {KINDS[quantifier]}",
            f"Histogram ({len(seen.states)} states)",
            *(
                f"{compared.counts[state]:<8}{'*' if satisfies(compiled, state) else ':'}>{state_text(compiled, state)}"
                for state in seen.states
            ),
            "Ok" if seen.holds else "No",
            "Witnesses",
            f"Positive: {witnesses[0]}, Negative: {witnesses[1]}",
            f"Condition {quantifier} ({proposition_text(test.final.proposition)}) is "
            f"{'' if seen.holds else 'NOT '}validated",
            f"Observation {test.name} {seen.observation} {seen.positive} {seen.negative}",
            f"Hardware {asked.cpu.name}, processors {cpus}: {observed.tries} tries, {observed.aligned} aligned, seed "
            f"{asked.effort.seed}, {ran.seconds:.2f} s",
            f"Platform {asked.platform.name}, observers {asked.observers}: {model}",
            *(f"Violation {ran.file}: {line}" for line in violations(ran, asked)),
            "",
        )
    )


def summary_text(summary: Summary) -> str:
    """One line for all."""
    counts = (
        (summary.count("holds"), "within the model"),
        (summary.count("violation"), "outside it"),
        (summary.count(INCONCLUSIVE), INCONCLUSIVE),
        (len(summary.skipped), "skipped"),
        (len(summary.errors), "failed or not usable"),
    )
    tries = sum(each.observed.tries for each in summary.ran)
    parts = [f"{len(summary.ran)} tests run, {tries} tries", *(f"{count} {what}" for count, what in counts if count)]
    return ", ".join(parts)


def main(paths: Iterable[str], asked: Request, *, as_json: bool) -> tuple[int, dict[str, Any] | None]:
    """Runs all; prints as it goes unless `as_json`. Gives the exit status, and the object for --json."""
    begin = time.monotonic()
    files = find_files(paths)
    summary = Summary()
    for file in files:
        try:
            with working(visible(file)):
                done = run_file(file, asked)
        except (UsageError, NativeFailed) as error:
            summary.errors.append(error)
            complain(str(error))
            continue
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"{file} has no result; before it: {summary_text(summary)}") from None
        if isinstance(done, Skipped):
            summary.skipped.append(done)
        else:
            summary.ran.append(done)
        if not as_json:
            echo(f"Skipped {done.file}: {done.why}" if isinstance(done, Skipped) else text(done, asked))
    if as_json:
        return summary.exit_status, as_data(summary, asked, time.monotonic() - begin)
    if len(files) > 1:
        echo(summary_text(summary))
    return summary.exit_status, None
