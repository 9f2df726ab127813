"""A user's platform from a TOML file: what it takes over, what it changes, and how it is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amp.errors import UsageError
from amp.ordering import platform
from amp.ordering.barriers import NO_ORDERS, Orders, Primitive, Reach
from amp.ordering.platform_data import as_dict
from amp.ordering.platforms import PLATFORMS, Platform, Side
from amp.ordering.userfile import MAX_BYTES, load

DOCS = Path(__file__).parents[2] / "docs" / "platforms.md"
MINIMAL = {"name": "mine", "summary": "a machine", "source": "a manual", "base": "arm64-domains"}


def toml(value: Any) -> str:
    """A value as inline TOML. JSON's strings, numbers and booleans are TOML's too."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f")


def write(path: Path, table: dict[str, Any]) -> Path:
    path.write_text("".join(f"{json.dumps(key)} = {toml(item)}\n" for key, item in table.items()), encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load(path)
    text = str(caught.value)
    assert len(text.splitlines()) == 1, text
    assert path.name in text
    return text


def test_the_example_in_the_documentation_loads_and_means_what_it_says(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
    assert example
    path = tmp_path / "acme.toml"
    path.write_text(example[1], encoding="utf-8")
    machine = platform(str(path))
    assert machine.name == "acme-a55-r82"
    # The posting bridge lets a doorbell pass dma_mb (dmb osh), not the patched dma_wmb.
    assert machine.orders(Side.HOST, Primitive.DMA_MB) & (Orders.WW | Orders.WD) == Orders.WW
    assert machine.orders(Side.HOST, Primitive.DMA_WMB) == Orders.WW | Orders.WD | Orders.WR
    assert machine.orders(Side.HOST, Primitive.SMP_WMB) == NO_ORDERS
    assert machine.remote == PLATFORMS["arm64-domains"].remote


def test_a_file_with_a_base_and_nothing_else_is_that_platform_by_another_name(tmp_path: Path) -> None:
    machine = load(write(tmp_path / "p.toml", MINIMAL))
    base = PLATFORMS["arm64-domains"]
    assert (machine.host, machine.remote, machine.region_memory) == (base.host, base.remote, base.region_memory)
    assert machine.name == "mine"


def as_toml(machine: Platform, name: str) -> dict[str, Any]:
    """`machine` written out whole, no base and no architecture."""

    def side(which: Side) -> dict[str, Any]:
        data = as_dict(machine)[which.value]
        row_fields = ("primitive", "instruction", "orders", "reach", "source", "fence")
        kept = ("implicit", "implicit_source", "multi_copy_atomic", "multi_copy_source", "load_reach", "stages")
        return {
            **{field: data[field] for field in kept},
            "rows": [{field: row[field] for field in row_fields} for row in data["rows"]],
        }

    return {
        "name": name,
        "summary": machine.summary,
        "source": machine.source,
        "region_memory": machine.region_memory,
        **{which.value: side(which) for which in Side},
    }


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_platform_written_out_whole_reads_back_as_the_same_machine(tmp_path: Path, name: str) -> None:
    machine = PLATFORMS[name]
    back = load(write(tmp_path / "whole.toml", as_toml(machine, "copy")))
    for side in Side:
        assert back.table(side) == machine.table(side)
        assert back.processor(side).stages == machine.processor(side).stages
        architecture, as_it_was = back.processor(side).architecture, machine.processor(side).architecture
        assert dict(architecture.rows) == dict(as_it_was.rows)
        assert architecture.multi_copy_atomic is as_it_was.multi_copy_atomic


def test_an_architecture_may_be_named_and_rows_and_reach_changed(tmp_path: Path) -> None:
    machine = load(
        write(
            tmp_path / "p.toml",
            MINIMAL
            | {
                "host": {
                    "architecture": "riscv",
                    "load_reach": "inner",
                    "stages": [],
                    "implicit": ["RR"],
                    "implicit_source": "in-order core",
                },
            },
        )
    )
    assert machine.host.load_reach is Reach.INNER
    assert machine.host.stages == ()
    assert machine.implicit(Side.HOST) == Orders.RR
    assert machine.orders(Side.HOST, Primitive.SMP_WMB) == Orders.RR | Orders.WW


@pytest.mark.parametrize("promised", [True, False])
@pytest.mark.parametrize("base", ["arm64", "armv7-smp"])
def test_whether_stores_reach_all_at_once_may_be_said(tmp_path: Path, base: str, promised: bool) -> None:
    said = {"multi_copy_atomic": promised, "multi_copy_source": "manual, 3.1"}
    machine = load(write(tmp_path / "p.toml", MINIMAL | {"base": base, "host": said}))
    assert machine.host.architecture.multi_copy_atomic is promised
    assert machine.host.architecture.multi_copy_source == "manual, 3.1"
    assert machine.remote == PLATFORMS[base].remote
    assert machine.table(Side.HOST) == PLATFORMS[base].table(Side.HOST)


STAGE = {"name": "bridge", "memory": "outer", "doorbell": "system", "source": "manual"}
ROW = {"primitive": "mb", "instruction": "sync", "orders": ["WW"], "reach": "system", "source": "manual"}
BAD: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"base": "arm65"}, ("base", "'arm65'", "arm64-domains")),
    ({"name": "arm64"}, ("name", "'arm64'", "amp's own")),
    ({"name": "Two Words"}, ("name", "'Two Words'")),
    ({"summary": ""}, ("summary", "''")),
    ({"source": 7}, ("source", "7", "a text")),
    ({"colour": "red"}, ("colour",)),
    ({"host": 3}, ("host", "3", "object")),
    ({"host": {"load_reach": "far"}}, ("host.load_reach", "'far'", "none, inner, outer, system")),
    ({"host": {"load_reach": "systen"}}, ("did you mean system",)),
    ({"host": {"stages": [STAGE | {"doorbell": "SYSTEM"}]}}, ("host.stages[0].doorbell", "'SYSTEM'", "system")),
    ({"host": {"stages": [STAGE, STAGE | {"memory": 2}]}}, ("host.stages[1].memory", "2", "a text")),
    ({"remote": {"stages": [{"name": "x"}]}}, ("remote.stages[0]", "memory")),
    ({"host": {"rows": [ROW | {"primitive": "wmbb"}]}}, ("host.rows[0].primitive", "'wmbb'", "did you mean wmb")),
    ({"host": {"rows": [ROW | {"orders": ["WW", "XX"]}]}}, ("host.rows[0].orders[1]", "'XX'", "RR, RW, WR, WW, WD")),
    ({"host": {"rows": [ROW, ROW]}}, ("host.rows[1].primitive", "'mb'", "already")),
    ({"host": {"implicit": ["RR"]}}, ("host.implicit_source", "missing")),
    ({"host": {"implicit": []}}, ("host.implicit_source", "missing")),
    ({"host": {"implicit_source": "manual"}}, ("host.implicit", "missing", "say what is from there")),
    (
        {"host": {"rows": [ROW | {"orders": ["NO_STATUS_BEFORE"]}]}},
        ("host.rows[0].orders[0]", "RR, RW, WR, WW, WD, RCSC"),
    ),
    ({"host": {"multi_copy_atomic": True}}, ("host.multi_copy_source", "missing")),
    ({"host": {"multi_copy_source": "manual"}}, ("host.multi_copy_atomic", "missing", "true or false")),
    ({"remote": {"architecture": "riscv", "multi_copy_source": "manual"}}, ("remote.multi_copy_atomic", "missing")),
    ({"host": {"multi_copy_atomic": "no"}}, ("host.multi_copy_atomic", "'no'")),
    ({"host": {"architecture": "z80"}}, ("host.architecture", "'z80'", "riscv")),
]


