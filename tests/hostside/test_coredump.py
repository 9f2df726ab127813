"""The core file, read by others: pyelftools, readelf, gdb."""

import io
import shutil
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from hostside.remoteproc.coredump import NOTE_CRASH, DumpSegment, core_file, machine_number

SEGMENTS = (DumpSegment("vdev0vring0", 0x1000, b"ring" * 25), DumpSegment("text", 0x1000_0000, bytes(range(256)) * 16))
SHAPES = [(32, "EM_ARM"), (64, "EM_AARCH64"), (32, "EM_NONE")]
REASON = "watchdog: the heartbeat stood still for 5 s"


def written(bits: int, machine: str) -> bytes:
    number = machine_number(machine)
    return core_file(SEGMENTS, bits=bits, machine=number, entry_da=0x1000_0004, reason=REASON)


def run(tool: str, *arguments: str) -> str:
    """What a tool prints, both streams; it has to be content."""
    if shutil.which(tool) is None:
        pytest.skip(f"no {tool} here")
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(("bits", "machine"), SHAPES)
def test_a_core_file_has_a_segment_for_each_piece_of_memory_and_a_note_that_says_why(bits: int, machine: str) -> None:
    file = ELFFile(io.BytesIO(written(bits, machine)))
    assert (file.elfclass, file["e_type"], file["e_machine"]) == (bits, "ET_CORE", machine)
    assert file["e_entry"] == 0x1000_0004
    named = {section["sh_addr"]: section.name for section in file.iter_sections() if section["sh_addr"]}
    assert named == {each.da: each.name for each in SEGMENTS}
    note, *loads = file.iter_segments()
    [crash] = note.iter_notes()  # type: ignore[attr-defined]
    assert (crash["n_name"], crash["n_type"], bytes(crash["n_descdata"])) == (
        "AMP",
        NOTE_CRASH,
        REASON.encode() + b"\0",
    )
    for segment, wanted in zip(loads, SEGMENTS, strict=True):
        head = segment.header
        assert (head.p_type, head.p_vaddr, head.p_paddr) == ("PT_LOAD", wanted.da, wanted.da)
        assert (head.p_filesz, head.p_memsz, head.p_flags, head.p_align) == (len(wanted.data), len(wanted.data), 7, 1)
        assert segment.data() == wanted.data


@pytest.mark.parametrize(("bits", "machine"), SHAPES)
def test_readelf_has_nothing_to_warn_of(tmp_path: Path, bits: int, machine: str) -> None:
    path = tmp_path / "core"
    path.write_bytes(written(bits, machine))
    text = run("readelf", "-aW", str(path))
    assert "CORE (Core file)" in text
    assert "warning" not in text.lower()
    assert "error" not in text.lower()


def test_readelf_does_warn_of_a_file_that_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "core"
    path.write_bytes(written(64, "EM_AARCH64")[:200])
    assert "error" in run("readelf", "-aW", str(path)).lower()


@pytest.mark.parametrize(("bits", "machine"), SHAPES)
def test_gdb_shows_the_segments_and_their_bytes(tmp_path: Path, bits: int, machine: str) -> None:
    path = tmp_path / "core"
    path.write_bytes(written(bits, machine))
    text = run("gdb", "-nx", "-batch", "-ex", f"core-file {path}", "-ex", "info files", "-ex", "x/2xb 0x10000041")
    assert "not a core dump" not in text
    assert "0x10000000 - 0x10001000 is load2" in text.replace("0x00000000", "0x")
    assert "0x41\t0x42" in text


def test_a_machine_is_known_by_the_name_that_the_image_reader_gives_it() -> None:
    assert [machine_number(name) for name in ("EM_ARM", "EM_AARCH64", "EM_NONE", "94", "EM_VAX")] == [40, 183, 0, 94, 0]
