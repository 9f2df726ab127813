"""A firmware image from a Python module: `amp firmware build`.

The image holds the module's source, its resource table, and a note that says "python:<entry>". The address space is
laid out from `text_da` upwards, in pages of 4096 bytes:

    carveout "text"   the source (where the image's entry address is), then the resource table
    carveout "trace"  the trace buffers, if there are any
    carveouts         those of the declaration that have no address of their own

The module is run once, here, to ask for its FIRMWARE; under a TOML file it is only compiled. The same source and
declaration give the same bytes.
"""

from __future__ import annotations

import importlib.util
import symtable
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from amp.errors import UsageError
from amp.files import read_whole
from amp.remoteproc import elf
from amp.remoteproc.image import FILE_LIMIT_BYTES, NOTE_ENTRY, NOTE_NAME, read_image
from amp.remoteproc.spec import PAGE_BYTES, Firmware, VdevSpec, checked, from_toml
from amp.remoteproc.table import (
    Carveout,
    Devmem,
    Entry,
    Table,
    Trace,
    Vdev,
    Vendor,
    Vring,
)
from amp.virtio.split import align_up

RUNTIME: Final = "python"
_TABLE_ALIGN: Final = 16
SOURCE_LIMIT_BYTES: Final = 1 << 20
CONFIG_LIMIT_BYTES: Final = 256 * 1024

_MACHINES: Final = {
    32: (elf.ELF32, elf.EM_ARM, elf.EF_ARM_EABI_VER5),
    64: (elf.ELF64, elf.EM_AARCH64, 0),
}


def find_module(name: str) -> Path:
    """The file of a module that is given by path (it ends in .py) or by dotted name. UsageError if there is none."""
    if name.endswith(".py") or "/" in name:
        return Path(name)
    try:
        spec = importlib.util.find_spec(name)
    except Exception as error:  # a parent package is imported on the way, and may raise anything
        raise UsageError(f"module {name}: {_line(error)}") from None
    if spec is None or not spec.has_location or spec.origin is None or not spec.origin.endswith(".py"):
        raise UsageError(f"module {name}: no such Python file; give a path that ends in .py, or a name to import")
    return Path(spec.origin)


def declaration(module: Path, config: Path | None = None, *, entry: str | None = None) -> Firmware:
    """What `module` declares as FIRMWARE (the defaults if it does not), or the TOML file `config` in its place.

    `entry` replaces the declaration's. UsageError if the module cannot be read, compiled or run, or a field is wrong.
    """
    source = _source(module)
    if config is not None:
        firmware = from_toml(_text(config, CONFIG_LIMIT_BYTES), str(config))
    else:
        firmware = checked(_run(module, source), str(module))
    if entry is not None:
        firmware = checked(msgspec.structs.replace(firmware, entry=entry), str(module))
    return firmware


def build(module: Path, firmware: Firmware, *, bits: int = 64) -> bytes:
    """The ELF image of `module`, for EM_ARM (32 bits) or EM_AARCH64 (64 bits).

    Raises UsageError for a module that has no such entry, FirmwareError for a declaration that makes no sound table.
    The image is read back before it is given out.
    """
    source = _source(module)
    _check_entry(module, source, firmware.entry)
    text = source.encode("utf-8")
    table_da = firmware.text_da + align_up(len(text) + 1, _TABLE_ALIGN)  # a NUL ends the text
    table_bytes = _table(firmware, PAGE_BYTES).size_bytes  # however long the text is
    text_bytes = align_up(max(table_da + table_bytes - firmware.text_da, firmware.text_bytes), PAGE_BYTES)
    table = _table(firmware, text_bytes).encode()
    assert len(table) == table_bytes
    shape, machine, flags = _MACHINES[bits]
    note = elf.note(NOTE_NAME, NOTE_ENTRY, f"{RUNTIME}:{firmware.entry}".encode("ascii") + b"\0")
    in_memory = elf.SHF_ALLOC
    parts = (
        elf.Part(
            *(".text", text, elf.PT_LOAD, elf.PF_R | elf.PF_X),
            da=firmware.text_da,
            memsz=1,  # a module may be empty; a segment may not
            section_flags=in_memory | elf.SHF_EXECINSTR,
        ),
        elf.Part(
            *(".resource_table", table, elf.PT_LOAD, elf.PF_R | elf.PF_W),
            da=table_da,
            section_flags=in_memory | elf.SHF_WRITE,
        ),
        elf.Part(".note.amp", note, elf.PT_NOTE, elf.PF_R, section=elf.SHT_NOTE, align=4),
    )
    image = elf.write(shape, elf.ET_EXEC, machine, firmware.text_da, parts, flags=flags)
    if len(image) > FILE_LIMIT_BYTES:
        raise UsageError(f"{module}: the image has {len(image)} bytes, allowed are {FILE_LIMIT_BYTES}")
    read_image(image)
    return image


