"""Finds the sections that are indented under another, so that one slip is told once, and not by each node in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from consilience.errors import Diagnostic, Part, Path

__all__ = ["take_out_misplaced"]


def take_out_misplaced(written: dict[str, Any], sections: Mapping[str, Any]) -> Iterator[tuple[Diagnostic, list[Path]]]:
    """Takes out each section that is indented under another, with the nodes behind it.

    Gives the fault, and the paths of what was taken out: as they are written, and as they were meant.
    """
    for outer in sections:
        inside = written.get(outer)
        items = inside.items() if isinstance(inside, dict) else ()
        name = next((key for key, value in items if key != outer and _is_section(key, value, sections)), None)
        if name is None or not isinstance(inside, dict):
            continue
        names = list(inside)
        taken = names[names.index(name) :] if inside[name] is None else [name]
        moved = [other for other in taken if other != name] or list(inside[name] or ())
        written[outer] = {key: value for key, value in inside.items() if key not in taken}
        lost: list[Path] = [(name,), *((outer, other) for other in taken), *((name, other) for other in moved)]
        yield _fault(outer, name), lost


def _is_section(name: str, value: object, sections: Mapping[str, Any]) -> bool:
    """Tells whether what stands under a section is another: nothing, or names with what stands below them."""
    if name not in sections:
        return False
    if not isinstance(value, dict):
        return value is None
    return not value.keys() & {"use", "share"} and all(isinstance(item, dict) for item in value.values())


def _fault(outer: str, name: str) -> Diagnostic:
    found = f"{name}, which is a section, inside {outer}"
    expected = "a section at the start of the line"
    fix = f"# put `{name}:` at the start of the line, and what belongs to it below"
    return Diagnostic("CN120", (outer, name), found, expected, fix, part=Part.KEY)
