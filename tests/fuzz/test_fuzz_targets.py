"""Every fuzz target, three ways: the inputs that are kept, hypothesis's, (slow) the coverage-guided fuzzer's.

Each target is shown to go red on planted errors. `tests/fuzz/run.py` is the long run.
"""

from __future__ import annotations

import importlib
import importlib.util
import random
import subprocess
import sys
import types
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import fuzz_targets
import pytest
import run
from fuzz_arena import START, Arena, Escape
from fuzz_targets import SEEDS, TARGETS, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from amp.port.port import HOST

HERE = Path(__file__).parent
KEPT = [pytest.param(target, path, id=f"{target}/{path.name}") for target in TARGETS for path in seeds(target)]


@pytest.mark.parametrize(("target", "path"), KEPT)
def test_an_input_that_was_kept_does_no_harm(target: str, path: Path) -> None:
    TARGETS[target](path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_does_harm(target: str) -> None:
    @given(st.binary(max_size=400))
    @settings(max_examples=EXAMPLES.get(target, 120), deadline=None)
    def attempt(data: bytes) -> None:
        TARGETS[target](data)

    attempt()


def test_every_target_has_inputs_that_are_kept_and_no_others_are_there() -> None:
    assert {path.name for path in SEEDS.iterdir()} == set(TARGETS)
    assert all(seeds(target) for target in TARGETS)


# --- each target goes red -------------------------------------------------------------------------------------------


class Planted(NamedTuple):
    """`text` in the function `where` of `module` is replaced by `instead`."""

    target: str
    module: str
    where: str
    text: str
    instead: str


HOST_QUEUE, REMOTE_QUEUE, RPROC = "hostside.virtqueue", "remoteside.virtqueue", "hostside.remoteproc"
IN_PYTHON = (
    Planted("driver_vring", HOST_QUEUE, "DriverQueue.take_head", "if written > self._writable[head]:", "if False:"),
    Planted("driver_vring", HOST_QUEUE, "DriverQueue.take_head", " or not self._descriptors[head]:", ":"),
    Planted("device_vring", REMOTE_QUEUE, "DeviceQueue._descriptor", "if length > end - address:", "if False:"),
    Planted("device_vring", REMOTE_QUEUE, "DeviceQueue._walk", "if following >= entries:", "if False:"),
    Planted("device_vring", REMOTE_QUEUE, "DeviceQueue._walk", "for _ in range(num):", "while True:"),
    Planted(
        *("resource_table", f"{RPROC}.resources", "check"),
        *("if memory[name].pa % align:", "if False:"),
    ),
    Planted(
        *("resource_table", f"{RPROC}.memory", "DeviceMemory.allocate"),
        *("if _overlap(way, (pa, pa + length)):", "if False:"),
    ),
    Planted(
        "resource_table",
        f"{RPROC}.vdev",
        "RprocVdev.clear_vrings",
        "if status != RESET:",
        "assert status == RESET\n        if False:",
    ),
    Planted(
        *("elf_image", "amp.remoteproc.image", "_Reader.segments"),
        *('_CHECKS.between(f"{label} p_filesz", filesz, 0, memsz)', "pass"),
    ),
    Planted("code", "amp.code.elf", "image_of", "except Exception as error:", "except ZeroDivisionError as error:"),
    Planted(
        "code", "amp.code.arm32", "Decoder._row", "except KeyError as error:", "except ZeroDivisionError as error:"
    ),
    Planted(
        *("rpmsg_host", "amp.rpmsg.bus", "Bus._no_recipient"),
        *("no_recipient += 1\n        self.link.recycle(buffer)", "no_recipient += 1"),
    ),
    Planted("rpmsg_host", "amp.rpmsg.bus", "Bus._take", "if length > written - HEADER_BYTES:", "if False:"),
    Planted("rpmsg_remote", "amp.rpmsg.bus", "Bus._take", "if length > written - HEADER_BYTES:", "if False:"),
    Planted("rpmsg_remote", "remoteside.rpmsg", "DeviceLink._refused", "queue.push_used(chain.head, 0)", "pass"),
    Planted("rpmsg_remote", "remoteside.rpmsg", "DeviceLink.receive", "if address % 8:", "if False:"),
    Planted(
        "name_service",
        "amp.rpmsg.names",
        "NameService._bind",
        "pop(key, None)\n                raise",
        "get(key)\n                raise",
    ),
    Planted("name_service", "amp.rpmsg.wire", "Announcement.decode", "if addr == ADDR_ANY:", "if False:"),
)
EXAMPLES = {"code": 40}  # of hypothesis's, where one takes ten milliseconds
INPUTS = 3000  # random ones, behind those that are kept


def wrong_function(planted: Planted) -> Callable[..., Any]:
    """The function with the error in it. All else, the names it uses included, is the module's own."""
    module = importlib.import_module(planted.module)
    source = Path(str(module.__file__)).read_text()
    times = source.count(planted.text)
    assert times == 1, f"{planted.module} has changed: {planted.text!r} is there {times} times"
    fresh = dict(vars(module))
    exec(compile(source.replace(planted.text, planted.instead), planted.module, "exec"), fresh)
    wrong = attrgetter(planted.where)(types.SimpleNamespace(**fresh))
    wrong = getattr(wrong, "__func__", wrong)
    made = types.FunctionType(wrong.__code__, vars(module), wrong.__name__, wrong.__defaults__, wrong.__closure__)
    made.__kwdefaults__ = wrong.__kwdefaults__
    return made


def fails(target: str) -> bool:
    """Does the target find anything, in what is kept or in random inputs?"""
    source = random.Random(1)
    made = (source.randbytes(source.choice((30, 100, 300))) for _ in range(INPUTS))
    for data in (*(path.read_bytes() for path in seeds(target)), *made):
        try:
            TARGETS[target](data)
        except Exception:  # whatever it is, it is not what the code under test promises
            return True
    return False


@pytest.mark.parametrize("planted", IN_PYTHON, ids=lambda row: f"{row.target}: {row.where}: {row.text.strip()[:24]}")
def test_a_planted_error_is_found(monkeypatch: pytest.MonkeyPatch, planted: Planted) -> None:
    owner, _, name = planted.where.rpartition(".")
    module = importlib.import_module(planted.module)
    real = getattr(module, owner) if owner else module
    wrong: Any = wrong_function(planted)
    there = vars(real)[name]
    monkeypatch.setattr(real, name, type(there)(wrong) if isinstance(there, classmethod | staticmethod) else wrong)
    assert fails(planted.target)


def test_every_target_has_a_planted_error() -> None:
    in_c = {"port_access"}  # test_fuzz_sanitized.py
    assert {planted.target for planted in IN_PYTHON} | in_c == set(TARGETS)


def test_the_watched_port_stops_who_goes_astray() -> None:
    arena = Arena(64)
    port = arena.port(HOST, loads=[(START, START + 8)], stores=[(START + 8, START + 16)])
    port.begin(3)
    port.store_u16(START + 8, port.load_u16(START))
    with pytest.raises(Escape, match="load_u32 of 4 bytes"):
        port.load_u32(START + 8)
    port.begin(3)
    with pytest.raises(Escape, match="write of 9 bytes"):
        port.write(START + 8, bytes(9))
    port.begin(1)
    port.load_u16(START)
    with pytest.raises(Escape, match="more steps"):
        port.load_u16(START)


# --- the coverage-guided fuzzer -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="needs atheris: pip install -e '.[fuzz]'")
@pytest.mark.parametrize("target", TARGETS)
def test_ten_seconds_of_the_coverage_guided_fuzzer_find_nothing(tmp_path: Path, target: str) -> None:
    command = [sys.executable, str(HERE / "run.py"), target, "--seconds", "10", "--corpus", str(tmp_path / "corpus")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr[-4000:]
    assert f"{target}: seed 1, 10 s" in ended.stdout
    assert not list((tmp_path / "corpus-found").iterdir())


def test_an_input_that_was_found_is_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    def picky(data: bytes) -> None:
        assert data.count(b"x") < 3, "too many"

    monkeypatch.setattr(fuzz_targets, "TARGETS", {"picky": picky})
    assert run.minimized("picky", b"a x bcd x e f x gh x") == b"xxx"
    with pytest.raises(SystemExit, match="fails no more"):
        run.minimized("picky", b"xx")
