"""`amp.remoteproc.build`: images of both classes that other tools read, declarations in Python and TOML, mistakes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from firmware_images import FULL, SOURCE, image_in, module_in

from amp.errors import AmpError, FirmwareError, UsageError
from amp.remoteproc import spec
from amp.remoteproc.build import build, declaration, find_module
from amp.remoteproc.image import read_image
from amp.remoteproc.spec import CarveoutSpec, DevmemSpec, Firmware, RingSpec, TraceSpec, VdevSpec, VendorSpec, rpmsg
from amp.remoteproc.table import FW_RSC_ADDR_ANY, Carveout, Table, Trace, Vdev, Vendor, Vring, decode

READELF = shutil.which("readelf")
ANY = FW_RSC_ADDR_ANY


def table_of(image: bytes) -> Table:
    data = read_image(image).table
    assert data is not None
    return decode(data)


def test_the_default_firmware_is_text_a_trace_buffer_and_rpmsg(tmp_path: Path) -> None:
    ring = (ANY, 4096, 256)
    assert table_of(image_in(tmp_path, firmware=Firmware())).entries == (
        Carveout(0x10000000, 0, 4096, 0, "text"),
        Carveout(0x10001000, 0, 4096, 0, "trace"),
        Trace(0x10001000, 4096, "trace0"),
        Vdev(7, 0, 1, 0, b"", 0, (Vring(*ring, 0, 0), Vring(*ring, 1, 0))),
    )


def test_everything_that_is_declared_is_in_the_table(tmp_path: Path) -> None:
    firmware = Firmware(
        text_da=0x80000000,
        text_bytes=10_000,
        carveouts=(
            CarveoutSpec(name="own", length=1, da=0x2000, flags=3),
            CarveoutSpec(name="placed", length=5000),
            CarveoutSpec(name="anywhere", length=7, da=ANY),
        ),
        devmems=(DevmemSpec(name="mailbox", da=0x4000, pa=0x1000, length=64),),
        traces=(TraceSpec(name="a", length=100), TraceSpec(name="b", length=100)),
        vdevs=(VdevSpec(id=9, features=2, rings=(RingSpec(num=2, align=16, da=0x8000),), config_hex="0102"), rpmsg()),
        vendors=(VendorSpec(type=512, data_hex="ff"),),
    )
    table = table_of(image_in(tmp_path, firmware=firmware))
    assert list(dict(table.each(Carveout)).values()) == [
        Carveout(0x80000000, 0, 12288, 0, "text"),
        Carveout(0x80003000, 0, 4096, 0, "trace"),
        Carveout(0x2000, 0, 1, 3, "own"),
        Carveout(0x80004000, 0, 5000, 0, "placed"),
        Carveout(ANY, 0, 7, 0, "anywhere"),
    ]
    assert list(dict(table.each(Trace)).values()) == [Trace(0x80003000, 100, "a"), Trace(0x80003070, 100, "b")]
    first, second = dict(table.each(Vdev)).values()
    assert first == Vdev(9, 0, 2, 0, b"\1\2", 0, (Vring(0x8000, 16, 2, 0, 0),))
    assert [ring.notifyid for ring in second.vrings] == [1, 2]
    assert table.entries[-1] == Vendor(512, b"\xff\0\0\0")


@pytest.mark.parametrize("lines", [0, 1, 1000])
def test_every_segment_lies_in_the_text_carveout_however_long_the_source(tmp_path: Path, lines: int) -> None:
    source = "# a comment of thirty-two bytes.\n" * lines + SOURCE
    image = read_image(build(module_in(tmp_path, source), FULL))
    assert image.segments[0].data == source.encode()
    assert image.table is not None
    text = next(entry for _, entry in decode(image.table).each(Carveout))
    assert all(text.da <= each.da and each.da + each.memsz <= text.da + text.length for each in image.segments)
    assert image.entry_da == text.da


def test_the_same_source_gives_the_same_bytes(tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    for bits in (32, 64):
        assert image_in(tmp_path, bits=bits) == image_in(other, bits=bits)


@pytest.mark.skipif(READELF is None, reason="no readelf")
@pytest.mark.parametrize("bits", [32, 64])
def test_readelf_knows_every_part_and_warns_of_nothing(tmp_path: Path, bits: int) -> None:
    file = tmp_path / "fw.elf"
    file.write_bytes(image_in(tmp_path, bits=bits))
    assert READELF is not None
    told = subprocess.run(
        [READELF, "-aW", str(file)], capture_output=True, text=True, check=True, timeout=300, env={"LC_ALL": "C"}
    )
    assert told.stderr == ""
    assert "arning" not in told.stdout
    assert f"ELF{bits}" in told.stdout
    for word in (".text", ".resource_table", ".note.amp", ".shstrtab", "AMP", "EXEC", "0x10000000"):
        assert word in told.stdout


TOML = """
entry = "start"
text_bytes = 5000
[[carveouts]]
name = "data"
length = 4096
[[traces]]
name = "log"
length = 512
[[vdevs]]
rings = [{num = 8, align = 16}, {num = 8, align = 16}]
[[vendors]]
type = 128
data_hex = "c0ffee"
"""
IN_PYTHON = """
from amp.remoteproc.spec import CarveoutSpec, Firmware, TraceSpec, VendorSpec, rpmsg
FIRMWARE = Firmware(
    entry="start",
    text_bytes=5000,
    carveouts=(CarveoutSpec(name="data", length=4096),),
    traces=(TraceSpec(name="log", length=512),),
    vdevs=(rpmsg(num=8, align=16),),
    vendors=(VendorSpec(type=128, data_hex="c0ffee"),),
)
def start(firmware): pass
"""


def test_toml_says_what_python_says(tmp_path: Path) -> None:
    module, config = module_in(tmp_path, IN_PYTHON), tmp_path / "fw.toml"
    config.write_text(TOML)
    assert declaration(module) == declaration(module, config)
    assert build(module, declaration(module)) == build(module, declaration(module, config))


def test_a_module_is_not_run_when_a_file_says_it_all(tmp_path: Path) -> None:
    module, config = module_in(tmp_path, "def main(f): pass\nraise SystemExit('ran')\n"), tmp_path / "fw.toml"
    config.write_text("")
    assert read_image(build(module, declaration(module, config))).note is not None
    with pytest.raises(UsageError, match="cannot be run to read its FIRMWARE: SystemExit: ran"):
        declaration(module)


def test_a_module_is_run_fresh_and_leaves_nothing_behind(tmp_path: Path) -> None:
    source = (
        "from __future__ import annotations\nimport dataclasses\n"
        "@dataclasses.dataclass\nclass Needs_its_module:\n    x: int\n" + SOURCE
    )
    module, before = module_in(tmp_path, source), set(sys.modules)
    assert declaration(module) == Firmware()
    assert set(sys.modules) == before
    assert list(tmp_path.iterdir()) == [module]


def test_a_module_is_found_by_path_or_by_name() -> None:
    assert find_module("amp.remoteproc.spec") == Path(spec.__file__)
    assert find_module("some/where.py") == Path("some/where.py")


MODULES = [
    ("def main(:\n", "does not compile: SyntaxError: "),
    ("main = 1 / 0\n", "cannot be run to read its FIRMWARE: ZeroDivisionError: division by zero"),
    ("FIRMWARE = 5\ndef main(f): pass\n", "FIRMWARE is of type int, expected amp.remoteproc.spec.Firmware"),
    ("x = 1\n", "entry main is not defined at the top level of the module"),
    ("def other():\n    def main(): pass\n", "entry main is not defined"),
    ("x = main\n", "cannot be run to read its FIRMWARE: NameError"),
    ("from amp.remoteproc.spec import *\nFIRMWARE = Firmware(carveouts=(5,))\n", "carveouts[0]: Expected `object`"),
    ("from amp.remoteproc.spec import *\nFIRMWARE = Firmware(vdevs=(rpmsg(num=-1),))\n", "vdevs[0].rings[0].num: Exp"),
    ("from amp.remoteproc.spec import *\nFIRMWARE = Firmware(entry=main)\ndef main(): pass\n", "NameError"),
    ("from amp.remoteproc.spec import *\nFIRMWARE = Firmware(traces=(object(),))\n", "object"),
]


@pytest.mark.parametrize(("source", "text"), MODULES)
def test_a_module_that_is_no_firmware_is_refused_in_one_line(tmp_path: Path, source: str, text: str) -> None:
    module = module_in(tmp_path, source)
    refused(text, module, None)


CONFIGS = [
    ("entry = ", "not TOML: "),
    ("[[carveout]]\n", "Object contains unknown field `carveout`"),
    ("[[carveouts]]\nlength = 5\n", "carveouts[0]: Object missing required field `name`"),
    ('[[carveouts]]\nname = "a"\nlength = "x"\n', "carveouts[0].length: Expected `int`, got `str`"),
    ('[[carveouts]]\nname = ""\nlength = 5\n', "carveouts[0].name: Expected `str` matching"),
    ("[[vendors]]\ntype = 127\n", "vendors[0].type: Expected `int` >= 128"),
    ('[[vendors]]\ntype = 128\ndata_hex = "abc"\n', "vendors[0].data_hex: Expected `str` matching"),
    ("text_da = 4095\n", "text_da: Expected `int` that's a multiple of 4096"),
    ('entry = "a b"\n', "entry: Expected `str` matching"),
    ("[[vdevs]]\nrings = [{}, {}, {}]\n", "vdevs[0].rings: Expected `array` of length <= 2"),
]


@pytest.mark.parametrize(("config", "text"), CONFIGS)
def test_a_wrong_field_of_a_file_is_named_with_what_is_allowed(tmp_path: Path, config: str, text: str) -> None:
    file = tmp_path / "fw.toml"
    file.write_text(config)
    refused(f"fw.toml: {text}", module_in(tmp_path), file)


def refused(text: str, module: Path, config: Path | None, error: type[AmpError] = UsageError) -> None:
    with pytest.raises(error) as told:
        build(module, declaration(module, config))
    assert text in str(told.value)
    assert "\n" not in str(told.value)


UNSOUND = [
    (Firmware(vdevs=(rpmsg(num=3),)), "vring[0] num is 3, allowed is a power of two"),
    (Firmware(carveouts=(CarveoutSpec(name="x", length=1, da=0x10000800),)), "da is 0x10000800, allowed is outside of"),
    (Firmware(text_da=0xFFFFF000, text_bytes=4097, traces=()), "len is 8192, allowed is at most 4096"),
    (Firmware(text_da=0xFFFFF000), "da is 4294967296, allowed is 0 to 0xffffffff"),
]


@pytest.mark.parametrize(("firmware", "text"), UNSOUND)
def test_a_declaration_that_makes_no_sound_table_is_refused(tmp_path: Path, firmware: Firmware, text: str) -> None:
    with pytest.raises(FirmwareError) as told:
        image_in(tmp_path, firmware=firmware)
    assert text in str(told.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    refused("No such file or directory", tmp_path / "none.py", None)
    latin = tmp_path / "latin.py"
    latin.write_bytes(b"# \xe9\n")
    refused("not UTF-8: byte 2 is 0xe9", latin, None)
    with pytest.raises(UsageError, match="module no_such_module_at_all: no such Python file"):
        find_module("no_such_module_at_all")
    with pytest.raises(UsageError, match=r"module no_such\.inner: ModuleNotFoundError"):
        find_module("no_such.inner")
