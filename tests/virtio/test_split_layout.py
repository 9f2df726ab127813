"""The split ring's layout and index arithmetic, beside the kernel's own header and a definition by counting."""

import ctypes
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.errors import UsageError
from amp.virtio.split import RING_SIZE_LIMIT, SplitLayout, align_up, need_event

NUMS = [1 << n for n in range(16)]
ALIGNS = [1 << n for n in range(2, 13)]
BASE = 0x10000
KERNEL_HEADER = Path("/usr/include/linux/virtio_ring.h")
# include/uapi/linux/virtio_ring.h itself, asked for what it computes.
ASK_THE_KERNEL = """
#include <stdint.h>
#include <stdio.h>
#include <linux/virtio_ring.h>
int main(void)
{
    for (unsigned num = 1; num <= 32768; num *= 2)
        for (unsigned long align = 4; align <= 4096; align *= 2) {
            struct vring vr;
            char *base = (char *)0x10000;
            vring_init(&vr, num, base, align);
#define AT(x) (unsigned long)((char *)(x) - (char *)0)
            printf("%u %lu %lu %lu %lu %lu %lu %lu %lu %lu %u\\n", num, align, AT(vr.avail), AT(&vr.avail->idx),
                   AT(vr.avail->ring), AT(&vring_used_event(&vr)), AT(vr.used), AT(vr.used->ring),
                   AT(&vring_avail_event(&vr)), AT(base) + vring_size(num, align), RESULT);
        }
    return 0;
}
"""


class Desc(ctypes.LittleEndianStructure):
    """struct vring_desc"""

    _fields_ = (
        ("addr", ctypes.c_uint64),
        ("len", ctypes.c_uint32),
        ("flags", ctypes.c_uint16),
        ("next", ctypes.c_uint16),
    )


class UsedElem(ctypes.LittleEndianStructure):
    """struct vring_used_elem"""

    _fields_ = (("id", ctypes.c_uint32), ("len", ctypes.c_uint32))


def avail_struct(num: int) -> type[ctypes.LittleEndianStructure]:
    """struct vring_avail, with used_event behind it"""
    fields = (
        ("flags", ctypes.c_uint16),
        ("idx", ctypes.c_uint16),
        ("ring", ctypes.c_uint16 * num),
        ("used_event", ctypes.c_uint16),
    )
    return type("Avail", (ctypes.LittleEndianStructure,), {"_fields_": fields})


def used_struct(num: int) -> type[ctypes.LittleEndianStructure]:
    """struct vring_used, with avail_event behind it"""
    fields = (
        ("flags", ctypes.c_uint16),
        ("idx", ctypes.c_uint16),
        ("ring", UsedElem * num),
        ("avail_event", ctypes.c_uint16),
    )
    return type("Used", (ctypes.LittleEndianStructure,), {"_fields_": fields})


def addresses(layout: SplitLayout) -> tuple[int, ...]:
    return (
        layout.avail,
        layout.avail_idx,
        layout.avail_ring,
        layout.used_event,
        layout.used,
        layout.used_ring,
        layout.avail_event,
        layout.end,
    )


@pytest.mark.parametrize("align", ALIGNS)
@pytest.mark.parametrize("num", NUMS)
def test_every_field_lies_where_vring_init_and_vring_size_put_it(num: int, align: int) -> None:
    layout, avail, used = SplitLayout(num, BASE, align), avail_struct(num), used_struct(num)
    at_avail = BASE + ctypes.sizeof(Desc) * num
    # vring_init: (&avail->ring[num] + sizeof(u16) + align - 1) & ~(align - 1)
    at_used = (at_avail + avail.used_event.offset + 2 + align - 1) & ~(align - 1)
    # vring_size: the same up to the used ring, then 3 * u16 and num elements
    size = ((16 * num + 2 * (3 + num) + align - 1) & ~(align - 1)) + 2 * 3 + 8 * num
    assert addresses(layout) == (
        at_avail,
        at_avail + avail.idx.offset,
        at_avail + avail.ring.offset,
        at_avail + avail.used_event.offset,
        at_used,
        at_used + used.ring.offset,
        at_used + used.avail_event.offset,
        BASE + size,
    )
    assert (layout.desc, layout.avail_flags, layout.used_flags) == (BASE, at_avail, at_used)
    assert layout.used_idx == at_used + used.idx.offset


@pytest.mark.skipif(not KERNEL_HEADER.exists(), reason="needs the kernel's user headers (linux-libc-dev)")
def test_the_kernels_own_header_computes_the_same(tmp_path: Path) -> None:
    asked = ask_the_kernel(tmp_path, "0")
    assert len(asked) == len(NUMS) * len(ALIGNS)
    for num, align, *there, _ in asked:
        assert addresses(SplitLayout(num, BASE, align)) == tuple(there), (num, align)


