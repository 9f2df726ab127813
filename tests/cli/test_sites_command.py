"""`amp sites` as a user types it: its object, exit statuses, mistakes; and the lines it prints to repeat do repeat."""

from __future__ import annotations

import html
import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from commands import here as amp

from amp.explore.explorer import Bounds
from amp.lab.necessity import necessity, plan_of
from amp.ordering.barriers import BarrierClass
from amp.report.matrix import matrix_data

RING = ("S1", "S2", "S3", "S4", "B1")
COUNTED = {
    "verdict": {"enum": ["holds", "broken", "unknown"]},
    "runs": {"type": "integer", "minimum": 1},
    "executions": {"type": "integer", "minimum": 0},
    "states": {"type": "integer", "minimum": 0},
    "bound": {"type": ["string", "null"]},
}
FOUND = {
    "type": ["object", "null"],
    "required": ["side", "kind", "text", "messages", "schedule", "replay", "replayed", "blamed"],
    "additionalProperties": False,
    "properties": {
        "side": {"enum": ["host", "remote"]},
        "kind": {"type": "string"},
        "text": {"type": "string", "minLength": 1},
        "messages": {"type": "integer", "minimum": 1},
        "schedule": {"type": ["string", "null"], "pattern": r"^s1\."},
        "replay": {"type": "string", "pattern": "^amp (run|verify) "},
        "replayed": {"type": "boolean"},
        "blamed": {"type": ["string", "null"]},
    },
}


def closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": properties,
    }


CLASS = {"enum": [None, *BarrierClass]}
TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}
CELL = closed({**COUNTED, "barrier": TEXT, "same_as": CLASS, "counterexample": FOUND})
SCHEMA = closed(
    {
        "command": {"const": "sites"},
        "status": {"enum": ["verified", "violation", "inconclusive"]},
        **dict.fromkeys(("program", "platform", "barriers"), TEXT),
        "weaken": TEXTS,
        **{
            key: {"type": "integer", "minimum": 0}
            for key in ("messages", "ring_size", "violations", "executions", "runs", "states", "explorations")
        },
        "seconds": {"type": "number", "minimum": 0},
        "caution": {"type": ["string", "null"]},
        "as_coded": closed({**COUNTED, "counterexample": FOUND}),
        "matrix": {
            "type": "array",
            "minItems": 1,
            "items": closed(
                {
                    **dict.fromkeys(("site", "side", "role", "orders", "coded"), TEXT),
                    "weakest": CLASS,
                    "least": CLASS,
                    "certain": {"type": "boolean"},
                    "judged": {"type": "boolean"},
                    "note": {"type": ["string", "null"]},
                    "cells": closed({each.value: CELL for each in BarrierClass}),
                }
            ),
        },
        "assignment": {
            "anyOf": [
                {"type": "null"},
                closed(
                    {
                        "weaken": TEXTS,
                        **COUNTED,
                        "minimal": {"type": "boolean"},
                        "replay": TEXT,
                        "weaker": {
                            "type": "array",
                            "items": closed(
                                {**COUNTED, "site": TEXT, "class": CLASS, "text": {"type": ["string", "null"]}}
                            ),
                        },
                    }
                ),
            ]
        },
        "built": {"type": "array"},
        "repair": {"type": "null"},
        "inversions": {"type": "array"},
    }
)


@dataclass(frozen=True)
class Asked:
    """A command line and what it comes to."""

    arguments: str
    status: int
    word: str


