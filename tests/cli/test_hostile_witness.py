"""Witness files that somebody has altered, or that are no files: told in one line, in bounded time, never with a 4."""

import copy
import json
import os
import struct
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_runs import planned
from commands import here
from commands import process as amp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amp.cli.explain import save
from amp.errors import AmpError, UsageError
from amp.explore.explorer import Bounds
from amp.lab import run, verify
from amp.lab import witness as witness_file
from amp.lab.plan import make_plan
from amp.report.html import render_html
from amp.report.trace import Trace

NUMBERS = st.sampled_from([-1, 0, 1, 2, 7, 8, 64, 255, 4096, 1 << 16, 1 << 31, 1 << 40, 1 << 63, 1 << 64, 10**30, 1.5])
TEXTS = st.sampled_from(["", "x", "S1=none", "smp", "free", "/dev/zero", "../x", "\x1b[2J", "\u202e", "a" * 5000])
NESTED = "nested"  # where it stands in the file, so many lists stand in each other
DEPTH = 100_000
EXAMPLES = int(os.environ.get("AMP_WITNESSES", "24"))  # so many altered files of each kind; a night has thousands
OTHERS = st.sampled_from([None, True, [], {}, [[]], {"a": 1}]).map(copy.deepcopy)


@pytest.fixture(scope="module")
def witnesses(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """One of a run, one of an exploration."""
    folder = tmp_path_factory.mktemp("witnesses")
    plan = planned("omap4-2011", "smp", messages=60)
    found = run.run(plan, range(1, 2))
    save(str(folder / "run"), plan, found.witnesses[0])
    small = make_plan("vring", platform="arm64-domains", barriers="smp")
    shown = verify.verify(small, Bounds()).counterexample
    assert shown is not None
    assert shown.witness is not None
    save(str(folder / "verify"), shown.plan, shown.witness)
    return [json.loads((folder / name).read_text()) for name in ("run", "verify")]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to everything in a JSON value."""
    for key, inside in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(inside, (dict, list)) and key != "story":
            yield from places(inside, (*path, key))


def altered(content: dict[str, Any], draw: st.DataObject) -> dict[str, Any]:
    """`content` with a few fields dropped, added, or made something else."""
    content = copy.deepcopy(content)
    for _ in range(draw.draw(st.integers(1, 3))):
        where = draw.draw(st.sampled_from(sorted(places(content), key=repr)))
        inside: Any = content
        for key in where[:-1]:
            inside = inside[key]
        match draw.draw(st.sampled_from(["drop", "add", "number", "text", "other", "nested"])):
            case "drop":
                del inside[where[-1]]
            case "add" if isinstance(inside, dict):
                inside[draw.draw(TEXTS)] = 1
            case "number" | "add":
                inside[where[-1]] = draw.draw(NUMBERS)
            case "text":
                inside[where[-1]] = draw.draw(TEXTS)
            case "other":
                inside[where[-1]] = draw.draw(OTHERS)
            case "nested":
                inside[where[-1]] = NESTED
    return content


def is_told(action: Callable[[], object]) -> None:
    """It works, or one line says why not, and the exit status is not that of an internal error."""
    refused = None
    try:
        action()
    except AmpError as error:
        refused = error
    if refused is not None:
        assert refused.exit_status in (1, 2, 3)
        assert len(str(refused).splitlines()) == 1


def dumped(content: Any) -> str:
    return json.dumps(content).replace(json.dumps(NESTED), "[" * DEPTH + "]" * DEPTH)


def explained(path: Path) -> None:
    plan, found = witness_file.load(str(path))
    if found.trace is not None and found.explanation is not None:
        render_html(found.trace, found.explanation, str, verdict="", replay=None)
    save(os.devnull, plan, found)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(draw=st.data())
def test_an_altered_witness_is_explained_or_refused_in_one_line(
    witnesses: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory, draw: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "altered"
    path.write_text(dumped(altered(draw.draw(st.sampled_from(witnesses)), draw)))
    is_told(lambda: explained(path))


def replayed(path: Path) -> None:
    _, _, _, same = witness_file.replay(str(path))
    assert isinstance(same, bool)


@settings(max_examples=EXAMPLES // 6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(draw=st.data())
def test_an_altered_witness_is_replayed_or_refused_in_bounded_time(
    witnesses: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory, draw: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "altered"
    content = draw.draw(st.sampled_from(witnesses))
    path.write_text(dumped({**content, "config": altered(content["config"], draw)}))
    is_told(lambda: replayed(path))


@settings(max_examples=EXAMPLES // 8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(at=st.integers(0, 1 << 20), byte=st.integers(0, 255), data=st.data())
def test_a_trace_that_is_forged_with_its_checksums_is_explained_or_refused(
    witnesses: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, data: st.DataObject
) -> None:
    """Whoever alters the events can make the checksum fit as well; the digest is only said, not computed again."""
    content = copy.deepcopy(data.draw(st.sampled_from(witnesses)))
    trace = bytearray(zlib.decompress(b64decode(content["trace"]))[:-4])
    header = 40
    trace[header + at % (len(trace) - header)] = byte
    content["trace"] = b64encode(zlib.compress(trace + struct.pack("<I", zlib.crc32(trace)))).decode()
    path = tmp_path_factory.getbasetemp() / "forged"
    path.write_text(json.dumps(content))
    is_told(lambda: explained(path))


FIELDS = [
    ("spin_ns", -1, "spin_ns is -1"),
    ("spin_ns", 10**30, "spin_ns is 1000000000"),
    ("align", 1 << 40, "align is"),
    ("align", -4, "align is -4"),
    ("polls", -1, "polls is -1"),
    ("messages", 0, "messages is 0"),
    ("segments", 1000, "segments is 1000"),
    ("schedule", "s1.zz", "schedule: "),
    ("sites", "AAAA", "config.sites has 3 bytes"),
    ("pin", 1, "$.config.pin"),
    ("ring_size", "8", "$.config.ring_size"),
]


@pytest.mark.parametrize(("field", "value", "said"), FIELDS, ids=[f"{each[0]}={each[1]}" for each in FIELDS])
def test_a_field_out_of_its_range_is_named(
    witnesses: list[dict[str, Any]], tmp_path: Path, field: str, value: Any, said: str
) -> None:
    path = tmp_path / "witness"
    path.write_text(json.dumps({**witnesses[0], "config": {**witnesses[0]["config"], field: value}}))
    with pytest.raises(UsageError, match=f"^witness {path}: ") as refused:
        witness_file.load(str(path))
    assert said in str(refused.value)


def test_a_run_that_goes_on_for_ever_is_not_the_witness_s(witnesses: list[dict[str, Any]], tmp_path: Path) -> None:
    """A million million messages on a platform where they all arrive."""
    path = tmp_path / "witness"
    config = {**witnesses[0]["config"], "messages": 1 << 40}
    path.write_text(json.dumps({**witnesses[0], "config": config, "barriers": "mandatory"}))
    done = amp("replay", path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "the run took another way" in done.stderr


def test_a_witness_that_says_another_finding_than_its_run_is_not_the_same(
    witnesses: list[dict[str, Any]], tmp_path: Path
) -> None:
    content = copy.deepcopy(witnesses[0])
    content["reports"][content["finder"]]["text"] = "all is well"
    path = tmp_path / "witness"
    path.write_text(json.dumps(content))
    assert witness_file.replay(str(path))[3] is False


NO_FILES = ["explain", "replay", "litmus", "platforms", "firmware show", "run echo --platform", "litmus x --expect"]


@pytest.mark.parametrize("command", NO_FILES)
@pytest.mark.parametrize("kind", ["device", "fifo", "large"])
def test_what_is_no_file_of_the_kind_is_refused_at_once(
    tmp_path: Path, command: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_text("")
    path = tmp_path / "it.toml"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)  # sparse
    done = here(*command.split(), path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("amp: ")
    assert len(done.stderr.splitlines()) == 1
    assert ("more than" if kind == "large" else "not a regular file") in done.stderr


def test_the_trace_that_is_checked_is_the_format_s(witnesses: list[dict[str, Any]]) -> None:
    """What the forging above relies on: 40 bytes of header, then the events, then the checksum."""
    for content in witnesses:
        data = zlib.decompress(b64decode(content["trace"]))
        assert len(data) == 40 + 40 * len(Trace.from_bytes(data)) + 4
