"""Who may import whom, by DESIGN's rules of the house: rows, read from the syntax trees, each shown to go red."""

import ast
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("amp", "hostside", "remoteside")
SIDES = ("hostside", "remoteside")
ABOVE = tuple(f"amp.{room}" for room in ("explore", "report", "lab", "check", "cli"))
BELOW = tuple(f"amp.{room}" for room in ("region", "ordering", "virtio", "port", "machine", "remoteproc", "rpmsg"))
PROGRAMS = "amp.programs"  # what is explored, run and told of: the sides' parts use it, what is below does not
PROTOCOL = (
    "amp.virtio",
    "amp.remoteproc",
    "amp.rpmsg",
    "hostside.remoteproc",
    "hostside.rpmsg",
    "hostside.virtqueue",
    "remoteside.rpmsg",
    "remoteside.virtqueue",
)
NUMERIC = ("hostside.services.matrix", "remoteside.services.matrix")  # a sample of firmware that computes
WORLD = (
    "asyncio",
    "datetime",
    "multiprocessing",
    "os",
    "random",
    "secrets",
    "signal",
    "socket",
    "subprocess",
    "threading",
    "time",
)


CLI_LINES = 3500  # what measures, decides and computes has a place of its own


@dataclass(frozen=True)
class Rule:
    """Modules within `who`, save those within `but`, import nothing within `never`. A name includes its insides."""

    why: str
    who: tuple[str, ...]
    never: tuple[str, ...]
    but: tuple[str, ...] = ()


RULES = (
    Rule("the host knows no remote", ("hostside",), ("remoteside",)),
    Rule("the remote knows no host", ("remoteside",), ("hostside",)),
    Rule("a side imports only the public part of amp", SIDES, ABOVE),
    Rule("what is below knows nothing of what is above", (*BELOW, PROGRAMS), ABOVE),
    Rule("only a side's process loads programs", BELOW, (PROGRAMS,), but=("amp.machine.side",)),
    Rule("only the composition root imports the sides", ("amp",), SIDES, but=("amp.cli", "amp.lab")),
    Rule("what Python may call knows no terminal", ("amp.lab", "amp.check", PROGRAMS), ("amp.cli",)),
    Rule("the laboratory knows no gate", ("amp.lab",), ("amp.check",)),
    Rule("the command line is the layer that renders", ("amp",), ("click", "rich"), but=("amp.cli",)),
    # The bare silicon's ring is C on both sides, without a port: its two entry points call the core.
    Rule(
        "the core has few callers",
        ROOMS,
        ("amp._core",),
        but=(
            "amp._core",
            "amp.code",
            "amp.port.doors",
            "amp.machine",
            "amp.bench",
            "amp.explore",
            "amp.litmus",
            "amp.lab",
            "amp.cli",
            "amp.report",
            "hostside.silicon",
            "remoteside.silicon",
        ),
    ),
    # asyncio's adapter is not protocol: it is the loop's way to wait for a doorbell.
    Rule("protocol code has no clock, process or chance", PROTOCOL, WORLD, but=("amp.rpmsg.aio",)),
)


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


@cache
def parsed(text: str) -> ast.Module:
    """Of a tree that is read many times most files are the same."""
    return ast.parse(text)


@cache
def nodes(tree: ast.Module, *kinds: type[ast.AST]) -> tuple[Any, ...]:
    """Of those kinds, anywhere in the module."""
    return tuple(node for node in ast.walk(tree) if isinstance(node, kinds))


def modules(root: Path) -> Iterator[tuple[str, Path, ast.Module]]:
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield name, path, parsed(path.read_text())


def imports(module: str, path: Path, tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every name that is imported, and the line; `from a import b` is both a and a.b. Anywhere in the module."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in nodes(tree, ast.Import, ast.ImportFrom):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        else:
            up = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*up, *([node.module] if node.module else [])])
            yield origin, node.lineno
            for alias in node.names:
                yield f"{origin}.{alias.name}", node.lineno


