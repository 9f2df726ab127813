"""An ELF file that lies, or is none, is refused in one line; whatever it says, the tool does not fall over."""

from __future__ import annotations

import random
import struct
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from machine_code import SHARED, built

import amp
from amp.code.program import load
from amp.errors import AmpError, UsageError
from amp.explore.explorer import Bounds
from amp.lab.plan import make_plan
from amp.lab.verify import explorer_of

QUERY = f"?host=send&remote=receive&{SHARED}"


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("ring"), "ring", "-O2")


def refusal(path: Path, query: str = QUERY) -> str:
    with pytest.raises(UsageError) as refused:
        load(f"{path}{query}")
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [
        (0, b"\x7fELG", "not an ELF file"),
        (5, b"\x02", ""),
        (16, struct.pack("<H", 3), "e_type is ET_DYN, expected ET_EXEC"),
        (18, struct.pack("<H", 8), "e_machine is EM_MIPS"),
        (32, struct.pack("<Q", 1 << 40), ""),
    ],
)
def test_a_header_that_cannot_be_is_refused(ring: Path, tmp_path: Path, at: int, value: bytes, said: str) -> None:
    content = bytearray(ring.read_bytes())
    content[at : at + len(value)] = value
    path = tmp_path / "lies.elf"
    path.write_bytes(content)
    assert said in refusal(path)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (f"?host=nobody&{SHARED}", "has no function 'nobody'"),
        ("?host=send", "--shared says where the shared memory is"),
        (f"?{SHARED}", "--host and --remote name the functions"),
        ("?host=send&shared=0x40000000:5", "expected whole pages"),
        ("?host=send&shared=here:0x1000", "expected a number"),
        ("?host=send&shared=0x20000:0x1000", "it has contents at 0x20000, in shared memory"),
        (f"?host=send&{SHARED}&{SHARED}", "overlaps another window"),
        (f"?host=send&{SHARED}&colour=red", "says nothing of a program"),
        (f"?host=send,1,x&{SHARED}", "an argument is 'x'"),
        (
            "?host=send&shared=0x1000000000000:0x1000",
            "shared memory at 0x1000000000000: AArch64 ends at 0x1000000000000",
        ),
        ("?host=send&shared=0x7fffffeff000:0x1000", "shared memory at 0x7fffffeff000, where the stack is"),
        (f"?host=send&{SHARED}&mailbox=0x40000010:1", "a mailbox at 0x40000000, where shared memory is"),
        (f"?host=send&{SHARED}&mailbox=-4096:1", "a mailbox at -0x1000: AArch64 ends at"),
    ],
)
def test_what_makes_no_program_is_refused(ring: Path, query: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        explorer_of(make_plan(load(f"{ring}{query}"), platform="arm64")).explore(Bounds(10))
    assert said in str(refused.value)


def test_files_with_changed_bytes_are_refused_or_run(ring: Path, tmp_path: Path) -> None:
    content, chance, path = ring.read_bytes(), random.Random(2011), tmp_path / "changed.elf"
    for _ in range(150):
        changed = bytearray(content[: chance.choice([len(content), len(content), chance.randrange(len(content))])])
        for _ in range(chance.randint(1, 8)):
            if changed:
                limit = len(changed) if chance.random() < 0.5 else min(len(changed), 200)
                changed[chance.randrange(limit)] = chance.choice([0, 1, 255, chance.randrange(256)])
        path.write_bytes(changed)
        with suppress(AmpError):
            explorer_of(make_plan(load(f"{path}{QUERY}"), platform="arm64-domains")).explore(Bounds(100, 2))


def test_a_segment_of_zeroes_alone_has_no_bytes_in_the_file(tmp_path: Path) -> None:
    source = tmp_path / "zeroes.c"
    source.write_text(
        "int counted;\nvoid send(void)\n{\n    counted++;\n    *(volatile int *)0x40000000 = counted;\n}\n"
    )
    path = tmp_path / "zeroes.elf"
    flags = ["-O2", "-g", "-ffreestanding", "-nostdlib", "-static", "-Wl,-e,send"]
    subprocess.run(["aarch64-linux-gnu-gcc", *flags, source, "-o", path], check=True)
    verdict = amp.verify(f"{path}?host=send&{SHARED}", platform="arm64")
    assert verdict.verified, verdict


def test_more_mailboxes_than_there_is_room_for_are_refused_in_one_line(ring: Path) -> None:
    many = "".join(f"&mailbox={0x48000000 + 0x1000 * number:#x}:1" for number in range(20))
    with pytest.raises(UsageError, match="20 addresses of a mailbox, expected at most 8") as refused:
        explorer_of(make_plan(load(f"{ring}?host=send&{SHARED}{many}"), platform="arm64")).explore(Bounds(10))
    assert "\n" not in str(refused.value)
