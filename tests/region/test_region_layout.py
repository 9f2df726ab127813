"""Layout: what plan computes, and what no Layout may look like."""

import dataclasses
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.errors import RegionError, UsageError
from amp.region import PAGE_SIZE, Carveout, Layout
from amp.region.carveouts import CARVEOUTS, REGION_SIZE_LIMIT, SHARED

ROOM = st.integers(1, 1 << 26)


@given(vrings=ROOM, buffers=ROOM, resources=ROOM, model=ROOM)
def test_carveouts_are_page_aligned_touch_and_have_the_room_asked_for(
    vrings: int, buffers: int, resources: int, model: int
) -> None:
    layout = Layout.plan(vrings=vrings, buffers=buffers, resources=resources, model=model)
    asked = {"vrings": vrings, "buffers": buffers, "resources": resources, "mailbox": PAGE_SIZE, "model": model}
    assert [carveout.name for carveout in layout] == list(asked)
    for carveout in layout:
        assert carveout.offset % PAGE_SIZE == carveout.size % PAGE_SIZE == 0
        assert 0 <= carveout.size - asked[carveout.name] < PAGE_SIZE
        assert layout[carveout.name] is carveout
    assert all(one.end == following.offset for one, following in pairwise(layout))
    assert layout["vrings"].offset == PAGE_SIZE
    assert layout["model"].end == layout.size


def test_the_shared_range_is_vrings_buffers_and_resources_and_nothing_else() -> None:
    layout = Layout.plan(vrings=3 * PAGE_SIZE, buffers=2 * PAGE_SIZE, resources=1, model=1)
    assert layout.shared == (PAGE_SIZE, 7 * PAGE_SIZE)
    inside = [c.name for c in layout if layout.shared[0] <= c.offset and c.end <= layout.shared[1]]
    assert inside == list(SHARED)


@pytest.mark.parametrize("room", ["vrings", "buffers", "resources", "model"])
@pytest.mark.parametrize("size", [0, -1])
def test_a_room_of_no_bytes_is_a_usage_error_that_names_it(room: str, size: int) -> None:
    rooms = {"vrings": 1, "buffers": 1, "resources": 1, "model": 1} | {room: size}
    with pytest.raises(UsageError, match=f"carveout {room}: size is {size} bytes, expected at least 1"):
        Layout.plan(**rooms)


def test_a_region_beyond_32_bit_addresses_is_a_usage_error() -> None:
    others = 4 * PAGE_SIZE  # header, two rooms of one page, mailbox
    fits = REGION_SIZE_LIMIT - others - PAGE_SIZE
    assert Layout.plan(vrings=1, buffers=fits, resources=1, model=1).size == REGION_SIZE_LIMIT
    with pytest.raises(UsageError, match=f"region: size is {REGION_SIZE_LIMIT + PAGE_SIZE} bytes"):
        Layout.plan(vrings=1, buffers=fits + 1, resources=1, model=1)


BAD_CARVEOUTS = [
    ("buffers", {"offset": 0x2001}, "carveout buffers: offset is 0x2001, expected a multiple of 0x1000"),
    ("buffers", {"size": 0}, "carveout buffers: size is 0x0, expected a positive multiple of 0x1000"),
    ("buffers", {"size": 0x1234}, "carveout buffers: size is 0x1234, expected a positive multiple of 0x1000"),
    ("vrings", {"offset": 0}, "carveout vrings: offset is 0x0, expected at least 0x1000 (end of header)"),
    ("buffers", {"offset": 0x1000}, "carveout buffers: offset is 0x1000, expected at least 0x2000 (end of vrings)"),
    ("buffers", {"size": 0x2000}, "carveout resources: offset is 0x3000, expected at least 0x4000 (end of buffers)"),
    ("resources", {"offset": 0x5000}, "carveout resources: offset is 0x5000, expected 0x3000 (end of buffers)"),
    ("model", {"offset": 0x6000}, "carveout model: end is 0x7000, expected at most 0x6000 (region size)"),
    ("vrings", {"size": 1 << 62}, "expected at most 0x6000 (region size)"),
    ("mailbox", {"name": "fifo"}, "carveouts are 'vrings', 'buffers', 'resources', 'fifo', 'model', expected vrings"),
]


@pytest.mark.parametrize(("name", "change", "message"), BAD_CARVEOUTS)
def test_a_layout_that_is_not_sound_cannot_be_made(name: str, change: dict[str, int], message: str) -> None:
    sound = Layout.plan(vrings=1, buffers=1, resources=1, model=1)
    carveouts = tuple(dataclasses.replace(c, **change) if c.name == name else c for c in sound)
    with pytest.raises(RegionError) as refusal:
        Layout(carveouts, sound.size)
    assert message in str(refusal.value)


def test_a_layout_with_a_carveout_missing_cannot_be_made() -> None:
    with pytest.raises(RegionError, match="carveouts are 'vrings', expected " + ", ".join(CARVEOUTS)):
        Layout((Carveout("vrings", PAGE_SIZE, PAGE_SIZE),), 2 * PAGE_SIZE)
