"""A coredump: what a dead core's memory holds, as an ELF core file.

After rproc_coredump (drivers/remoteproc/remoteproc_coredump.c, Linux v6.1): ET_CORE, little endian, one PT_LOAD for
each segment, p_vaddr = p_paddr = its device address, read-write-execute, no alignment, data in the file. Class, machine
and entry are those of the firmware's ELF (Linux: rproc_coredump_set_elf_info, e_entry). More than Linux writes: a note
of owner "AMP" that says why the core died, and a section for each segment that names it (vdev0vring0, text ...).
Bytes in, bytes out; reading memory is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from amp.remoteproc import elf

NOTE_NAME: Final = "AMP"  # as amp.remoteproc.image's, whose types are small
NOTE_CRASH: Final = 0x414D5002  # no type that readelf or gdb reads as registers
_RWX: Final = elf.PF_R | elf.PF_W | elf.PF_X

_SHAPES: Final = MappingProxyType({shape.bits: shape for shape in elf.CLASSES.values()})
# e_machine by the name that amp.remoteproc.image gives it (include/uapi/linux/elf-em.h).
_MACHINES: Final = MappingProxyType(
    {"EM_386": 3, "EM_ARM": elf.EM_ARM, "EM_X86_64": 62, "EM_AARCH64": elf.EM_AARCH64, "EM_RISCV": 243}
)


def machine_number(name: str) -> int:
    """e_machine for "EM_ARM" or "40"; 0 (EM_NONE, what Linux writes unless its driver knows) without a row."""
    return int(name) if name.isdecimal() else _MACHINES.get(name, 0)


@dataclass(frozen=True, slots=True)
class DumpSegment:
    """Memory at device address `da` (struct rproc_dump_segment); `name` is ASCII."""

    name: str
    da: int
    data: bytes


def core_file(
    segments: Sequence[DumpSegment], *, bits: int, machine: int, entry_da: int = 0, reason: str = ""
) -> bytes:
    """The file. `bits` is 32 or 64, `machine` an e_machine; `reason` is one line of text for the note."""
    note = elf.note(NOTE_NAME, NOTE_CRASH, reason.encode() + b"\0")
    parts = [elf.Part(".note.amp", note, elf.PT_NOTE, elf.PF_R, section=elf.SHT_NOTE, align=4)]
    for segment in segments:
        flags = elf.SHF_ALLOC | elf.SHF_WRITE
        parts.append(elf.Part(segment.name, segment.data, elf.PT_LOAD, _RWX, segment.da, section_flags=flags, align=1))
    return elf.write(_SHAPES[bits], elf.ET_CORE, machine, entry_da, parts)