def broken_rules(root: Path) -> list[str]:
    """Every import that breaks a rule, every side named where none may be, every C file that knows Python."""
    found = []
    for module, path, tree in modules(root):
        imported = sorted(set(imports(module, path, tree)))
        for rule in RULES:
            if within(module, rule.who) and not within(module, rule.but):
                found += [
                    f"{path.relative_to(root)}:{line}: imports {name}: {rule.why}"
                    for name, line in imported
                    if within(name, rule.never)
                ]
        if module.startswith(SIDES):
            own = {"amp", module.partition(".")[0], *SIDES} | set(sys.stdlib_module_names)
            own |= {"numpy"} if within(module, NUMERIC) else set()
            found += [
                f"{path.relative_to(root)}:{line}: imports {name}: a side stands on amp alone"
                for name, line in imported
                if name.partition(".")[0] not in own
            ]
        if within(module, ("amp",)) and not within(module, ("amp.cli", "amp.lab", PROGRAMS)):
            found += [
                f"{path.relative_to(root)}:{node.lineno}: names {node.value!r}: only the root and programs do"
                for node in nodes(tree, ast.Constant)
                if isinstance(node.value, str) and re.fullmatch(r"(hostside|remoteside)([.:]\w+)*", node.value)
            ]
    for path in sorted((root / "amp" / "_core").rglob("*.[ch]")):
        if not path.name.startswith("py_") and re.search(
            r'#\s*include\s*[<"](Python|(bridge/)?py_\w+)\.h', path.read_text()
        ):
            found.append(f"{path.relative_to(root)}: includes Python: only py_* files do")
    return found


def loaded_at_once(tree: ast.Module) -> Iterator[ast.stmt]:
    """The imports that run when the module does: none in a function, none for types only."""
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)]


def circles(root: Path) -> list[str]:
    """Modules that load themselves through others, each with what it loads on the way."""
    trees = {name: (path, tree) for name, path, tree in modules(root)}
    loads: dict[str, set[str]] = {}
    for name, (path, tree) in trees.items():
        own = ast.Module(list(loaded_at_once(tree)), [])
        names = {each for each, _ in imports(name, path, own)}
        known = names & trees.keys()
        # `from package import module` is of the module.
        loads[name] = {each for each in known if not any(other.startswith(f"{each}.") for other in known)}

    def reached(name: str) -> set[str]:
        seen: set[str] = set()
        waiting = [name]
        while waiting:
            new = loads[waiting.pop()] - seen
            seen |= new
            waiting += new
        return seen

    return sorted(name for name in trees if name in reached(name))


def orphans(root: Path) -> list[str]:
    """Modules that no other module imports or names, and no user starts, loads by name or copies."""
    own = ("amp.cli.__main__", "amp.pytest_plugin", PROGRAMS, "hostside.services", "remoteside.services")
    trees = list(modules(root))
    used: set[str] = set()
    for name, path, tree in trees:
        used |= {each for each, _ in imports(name, path, tree)} - {name}
        used |= {node.value.partition(":")[0] for node in nodes(tree, ast.Constant) if isinstance(node.value, str)}
    return [
        name for name, path, _ in trees if name not in used and path.name != "__init__.py" and not within(name, own)
    ]


def cli_lines(root: Path) -> int:
    return sum(len(path.read_text().splitlines()) for path in (root / "amp" / "cli").rglob("*.py"))


def test_every_import_keeps_the_rules_of_the_house() -> None:
    assert broken_rules(ROOT) == []


def test_no_module_loads_itself_through_others() -> None:
    assert circles(ROOT) == []


def test_no_module_is_there_for_the_tests_alone() -> None:
    assert orphans(ROOT) == []


def test_the_command_line_is_thin() -> None:
    assert cli_lines(ROOT) < CLI_LINES


def test_there_is_something_to_check() -> None:
    names = {name for name, _, _ in modules(ROOT)}
    assert {"amp.virtio.split", "hostside.virtqueue", "remoteside.virtqueue", "amp.port.doors", "amp"} <= names
    assert all(any(within(name, (who,)) for name in names) for rule in RULES for who in rule.who)
    assert len(list((ROOT / "amp" / "_core").rglob("py_*.c"))) >= 3


