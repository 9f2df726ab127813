"""Which program an ELF file is: a digest of what runs, and of nothing else.

Of a file it is what is loaded, less the headers and the notes that linkers load as well: they say where debug
information lies, and when the file was made. Of a program it is also where its parts begin, with their arguments, and
which instructions are which site: of a file without lines the sites have other names.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from amp.code.code import Function

_SEGMENT: Final = struct.Struct("<QQI")


def image_digest(isa: str, elf: Any) -> str:
    """Of an executable file (pyelftools' record of it)."""
    found, idle = sha256(isa.encode()), _idle(elf)
    loaded = [each for each in elf.iter_segments() if each["p_type"] == "PT_LOAD" and each["p_memsz"]]
    for each in sorted(loaded, key=lambda segment: segment["p_vaddr"]):
        found.update(_SEGMENT.pack(each["p_vaddr"], each["p_memsz"], each["p_flags"]))
        data, at = bytearray(each.data()), each["p_offset"]
        for start, end in idle:
            low, high = max(start - at, 0), min(end - at, len(data))
            if low < high:
                data[low:high] = bytes(high - low)
        found.update(data)
    return found.hexdigest()


def _idle(elf: Any) -> list[tuple[int, int]]:
    """(start, end) in the file of what may be loaded and runs nothing: the headers, and notes."""
    head = elf.header
    notes = [each for each in elf.iter_sections() if each["sh_type"] == "SHT_NOTE"]
    return [
        (0, head["e_ehsize"]),
        (head["e_phoff"], head["e_phoff"] + head["e_phnum"] * head["e_phentsize"]),
        *((each["sh_offset"], each["sh_offset"] + each["sh_size"]) for each in notes),
    ]


def program_digest(parts: Mapping[str, Function]) -> str:
    """Of a program whose parts have been told their sites."""
    found = sha256()
    for name, part in sorted(parts.items()):
        found.update(f"{name} {part.code.image.digest} {part.entry:#x} {part.arguments}\n".encode())
        found.update(f"{sorted(part.sites.items())} {sorted(part.ahead.items())}\n".encode())
    return found.hexdigest()
