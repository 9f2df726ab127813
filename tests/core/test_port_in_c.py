"""amp.h on its own, in C: the same program on the bare region, inlined or through the library, and on the model."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import core_objects
import pytest
from core_objects import CORE, PLAIN, SANITIZED, cc, linked

from amp.ordering.barriers import Primitive

C = Path(__file__).parent / "c"
HEADER = f"-I{CORE / 'include'}"
DIRECT = "-DAMP_PORT_DIRECT"
NONE, WMB, RMB = (str(int(primitive)) for primitive in (Primitive.NONE, Primitive.WMB, Primitive.RMB))

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def run(program: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def built(shared: Path, to: Path, source: str, *flags: str) -> Path:
    objects = core_objects.sanitized(shared).iterdir()
    return linked(to / f"{Path(source).stem}{len(flags)}", objects, flags=(*SANITIZED, HEADER, *flags, C / source))


def test_every_access_does_the_same_inlined_and_through_the_library(shared: Path, tmp_path: Path) -> None:
    ported, inlined = (run(built(shared, tmp_path, "port_values.c", *flags)) for flags in ((), (DIRECT,)))
    assert (ported.returncode, ported.stderr) == (0, "")
    assert ported.stdout == inlined.stdout
    said = dict(line.split(" = ") for line in ported.stdout.splitlines() if " = " in line)
    assert said["amp_cmpxchg_u8(port, 3, 1, 77)"] == "1"  # 250 + 7, in a byte
    assert said["amp_cmpxchg_u64(port, 16, (uint64_t)257, 78)"] == said["amp_cmpxchg_u64(port, 16, 1, 77)"] == "257"
    assert said["amp_load_ctrl_pair_u32(port, 36)"] == str(0x1112131421222324)


@pytest.fixture(scope="module")
def ways(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(shared, tmp_path_factory.mktemp("ways"), "port_ways.c")


def test_two_processes_understand_each_other_on_the_bare_region(shared: Path, ways: Path, tmp_path: Path) -> None:
    for program in (ways, built(shared, tmp_path, "port_ways.c", DIRECT)):
        ended = run(program, "direct", 500, WMB, RMB)
        assert (ended.returncode, ended.stderr) == (0, "")


def test_on_the_model_the_right_barriers_hold_and_a_missing_one_is_found(ways: Path) -> None:
    for seed in range(1, 6):
        assert run(ways, "model", 100, WMB, RMB, seed).returncode == 0
        for publish, consume in ((NONE, RMB), (WMB, NONE)):
            ended = run(ways, "model", 100, publish, consume, seed)
            assert ended.returncode == 1
            assert "is of message" in ended.stderr


PROGRAM = """
#include "amp.h"
static uint8_t memory[64];
static uint32_t board;
int main(int argc, char **argv)
{
    struct amp_direct cpu = {.memory = memory, .board = &board, .shared_end = sizeof memory, .cpus = 1};
    struct amp_seat seat;
    struct amp_port port;

    (void)argv;
    amp_port_direct(&port, &seat, &cpu);
    if (argc > 1)
        amp_store_u32(&port, 64, 1);
    amp_fail(&port, "number %d", 7);
}
"""


def test_without_amp_run_the_process_ends_with_a_line(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "fails.c").write_text(PROGRAM)
    program = linked(
        tmp_path / "fails", core_objects.plain(shared).iterdir(), flags=(*PLAIN, HEADER, tmp_path / "fails.c")
    )
    ended = run(program)
    assert (ended.returncode, ended.stderr) == (1, "amp: violation: number 7\n")
    ended = run(program, "outside")
    assert (ended.returncode, ended.stderr) == (4, "amp: store of 4 bytes at 0x40: outside the shared memory\n")


NAMED = [f"{kind}{barrier}" for kind in ("", "smp_", "dma_", "virt_") for barrier in ("mb", "rmb", "wmb")]


def test_named_barriers_are_symbols_that_are_called(shared: Path, tmp_path: Path) -> None:
    body = "".join(f"    amp_{name}();\n" for name in NAMED)
    (tmp_path / "named.c").write_text(f'#include "amp.h"\nvoid f(void);\nvoid f(void)\n{{\n{body}}}\n')
    for flags in ((), (DIRECT,)):
        cc(*PLAIN, "-O2", HEADER, *flags, "-c", tmp_path / "named.c", "-o", tmp_path / "named.o")
        symbols = subprocess.run(["nm", "-u", tmp_path / "named.o"], check=True, capture_output=True, text=True).stdout
        assert {f"amp_{name}" for name in NAMED} <= set(symbols.split())
    defined = subprocess.run(
        ["nm", core_objects.plain(shared) / "port.o"], check=True, capture_output=True, text=True
    ).stdout
    assert {f"amp_{name}" for name in NAMED} <= {line.split()[-1] for line in defined.splitlines() if " T " in line}


HEADERS_TWICE = '#include "amp.h"\n#include "core.h"\n#include "amp.h"\nint main(void) { return 0; }\n'


@pytest.mark.parametrize("flags", [(), (DIRECT,)], ids=["any port", "direct"])
def test_the_header_stands_beside_the_core_s_and_warns_of_nothing(tmp_path: Path, flags: tuple[str, ...]) -> None:
    (tmp_path / "twice.c").write_text(HEADERS_TWICE)
    strict = ("-Wpedantic", "-Wconversion", "-Wshadow", "-Wno-sign-conversion")
    cc(*PLAIN, *strict, HEADER, *flags, "-c", tmp_path / "twice.c", "-o", tmp_path / "twice.o")
