"""Makes of what a file says a model as far as that goes: what is at fault is told, and left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from consilience.declare._validation import Found, found_in
from consilience.errors import Diagnostic, Path

__all__ = ["Salvaged", "salvage"]

ModelT = TypeVar("ModelT", bound=BaseModel)

_MOST_ROUNDS = 8
"""How often what is left is looked at again: a fault may hide others behind it."""


@dataclass(frozen=True)
class Salvaged(Generic[ModelT]):
    """What could be understood, and what not."""

    model: ModelT | None
    """None where a key is missing without which there is nothing."""
    faults: tuple[Diagnostic, ...] = ()
    lost: tuple[Path, ...] = ()
    """The paths of what was left out, though it stands in the file."""


def salvage(
    model: type[ModelT],
    written: Mapping[str, Any],
    validate: Callable[[dict[str, Any]], ModelT],
    path: Path = (),
    stand_ins: Mapping[str, Any] | None = None,
) -> Salvaged[ModelT]:
    """Validates what is written at `path`; leaves out what is at fault, and takes a misspelt key as it was meant.

    `validate` raises pydantic's ValidationError. `stand_ins` gives values to required keys that are missing; without
    one, the mapping that lacks the key is left out. `written` itself stays as it is.
    """
    left = _copied(dict(written))
    faults: list[Diagnostic] = []
    lost: list[Path] = []
    for _ in range(_MOST_ROUNDS):
        try:
            return Salvaged(validate(left), tuple(faults), tuple(lost))
        except ValidationError as error:
            found = [item.as_misspelt() for item in found_in(error, model)]
        told = {fault.path for fault in faults}
        news = [item.diagnostic(path) for item in found if (*path, *item.path) not in lost]  # missing: it was taken out
        faults += [fault for fault in news if fault.path not in told or fault.code == "CN121"]
        gone = list(_leave_out(left, found, stand_ins or {}))
        if not gone:
            break
        lost += [(*path, *part) for part in gone]
    return Salvaged(None, tuple(faults), tuple(lost))


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _leave_out(left: dict[str, Any], found: list[Found], stand_ins: Mapping[str, Any]) -> Iterator[Path]:
    """Takes out what is at fault, the last items of a list first; gives the paths of what is not as it is written."""
    for item in sorted(found, key=lambda item: [str(part).zfill(9) for part in item.path], reverse=True):
        parent = _at(left, item.path[:-1])
        kind = item.detail["type"]
        if item.misspelt is not None and isinstance(parent, dict):
            parent[item.name] = parent.pop(item.misspelt)
            yield (*item.path[:-1], item.misspelt)
        elif kind == "missing" and item.name in stand_ins and isinstance(parent, dict):
            parent[item.name] = stand_ins[item.name]
            yield item.path
        elif kind == "missing":
            if _take_out(left, item.path[:-1]):
                yield item.path[:-1]
        elif taken := _take_out(left, item.path):
            near = item.near() if kind == "extra_forbidden" else None
            if near is not None and isinstance(parent, dict):
                parent.setdefault(near, *taken)
            yield item.path


def _at(value: Any, path: Path) -> Any:
    for part in path:
        try:
            value = value[part]
        except (LookupError, TypeError):
            return None
    return value


def _take_out(left: dict[str, Any], path: Path) -> list[Any]:
    """Takes out what stands at a path; gives it in a list, which is empty where nothing stands there."""
    parent = _at(left, path[:-1]) if path else None
    last: Any = path[-1] if path else ""
    is_there = last in parent if isinstance(parent, dict) else isinstance(parent, list) and -1 < last < len(parent)
    return [parent.pop(last)] if parent is not None and is_there else []
