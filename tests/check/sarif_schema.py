"""The part of SARIF 2.1.0 that the gate writes, as a JSON schema: required properties, types, values. Not a test.

Section numbers are the standard's. Properties that the gate does not write are refused, so that this file is complete.
"""

from __future__ import annotations

from typing import Any, Final


def record(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **optional},
        "additionalProperties": False,
    }


def some(of: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": of, **more}


TEXT: Final = {"type": "string"}
MESSAGE: Final = record({"text": TEXT})  # 3.11
LEVEL: Final = {"enum": ["none", "note", "warning", "error"]}  # 3.27.10
ARTIFACT: Final = record({"uri": {"type": "string", "format": "uri-reference"}}, uriBaseId=TEXT)  # 3.4
REGION: Final = record({"startLine": {"type": "integer", "minimum": 1}})  # 3.30.5
LOCATION: Final = record({"physicalLocation": record({"artifactLocation": ARTIFACT, "region": REGION})})  # 3.28, 3.29
SUPPRESSION: Final = record({"kind": {"enum": ["inSource", "external"]}}, justification=TEXT)  # 3.35
RESULT: Final = record(  # 3.27
    {"message": MESSAGE},
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": 0},
    level=LEVEL,
    locations=some(LOCATION),
    partialFingerprints={"type": "object", "additionalProperties": TEXT},
    baselineState={"enum": ["new", "unchanged", "updated", "absent"]},
    suppressions=some(SUPPRESSION),
    properties={"type": "object"},
)
NOTIFICATION: Final = record({"message": MESSAGE}, level=LEVEL, locations=some(LOCATION))  # 3.58
INVOCATION: Final = record(  # 3.20
    {"executionSuccessful": {"type": "boolean"}},
    exitCode={"type": "integer"},
    toolExecutionNotifications=some(NOTIFICATION),
)
RULE: Final = record({"id": TEXT}, shortDescription=MESSAGE)  # 3.49
DRIVER: Final = record({"name": TEXT}, semanticVersion=TEXT, rules=some(RULE))  # 3.19
RUN: Final = record(  # 3.14
    {"tool": record({"driver": DRIVER})},
    originalUriBaseIds={"type": "object", "additionalProperties": ARTIFACT},
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    invocations=some(INVOCATION),
    results=some(RESULT),
)
SCHEMA: Final = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **record({"version": {"const": "2.1.0"}, "runs": some(RUN)}, **{"$schema": {"type": "string", "format": "uri"}}),
}
