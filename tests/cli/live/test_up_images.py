"""`amp up` of images that were made by other tools, by hand, or to do harm: up, or one line and exit status 2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from live_machines import a_home

from amp.remoteproc import elf
from amp.remoteproc.image import NOTE_ENTRY, NOTE_NAME
from amp.remoteproc.table import FW_RSC_ADDR_ANY, Carveout, Devmem, Entry, Table, Trace, Unknown, Vdev, Vendor, Vring

TEXT_DA, TABLE_DA = 0x1000_0000, 0x2000_0000
SERVES = b"def main(firmware):\n    firmware.print('boots')\n    firmware.rpmsg().serve()\n"
MACHINE_CODE = bytes.fromhex("fee7") * 8  # Thumb: b .
TEXT = Carveout(TEXT_DA, 0, 8192, 0, "text")
RING = Vring(FW_RSC_ADDR_ANY, 4096, 16, 0, 0)
LARGE = Vring(FW_RSC_ADDR_ANY, 4096, 32768, 0, 0)
VDEV = Vdev(7, 0, 1, 0, b"", 0, (RING, RING))


def note(text: bytes) -> elf.Part:
    data = elf.note(NOTE_NAME, NOTE_ENTRY, text)
    return elf.Part(".note.amp", data, elf.PT_NOTE, elf.PF_R, section=elf.SHT_NOTE, align=4)


def image(
    *entries: Entry,
    text: bytes = SERVES,
    runs: bytes | None = b"python:main\0",
    table: bool = True,
    table_memsz: int = 0,
    text_da: int = TEXT_DA,
) -> bytes:
    """An ELF file as a linker makes one: a segment of text, a segment that holds the table, and a note if `runs`."""
    parts = [elf.Part(".text", text, elf.PT_LOAD, 5, da=text_da, section_flags=elf.SHF_ALLOC | elf.SHF_EXECINSTR)]
    if table:
        data = Table(entries).encode()
        flags = elf.SHF_ALLOC | elf.SHF_WRITE
        parts.append(elf.Part(".resource_table", data, elf.PT_LOAD, 6, TABLE_DA, table_memsz, section_flags=flags))
    if runs is not None:
        parts.append(note(runs))
    return elf.write(elf.ELF32, elf.ET_EXEC, elf.EM_ARM, text_da, parts)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "machine code": (lambda: image(TEXT, VDEV, text=MACHINE_CODE, runs=None), "has no AMP note"),
    "machine code, no table": (lambda: image(text=MACHINE_CODE, runs=None, table=False), "has no resource table"),
    "another runtime": (lambda: image(TEXT, runs=b"elf:main\0"), "runtime is 'elf', this core runs 'python'"),
    "a path to other modules": (lambda: image(TEXT, runs=b"python:os.abort\0"), "entry is 'os.abort'"),
    "a keyword": (lambda: image(TEXT, runs=b"python:import\0"), "no boot has held"),
    "no table": (lambda: image(table=False), "the image has no resource table"),
    "no carveout": (lambda: image(VDEV), "segment da is 0x10000000, 77 bytes, expected inside one carveout"),
    "too much beside the table": (
        lambda: image(TEXT, table_memsz=8 << 20),
        "which holds the resource table: length is",
    ),
    "too large a carveout": (lambda: image(TEXT, Carveout(0x3000_0000, 0, 1 << 30, 0, "huge")), "carveout 'huge'"),
    "a trace nowhere": (lambda: image(TEXT, Trace(0x4000_0000, 64, "log")), "trace 'log' da is 0x40000000"),
    "device memory": (lambda: image(TEXT, Devmem(0x5000_0000, 0x4800_0000, 64, 0, "gpio")), "memory 'gpio'"),
    "rings too large": (lambda: image(TEXT, Vdev(7, 0, 1, 0, b"", 0, (LARGE, LARGE))), "no free"),
    "one ring": (lambda: image(TEXT, Vdev(7, 0, 1, 0, b"", 0, (RING,))), ""),
    "no source": (lambda: image(TEXT, text=b"\xff\xfe\x80 no Python"), "SyntaxError"),
    "no entry": (lambda: image(TEXT, text=b"x = 1\n"), "has no attribute 'main'"),
    "text behind a NUL": (lambda: image(TEXT, text=b"\0" + SERVES), "has no attribute 'main'"),
    "not an ELF file": (lambda: b"#!/bin/sh\nexit 0\n" * 9, "magic is 23 21 2f 62"),
    "nothing": (lambda: b"", "size is 0"),
    "an executable of this machine": (lambda: Path("/bin/true").read_bytes(), "firmware image: "),
}


@pytest.mark.a_few(4)
@pytest.mark.parametrize("kind", REFUSED)
def test_an_image_that_cannot_be_run_is_one_line_and_nothing_is_left(kind: str, tmp_path: Path) -> None:
    make, why = REFUSED[kind]
    (tmp_path / "evil.elf").write_bytes(make())
    with a_home() as home:
        run = home.process("up", tmp_path / "evil.elf", "--mode", "direct", "--detach", "--no-recovery")
        assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1), (run.stdout, run.stderr)
        assert why in run.stderr
        assert home.entries == []


SKIPPED = (Unknown(77, b""), Vendor(200, b""))
LONG = 100_000


def test_what_linux_boots_is_booted(tmp_path: Path) -> None:
    """Types that nobody knows are skipped; a segment that holds the table may be long, and needs no carveout."""
    (tmp_path / "box.elf").write_bytes(image(TEXT, *SKIPPED, VDEV, table_memsz=LONG))
    with a_home() as home, home.up(tmp_path / "box.elf") as up:
        assert "unsupported resource 77, skipped" in up.log
        assert "unsupported vendor resource 200, skipped" in up.log
        assert [each["name"] for each in home.json("vrings")["rings"]] == ["vdev0vring0", "vdev0vring1"]
        assert home.told("down") == "box is down\n"


def test_a_name_in_an_image_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The note's entry, the carveouts' names and the file's are all of a module that would leave a mark."""
    (tmp_path / "mark.py").write_text("open('marked', 'w')\n")
    names = image(Carveout(TEXT_DA, 0, 8192, 0, "mark"), text=b"mark = 1\n", runs=b"python:mark\0")
    (tmp_path / "mark.elf").write_bytes(names)
    monkeypatch.chdir(tmp_path)
    with a_home() as home:
        run = home.process("up", tmp_path / "mark.elf", "--detach", "--no-recovery")
        assert (run.returncode, run.stdout) == (2, "")
        assert "TypeError: 'int' object is not callable" in run.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mark.elf", "mark.py"]
