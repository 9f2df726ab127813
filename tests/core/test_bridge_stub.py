"""The typed stub and the extension name the same things."""

import ast
from pathlib import Path

import pytest

from amp._core import _bridge

STUB = ast.parse((Path(_bridge.__file__).parent / "_bridge.pyi").read_text())
CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}


def declared(body: list[ast.stmt]) -> set[str]:
    names = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    names |= {node.target.id for node in body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def public(thing: object) -> set[str]:
    return {name for name in vars(thing) if not name.startswith("_")}


def test_the_module_has_what_the_stub_declares_and_nothing_else() -> None:
    assert declared(STUB.body) == public(_bridge)


@pytest.mark.parametrize("name", sorted(name for name in CLASSES if not name.startswith("_")))
def test_each_class_has_what_the_stub_declares_and_nothing_else(name: str) -> None:
    inherited = declared(CLASSES["_Port"].body) if name.endswith("Port") else set()
    assert declared(CLASSES[name].body) | inherited == public(getattr(_bridge, name))
