"""Memory for a core: first fit over pools, two address spaces, nothing given out twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.errors import FirmwareError, RprocError
from amp.machine.core import Window
from amp.remoteproc.table import FW_RSC_ADDR_ANY
from hostside.remoteproc.memory import DeviceMemory

POOLS = {"vrings": (0x1000, 0x5000), "buffers": (0x5000, 0x20000)}


def test_memory_is_given_out_from_the_start_of_its_pool_and_da_is_pa_where_it_is_open() -> None:
    memory = DeviceMemory(POOLS)
    first = memory.allocate("vdev0vring0", 0x1000, pool="vrings")
    second = memory.allocate("text", 0x1234, pool="buffers", da=0x1000_0000)
    assert (first.da, first.pa) == (0x1000, 0x1000)
    assert (second.da, second.pa) == (0x1000_0000, 0x5000)
    assert memory.allocate("more", 16, pool="buffers").pa == 0x7000, "behind it, page aligned"
    assert memory.windows() == (
        Window(da=0x1000, pa=0x1000, length=0x1000, name="vdev0vring0"),
        Window(da=0x7000, pa=0x7000, length=16, name="more"),
        Window(da=0x1000_0000, pa=0x5000, length=0x1234, name="text"),
    )


def test_an_open_address_keeps_out_of_the_way_of_other_device_addresses() -> None:
    memory = DeviceMemory(POOLS)
    memory.allocate("fixed", 0x1000, pool="vrings", da=0x5000)  # the first pa of the other pool
    assert memory.allocate("open", 0x1000, pool="buffers").da == 0x6000
    assert memory.allocate("also fixed", 0x1000, pool="buffers", da=0x9000_0000).pa == 0x5000


def test_larger_alignments_are_kept() -> None:
    assert DeviceMemory(POOLS).allocate("ring", 8, pool="buffers", align=0x10000).pa == 0x10000


REFUSED = [
    (
        {"name": "big", "length": 0x1B001, "pool": "buffers"},
        "carveout 'big': length is 110593, and no free piece of the 110",
    ),
    ({"name": "text", "length": 1, "pool": "buffers"}, "carveout 'text': the name is taken"),
    (
        {"name": "x", "length": 0x20, "pool": "buffers", "da": 0x10000FF0},
        "da is 0x10000ff0 to 0x10001010, which overlaps 'text'",
    ),
    ({"name": "x", "length": 0x20, "pool": "buffers", "da": 0xFFFFFFF0}, "da ends at 0x100000010, beyond 32 bits"),
]


@pytest.mark.parametrize(("arguments", "why"), REFUSED)
def test_what_cannot_be_given_is_refused_and_nothing_is_taken(arguments: dict[str, object], why: str) -> None:
    memory = DeviceMemory(POOLS)
    memory.allocate("text", 0x1000, pool="vrings", da=0x10001000)
    with pytest.raises(FirmwareError) as error:
        memory.allocate(**arguments)  # type: ignore[arg-type]
    assert why in str(error.value)
    assert [entry.name for entry in memory] == ["text"]


def test_device_memory_is_where_it_is_or_is_refused() -> None:
    memory = DeviceMemory(POOLS)
    assert memory.place("registers", da=0x4000_0000, pa=0x6000, length=0x100).pa == 0x6000
    assert memory.allocate("text", 0x2000, pool="buffers", da=0x100_0000).pa == 0x7000, "around it"
    with pytest.raises(FirmwareError, match="pa is 0x1fff0 to 0x20010, allowed is 0x1000 to 0x20000"):
        memory.place("outside", da=0, pa=0x1FFF0, length=0x20)
    with pytest.raises(FirmwareError, match=r"pa is 0x7010 to 0x7020, which overlaps 'text' at 0x7000 to 0x9000"):
        memory.place("twice", da=0, pa=0x7010, length=0x10)


def test_device_addresses_translate_inside_one_entry_only() -> None:
    memory = DeviceMemory(POOLS)
    memory.allocate("a", 0x1000, pool="buffers", da=0x1000_0000)
    memory.allocate("b", 0x1000, pool="buffers", da=0x1000_1000)
    assert memory.to_pa(0x1000_0010, 0xFF0) == 0x5010
    assert memory.holds(0x1000_0000, 0x1000)
    for da, length in ((0x1000_0FFF, 2), (0x0FFF_FFFF, 1), (0x1000_2000, 1), (0x1000_1FFF, 2)):
        assert not memory.holds(da, length)
        with pytest.raises(RprocError, match=f"device address {da:#x}, {length} bytes: in no carveout"):
            memory.to_pa(da, length)


REQUEST = st.tuples(
    st.integers(1, 0x6000),
    st.sampled_from([0x10, 0x1000, 0x4000]),
    st.one_of(st.just(FW_RSC_ADDR_ANY), st.integers(0, 0x30).map(lambda page: page << 12)),
)


@given(st.lists(REQUEST, max_size=12))
def test_no_two_entries_ever_share_a_byte_in_either_address_space(requests: list[tuple[int, int, int]]) -> None:
    memory = DeviceMemory(POOLS)
    for number, (length, align, da) in enumerate(requests):
        before = list(memory)
        try:
            entry = memory.allocate(str(number), length, pool="buffers", da=da, align=align)
        except FirmwareError:
            assert list(memory) == before
            continue
        assert entry.pa % align == 0
        assert POOLS["buffers"][0] <= entry.pa <= entry.pa + length <= POOLS["buffers"][1]
        assert entry.da == (entry.pa if da == FW_RSC_ADDR_ANY else da)
        for other in before:
            assert other.pa + other.length <= entry.pa or entry.pa + length <= other.pa
            assert other.da + other.length <= entry.da or entry.da + length <= other.da
    memory.clear()
    assert not len(memory)
    assert memory.allocate("all", 0x1B000, pool="buffers").pa == 0x5000, "everything was given back"
