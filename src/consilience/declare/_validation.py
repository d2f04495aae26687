"""Turns what pydantic finds into diagnostics."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from consilience.errors import Diagnostic, Path, nearest

__all__ = ["diagnostics_of", "refuse", "show"]

_RANGE_CODES = ("greater_than", "less_than", "finite_number", "multiple_of", "too_short", "too_long", "string_pattern")


def show(value: object) -> str:
    """Writes a value the way the file does, shortened to one line."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def refuse(expected: str, fix: str) -> PydanticCustomError:
    """Makes the error by which a validator refuses a value: what it expected, and the fix to paste after the key."""
    return PydanticCustomError("refused", "{expected}", {"expected": expected, "fix": fix})


def diagnostics_of(error: ValidationError, model: type[BaseModel], path: Path = ()) -> Iterable[Diagnostic]:
    """Tells every fault of a ValidationError, with the path of its key below `path`."""
    for detail in error.errors(include_url=False):
        yield _diagnostic(detail, model, path)


def _diagnostic(detail: ErrorDetails, model: type[BaseModel], path: Path) -> Diagnostic:
    place = tuple(part for part in detail["loc"] if part != "[key]")
    keys = _keys_at(model, place[:-1])
    kind, name = detail["type"], str(place[-1]) if place else ""
    at = (*path, *place)
    if kind == "extra_forbidden":
        near = nearest(name, keys)
        known = ", ".join(keys) or "no keys"
        fix = f"{near}: {show(detail['input'])}" if near else f"remove the key {name}"
        return Diagnostic("CN120", at, f"the unknown key {name}", f"one of {known}", fix)
    if kind == "missing":
        return Diagnostic("CN121", at[:-1], f"no key {name}", f"the key {name}", f"{name}: {_example(model, place)}")
    message = _message(detail)
    if any(kind.startswith(prefix) for prefix in _RANGE_CODES):
        return Diagnostic("CN123", at, show(detail["input"]), message, f"{name}: {_bound(detail)}")
    if kind == "refused":
        return Diagnostic("CN124", at, show(detail["input"]), message, f"{detail['ctx']['fix']}".replace("{key}", name))
    if kind in ("literal_error", "enum", "value_error"):
        return Diagnostic("CN124", at, show(detail["input"]), message, f"{name}: {_choice(detail)}")
    return Diagnostic("CN122", at, show(detail["input"]), message, f"{name}: {_example(model, place)}")


def _message(detail: ErrorDetails) -> str:
    text = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ").removeprefix("a valid ")
    return text.removesuffix(" type")


def _bound(detail: ErrorDetails) -> str:
    bounds: Mapping[str, Any] = detail.get("ctx", {})
    for key in ("ge", "le"):
        if key in bounds:
            return str(bounds[key])
    for key, word in (("gt", "a number above"), ("lt", "a number below")):
        if key in bounds:
            return f"# {word} {bounds[key]}"
    return f"# {_message(detail)}"


def _choice(detail: ErrorDetails) -> str:
    choices = [word.strip("' ") for word in str(detail.get("ctx", {}).get("expected", "")).replace(" or ", ", ").split(",")]
    if not choices[0]:
        return f"# {_message(detail)}"
    return nearest(str(detail["input"]), choices) or choices[0]


def _keys_at(model: type[BaseModel], path: Iterable[str | int]) -> list[str]:
    found = _model_at(model, path)
    return [info.alias or key for key, info in found.model_fields.items()] if found else []


def _model_at(model: type[BaseModel], path: Iterable[str | int]) -> type[BaseModel] | None:
    at: Any = model
    for part in path:
        if isinstance(at, type) and issubclass(at, BaseModel):
            fields = {info.alias or key: info.annotation for key, info in at.model_fields.items()}
            at = fields.get(str(part))
        else:
            arguments = [argument for argument in getattr(at, "__args__", ()) if argument not in (str, type(None))]
            at = arguments[-1] if arguments else None
    return at if isinstance(at, type) and issubclass(at, BaseModel) else None


def _example(model: type[BaseModel], path: tuple[str | int, ...]) -> str:
    owner = _model_at(model, path[:-1])
    for key, info in owner.model_fields.items() if owner else ():
        if path and (info.alias or key) == path[-1]:
            if not info.is_required() and info.default not in (None, ...) and not callable(info.default):
                return show(info.default) if isinstance(info.default, str | int | float | bool) else "{}"
            return _PLACEHOLDERS.get(str(getattr(info.annotation, "__name__", "")), "...")
    return "..."


_PLACEHOLDERS = {"int": "1", "float": "1.0", "bool": "true", "str": "name", "Use": "name", "Location": "path", "dict": "{}"}