@pytest.mark.parametrize(("change", "says"), BAD, ids=lambda value: str(value)[:50])
def test_a_wrong_value_is_refused_with_file_field_value_and_what_is_allowed(
    tmp_path: Path, change: dict[str, Any], says: tuple[str, ...]
) -> None:
    text = refusal(write(tmp_path / "bad.toml", MINIMAL | change))
    assert all(part in text for part in says), text


@pytest.mark.parametrize("field", ["region_memory", "host", "remote"])
def test_without_a_base_what_is_not_said_is_missing(tmp_path: Path, field: str) -> None:
    whole = as_toml(PLATFORMS["riscv"], "mine")
    load(write(tmp_path / "whole.toml", whole))
    del whole[field]
    assert field in refusal(write(tmp_path / "part.toml", whole))


def test_without_an_architecture_a_missing_row_is_named(tmp_path: Path) -> None:
    whole = as_toml(PLATFORMS["riscv"], "mine")
    whole["remote"]["rows"] = [row for row in whole["remote"]["rows"] if row["primitive"] != "dma_mb"]
    text = refusal(write(tmp_path / "short.toml", whole))
    assert "remote.rows: no row for dma_mb" in text


@pytest.mark.parametrize(
    "content", [b"name = ", b"\xff\xfe", b"a = 1\na = 2", b"x = " + b"[" * 5000, b"\x00", b"#" * (MAX_BYTES + 1)]
)
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    refusal(path)


