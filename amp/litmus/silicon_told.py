"""A test that ran on this machine's own CPU as a reader is told: as litmus7 does, and against the model."""

from __future__ import annotations

from amp.litmus.outcomes import KINDS, proposition_text, satisfies, state_text
from amp.litmus.silicon_suite import Ran, Request, Summary, violations
from amp.litmus.suite import INCONCLUSIVE
from amp.litmus.syntax import Quantifier
from amp.report.counts import count_of


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
