"""A mailbox in compiled code: a load tells whether its own doorbell has rung, a store takes it. status.c."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from commands import here
from machine_code import SHARED, built, finding

from amp.errors import UsageError

REGISTERS = "mailbox=0x48000000:1&status=0x48000004:2&ack=0x48000008"
DATA = "assertion failed: DATA == 42"


@pytest.fixture(scope="module")
def status(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("status"), "status", "-O2")


def program(path: Path, host: str, remote: str, registers: str = REGISTERS) -> str:
    return f"{path}?host={host}&remote={remote}&{SHARED}&{registers}"


@pytest.mark.parametrize("remote", ["polls", "polls_by_a_getter", "looks_once", "sleeps"])
@pytest.mark.parametrize("platform", ["arm64", "arm64-domains"])
def test_what_was_stored_before_the_doorbell_is_there_behind_a_barrier(
    status: Path, remote: str, platform: str
) -> None:
    assert finding(program(status, "rings", remote), platform) is None


@pytest.mark.parametrize(
    ("host", "remote"),
    [("rings", "polls_and_reads"), ("rings", "looks_once_and_reads"), ("rings_at_once", "polls")],
)
def test_without_it_old_data_are_read(status: Path, host: str, remote: str) -> None:
    assert str(finding(program(status, host, remote), "arm64")).startswith(DATA)


@pytest.mark.parametrize("flags", ["-O0", "-Os"])
@pytest.mark.parametrize(
    ("targets", "platform"),
    [
        (("armv7-a", "cortex-m4"), "armv7-up"),
        (("rv64", "rv64"), "riscv"),
        (("aarch64-clang", "aarch64"), "arm64-domains"),
    ],
)
def test_so_it_is_on_other_machines(tmp_path: Path, targets: tuple[str, str], platform: str, flags: str) -> None:
    host, remote = (built(tmp_path, "status", flags, target=target) for target in targets)
    assert finding(program(host, "rings", f"{remote}:polls"), platform) is None
    assert str(finding(program(host, "rings_at_once", f"{remote}:polls"), platform)).startswith(DATA)
    assert str(finding(program(host, "rings", f"{remote}:polls_and_reads"), platform)).startswith(DATA)


def test_x86_keeps_its_loads_in_order_and_what_rings_flushes_its_buffers(tmp_path: Path) -> None:
    path = built(tmp_path, "status", "-O2", target="x86-64")
    assert finding(program(path, "rings_at_once", "polls_and_reads"), "x86-wc") is None


def test_a_branch_on_it_keeps_later_stores_behind_it(status: Path) -> None:
    found = finding(program(status, "rings_when_it_is_seen", "answers_what_it_saw"), "arm64")
    assert "asleep" in str(found) or "waits for ever" in str(found)


def test_a_doorbell_is_lost_if_the_look_passes_the_acknowledgement(status: Path) -> None:
    assert finding(program(status, "announces_two", "takes_two"), "arm64") is None
    assert "waits for ever at loses_one" in str(finding(program(status, "announces_two", "loses_one"), "arm64"))


def test_one_that_was_acknowledged_is_gone(status: Path) -> None:
    assert finding(program(status, "rings", "acknowledges_and_finds_nothing"), "arm64") is None
    twice = finding(program(status, "announces_two", "acknowledges_and_finds_nothing"), "arm64")
    assert str(twice).startswith("assertion failed: !(STATUS & NEW)")


def test_two_processes_repeat_the_finding_and_its_story_names_the_status(status: Path) -> None:
    told = here("verify", program(status, "rings", "polls_and_reads"), "--platform", "arm64").stdout
    assert "repeated in two processes: yes" in told
    assert "load status of its mailbox" in told
    assert re.search(r"Barrier\s+none on arm64|Repair\s+dmb", told)


@pytest.mark.parametrize(("remote", "mode"), [("polls", "free"), ("sleeps", "lockstep")])
def test_the_running_machine_comes_to_its_end(status: Path, remote: str, mode: str) -> None:
    assert here("run", program(status, "rings", remote), "--platform", "arm64", "--mode", mode).returncode == 0


@pytest.mark.parametrize(
    ("registers", "said"),
    [
        ("mailbox=0x48000004:1", r"it loads a register of the mailbox, 0x48000004, that is no --status"),
        ("mailbox=0x48000008:1&status=0x48000004:2&ack=0x48000008", "a store to 0x48000008 would be two things"),
        ("status=0x48000004:0", "status at 0x48000004: its value is 0x0, expected 1 to"),
        ("status=here", "status is 'here', expected a number"),
    ],
)
def test_what_makes_no_mailbox_is_refused_in_one_line(status: Path, registers: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        finding(program(status, "rings", "polls", registers), "arm64")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("remote", "size", "at", "register"),
    [
        ("looks_at_a_byte", 1, 0x48000005, 0x48000004),
        ("looks_from_below", 8, 0x48000000, 0x48000004),
        ("rings_from_below", 8, 0x48000010, 0x48000014),
        ("acknowledges_behind_its_first_byte", 1, 0x4800000A, 0x48000008),
    ],
)
def test_an_access_that_has_part_of_a_register_is_refused_in_one_line(
    status: Path, remote: str, size: int, at: int, register: int
) -> None:
    says = f"its access of {size} bytes at {at:#x} has part of the register at {register:#x}, and does not begin there"
    with pytest.raises(UsageError, match=says) as refused:
        finding(program(status, "rings", remote, f"{REGISTERS}&mailbox=0x48000014:0"), "arm64")
    assert re.match(rf"{remote}, status\.c:[0-9]+: `", str(refused.value))
    assert "\n" not in str(refused.value)


def test_one_that_begins_there_may_be_narrow_and_what_lies_beside_is_memory(status: Path) -> None:
    registers = f"{REGISTERS}&mailbox=0x48000014:0"
    assert finding(program(status, "rings", "waits_for_memory_beside", registers), "arm64") is None