@pytest.mark.skipif(not KERNEL_HEADER.exists(), reason="needs the kernel's user headers (linux-libc-dev)")
def test_vring_need_event_of_the_kernels_own_header_agrees_all_round_the_index(tmp_path: Path) -> None:
    cases = [
        (event, new, old)
        for old in (0, 1, 0x7FFF, 0xFFFE, 0xFFFF)
        for steps in (0, 1, 2, 0x8000, 0xFFFF)
        for new in [(old + steps) & 0xFFFF]
        for near in (old, new)
        for event in range(near - 2, near + 3)
    ]
    calls = "+".join(
        f"(vring_need_event({e & 0xFFFF},{n},{o}) != {int(need_event(e & 0xFFFF, n, o))})" for e, n, o in cases
    )
    wrong = {row[-1] for row in ask_the_kernel(tmp_path, calls)}
    assert wrong == {0}, f"of {len(cases)} cases"
    turned = calls.replace("!=", "==")  # and the comparison itself can fail
    assert {row[-1] for row in ask_the_kernel(tmp_path, turned)} == {len(cases)}


def ask_the_kernel(tmp_path: Path, result: str) -> list[list[int]]:
    source, program = tmp_path / "ask.c", tmp_path / "ask"
    source.write_text(ASK_THE_KERNEL.replace("RESULT", f"(unsigned)({result})"))
    subprocess.run(["cc", "-o", program, source], check=True)
    printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return [[int(word) for word in line.split()] for line in printed.splitlines()]


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF) | st.integers(0, 8), st.integers(-3, 3), st.booleans())
def test_need_event_is_whether_the_event_was_among_the_entries_just_published(
    old: int, count: int, offset: int, near_new: bool
) -> None:
    new = (old + count) & 0xFFFF
    event = ((new if near_new else old) + offset) & 0xFFFF
    published = {(old + step) & 0xFFFF for step in range(count)}
    assert need_event(event, new, old) is (event in published)


@pytest.mark.parametrize(
    ("num", "base", "align", "message"),
    [
        (0, BASE, 4096, "ring size is 0, expected a power of two from 1 to 32768"),
        (-8, BASE, 4096, "ring size is -8, expected a power of two"),
        (3, BASE, 4096, "ring size is 3, expected a power of two"),
        (2 * RING_SIZE_LIMIT, BASE, 4096, "ring size is 65536, expected a power of two from 1 to 32768"),
        (8, BASE, 2, "ring alignment is 2, expected a power of two from 4 up"),
        (8, BASE, 0, "ring alignment is 0, expected a power of two"),
        (8, BASE, 48, "ring alignment is 48, expected a power of two"),
        (8, BASE + 8, 4096, "ring address is 0x10008, expected a multiple of 16"),
    ],
)
def test_a_ring_that_cannot_be_is_a_usage_error_that_names_field_and_limit(
    num: int, base: int, align: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        SplitLayout(num, base, align)


@pytest.mark.parametrize("align", [4, 64, 4096])
@pytest.mark.parametrize("num", [1, 2, 8, 256])
def test_field_at_names_every_byte_of_the_ring_and_nothing_else(num: int, align: int) -> None:
    layout = SplitLayout(num, BASE, align)
    expected: dict[int, str] = {}

    def claim(address: int, size: int, name: str) -> None:
        for byte in range(address, address + size):
            assert expected.setdefault(byte, name) == name, "two fields on one byte"

    for n in range(num):
        for member, kind in Desc._fields_:
            claim(layout.desc + 16 * n + getattr(Desc, member).offset, ctypes.sizeof(kind), f"desc[{n}].{member}")
        claim(layout.avail_ring + 2 * n, 2, f"avail.ring[{n}]")
        claim(layout.used_ring + 8 * n, 4, f"used.ring[{n}].id")
        claim(layout.used_ring + 8 * n + 4, 4, f"used.ring[{n}].len")
    for address, name in (
        (layout.avail_flags, "avail.flags"),
        (layout.avail_idx, "avail.idx"),
        (layout.used_event, "avail.used_event"),
        (layout.used_flags, "used.flags"),
        (layout.used_idx, "used.idx"),
        (layout.avail_event, "used.avail_event"),
    ):
        claim(address, 2, name)
    for address in range(BASE - 8, layout.end + 8):
        assert layout.field_at(address) == expected.get(address), hex(address)


@given(st.integers(0, 1 << 32), st.integers(1, 1 << 16))
def test_align_up_is_the_smallest_multiple_that_is_not_below(value: int, to: int) -> None:
    up = align_up(value, to)
    assert up % to == 0
    assert value <= up < value + to
