"""`amp verify`: honest verdicts, the smallest counterexample, and the same violation in two processes every time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import here, process
from commands import here as amp

from amp.cli.explain import save
from amp.errors import UsageError
from amp.explore.explorer import Bounds, Chooser
from amp.explore.follow import follow
from amp.explore.shrink import measured, simpler
from amp.lab.machine import Machine
from amp.lab.plan import Plan, make_plan
from amp.lab.verify import Verdict, along, explorer_of, sample, verify
from amp.lab.witness import load
from amp.machine.schedule import Schedule

BOUNDS = Bounds(executions=200_000, seconds=120)

# (scenario, platform, weakened, messages asked for, messages it takes, kind): why it takes so many stands behind.
FINDINGS = [
    ("vring", "omap4-2011", "S1=smp", 3, 1, "WrongMessage"),  # dmb leaves the PL310's buffer
    ("vring", "arm64-domains", "S2=smp", 3, 1, "WrongMessage"),  # ishld does not reach the remote
    ("vring", "arm64", "S3=none", 3, 2, "WrongMessage"),  # message 1 is the first reply
    ("vring", "arm64", "S4=none", 3, 2, "WrongMessage"),
    ("vring", "paranoid", "B1=none", 3, 3, "WrongMessage"),  # the buffer of message 0 is used again by message 2
    ("vring-flags", "x86-wb", "S5=none", 2, 1, "Stall"),  # store buffering is all that x86 reorders
    ("vring-flags", "x86-wb", "S8=none", 2, 1, "Stall"),
    ("doorbell", "riscv", "K1=smp", 2, 1, "WrongMessage"),  # fence w,w is not for devices
]


def planned(scenario: str, platform: str, *weaken: str, messages: int = 2, barriers: str = "mandatory") -> Plan:
    return make_plan(scenario, platform=platform, barriers=barriers, weaken=weaken, messages=messages)


@pytest.fixture(scope="module")
def lost_entry() -> Verdict:
    """S1 too weak on omap4-2011: the bug of 2011."""
    return verify(planned("vring", "omap4-2011", "S1=smp", messages=3), BOUNDS)


class TestVerdicts:
    def test_verified_names_platform_barriers_and_bounds(self) -> None:
        told = amp("verify", "vring", "--platform", "arm64-domains", "--messages", "2")
        assert told.returncode == 0, told.stderr
        assert "vring on arm64-domains with mandatory barriers: 2 messages, ring of 2" in told.stdout
        assert "verified: every execution holds within these bounds" in told.stdout

    def test_one_of_a_thing_is_told_in_the_singular(self) -> None:
        told = " ".join(amp("verify", "doorbell", "--platform", "sc", "--messages", "1").stdout.split())
        assert ". 1 run: 1 complete, 0 merged with one of " in told
        told = " ".join(amp("verify", "vring", "--max-executions", "1").stdout.split())
        assert "inconclusive: stopped after 1 run;" in told
        told = " ".join(amp("verify", "doorbell", "--platform", "riscv", "--weaken", "K1=smp").stdout.split())
        assert ", 1 context switch; " in told

    def test_a_bound_that_is_hit_is_never_called_verified(self) -> None:
        told = amp("verify", "vring-flags", "--max-executions", "20")
        assert told.returncode == 3
        assert "inconclusive: stopped after 20 runs" in " ".join(told.stdout.split())
        assert "verified" not in told.stdout

    def test_the_last_run_within_the_bound_still_verifies(self) -> None:
        whole = explorer_of(planned("vring", "arm64")).explore(BOUNDS)
        assert explorer_of(planned("vring", "arm64")).explore(Bounds(whole.runs, 60)).verified
        assert not explorer_of(planned("vring", "arm64")).explore(Bounds(whole.runs - 1, 60)).verified

    def test_json_has_the_common_keys(self) -> None:
        told = json.loads(amp("verify", "vring", "--json").stdout)
        assert told["status"] == "verified"
        assert told["violations"] == 0
        for key in ("command", "executions", "states", "seconds", "messages", "ring_size", "platform"):
            assert key in told, key

    @pytest.mark.parametrize(
        "arguments", [("nothing",), ("vring", "--weaken", "K1=none"), ("vring", "--messages", "0")]
    )
    def test_a_mistake_is_one_line_and_status_2(self, arguments: tuple[str, ...]) -> None:
        told = amp("verify", *arguments)
        assert told.returncode == 2
        assert len(told.stderr.splitlines()) == 1


class TestCounterexamples:
    @pytest.mark.a_few(4)
    @pytest.mark.parametrize("row", FINDINGS, ids=lambda row: "-".join(map(str, row[:3])))
    def test_a_missing_barrier_is_found_with_as_few_messages_as_it_takes(
        self, row: tuple[str, str, str, int, int, str]
    ) -> None:
        scenario, platform, weakened, asked, takes, kind = row
        verdict = verify(planned(scenario, platform, weakened, messages=asked), BOUNDS)
        found = verdict.counterexample
        assert verdict.status == "violation"
        assert found is not None
        assert found.repeated
        assert (found.plan.config.messages, type(found.shrunk.finding.error).__name__) == (takes, kind)
        assert found.witness.site == weakened.partition("=")[0]
        for fewer in range(1, takes):
            assert verify(planned(scenario, platform, weakened, messages=fewer), BOUNDS).status == "verified"

    def test_no_single_change_makes_itsimpler(self, lost_entry: Verdict) -> None:
        assert lost_entry.counterexample is not None
        shrunk, plan = lost_entry.counterexample.shrunk, lost_entry.counterexample.plan
        explorer = explorer_of(plan)
        tried = list(simpler(shrunk.finding.choices))
        assert len(tried) == shrunk.tried > 0
        for choices in tried:
            other = measured(explorer, choices, type(shrunk.finding.error))
            assert other is None or other.cost >= shrunk.cost

    def test_a_finding_that_needs_a_load_behind_a_later_store_says_so(self) -> None:
        late = verify(planned("vring", "paranoid", "B1=none", messages=3), BOUNDS).counterexample
        early = verify(planned("vring", "paranoid", "S1=none", messages=1), BOUNDS).counterexample
        assert late is not None
        assert early is not None
        assert late.shrunk.cost.reordered
        assert not early.shrunk.cost.reordered

    def test_it_replays_in_two_processes_a_hundred_times_out_of_a_hundred(
        self, lost_entry: Verdict, tmp_path: Path
    ) -> None:
        found = lost_entry.counterexample
        assert found is not None
        assert found.repeated
        path = str(tmp_path / "witness.json")
        save(path, found.plan, found.witness)
        plan, witness = load(path)
        with Machine(plan.config) as machine:
            outcomes = [machine.run(plan.config, plan.platform, plan.sites) for _ in range(100)]
        assert {outcome.digest for outcome in outcomes} == {witness.outcome.digest}
        assert {outcome.finding.text for outcome in outcomes if outcome.finding} == {str(found.shrunk.finding.error)}

    def test_the_saved_file_is_readable_and_explained_by_fresh_commands(self, tmp_path: Path) -> None:
        path = tmp_path / "w.json"
        assert amp("verify", "vring", "--weaken", "S1=smp", "--save", path).returncode == 1
        replayed, explained = process("replay", path), process("explain", path)
        assert replayed.returncode == 1
        assert "the same violation, the same trace" in replayed.stdout
        assert "PL310 write buffer needs SYSTEM" in explained.stdout
        story = json.loads(path.read_text())["story"]
        assert any("avail.idx" in line for line in story)

    def test_the_same_command_finds_the_same_counterexample(self) -> None:
        first, second = (
            amp("verify", "vring-flags", "--weaken", "S7=none", "--json").stdout for amp in (here, process)
        )
        told, again = json.loads(first), json.loads(second)
        told.pop("seconds")
        again.pop("seconds")
        assert told == again


class TestSchedules:
    @pytest.mark.a_few(2)
    @pytest.mark.parametrize(
        ("scenario", "weakened"),
        [("vring", "S1=none"), ("vring", "B1=none"), ("vring-flags", "S7=none"), ("doorbell", "K1=none")],
    )
    def test_one_token_goes_the_same_way_in_the_explorer_and_in_two_processes(
        self, scenario: str, weakened: str
    ) -> None:
        plan = planned(scenario, "paranoid", weakened, messages=3)
        found = verify(plan, BOUNDS).counterexample
        assert found is not None
        assert found.repeated
        _, finding = follow(explorer_of(found.plan), Schedule.from_token(found.plan.config.schedule))
        assert finding is not None
        assert type(finding.error) is type(found.shrunk.finding.error)
        assert found.witness.outcome.finding is not None
        assert found.witness.outcome.finding.kind == type(finding.error).__name__

    def test_the_printed_line_repeats_the_violation(self, lost_entry: Verdict) -> None:
        assert lost_entry.counterexample is not None
        words = lost_entry.counterexample.plan.command(1).split()
        assert words[0] == "amp"
        told = amp(*words[1:])
        assert told.returncode == 1
        assert str(lost_entry.counterexample.shrunk.finding.error) in " ".join(told.stdout.split())

    def test_a_schedule_of_a_run_that_holds_finds_nothing_and_is_not_called_verified(self, lost_entry: Verdict) -> None:
        assert lost_entry.counterexample is not None
        token = lost_entry.counterexample.plan.config.schedule
        # With the barrier as coded no execution goes that way.
        with pytest.raises(UsageError, match="schedule"):
            along(planned("vring", "omap4-2011", messages=1), Schedule.from_token(token))

    @pytest.mark.parametrize("token", ["x", "s1.", "s1.AAAA", "s1.JS4sRHjaKzPQMlUoM1QoMrAFEoa2mWAOiAaKADkGWkZg"])
    def test_a_token_that_is_none_is_refused_with_the_reason(self, token: str) -> None:
        told = amp("verify", "vring", "--schedule", token)
        assert told.returncode == 2
        assert "schedule" in told.stderr


class TestChoosers:
    @pytest.mark.a_few(1)
    @pytest.mark.parametrize("chooser", [Chooser.RANDOM, Chooser.URW, Chooser.PCT])
    def test_chance_finds_the_bug_and_the_same_seed_finds_it_the_same_way(self, chooser: Chooser) -> None:
        plan = planned("vring", "omap4-2011", "S1=smp")
        verdicts = [sample(plan, chooser, 7, 3, Bounds(5000, 60)) for _ in range(2)]
        assert [verdict.status for verdict in verdicts] == ["violation"] * 2
        assert verdicts[0].exploration.runs == verdicts[1].exploration.runs
        tokens = {v.counterexample.plan.config.schedule for v in verdicts if v.counterexample is not None}
        assert len(tokens) == 1

    def test_interleaving_alone_never_shows_a_missing_write_barrier(self) -> None:
        verdict = sample(planned("vring", "paranoid", "S1=none"), Chooser.SC, 1, 0, Bounds(2000, 60))
        assert verdict.status == "inconclusive"
        assert verdict.exit_status == 3
