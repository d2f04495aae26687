"""Diagnostics for machines: one JSON object, and the annotations of GitHub's workflows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from consilience.cli._codes import meanings
from consilience.cli._excerpt import printable
from consilience.cli._report import Report, from_here
from consilience.errors import Diagnostic, Place
from consilience.host import consilience_version

__all__ = ["to_github", "to_json"]


def to_json(reports: Sequence[Report]) -> str:
    """Writes one object; docs/command-line.md lists its keys."""
    written = {
        "format": 1,
        "consilience": consilience_version(),
        "errors": sum(report.errors for report in reports),
        "warnings": sum(report.warnings for report in reports),
        "files": [
            {"file": report.file, "diagnostics": [_written(item) for item in report.diagnostics]} for report in reports
        ],
    }
    return json.dumps(written, indent=2)


def _written(item: Diagnostic) -> dict[str, Any]:
    meaning = meanings().get(item.code)
    return {
        "code": item.code,
        "title": meaning.title if meaning else None,
        "severity": str(item.severity),
        "path": list(item.path),
        "where": item.where,
        "part": str(item.part),
        "place": _place(item.place),
        "found": item.found,
        "expected": item.expected,
        "fix": item.fix,
        "related": [
            {
                "message": related.message,
                "path": list(related.path),
                "where": related.where,
                "place": _place(related.place),
            }
            for related in item.related
        ],
        "help": {"text": "\n\n".join(meaning.paragraphs), "uri": meaning.anchor} if meaning else None,
    }


def _place(place: Place | None) -> dict[str, Any] | None:
    if place is None:
        return None
    ends = {"end_line": place.end_line or None, "end_column": place.end_column or None}
    return {"file": place.file, "line": place.line, "column": place.column, **ends}


def to_github(reports: Sequence[Report]) -> str:
    """Writes a workflow command a diagnostic, which GitHub shows beside the line."""
    return "\n".join(_command(item, report.file) for report in reports for item in report.diagnostics)


def _command(item: Diagnostic, file: str) -> str:
    place = item.place or Place(file, 1, 1)
    properties: dict[str, object] = {"file": from_here(place.file), "line": place.line}
    if place.end_line > place.line:
        properties["endLine"] = place.end_line  # columns count within one line alone
    else:
        properties["col"] = place.column
        if place.end_column > place.column:
            properties |= {"endLine": place.line, "endColumn": place.end_column}
    properties["title"] = f"{item.code} at {item.where}"
    parts = [f"found {item.found}", f"expected {item.expected}", f"fix {item.fix}"]
    for related in item.related:
        at = f" ({from_here(related.place.file)}:{related.place.line})" if related.place else ""
        parts.append(f"{related.message}: {related.where}{at}")
    shown = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{item.severity} {shown}::{_data(chr(10).join(parts))}"


def _data(text: str) -> str:
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
