"""What firmware sees on a core: its memory, its table, its trace buffer; and what its mistakes are reported as."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from core_machine import DATA_BYTES, DATA_DA, TABLE_DA, TEXT_BYTES, TEXT_DA, CoreMachine, open_soc
from hypothesis import given
from hypothesis import strategies as st

from amp.errors import MmuFault
from amp.machine.config import Mode
from amp.machine.core import CrashKind, Window
from amp.ordering.barriers import Primitive
from amp.port.port import HOST, REMOTE
from amp.remoteproc.table import VDEV_STATUS_AT, Table, Trace, Vdev, Vring
from amp.virtio.device import Status
from remoteside.core import crash_of
from remoteside.memory import Memory
from remoteside.trace import TraceBuffer

MODES = (Mode.DIRECT, Mode.FREE)
TRACE_BYTES = 256
TRACE_DA = DATA_DA + 1024
RINGS = tuple(Vring(DATA_DA + 2048 + 512 * n, 16, 4, n, 0) for n in range(2))
TABLE = Table((Trace(TRACE_DA, TRACE_BYTES, "log"), Vdev(7, 0, 1, 0, b"", 0, RINGS)))


@pytest.fixture(params=MODES, ids=str)
def machine(request: pytest.FixtureRequest) -> Iterator[CoreMachine]:
    with CoreMachine(request.param, table=TABLE) as made:
        yield made


def traced(machine: CoreMachine) -> str:
    """As Linux shows it: up to the first NUL."""
    return machine.soc.dump(machine.data_pa + TRACE_DA - DATA_DA, TRACE_BYTES).partition(b"\0")[0].decode()


def test_the_entry_that_the_boot_names_is_called_with_the_source_as_it_was_loaded(machine: CoreMachine) -> None:
    machine.boot(
        f"""
        from dataclasses import dataclass

        from amp.ordering.barriers import Primitive

        @dataclass
        class Grüße:
            number: int

        def start(firmware):
            firmware.memory.store_u32({DATA_DA:#x}, Grüße(42).number)
            firmware.port.fence(Primitive.MB)
            firmware.print("Grüße", 1, sep=", ")
            firmware.port.kick(0)

        if __name__ == "__main__":
            raise SystemExit
        """,
        entry="start",
    )
    machine.rung()
    machine.core.stop()
    assert machine.data() == 42
    assert traced(machine) == "Grüße, 1\n"


def test_the_source_may_start_within_its_window(machine: CoreMachine) -> None:
    machine.boot("no Python\ndef main(firmware):\n    firmware.port.kick(0)\n", entry_da=TEXT_DA + len("no Python\n"))
    machine.rung()


def test_the_table_is_the_one_in_memory_with_the_hosts_answers(machine: CoreMachine) -> None:
    machine.boot(
        """
        from amp.ordering.barriers import Primitive

        def main(firmware):
            entries = firmware.table.entries
            firmware.print([type(entry).__name__ for entry in entries], hex(entries[1].vrings[1].da))
            firmware.port.fence(Primitive.MB)
            firmware.port.kick(0)
        """
    )
    machine.rung()
    machine.core.stop()
    assert traced(machine) == f"['Trace', 'Vdev'] {RINGS[1].da:#x}\n"


def test_the_firmware_waits_until_the_hosts_driver_is_ready(machine: CoreMachine) -> None:
    machine.boot(
        """
        def main(firmware):
            assert not firmware.wait_driver_ok(timeout_s=0.05)
            firmware.port.kick(0)
            assert firmware.wait_driver_ok()
            firmware.port.kick(0)
        """,
        watchdog_s=1.0,
    )
    machine.rung()
    status = machine.table_pa + TABLE.offset_of(1) + VDEV_STATUS_AT
    machine.port.store_u8(status, Status.DRIVER_OK)
    machine.port.kick(1)
    machine.rung()
    assert not machine.died.is_set()


@pytest.mark.parametrize(
    ("line", "kind", "text", "da"),
    [
        ("1 / 0", CrashKind.FATAL, "ZeroDivisionError: division by zero (text, line 4)", None),
        ("firmware.panic('no\\nway')", CrashKind.FATAL, "Panic: no way (text, line 4)", None),
        ("raise SystemExit(3)", CrashKind.FATAL, "SystemExit: 3 (text, line 4)", None),
        (
            f"firmware.memory.load_u32({TEXT_DA + TEXT_BYTES - 2:#x})",
            CrashKind.MMUFAULT,
            f"MmuFault: 4 bytes at device address {TEXT_DA + TEXT_BYTES - 2:#x}: in no window (text, line 4)",
            TEXT_DA + TEXT_BYTES - 2,
        ),
        ("firmware.wait_driver_ok(1)", CrashKind.FATAL, "IndexError: vdev is 1, the resource table has 1 (", None),
        ("firmware.port.load_u8(0)", CrashKind.MMUFAULT, "AccessFault: load_u8 of 1 bytes at 0x0", None),
    ],
)
def test_what_leaves_the_entry_is_the_cores_crash(line: str, kind: CrashKind, text: str, da: int | None) -> None:
    with CoreMachine(Mode.DIRECT, table=TABLE) as machine:
        machine.boot(f"def main(firmware):\n    firmware.print('up')\n    firmware.pet()\n    {line}\n")
        crash = machine.crash()
        assert crash.text.startswith(text)
        assert (crash.kind, crash.da) == (kind, da)
        assert traced(machine) == f"up\n{kind}: {crash.text}\n"


@pytest.mark.parametrize(
    ("source", "changes", "text"),
    [
        ("def main(firmware:\n", {}, "SyntaxError: '(' was never closed (text, line 1)"),
        ("x = 1\n", {}, "AttributeError: module 'firmware' has no attribute 'main'"),
        ("x = 1\n", {"entry": "__class__"}, "AttributeError: module 'firmware' has no attribute '__class__'"),
        ("x = 1\n", {"entry": "__doc__"}, "AttributeError: module 'firmware' has no attribute '__doc__'"),
        ("", {"entry_da": 0x10}, "MmuFault: 1 bytes at device address 0x10: in no window"),
        ("def main(f):\n    f.table\n", {"table_da": TEXT_DA, "table_bytes": 64}, "FirmwareError: "),
        ("def main(f):\n    f.table\n", {"table_da": 0, "table_bytes": 64}, "MmuFault: 64 bytes at device address 0x0"),
    ],
)
def test_a_boot_that_goes_wrong_is_a_crash_and_says_why(source: str, changes: dict[str, Any], text: str) -> None:
    with CoreMachine(Mode.DIRECT) as machine:
        machine.boot(source, **changes)
        assert machine.crash().text.startswith(text)


def test_a_firmware_without_a_table_prints_to_nowhere() -> None:
    with CoreMachine(Mode.DIRECT) as machine:
        machine.boot("def main(f):\n    f.print('x')\n    assert f.table.entries == ()\n    f.port.kick(0)\n")
        machine.rung()


def test_a_crash_is_told_by_the_firmwares_own_newest_line() -> None:
    with pytest.raises(MmuFault) as caught:
        Memory(None, ()).pa(4, 4)  # type: ignore[arg-type]
    assert crash_of(caught.value).text.endswith(f"(memory.py, line {caught.traceback[-1].lineno + 1})")


@given(st.integers(0, 64), st.integers(-2, 40))
def test_an_access_is_translated_by_the_window_that_has_all_of_it(da: int, length: int) -> None:
    windows = (Window(8, 100, 8, "a"), Window(16, 300, 8, "b"), Window(32, 200, 16, "c"))
    whole = [w for w in windows if length >= 0 and w.da <= da and da + length <= w.da + w.length]
    memory = Memory(None, windows)  # type: ignore[arg-type]
    if whole:
        assert memory.pa(da, length) == whole[0].pa + da - whole[0].da
    else:
        with pytest.raises(MmuFault) as caught:
            memory.pa(da, length)
        assert (caught.value.da, caught.value.length) == (da, length)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=8), st.integers(1, 64))
def test_the_trace_shows_the_newest_text_and_wraps(texts: list[str], length: int) -> None:
    with open_soc(Mode.DIRECT) as soc:
        soc.power_on()
        pa = soc.pools["buffers"][0]
        soc.load(pa, b"\xff" * (length + 8))
        port = soc.open_port(HOST)
        trace = TraceBuffer(port, Memory(port, [Window(0, pa, length, "trace")]), 0, length)
        written, room, at = b"", length - 1, 0
        for text in texts:
            trace.write(text)
            data = text.replace("\0", "\ufffd").encode()
            kept = data[-room:] if room else b""
            written, at = written + kept, (at + len(kept)) % room if room else 0
        found = soc.dump(pa, length + 8)
        assert found[length:] == b"\xff" * 8
        assert found[length - 1] == 0
        assert found[at] == 0 or (at == 0 and len(written) >= room > 0)
        if len(written) < room:
            assert found[: len(written)] == written
        elif at:
            assert written.endswith(found[:at])


def test_the_data_is_where_the_tests_think() -> None:
    assert RINGS[0].da >= TRACE_DA + TRACE_BYTES
    assert RINGS[1].da + 512 <= DATA_DA + DATA_BYTES < TABLE_DA


def test_what_a_core_stored_before_it_died_is_visible_in_its_trace() -> None:
    """Many deaths, each at another moment of the model's chance: no byte of the last line is missing or misplaced."""
    lines = ["up\n", "message 1\n", "fatal error: out of tea\n"]
    with open_soc(Mode.FREE) as soc:
        pa = soc.pools["buffers"][0]
        for _ in range(100):
            soc.power_on()
            soc.load(pa, bytes(TRACE_BYTES))
            port = soc.open_port(REMOTE)
            trace = TraceBuffer(port, Memory(port, [Window(0, pa, TRACE_BYTES, "trace")]), 0, TRACE_BYTES)
            for line in lines:
                trace.write(line)
            soc.lost()
            assert soc.dump(pa, TRACE_BYTES).partition(b"\0")[0].decode() == "".join(lines)


def test_a_dead_cores_stores_become_visible_in_its_order() -> None:
    """A core dies between an entry and its index: never is the index there without the entry."""
    with open_soc(Mode.FREE) as soc:
        pa = soc.pools["buffers"][0]
        for _ in range(50):
            soc.power_on()
            soc.load(pa, bytes(16))
            port = soc.open_port(REMOTE)
            port.store_u64(pa, 7)
            port.fence(Primitive.WMB)
            port.store_u64(pa + 8, 1)
            soc.lost()
            assert soc.dump(pa, 16) == (7).to_bytes(8, "little") + (1).to_bytes(8, "little")


def test_the_fatal_line_of_a_crash_follows_what_was_printed_before() -> None:
    for _ in range(4):
        with CoreMachine(Mode.FREE, table=TABLE) as machine:
            machine.boot("def main(firmware):\n    firmware.print('up')\n    firmware.print('work')\n    1 / 0\n")
            crash = machine.crash()
            assert traced(machine) == f"up\nwork\n{crash.kind}: {crash.text}\n"