PLANTED = [
    ("hostside/exchange.py", "from remoteside.virtqueue import DeviceQueue", "the host knows no remote"),
    ("remoteside/exchange.py", "def f():\n    import hostside.virtqueue", "the remote knows no host"),
    ("hostside/exchange.py", "from amp.lab import machine", "a side imports only the public part of amp"),
    ("remoteside/virtqueue.py", "import amp.explore", "a side imports only the public part of amp"),
    ("amp/region/shm.py", "from amp.report import trace", "what is below knows nothing of what is above"),
    ("amp/ordering/sites.py", "from amp import cli", "what is below knows nothing of what is above"),
    ("amp/port/port.py", "from ..explore import explorer", "what is below knows nothing of what is above"),
    ("amp/programs/loader.py", "from amp.lab import plan", "what is below knows nothing of what is above"),
    ("amp/port/port.py", "from ..programs import load", "only a side's process loads programs"),
    ("amp/lab/plan.py", "from ..cli import terminal", "what Python may call knows no terminal"),
    ("amp/check/run.py", "from amp.cli import output", "what Python may call knows no terminal"),
    ("amp/lab/gate.py", "import amp.check.run", "the laboratory knows no gate"),
    ("amp/lab/run.py", "from rich.console import Console", "the command line is the layer that renders"),
    ("amp/report/page.py", "def f():\n    import click", "the command line is the layer that renders"),
    ("amp/machine/soc.py", "import amp.programs.vring", "only a side's process loads programs"),
    ("amp/machine/__init__.py", "from ..cli import machine", "what is below knows nothing of what is above"),
    ("amp/virtio/split.py", "from amp.explore.chooser import pick", "what is below knows nothing of what is above"),
    ("amp/machine/side.py", "import hostside", "only the composition root imports the sides"),
    ("amp/report/trace.py", "from remoteside import exchange", "only the composition root imports the sides"),
    ("amp/programs/vring.py", "from hostside.small import vring", "only the composition root imports the sides"),
    ("amp/machine/side.py", "PROGRAM = 'hostside.exchange'", "only the root and programs do"),
    ("amp/port/port.py", "PART = 'remoteside.small:vring'", "only the root and programs do"),
    ("amp/ordering/platforms.py", "from amp._core import _bridge", "the core has few callers"),
    ("amp/virtio/split.py", "from .._core import _bridge", "the core has few callers"),
    ("hostside/virtqueue.py", "import amp._core._bridge", "the core has few callers"),
    ("hostside/virtqueue.py", "import time", "protocol code has no clock, process or chance"),
    ("remoteside/virtqueue.py", "from random import choice", "protocol code has no clock, process or chance"),
    ("amp/virtio/split.py", "import os.path", "protocol code has no clock, process or chance"),
    ("remoteside/exchange.py", "import numpy as np", "a side stands on amp alone"),
    ("amp/_core/model/model.c", "#include <Python.h>", "only py_* files do"),
    ("amp/_core/core.h", '# include "bridge/py_bridge.h"', "only py_* files do"),
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree in which nothing is wrong."""
    copy = tmp_path_factory.mktemp("house")
    for room in ROOMS:
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    assert broken_rules(copy) == []
    return copy


@pytest.mark.xdist_group("house")
@pytest.mark.parametrize(("file", "line", "why"), PLANTED)
def test_a_planted_violation_goes_red_and_names_file_and_rule(house: Path, file: str, line: str, why: str) -> None:
    whole = (house / file).read_text()
    try:
        (house / file).write_text(f"{whole}\n{line}\n")
        found = broken_rules(house)
    finally:
        (house / file).write_text(whole)
    assert found, "not noticed"
    assert all(each.startswith(file) for each in found)
    assert any(each.endswith(why) for each in found)


@pytest.mark.xdist_group("house")
def test_a_planted_circle_and_a_planted_orphan_are_found(house: Path) -> None:
    names, alone = house / "amp" / "region" / "names.py", house / "amp" / "region" / "alone.py"
    whole = names.read_text()
    try:
        names.write_text(f"{whole}\nfrom amp.region.shm import Region\n")
        alone.write_text("")
        assert {"amp.region.names", "amp.region.shm"} <= set(circles(house))
        assert orphans(house) == ["amp.region.alone"]
    finally:
        names.write_text(whole)
        alone.unlink()


def test_every_rule_has_a_planted_violation() -> None:
    assert {rule.why for rule in RULES} <= {why for _, _, why in PLANTED}
