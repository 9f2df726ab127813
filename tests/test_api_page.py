"""docs/api.md says what the docstrings say, of every public name."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import amp

DOCS = Path(__file__).parents[1] / "docs"


def generated() -> str:
    spec = importlib.util.spec_from_file_location("generate_api", DOCS / "generate_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page: str = module.page()
    return page


def test_the_page_is_what_the_docstrings_make_it() -> None:
    assert (DOCS / "api.md").read_text() == generated(), "python docs/generate_api.py > docs/api.md"


def test_every_public_name_has_its_entry() -> None:
    page = generated()
    assert [name for name in amp.__all__ if f"### amp.{name}\n" not in page] == []
