"""A witness in a file: explained and repeated elsewhere, and refused with the reason when it is not what it says."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import here
from hypothesis import given
from hypothesis import strategies as st

from amp.cli.explain import save
from amp.errors import UsageError
from amp.lab import witness as witness_file
from amp.lab.plan import make_plan
from amp.lab.run import Result, run
from amp.ordering.architectures import Row
from amp.ordering.barriers import Orders, Primitive
from amp.ordering.platforms import PLATFORMS, Platform
from amp.virtio.sites import S1


@pytest.fixture(scope="module")
def found() -> Result:
    plan = make_plan("echo", platform="omap4-2011", barriers="smp", weaken=("S3=mandatory",), messages=200)
    result = run(plan, range(1, 4))
    assert result.witnesses, "omap4-2011 with SMP barriers fails at every seed"
    return result


@pytest.fixture
def saved(found: Result, tmp_path: Path) -> Path:
    path = tmp_path / "witness"
    save(str(path), found.plan, found.witnesses[0])
    return path


def test_what_is_saved_is_what_is_loaded(found: Result, saved: Path) -> None:
    plan, loaded = witness_file.load(str(saved))
    original = found.witnesses[0]
    assert plan.command(loaded.seed) == found.plan.command(original.seed)
    assert plan.sites.barriers == found.plan.sites.barriers
    assert loaded.trace == original.trace
    assert loaded.outcome.finding == original.outcome.finding
    assert loaded.site == original.site == S1.name


def test_it_repeats_in_two_fresh_processes(saved: Path) -> None:
    plan, loaded = witness_file.load(str(saved))
    outcome, same = witness_file.repeat(plan, loaded)
    assert same
    again, before = outcome.finding, loaded.outcome.finding
    assert again is not None
    assert before is not None
    assert (again.kind, again.text, again.address) == (before.kind, before.text, before.address)


def test_a_run_that_went_another_way_is_not_called_the_same(saved: Path) -> None:
    plan, loaded = witness_file.load(str(saved))
    other = witness_file.Witness(loaded.seed + 1, loaded.outcome, loaded.trace, None)
    assert not witness_file.repeat(plan, other)[1]


def streamed(path: Path, sent: Path) -> str:
    plan = make_plan("stream", platform="omap4-2011", barriers="smp", options={"file": str(sent)})
    result = run(plan, range(1, 9))
    save(str(path), plan, result.witnesses[0])
    return str(path)


def test_a_stream_s_witness_repeats_only_with_the_file_that_was_sent(tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    sent.write_bytes(bytes(range(256)) * 20)
    path = streamed(tmp_path / "witness", sent)
    assert witness_file.replay(path)[3]
    sent.write_bytes(bytes(reversed(range(256))) * 20)
    with pytest.raises(UsageError, match="not the one that was sent"):
        witness_file.replay(path)
    sent.unlink()
    with pytest.raises(UsageError, match="No such file"):
        witness_file.replay(path)
    assert witness_file.load(path)[1].site == S1.name, "it can still be explained"


def test_a_witness_of_an_unknown_program_is_refused(saved: Path) -> None:
    for name in ("silicon", "nonsense", ""):
        path = edited(saved, lambda content, name=name: content["config"].update(program=name))
        with pytest.raises(UsageError, match=f"program is '{name}', expected echo, stream, "):
            witness_file.load(path)


@pytest.mark.parametrize("digest", ["", "0" * 64])
def test_a_file_that_a_witness_names_is_not_imported_unless_it_is_the_one_that_ran(
    saved: Path, tmp_path: Path, digest: str
) -> None:
    own, marker = tmp_path / "own.py", tmp_path / "marker"
    own.write_text(f"open({str(marker)!r}, 'w').close()\n")
    changed = {"program": f"{own}:Own", "program_sha256": digest}
    path = edited(saved, lambda content: content["config"].update(changed))
    with pytest.raises(UsageError, match=r"program .*own\.py"):
        witness_file.load(path)
    assert not marker.exists()


def edited(path: Path, change: Callable[[dict[str, Any]], None]) -> str:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return str(path)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("format", "amp witness 0", "format is 'amp witness 0', this is 'amp witness 3'"),
        ("amp", "0.0.1", "amp is '0.0.1'"),
        ("platform", "nowhere", "platform 'nowhere' is unknown"),
        ("platform", "arm64", "platform arm64 orders otherwise"),
        ("platform_crc", 7, "platform omap4-2011 orders otherwise"),
        ("barriers", "firm", "barriers 'firm' is unknown"),
        ("weaken", ["S9=none"], "site 'S9' is unknown"),
        ("finder", 2, "finder 2"),
        ("format", "amp witness 3 ", "format is"),
        ("digest", "0" * 16, "the trace ends at event"),
        ("events", 1, "the trace ends at event"),
        ("trace", "AAAA", "the trace is damaged"),
        ("seed", 1, "unknown field `seed`"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_the_reason(saved: Path, field: str, value: Any, reason: str) -> None:
    path = edited(saved, lambda content: content.update({field: value}))
    with pytest.raises(UsageError, match=f"^witness {path}: ") as refused:
        witness_file.load(path)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def with_host(**changes: Any) -> Platform:
    platform = PLATFORMS["omap4-2011"]
    return replace(platform, host=replace(platform.host, architecture=replace(platform.host.architecture, **changes)))


def without_smp_wmb() -> dict[Primitive, Row]:
    """To the others its order of stores was worth nothing before; to the siblings it was."""
    rows = dict(PLATFORMS["omap4-2011"].host.architecture.rows)
    return rows | {Primitive.SMP_WMB: replace(rows[Primitive.SMP_WMB], orders=rows[Primitive.NONE].orders)}


@pytest.mark.parametrize(
    "changed",
    [
        with_host(implicit=Orders.RR),
        with_host(multi_copy_atomic=True),
        with_host(rows=without_smp_wmb()),
    ],
    ids=["what it keeps with no barrier", "who sees a store at once", "what it keeps towards the siblings"],
)
def test_a_platform_that_has_changed_since_is_noticed(
    saved: Path, changed: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness_file, "find_platform", lambda _: changed)
    with pytest.raises(UsageError, match="platform omap4-2011 orders otherwise than when the witness was made"):
        witness_file.load(str(saved))


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError, match=reason):
            witness_file.load(str(path))


@given(data=st.binary(max_size=400))
def test_no_bytes_do_more_than_be_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data)
    with pytest.raises(UsageError):
        witness_file.load(str(path))


@given(at=st.integers(0, 2000), byte=st.integers(0, 255))
def test_one_wrong_byte_is_refused_or_changes_nothing_that_counts(
    found: Result, tmp_path_factory: pytest.TempPathFactory, at: int, byte: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged"
    save(str(path), found.plan, found.witnesses[0])
    data = bytearray(path.read_bytes())
    data[at % len(data)] = byte
    path.write_bytes(data)
    try:
        _, loaded = witness_file.load(str(path))
    except UsageError:
        return
    assert loaded.trace == found.witnesses[0].trace


@pytest.mark.parametrize("command", ["explain", "replay"])
def test_both_commands_give_one_object_with_the_common_keys(saved: Path, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "amp.cli", command, str(saved), "--json"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    data = json.loads(done.stdout)
    assert {"status", "violations", "executions", "states", "seconds"} <= data.keys()
    assert (data["status"], data["violations"]) == ("violation", 1)
    if command == "replay":
        assert data["same"] is True


UNREPEATED = {"not_repeated": "x", "trace": "", "events": 0, "digest": "0" * 16}


@pytest.fixture(scope="module")
def verified(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `amp verify` wrote, as data."""
    path = tmp_path_factory.mktemp("verified") / "witness"
    assert here("verify", "vring", "--weaken", "S1=smp", "--save", path).returncode == 1
    content: dict[str, Any] = json.loads(path.read_text())
    return content


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"not_repeated": "x"}, "trace"),
        ({"not_repeated": "x", "trace": ""}, "events"),
        (UNREPEATED | {"trace": None}, "trace"),
        (UNREPEATED | {"events": 7}, "events"),
        (UNREPEATED | {"digest": "00000000000000a0"}, "digest"),
        (UNREPEATED | {"story": []}, "story"),
        ({"trace": ""}, "trace"),
        ({"trace": "", "events": 0, "digest": "0" * 16}, "trace"),
        ({"file_sha256": "0" * 64}, "file_sha256"),
    ],
    ids=str,
)
def test_a_witness_whose_fields_contradict_each_other_is_refused_in_one_line(
    verified: dict[str, Any], tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    path = tmp_path / "witness"
    path.write_text(json.dumps(verified | {name: value for name, value in changes.items() if value is not None}))
    for command in (("explain", path), ("explain", path, "--json"), ("replay", path)):
        refused = here(*command)
        assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (2, "", 1), refused.stderr
        assert field in refused.stderr


def test_only_what_is_explored_is_not_repeated(saved: Path) -> None:
    saved.write_text(json.dumps(json.loads(saved.read_text()) | UNREPEATED))
    refused = here("explain", saved)
    assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (2, "", 1)
    assert "amp verify" in refused.stderr


def test_an_unrepeated_witness_without_contradictions_is_told(verified: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "witness"
    path.write_text(json.dumps(verified | UNREPEATED))
    told = here("explain", path)
    assert (told.returncode, told.stderr) == (1, "")
    assert "not repeated in two processes: x" in told.stdout