ASKED = (
    Asked("doorbell --platform arm64", 0, "verified"),
    Asked("doorbell --platform riscv --no-replay", 0, "verified"),
    Asked("spsc-vring --barriers none --no-replay", 1, "violation"),
    Asked("spsc-vring --max-executions 2 --no-replay", 3, "inconclusive"),
    Asked("spsc-vring --messages 1 --ring-size 4", 0, "verified"),
)


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.arguments)
def test_the_object_has_its_form_and_the_exit_status_says_the_same(asked: Asked) -> None:
    done = amp("sites", *asked.arguments.split(), "--json")
    assert (done.returncode, done.stderr) == (asked.status, "")
    data = json.loads(done.stdout)
    jsonschema.validate(data, SCHEMA)
    assert data["status"] == asked.word
    assert data["violations"] == (asked.status == 1)
    cells = [cell for row in data["matrix"] for cell in row["cells"].values()]
    assert all((cell["counterexample"] is not None) == (cell["verdict"] == "broken") for cell in cells)
    replayed = [cell for cell in cells if cell["counterexample"] and cell["counterexample"]["replayed"]]
    needed = [row for row in data["matrix"] if row["weakest"] not in (None, "none")]
    assert len(replayed) == (0 if "--no-replay" in asked.arguments else len(needed))


def test_the_schema_refuses_a_cell_without_its_counterexample_field() -> None:
    plan = plan_of("doorbell", platform="sc", barriers="mandatory", weaken=(), messages=None, ring_size=None)
    data = json.loads(json.dumps(matrix_data(necessity(plan, Bounds(1000, 60)))))
    jsonschema.validate(data, SCHEMA)
    del data["matrix"][0]["cells"]["smp"]["counterexample"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, SCHEMA)


def test_every_command_it_prints_shows_what_it_says() -> None:
    done = amp("sites", "spsc-vring", "--platform", "omap4-2011", "--json")
    data = json.loads(done.stdout)
    verified = amp(*shlex.split(data["assignment"]["replay"])[1:], "--json")
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["runs"] == data["assignment"]["runs"]
    for row in data["matrix"]:
        for cell in row["cells"].values():
            found = cell["counterexample"]
            if found is not None and cell["same_as"] is None:
                again = amp(*shlex.split(found["replay"])[1:], "--json")
                assert again.returncode == 1, again.stderr
                assert json.loads(again.stdout)["findings"][0]["text"] == found["text"]
                assert found["blamed"] in (None, row["site"])


def test_the_same_command_says_the_same_every_time() -> None:
    def said() -> str:
        return re.sub(r", [\d.]+ s$", "", amp("sites", "vring", "--platform", "x86-wc").stdout, flags=re.MULTILINE)

    assert said() == said()


def test_in_a_pipe_it_is_quiet_and_the_table_fits() -> None:
    done = amp("sites", "spsc-vring", "--platform", "arm64-domains", "--no-replay")
    assert (done.returncode, done.stderr) == (0, "")
    rows = re.findall(r"^ ([A-Z]\d) +(\S+) +(\S+)", done.stdout, re.MULTILINE)
    assert rows == [(site, "dma", "broken") for site in RING[:4]]
    table = [line for line in done.stdout.splitlines() if re.match(r"^ ([A-Z]\d|site|─| {8})", line)]
    assert len(table) > len(rows)
    assert max(map(len, table)) <= 100
    assert "Enough together: S1=dma S2=dma S3=dma S4=dma" in done.stdout
    assert all(f"{site}=smp is not enough (" in done.stdout for site in RING[:4])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("nothing", "nothing"),
        ("vring --platform pdp-11", "pdp-11"),
        ("vring --weaken S5=none", "vring has no site S5"),
        ("vring --messages 0", "messages"),
        ("vring --ring-size 3", "ring size is 3"),
        ("vring --html /nowhere/page.html", "--html /nowhere/page.html"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments: str, says: str) -> None:
    done = amp("sites", *arguments.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_page_is_written_beside_what_is_printed(tmp_path: Path) -> None:
    page = tmp_path / "matrix.html"
    done = amp("sites", "doorbell", "--platform", "arm64-domains", "--html", page, "--json")
    assert done.returncode == 0
    text = html.unescape(page.read_text())
    for row in json.loads(done.stdout)["matrix"]:
        assert f'<th scope="row">{row["site"]}</th>' in text
        assert all(cell["counterexample"]["text"] in text for cell in row["cells"].values() if cell["counterexample"])
