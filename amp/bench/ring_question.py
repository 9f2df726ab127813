"""The question of 2011, asked of the ring: its four builds in turn between two processes, for each use of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from amp.bench.facts import result_data
from amp.bench.question import REPORTED, Answer, Build, ask, conclusion
from amp.bench.ring import Dispatch, RingPair, RingSetup, Wait, keep_ring
from amp.bench.stats import PAIRS_MIN, Kept, Sample
from amp.ordering.barriers import BarrierClass

BATCHES: Final = 8  # samples of a build in one turn; the median of the undisturbed ones is the turn's value
BATCH_S: Final = 0.001  # each: long beside the start, short beside a time slice
BUFFERS_MIN: Final = 64
_WAITS: Final = {Wait.POLL: "polling", Wait.SLEEP: "sleeping"}

Progress = Callable[[float], None] | None
Answers = Mapping[str, Answer]  # by how the ring was used


def exit_status(answers: Answers) -> int:
    """3 if some use of the ring left too few undisturbed turns to say anything."""
    return 0 if all(len(each.turns.kept) >= PAIRS_MIN for each in answers.values()) else 3


def as_data(answers: Answers, known: dict[str, Any], ring: dict[str, Any]) -> dict[str, Any]:
    """The --json object. `ring` is how the ring was set up."""
    return {
        **result_data("question", exit_status(answers), sum(each.seconds for each in answers.values()), known),
        "ring": ring,
        "reported": {build.value: text for build, text in REPORTED.items()},
        "answers": {use: answer.as_dict() for use, answer in answers.items()},
        "conclusion": conclusion(answers),
    }


def question_setups(base: RingSetup) -> dict[Build, RingSetup]:
    """The same ring, built in the four ways."""
    smp = replace(base, barriers=BarrierClass.SMP, dispatch=Dispatch.CONSTANT)
    return {
        Build.SMP: smp,
        Build.MANDATORY: replace(smp, barriers=BarrierClass.MANDATORY),
        Build.BRANCH: replace(smp, dispatch=Dispatch.BRANCH),
        Build.CONTROL: smp,
    }


def ask_ring(base: RingSetup, cpus: tuple[int, int], time_s: float, progress: Progress = None) -> Answer:
    """One interleaved run over two processes that stay; every build moves the same number of buffers."""
    setups = question_setups(base)
    looks, sleeps = dict.fromkeys(Build, 0), dict.fromkeys(Build, 0)
    buffers = dict.fromkeys(Build, 0)

    def undisturbed(samples: Sequence[Sample]) -> Kept[Sample]:
        return keep_ring(base, list(samples))

    with RingPair(base, cpus) as pair:
        count = _count_for(pair, setups[Build.SMP])

        def measure(build: Build) -> list[Sample]:
            runs = [pair.run(setups[build], count) for _ in range(BATCHES)]
            kept = [run for run in runs if undisturbed([run.sample]).kept]
            looks[build] += sum(run.driver["looks"] + run.device["looks"] for run in kept)
            sleeps[build] += sum(run.driver["waits"] + run.device["waits"] for run in kept)
            buffers[build] += count * len(kept)
            return [run.sample for run in runs]

        answer = ask(measure, time_s, progress, undisturbed=undisturbed)
    per = [{each: count[each] / buffers[each] for each in Build if buffers[each]} for count in (looks, sleeps)]
    return replace(answer, looks=per[0], sleeps=per[1])


def _count_for(pair: RingPair, setup: RingSetup) -> int:
    """Buffers that take about BATCH_S, and BUFFERS_MIN at least: sleeping, a single one may take 0.1 ms."""
    count = BUFFERS_MIN
    while (run := pair.run(setup, count)).sample.wall_s < BATCH_S / 4:
        count *= 2
    return max(BUFFERS_MIN, int(BATCH_S * 1e9 / run.sample.value))


def use_text(setup: RingSetup) -> str:
    """How the ring is used, in words."""
    return f"{_WAITS[setup.wait]}, {'one buffer at a time' if setup.most == 1 else f'{setup.most} outstanding'}"


def setup_text(base: RingSetup) -> str:
    """The ring in words."""
    return (
        f"split ring of {base.ring_size}, announced {'one by one' if base.batch == 1 else f'by {base.batch}'}, "
        f"payload {base.payload} bytes, {'event index' if base.event_idx else 'flags'}"
    )
