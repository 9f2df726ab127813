"""`amp firmware build` and `show` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import here as amp

SOURCE = "def main(firmware):\n    firmware.print('up')\n\ndef other(firmware):\n    pass\n"


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "fw.py"
    path.write_text(SOURCE)
    return path


@pytest.mark.parametrize(("option", "bits", "machine"), [("--elf32", 32, "EM_ARM"), ("--elf64", 64, "EM_AARCH64")])
def test_what_is_built_can_be_shown(module: Path, tmp_path: Path, option: str, bits: int, machine: str) -> None:
    image = tmp_path / "fw.elf"
    built = amp("firmware", "build", module, "-o", image, option)
    assert (built.returncode, built.stderr) == (0, "")
    assert built.stdout == f"{image}: {image.stat().st_size} bytes, ELF{bits}, entry main\n"
    shown = amp("firmware", "show", image)
    assert (shown.returncode, shown.stderr) == (0, "")
    for text in (
        f"ELF{bits} {machine}, entry address 0x10000000, runtime python, entry main",
        "code: amp up runs this image's text with all that you may do, amp up --confine with less",
        "text: 4096 bytes at 0x10000000",
        "trace0: 4096 bytes at 0x10001000",
        "virtio id 7, features 0x1",
        "256 entries, align 4096, at any, notify id 1",
    ):
        assert text in shown.stdout


def test_json_has_what_every_object_has_and_the_image(module: Path, tmp_path: Path) -> None:
    image = tmp_path / "fw.elf"
    assert amp("firmware", "build", module, "-o", image, "--entry", "other").returncode == 0
    shown = amp("firmware", "show", image, "--json")
    assert shown.returncode == 0, shown.stderr
    data = json.loads(shown.stdout)
    assert {"command", "status", "violations", "executions", "states", "seconds"} <= data.keys()
    assert (data["command"], data["bits"], data["runtime"], data["entry"]) == ("firmware show", 64, "python", "other")
    assert [each["flags"] for each in data["segments"]] == ["r-x", "rw-"]
    assert data["segments"][0]["filesz"] == len(SOURCE)
    assert data["table_da"] == data["segments"][1]["da"]
    assert [each["kind"] for each in data["resources"]] == ["carveout", "carveout", "trace", "vdev"]
    assert data["resources"][3]["vrings"][0] == {"da": 0xFFFFFFFF, "align": 4096, "num": 256, "notifyid": 0, "pa": 0}


def test_a_file_says_what_the_module_does_not(module: Path, tmp_path: Path) -> None:
    config, image = tmp_path / "fw.toml", tmp_path / "fw.elf"
    config.write_text('entry = "other"\nvdevs = []\n[[vendors]]\ntype = 130\ndata_hex = "abcd"\n')
    assert amp("firmware", "build", module, "-o", image, "--config", config).returncode == 0
    shown = amp("firmware", "show", image)
    assert "entry other" in shown.stdout
    assert "type 130, 4 bytes: ab cd 00 00" in shown.stdout
    assert "vdev" not in shown.stdout


def test_mistakes_are_one_line_and_status_2(module: Path, tmp_path: Path) -> None:
    image = tmp_path / "fw.elf"
    image.write_bytes(b"\x7fELF" + bytes(100))
    for arguments, text in (
        (("build", module, "-o", tmp_path / "no" / "fw.elf"), "No such file or directory"),
        (("build", module, "-o", tmp_path / "a", "--entry", "nowhere"), "entry nowhere is not defined"),
        (("build", tmp_path / "none.py", "-o", tmp_path / "a"), "none.py: No such file or directory"),
        (("build", module), "Missing option '-o'"),
        (("show", tmp_path / "none.elf"), "none.elf: No such file or directory"),
        (("show", image), "firmware image: EI_CLASS is 0, allowed is 1 (ELFCLASS32) or 2 (ELFCLASS64)"),
    ):
        told = amp("firmware", *arguments)
        assert (told.returncode, told.stdout) == (2, ""), arguments
        assert told.stderr.startswith("amp: ")
        assert told.stderr.count("\n") == 1
        assert text in told.stderr
    assert not (tmp_path / "a").exists(), "nothing is written unless there is an image"