def _table(firmware: Firmware, text_bytes: int) -> Table:
    """The resource table of a declaration whose text carveout has `text_bytes`."""
    carveouts, traces = [Carveout(firmware.text_da, 0, text_bytes, 0, "text")], []
    next_da = firmware.text_da + text_bytes
    if firmware.traces:
        trace_da = next_da
        for trace in firmware.traces:
            traces.append(Trace(next_da, trace.length, trace.name))
            next_da = align_up(next_da + trace.length, _TABLE_ALIGN)
        length = align_up(next_da - trace_da, PAGE_BYTES)
        carveouts.append(Carveout(trace_da, 0, length, 0, "trace"))
        next_da = trace_da + length
    for each in firmware.carveouts:
        if each.da is None:
            carveouts.append(Carveout(next_da, 0, each.length, each.flags, each.name))
            next_da += align_up(each.length, PAGE_BYTES)
        else:
            carveouts.append(Carveout(each.da, 0, each.length, each.flags, each.name))
    entries: list[Entry] = [*carveouts]
    entries += [Devmem(each.da, each.pa, each.length, each.flags, each.name) for each in firmware.devmems]
    entries += [*traces, *_vdevs(firmware.vdevs)]
    entries += [Vendor(each.type, _padded(bytes.fromhex(each.data_hex))) for each in firmware.vendors]
    return Table(tuple(entries))


def _vdevs(specs: tuple[VdevSpec, ...]) -> Iterator[Vdev]:
    """notifyid of a vdev and its vrings: a number of its own each, as a proposal; the host assigns them."""
    notifyid = 0
    for spec in specs:
        rings = tuple(Vring(ring.da, ring.align, ring.num, notifyid + at, 0) for at, ring in enumerate(spec.rings))
        yield Vdev(spec.id, notifyid, spec.features, 0, bytes.fromhex(spec.config_hex), 0, rings)
        notifyid += len(rings)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _run(module: Path, source: str) -> object:
    """FIRMWARE of a fresh module object. It is not left in sys.modules, and nothing is cached beside the file."""
    name = f"firmware {module.stem}"  # no importable name: nobody gets it by accident
    fresh = types.ModuleType(name)
    fresh.__file__ = str(module)
    sys.modules[name] = fresh  # dataclasses look their module up there
    try:
        exec(compile(source, str(module), "exec"), fresh.__dict__)
    except (Exception, SystemExit) as error:
        raise UsageError(f"{module}: cannot be run to read its FIRMWARE: {_line(error)}") from None
    finally:
        del sys.modules[name]
    return getattr(fresh, "FIRMWARE", Firmware())


def _check_entry(module: Path, source: str, entry: str) -> None:
    """The module binds the name at its top level: def, assignment or import."""
    top = symtable.symtable(source, str(module), "exec")
    bound = {each.get_name() for each in top.get_symbols() if each.is_assigned() or each.is_imported()}
    if entry not in bound:
        raise UsageError(f"{module}: entry {entry} is not defined at the top level of the module")


def _source(module: Path) -> str:
    """The module's text, which compiles."""
    source = _text(module, SOURCE_LIMIT_BYTES)
    try:
        compile(source, str(module), "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"{module}: does not compile: {_line(error)}") from None
    return source


def _text(path: Path, limit: int) -> str:
    try:
        data = read_whole(path, limit)
        text = data.decode("utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8: byte {error.start} is {data[error.start]:#04x}") from None
    return text


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
