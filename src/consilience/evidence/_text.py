"""Writes reports and comparisons as plain text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from consilience.evidence._report import Report

__all__ = ["number", "report_text", "table"]


def report_text(report: Report) -> str:
    """Writes a report: metrics, a table for each answer, the sections of plugins, notes."""
    head = f"{report.name}: {report.rows:,} rows of {report.split}, {report.seconds:.1f} s on {report.device}"
    parts = [head, *_metrics(report.metrics)]
    for answer in report.answers.values():
        unit = "words" if answer.kind == "token_labels" else "examples"
        parts.append(f"{answer.answer} ({answer.field}, {answer.count:,} {unit})\n{_indented(answer.text)}")
    for name, section in report.sections.items():
        rows = [(key, number(value)) for key, value in section.items()]
        parts.append(f"{name}\n{_indented(table(rows))}")
    parts += [f"note: {note}" for note in report.notes]
    return "\n\n".join(parts)


def number(value: Any) -> str:
    """Writes one measured value."""
    if isinstance(value, bool) or value is None:
        return "-" if value is None else str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Sets rows of cells in columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)


def _metrics(metrics: Mapping[str, Any]) -> Iterator[str]:
    plain = [(name, number(value)) for name, value in metrics.items() if not isinstance(value, Mapping | list)]
    if plain:
        yield table(plain)
    for name, value in metrics.items():
        if isinstance(value, Mapping) and set(value) == {"labels", "matrix"}:
            rows = [("true \\ predicted", *value["labels"])]
            rows += [(label, *map(number, row)) for label, row in zip(value["labels"], value["matrix"], strict=True)]
            yield f"{name}\n{_indented(table(rows))}"
        elif isinstance(value, Mapping):
            yield f"{name}\n{_indented(table([(label, number(item)) for label, item in value.items()]))}"
        elif isinstance(value, list):
            yield f"{name}  {value}"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
