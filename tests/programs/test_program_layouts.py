"""Shared memory by name: where variables lie, what they are called, and what is refused."""

from __future__ import annotations

import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

import amp
from amp.errors import UsageError
from amp.layout import Area, Cell, Placed, Scalar
from amp.machine.config import Mode
from amp.machine.wiring import VRINGS_AT

SCALARS = {1: ctypes.c_uint8, 2: ctypes.c_uint16, 4: ctypes.c_uint32, 8: ctypes.c_uint64}


def test_every_variable_starts_a_granule_of_its_own_in_the_order_they_are_given() -> None:
    placed = amp.Layout(flag=amp.u8, word=amp.u64, data=amp.u16[5], tail=amp.u32).place()
    at = placed.at
    assert [int(at.flag), int(at.word), int(at.data[0]), int(at.tail)] == [
        VRINGS_AT,
        VRINGS_AT + 8,
        VRINGS_AT + 16,
        VRINGS_AT + 32,
    ]
    assert placed.end == VRINGS_AT + 40
    assert [int(each) - int(at.data[0]) for each in at.data] == [0, 2, 4, 6, 8]


@given(st.lists(st.sampled_from(sorted(SCALARS)), min_size=1, max_size=8))
def test_a_struct_lies_as_c_lays_it_out(widths: list[int]) -> None:
    names = [f"f{number}" for number in range(len(widths))]
    fields = {name: Scalar(width) for name, width in zip(names, widths, strict=True)}

    class Same(ctypes.Structure):
        _fields_ = [(name, SCALARS[width]) for name, width in zip(names, widths, strict=True)]

    struct = amp.Struct(**fields)
    placed = amp.Layout(it=struct[3]).place()
    assert (struct.size, struct.align) == (ctypes.sizeof(Same), ctypes.alignment(Same))
    for number in range(3):
        for name in names:
            expected = VRINGS_AT + number * ctypes.sizeof(Same) + getattr(Same, name).offset
            assert int(getattr(placed.at.it[number], name)) == expected


@given(st.integers(0, 120))
def test_every_address_has_the_name_of_what_lies_there_and_no_other(offset: int) -> None:
    layout = amp.Layout(flag=amp.u32, ring=amp.Struct(addr=amp.u64, len=amp.u16)[3], text=amp.Bytes(5))
    placed = layout.place()
    ranges = {
        "flag": (0, 4),
        **{f"ring[{n}].addr": (8 + 16 * n, 16 + 16 * n) for n in range(3)},
        **{f"ring[{n}].len": (16 + 16 * n, 18 + 16 * n) for n in range(3)},
        "text": (56, 61),
    }
    name = placed.name_of(VRINGS_AT + offset)
    inside = [(key, offset - start) for key, (start, end) in ranges.items() if start <= offset < end]
    if inside:
        ((key, rest),) = inside
        assert name == (key if rest == 0 else f"{key} +{rest:#x}")
    else:
        inside_an_element = 8 <= offset < 56 and (offset - 8) % 16 >= 10
        assert name.startswith("ring[") if inside_an_element else name == f"{VRINGS_AT + offset:#x}"
    assert placed.name_of(VRINGS_AT - 1) == f"{VRINGS_AT - 1:#x}"


def test_a_cell_is_its_address_and_knows_its_width_and_an_area_its_length() -> None:
    at = amp.Layout(flag=amp.u16, text=amp.Bytes(12)).place().at
    assert isinstance(at.flag, Cell)
    assert (at.flag + 2, at.flag.width, at.flag.name) == (VRINGS_AT + 2, 2, "flag")
    assert isinstance(at.text, Area)
    assert (at.text.length, at.text.name) == (12, "text")
    assert "flag" in repr(at.flag)


def test_a_name_that_is_not_there_is_told_with_those_that_are_and_nothing_is_assigned() -> None:
    at = amp.Layout(flag=amp.u16, data=amp.u32).place().at
    with pytest.raises(AttributeError, match=r"the layout has no flg \(it has flag, data\)"):
        _ = at.flg
    with pytest.raises(AttributeError, match=r"written by port\.store"):
        at.flag = 3


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (amp.Layout, "layout: names nothing"),
        (lambda: amp.Layout(flag=4), "flag is 4, expected amp.u8"),
        (lambda: amp.Layout(_x=amp.u8), "_x starts with an underscore"),
        (lambda: amp.u32[0], "an array of 0 elements"),
        (lambda: amp.u32["2"], "an array of '2' elements"),
        (lambda: amp.u32(2), "a type is not called: amp.u32 is one"),
        (lambda: amp.Bytes(0), "0 bytes, expected 1 to"),
        (amp.Struct, "struct: names nothing"),
        (lambda: amp.Layout(a=amp.Bytes(1 << 20), b=amp.u8), "expected at most"),
    ],
)
def test_what_is_no_layout_is_refused_in_one_line(make: object, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        make()  # type: ignore[operator]
    assert "\n" not in str(caught.value)


def test_a_layout_function_is_given_the_sizes_that_it_names_or_all() -> None:
    class Parts:
        def host(self, cpu: amp.Port, at: Area) -> None: ...

    def some(slots: int) -> amp.Layout:
        return amp.Layout(slot=amp.u32[slots])

    def every(**sizes: int) -> amp.Layout:
        return amp.Layout(slot=amp.u32[sizes["slots"] + sizes["spare"]])

    for layout, words in ((some, 3), (every, 5)):
        made = amp.program(layout=layout, sizes={"slots": 3, "spare": 2})(Parts)
        config = made.config(Mode.LOCKSTEP)
        memory = made.memory(config)
        assert isinstance(memory, Placed)
        assert len(list(memory.at.slot)) == words


def test_a_layout_function_that_asks_for_no_size_of_the_program_is_refused() -> None:
    class Parts:
        def host(self, cpu: amp.Port, at: Area) -> None: ...

    def layout(slot: int) -> amp.Layout:
        return amp.Layout(slot=amp.u32[slot])

    with pytest.raises(UsageError, match=r"layout takes slot, which is no size of the program \(it has slots\)"):
        amp.program(layout=layout, sizes={"slots": 3})(Parts)


def test_parts_may_be_inherited() -> None:
    class Both:
        def host(self, cpu: amp.Port, at: Area) -> None: ...

        def remote(self, cpu: amp.Port, at: Area) -> None: ...

    class Mine(Both):
        def host2(self, cpu: amp.Port, at: Area) -> None: ...

    made = amp.program(layout=amp.Layout(flag=amp.u32))(Mine)
    assert [part.name for part in made.parts] == ["host", "remote", "host2"]
