"""The examples: each program comes to its verdict on every platform, and each finding is told in its own words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from example_rows import EXAMPLES, PAGE, VERDICTS, Cell, differences, expected, found, programs_of

import amp
from amp.lab.api import Finding, Verification
from amp.ordering.platforms import PLATFORMS

ROWS = expected(VERDICTS.read_text())
PROGRAMS = list(dict.fromkeys(program for program, _, _ in ROWS))
CLASSES = list(dict.fromkeys(barriers for _, barriers, _ in ROWS))
BROKEN = [program for program in PROGRAMS if program.endswith(":Broken")]
OTHERS_WORDS = re.compile(r"\b(avail|used|vring|virtqueue|virtio|rpmsg|S[1-8]|B1|K[12])\b")
# What a barrier repairs: the lines of A and B, and what they need between them.
UNORDERED = {
    "buf_ring.py:Broken": ("taken = cpu.load(at.slot[", "cpu.store(at.cons_tail,", "RW"),
    "dekker.py:Broken": ("cpu.store(want, 1)", "while cpu.load(other):", "WR"),
    "ethernet_descriptors.py:Broken": ("cpu.store(at.descriptor[number].own, 1)", "", "WD"),
    "glink_fifo.py:Broken": ("cpu.store(at.fifo[", "cpu.store(at.head,", "WW"),
    "handover.py:Broken": ("cpu.store(place, value)", "cpu.store(at.flag, 1)", "WW"),
    "io_uring_wakeup.py:Broken": ("cpu.store_release(at.tail, 1)", "if cpu.load_acquire(at.need_wakeup):", "WR"),
    "nvme_shadow_doorbell.py:Broken": ("cpu.store(at.tail, tail)", "cpu.load(at.event_index)", "WR"),
    "seqlock.py:Broken": ("cpu.load(at.left), cpu.load(at.right)", "if cpu.load(at.sequence) == sequence", "RR"),
    "tegra_ivc.py:Broken": ("cpu.store(at.tx_count,", "cpu.load(at.rx_count)", "WR"),
    "transmitter_lock.py:Broken": ("cpu.store(at.queued, queued + 1)", "cpu.store(at.lock, 0)", "WW"),
    "vchiq_event.py:Broken": ("cpu.store(at.fired, 0)", "position = cpu.load(at.tx_pos)", "WR"),
    "xhci_event_ring.py:Broken": ("cpu.store(event.length, 8)", "cpu.store(event.control, cycle)", "WW"),
    "zephyr_ring_buffer.py:Broken": ("cpu.store(at.slot[", "cpu.store(index, value)", "WW"),
}
# The barrier that makes the difference.
CURES = {
    "buf_ring.py": "dequeue",
    "dekker.py": "enter",
    "ethernet_descriptors.py": "tail",
    "glink_fifo.py": "fill",
    "handover.py": "publish",
    "io_uring_wakeup.py": "submit",
    "nvme_shadow_doorbell.py": "check",
    "seqlock.py": "validate",
    "tegra_ivc.py": "advance",
    "transmitter_lock.py": "release",
    "vchiq_event.py": "clear",
    "xhci_event_ring.py": "complete",
    "zephyr_ring_buffer.py": "commit",
}
# What no barrier repairs, and what the story says of it.
INTERLEAVED = {
    "cached_mailbox_status.py:Broken": r"got 1 \(#\d+\); the remote's store sent = 2 at .* and it never looked again",
    "lost_update.py:Broken": r"got 0 .* store count = 1 at .* store count = 1 at .*: an update of count is lost",
    "zephyr_spsc_pbuf.py:Broken": r"loaded wr_idx .* got 3 .* The host had come as far as its store word\[3\] = 255 at",
}


def together(rows: Iterable[Any]) -> list[Any]:
    """For parametrize: what asks for the same program runs in the same process, which explores it once."""
    cases = [row if isinstance(row, tuple) else (row,) for row in rows]
    return [pytest.param(*case, marks=pytest.mark.xdist_group(case[0])) for case in cases]


@cache
def explored(program: str, *barriers: str) -> Verification:
    """All platforms; the smallest finding is replayed in two processes."""
    return amp.verify(str(EXAMPLES / program), platform="all", barriers=barriers)


def seen_of(program: str) -> dict[Cell, str]:
    weaker = [each for each in CLASSES if each != "mandatory"]
    return found(program, explored(program, *weaker)) | found(program, explored(program, "mandatory"))


def finding_of(program: str) -> Finding:
    """With the strongest barriers, so that what is left is the program's own mistake."""
    finding = explored(program, "mandatory").finding
    assert finding is not None, program
    return finding