def test_a_file_that_is_not_there_or_is_a_directory_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "absent.toml")
    (tmp_path / "folder.toml").mkdir()
    assert "directory" in refusal(tmp_path / "folder.toml")
    with pytest.raises(UsageError):
        platform("nul\0.toml")


SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.text(max_size=20) | st.sampled_from(["outer", "none", "system", "mb", "WW", "riscv", "arm64", "mine"])
VALUES = st.recursive(
    SCALARS.filter(lambda value: value is not None) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PLACES = [
    ("name",),
    ("summary",),
    ("source",),
    ("base",),
    ("region_memory",),
    ("host",),
    ("remote",),
    ("extra",),
    ("host", "architecture"),
    ("host", "implicit"),
    ("host", "load_reach"),
    ("host", "stages"),
    ("remote", "rows"),
    ("host", "stages", 0, "memory"),
    ("host", "stages", 0, "name"),
    ("remote", "rows", 0, "orders"),
    ("remote", "rows", 0, "primitive"),
    ("remote", "rows", 0, "reach"),
    ("remote", "rows", 0, "extra"),
]


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(PLACES), value=VALUES)
def test_any_value_anywhere_gives_a_platform_or_one_line_of_refusal(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[str | int, ...], value: Any
) -> None:
    table: Any = json.loads(json.dumps(MINIMAL | {"host": {"stages": [STAGE]}, "remote": {"rows": [ROW]}}))
    inner = table
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path = write(tmp_path_factory.getbasetemp() / "fuzz.toml", table)
    said = ""
    try:
        machine = load(path)
    except UsageError as error:
        said = str(error)
    if said:
        assert len(said.splitlines()) == 1
        assert "fuzz.toml" in said
        assert len(said) < 1000
    else:
        assert len(machine.table(Side.HOST)) == len(Primitive)


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_give_one_line_of_refusal(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.toml"
    path.write_bytes(content)
    refusal(path)


def row(primitive: str, instruction: str, orders: list[str], reach: str = "system") -> dict[str, Any]:
    return {"primitive": primitive, "instruction": instruction, "orders": orders, "reach": reach, "source": "a manual"}


def test_fences_follow_the_full_barriers_that_a_file_changes_and_stay_the_bases_otherwise(tmp_path: Path) -> None:
    fences = (Primitive.FENCE_RELEASE_SMP, Primitive.FENCE_ACQUIRE_SMP, Primitive.FENCE_RELEASE_MANDATORY)
    base = PLATFORMS["arm64-domains"].host.architecture.rows

    def instructions(*rows: dict[str, Any]) -> list[str]:
        machine = load(write(tmp_path / "p.toml", MINIMAL | {"host": {"rows": list(rows)}}))
        return [machine.host.architecture.rows[fence].instruction for fence in fences]

    kept = [base[fence].instruction for fence in fences]
    assert instructions(row("smp_wmb", "dmb ish", ["WW"])) == kept == ["dmb ish", "dmb ishld", "dsb sy"]
    every = ["RR", "RW", "WR", "WW", "WD"]
    assert instructions(row("smp_mb", "dmb sy", every)) == ["dmb sy", "dmb sy", "dsb sy"]
    own = row("fence_acquire_smp", "dmb ld", ["RR", "RW"])
    assert instructions(row("smp_mb", "dmb sy", every), own) == ["dmb sy", "dmb ld", "dsb sy"]


def test_a_file_without_a_base_need_not_speak_of_fences(tmp_path: Path) -> None:
    machine = PLATFORMS["omap4-2011"]
    whole = as_toml(machine, "copy")
    for side in Side:
        whole[side.value]["rows"] = [each for each in whole[side.value]["rows"] if "fence" not in each["primitive"]]
    assert load(write(tmp_path / "whole.toml", whole)).table(Side.HOST) == machine.table(Side.HOST)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("base = 1979-05-27", "base: 1979-05-27: Expected a text"),
        ("x = " + "[" * 5000, "file: has lists or tables too deep in one another"),
        ("x = " + "1" * 5000, "file: has a number of too many digits"),
    ],
    ids=["a date", "too deep", "too many digits"],
)
def test_what_python_alone_would_understand_is_said_plainly(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(f'name = "own"\nsummary = "s"\nsource = "s"\n{text}')
    with pytest.raises(UsageError) as refused:
        load(path)
    assert str(refused.value).startswith(f"{path}: {said}")
