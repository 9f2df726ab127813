"""`dsb; outer_sync` in compiled code: a DSB, and a store that drains the outer cache of what has got there. drain.c."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine_code import SHARED, built, finding

import amp
from amp.code.program import load
from amp.errors import UsageError
from amp.ordering.barriers import ALL_ORDERS, Primitive
from amp.ordering.instructions import ARMV7_A, BY_NAME
from amp.ordering.platforms import PLATFORMS, Side

DRAIN = "drain=0x48242730"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    directory = tmp_path_factory.mktemp("drain")
    return built(directory, "drain", "-O2", target="armv7-a"), built(directory, "drain", "-O2", target="cortex-m4")


def program(files: tuple[Path, Path], host: str) -> str:
    return f"{files[0]}?host={host}&remote={files[1]}:receives&{SHARED}&{DRAIN}"


@pytest.mark.parametrize(
    ("host", "holds"),
    [
        ("waits_and_drains", True),
        ("waits_for_stores_and_drains", True),
        ("only_waits", False),
        ("only_drains", False),
        ("orders_and_drains", False),
        ("waits_for_siblings_and_drains", False),
        ("stores_behind_the_wait", False),
    ],
)
def test_only_a_dsb_with_the_drain_behind_it_is_worth_what_the_platform_says(
    files: tuple[Path, Path], host: str, holds: bool
) -> None:
    assert (finding(program(files, host), "omap4-2011") is None) is holds


def test_the_drain_goes_with_its_dsb(files: tuple[Path, Path]) -> None:
    reference = program(files, "waits_and_drains")
    site = next(each.name for each in load(reference).sites if each.side is Side.HOST)
    found = amp.verify(reference, platform="omap4-2011", weaken=(f"{site}=none",)).finding
    assert found is not None
    assert found.site == site
    assert amp.verify(reference, platform="omap4-2011", weaken=(f"{site}=mandatory",)).verified


def test_the_row_is_that_of_the_mandatory_barrier() -> None:
    for name, primitive in (("dsb sy; outer_sync", Primitive.MB), ("dsb st; outer_sync", Primitive.WMB)):
        row = BY_NAME[ARMV7_A, name]
        kernel = PLATFORMS["armv7-smp"].host.architecture.rows[primitive]
        assert (row.orders, row.reach) == (kernel.orders, kernel.reach)
    host = Side.HOST
    assert PLATFORMS["omap4-2011"].orders_of(host, BY_NAME[ARMV7_A, "dsb sy; outer_sync"]) == ALL_ORDERS
    assert PLATFORMS["omap4-2011"].orders_of(host, BY_NAME[ARMV7_A, "dsb sy"]) < ALL_ORDERS


def test_a_drain_is_refused_where_no_code_has_one(tmp_path: Path) -> None:
    path = built(tmp_path, "drain", "-O2")
    with pytest.raises(UsageError, match="--drain is for code of Armv7-A"):
        load(f"{path}?host=receives&remote=receives&{SHARED}&{DRAIN}")


def test_more_drains_than_there_is_room_for_are_refused(files: tuple[Path, Path]) -> None:
    more = "".join(f"&drain={0x50000000 + 4 * n:#x}" for n in range(4))
    with pytest.raises(UsageError, match="5 addresses of a drain, expected at most 4"):
        load(program(files, "waits_and_drains") + more)


def test_without_the_option_the_register_is_a_wild_access(files: tuple[Path, Path]) -> None:
    reference = program(files, "waits_and_drains").replace(f"&{DRAIN}", "")
    assert "wild access: store of 4 bytes at 0x48242730" in str(finding(reference, "omap4-2011"))