def told(program: str) -> dict[str, str]:
    return dict(finding_of(program).why)


# --- verdicts


@pytest.mark.a_few(6)
@pytest.mark.parametrize("program", together(PROGRAMS))
def test_every_platform_and_class_comes_to_the_verdict_of_its_row(program: str) -> None:
    assert differences(ROWS, seen_of(program), [program]) == []


@pytest.mark.parametrize("program", together(["handover.py:Fixed", "lost_update.py:Broken"]))
def test_a_wrong_row_is_red_whichever_way_it_is_wrong(program: str) -> None:
    seen = seen_of(program)
    for cell, status in ROWS.items():
        if cell[0] == program:
            wrong = {**ROWS, cell: "violation" if status == "verified" else "verified"}
            assert [line for line in differences(wrong, seen, [program]) if line.startswith(" ".join(cell))]


@pytest.mark.xdist_group("handover.py:Fixed")
def test_a_missing_row_and_a_cell_that_nobody_explored_are_red() -> None:
    seen = seen_of("handover.py:Fixed")
    cell = ("handover.py:Fixed", "smp", "sc")
    without = {key: status for key, status in ROWS.items() if key != cell}
    assert differences(without, seen, [cell[0]]) == ["handover.py:Fixed smp sc: verified, the row says nothing"]
    unseen = {key: status for key, status in seen.items() if key != cell}
    assert differences(ROWS, unseen, [cell[0]]) == ["handover.py:Fixed smp sc: not explored, the row says verified"]


def test_every_program_of_every_file_has_a_row_for_every_platform() -> None:
    files = sorted(EXAMPLES.glob("*.py"))
    assert len(files) >= 15
    assert [f"{path.name}:{name}" for path in files for name in programs_of(path)] == PROGRAMS
    assert [f"{path.name}:{form}" for path in files for form in ("Broken", "Fixed")] == PROGRAMS
    assert {platform for _, _, platform in ROWS} == set(PLATFORMS)
    assert len(ROWS) == len(PROGRAMS) * len(CLASSES) * len(PLATFORMS)


@pytest.mark.parametrize("program", together(PROGRAMS))
def test_a_fixed_form_holds_everywhere_with_mandatory_barriers_and_a_broken_one_does_not(program: str) -> None:
    statuses = {ROWS[program, "mandatory", platform] for platform in PLATFORMS}
    assert "violation" in statuses if program in BROKEN else statuses == {"verified"}


def test_a_broken_form_is_broken_wherever_its_fixed_form_is() -> None:
    for program, barriers, platform in ROWS:
        fixed = program.partition(":")[0] + ":Fixed"
        if program in BROKEN and ROWS[fixed, barriers, platform] == "violation":
            assert ROWS[program, barriers, platform] == "violation", (program, barriers, platform)


def test_the_table_in_the_documents_says_where_each_is_broken() -> None:
    said = re.findall(r"^\| \[(\w+\.py)\]\(\.\./examples/\1\) \|.*\| ([^|]+) \|$", PAGE.read_text(), re.MULTILINE)
    rows = []
    for program in BROKEN:
        where = [platform for platform in PLATFORMS if ROWS[program, "mandatory", platform] == "violation"]
        holds = [platform for platform in PLATFORMS if platform not in where]
        text = "everywhere" if not holds else f"all but {', '.join(holds)}"
        rows.append((program.partition(":")[0], text))
    assert said == rows


# --- stories


@pytest.mark.a_few(8)
@pytest.mark.parametrize("program", together(BROKEN))
def test_two_processes_repeat_the_smallest_finding(program: str) -> None:
    finding = finding_of(program)
    assert finding.as_dict()["not_repeated"] is None
    assert finding.schedule.startswith("s1.")


@pytest.mark.parametrize("program", together(BROKEN))
def test_a_finding_names_the_line_of_the_check_that_failed_or_of_the_wait_that_never_ends(program: str) -> None:
    path, text = EXAMPLES / program.partition(":")[0], finding_of(program).text
    said = re.match(rf"(check failed|waits for ever) at {re.escape(path.name)}:(\d+): (.*)", text)
    assert said, text
    line = path.read_text().splitlines()[int(said[2]) - 1].strip()
    assert said[3].startswith(line)
    assert line.startswith("assert " if said[1] == "check failed" else "cpu.wait()")


