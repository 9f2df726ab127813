"""The summary as SARIF 2.1.0, which code scanning shows beside the lines: a result for each finding.

Section numbers are those of the standard (OASIS, Static Analysis Results Interchange Format 2.1.0, errata 01). What was
not decided is no result: it is a notification of the invocation (3.20.21), and an error makes that unsuccessful.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from amp import __version__
from amp.check.judged import Finding, JudgedCell, Mark, Summary, retold
from amp.check.places import Spot, spot_of

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT: Final = "SRCROOT"
VIOLATION, LITMUS, EXPECTED = "amp/violation", "amp/litmus", "amp/expected"
_RULES: Final = {
    VIOLATION: "The platform allows an execution that breaks the program; what stands at this line lets it.",
    LITMUS: "A litmus test can end otherwise than is expected.",
    EXPECTED: "A violation was expected here, and there is none.",
}
_FINGERPRINT: Final = "ampFinding/v1"


def sarif(summary: Summary, root: str) -> bytes:
    """The file's content; `root` is the folder that its relative paths are below."""
    missed = [cell for cell in summary.cells if cell.mark is Mark.FAILED and not cell.is_finding]
    results = [_finding(each, root) for each in summary.findings] + [_missed(each, root) for each in missed]
    undecided = [cell for cell in summary.cells if cell.mark in (Mark.INCONCLUSIVE, Mark.ERROR, Mark.NOT_RUN)]
    run = {
        "tool": {
            "driver": {
                "name": "amp",
                "semanticVersion": __version__,
                "rules": [{"id": name, "shortDescription": {"text": text}} for name, text in _RULES.items()],
            }
        },
        "originalUriBaseIds": {_ROOT: {"uri": f"{Path(root).as_uri()}/"}},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not (summary.interrupted or summary.count(Mark.ERROR)),
                "exitCode": summary.exit_status,
                "toolExecutionNotifications": [_notification(cell, root) for cell in undecided],
            }
        ],
        "results": results,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2).encode() + b"\n"


def _finding(finding: Finding, root: str) -> dict[str, Any]:
    rule = LITMUS if finding.check.is_litmus else VIOLATION
    result = _result(rule, finding.text, finding.cells[0], root) | {
        "partialFingerprints": {_FINGERPRINT: finding.fingerprint},
        "baselineState": "unchanged" if finding.known else "new",
    }
    if finding.known:
        result["suppressions"] = [{"kind": "external", "justification": "in the baseline"}]
    found = finding.found
    result["properties"] = {
        "site": found.site,
        "cells": [cell.name for cell in finding.cells],
        "story": list(retold(found)),
        "replay": found.command,
    }
    return result


def _missed(cell: JudgedCell, root: str) -> dict[str, Any]:
    text = f"{cell.check.name}: {cell.name}: {cell.why}"
    return _result(EXPECTED, text, cell, root) | {"partialFingerprints": {_FINGERPRINT: cell.fingerprint}}


def _result(rule: str, text: str, cell: JudgedCell, root: str) -> dict[str, Any]:
    return {
        "ruleId": rule,
        "ruleIndex": list(_RULES).index(rule),
        "level": "error",
        "message": {"text": text},
        "locations": [_location(spot_of(cell, root))],
    }


def _notification(cell: JudgedCell, root: str) -> dict[str, Any]:
    text = f"{cell.check.name}: {cell.name}: {cell.mark.value}: {cell.why}"
    level = "error" if cell.mark is Mark.ERROR else "warning"
    return {"level": level, "message": {"text": text}, "locations": [_location(spot_of(cell, root))]}


def _location(spot: Spot) -> dict[str, Any]:
    inside = {"uri": quote(spot.path), "uriBaseId": _ROOT}
    artifact = inside if spot.is_inside else {"uri": Path(spot.path).as_uri()}
    return {"physicalLocation": {"artifactLocation": artifact, "region": {"startLine": spot.line}}}
