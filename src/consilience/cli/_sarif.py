"""Diagnostics as SARIF 2.1.0, the form in which code scanning and editors take findings of static checks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from consilience.cli._codes import meanings
from consilience.cli._excerpt import Sources
from consilience.cli._report import Report, from_here
from consilience.errors import Diagnostic, Part, Place
from consilience.host import consilience_version

__all__ = ["to_sarif"]

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_AFTER_KEY = re.compile(r"\s*:(?:\s+|$|(?=[\[{\"']))")


def to_sarif(reports: Sequence[Report]) -> str:
    """Writes one log with one run; a fix is there where its replacement is exactly known."""
    codes = sorted({item.code for report in reports for item in report.diagnostics})
    driver = {"name": "consilience", "version": consilience_version(), "rules": [_rule(code) for code in codes]}
    sources = Sources()
    results = [_result(item, report.file, codes, sources) for report in reports for item in report.diagnostics]
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True, "exitCode": int(any(report.errors for report in reports))}],
        "artifacts": [{"location": _artifact(report.file)} for report in reports],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(code: str) -> dict[str, Any]:
    meaning = meanings().get(code)
    if meaning is None:
        return {"id": code}
    return {
        "id": code,
        "shortDescription": {"text": meaning.title},
        "help": {"text": "\n\n".join(meaning.paragraphs), "markdown": meaning.markdown},
    }


def _result(item: Diagnostic, file: str, codes: list[str], sources: Sources) -> dict[str, Any]:
    location = _location(item.place or Place(file, 1, 1))
    location["logicalLocations"] = [{"fullyQualifiedName": item.where}]
    related = [
        {"id": number, **_location(other.place), "message": {"text": f"{other.message}: {other.where}"}}
        for number, other in enumerate(item.related, start=1)
        if other.place is not None
    ]
    text = f"found {item.found}\nexpected {item.expected}\nfix {item.fix}"
    return {
        "ruleId": item.code,
        "ruleIndex": codes.index(item.code),
        "level": str(item.severity),
        "message": {"text": text},
        "locations": [location],
        **({"relatedLocations": related} if related else {}),
        **({"fixes": fixes} if (fixes := list(_fixes(item, sources))) else {}),
    }


def _location(place: Place) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": _artifact(place.file), "region": _region(place)}}


def _artifact(file: str) -> dict[str, str]:
    shown = from_here(file)
    path = Path(shown)
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(shown, errors="replace"), "uriBaseId": "%SRCROOT%"}


def _region(place: Place) -> dict[str, int]:
    region = {"startLine": place.line, "startColumn": place.column}
    return region | ({"endLine": place.end_line, "endColumn": place.end_column} if place.end_line else {})


def _fixes(item: Diagnostic, sources: Sources) -> Iterable[dict[str, Any]]:
    replacement = _replacement(item, sources)
    if replacement is not None and item.place is not None:
        change = {"deletedRegion": _region(item.place), "insertedContent": {"text": replacement}}
        changes = [{"artifactLocation": _artifact(item.place.file), "replacements": [change]}]
        yield {"description": {"text": item.fix}, "artifactChanges": changes}


def _replacement(item: Diagnostic, sources: Sources) -> str | None:
    """Gives the text that mends a fault when it replaces its place, or None where more must change."""
    place, (key, colon, value) = item.place, item.fix.partition(":")
    if place is None or not place.end_line or not item.path or not colon or not re.fullmatch(r"[\w.-]+", key):
        return None
    after = sources.line(Place(place.file, place.end_line, 1))
    if after is None or "\n" in item.fix:
        return None
    after, value = after[place.end_column - 1 :], value.strip()
    behind_key = _AFTER_KEY.match(after)
    if item.part is Part.KEY:
        is_renamed = behind_key is not None and (
            not value or re.match(rf"{re.escape(value)}\s*(?:[,}}]|#|$)", after[behind_key.end() :])
        )
        return key if is_renamed else None
    return value if value and behind_key is None and key == item.path[-1] else None