@pytest.mark.parametrize("program", together(BROKEN))
def test_every_access_of_a_story_has_its_line_in_the_users_file(program: str) -> None:
    path = EXAMPLES / program.partition(":")[0]
    lines = path.read_text().splitlines()
    accesses = [line for line in finding_of(program).story if re.search(r": (load|store|ring) ", line)]
    assert accesses
    for access in accesses:
        place = re.search(rf"  {re.escape(path.name)}:(\d+)$", access)
        assert place, access
        assert "cpu." in lines[int(place[1]) - 1], access


@pytest.mark.parametrize("program", together(BROKEN))
def test_a_story_speaks_of_the_programs_own_places_and_of_no_other_protocols(program: str) -> None:
    text = str(finding_of(program)).partition("\nReplay: ")[0]
    assert not OTHERS_WORDS.search(text), text
    assert "Not explained" not in text


def test_each_finding_is_of_one_kind_or_the_other() -> None:
    assert sorted([*UNORDERED, *INTERLEAVED]) == BROKEN


@pytest.mark.parametrize(("program", "pair"), together(UNORDERED.items()))
def test_the_two_accesses_that_lack_a_barrier_are_blamed_with_their_lines(
    program: str, pair: tuple[str, str, str]
) -> None:
    path, said = EXAMPLES / program.partition(":")[0], told(program)
    lines = path.read_text().splitlines()
    places = re.findall(rf"{re.escape(path.name)}:(\d+) \([AB]\)", said["What"])
    first, second, needs = pair
    assert first in lines[int(places[0]) - 1], said["What"]
    if needs == "WD":
        assert "then rang (B)" in said["What"]
    else:
        assert second in lines[int(places[1]) - 1], said["What"]
    assert f"({needs})" in said["Barrier"]
    assert said["Cure"]
    assert "Order" not in said


@pytest.mark.parametrize(("file", "site"), CURES.items())
def test_without_the_barrier_that_makes_the_difference_the_fixed_form_is_broken_and_the_story_names_it(
    file: str, site: str
) -> None:
    finding = amp.verify(f"{EXAMPLES / file}:Fixed", platform="arm64-domains", weaken=[f"{site}=none"]).finding
    assert finding is not None
    assert dict(finding.why)["Site"].startswith(f"{site}, at the "), finding.why


@pytest.mark.parametrize(("program", "words"), together(INTERLEAVED.items()))
def test_what_no_barrier_repairs_is_told_by_its_steps(program: str, words: str) -> None:
    said = told(program)
    assert re.search(words, said["What"]), said["What"]
    assert "it happens on sc as well, and no barrier repairs it" in said["Order"]
    assert not {"Cure", "Barrier", "Site", "Not explained"} & set(said)


@pytest.mark.xdist_group("cached_mailbox_status.py:Broken")
def test_a_stall_says_what_each_part_waits_for() -> None:
    ends = told("cached_mailbox_status.py:Broken")["Ends"]
    assert re.match(r"host: waits for ever at cached_mailbox_status\.py:\d+: cpu\.wait\(\): .*; remote: done$", ends)


@pytest.mark.xdist_group("vchiq_event.py:Broken")
def test_a_store_that_wipes_out_an_event_is_told_with_the_look_that_missed_what_it_announced() -> None:
    said = told("vchiq_event.py:Broken")
    assert re.search(r"stored fired at \S+ \(A\) and then looked at tx_pos at \S+ \(B\)", said["What"])
    assert "A landed on that" in said["What"]
    assert said["Site"].startswith("clear, at the host")


@pytest.mark.xdist_group("dekker.py:Broken")
def test_a_lock_that_both_entered_is_told_by_the_looks_that_let_them_in_not_by_where_they_met() -> None:
    said = told("dekker.py:Broken")
    assert re.search(r"stored want\[(\d)\].* looked at want\[(\d)\].* Each saw the other's old value", said["What"])
    assert said["Tried"].endswith("the pair had been out of order before that")


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("program", together(BROKEN))
def test_on_each_platform_the_finding_is_replayed_access_for_access(
    program: str, platform: str, tmp_path: Path
) -> None:
    broken = [barriers for barriers in CLASSES if ROWS[program, barriers, platform] == "violation"]
    for barriers in broken[-1:]:
        finding = amp.verify(str(EXAMPLES / program), platform=platform, barriers=barriers).finding
        assert finding is not None
        assert finding.as_dict()["not_repeated"] is None
        assert "Not explained" not in dict(finding.why)
        finding.save(str(tmp_path / "witness"))
        assert amp.replay(str(tmp_path / "witness")).same
