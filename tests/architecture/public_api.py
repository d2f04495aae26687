"""Lists what is public: each name with its signature, fields and methods, in a text equal for equal contracts."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

HOMES = (
    "consilience.declare",
    "consilience.host",
    "consilience.plan",
    "consilience.data",
    "consilience.fuse",
    "consilience.train",
    "consilience.evidence",
    "consilience.serve",
    "consilience.testing",
    "consilience",
)
"""The public packages; a name that several have is listed where it comes first, and named in the others."""

_PREFIX = re.compile(r"\b(?:\w+\.)+(?=[A-Za-z_]\w*)")
_MADE_BY_PYTHON = "<string>"
_SPOKEN = ("__init__", "__call__", "__getitem__", "__class_getitem__", "__or__", "__init_subclass__")
"""What a name between underscores is called by in plain code."""


def listing(promised: Mapping[str, Iterable[str]]) -> str:
    """Writes every promised name of every package, and every hook."""
    seen: dict[int, str] = {}
    lines: list[str] = []
    for package in HOMES:
        module = importlib.import_module(package)
        for name in sorted(promised[package]):
            value = getattr(module, name)
            full = f"{package}.{name}"
            if id(value) in seen and not isinstance(value, str):
                lines.append(f"{full} = {seen[id(value)]}")
                continue
            seen[id(value)] = full
            lines += described(full, value)
    return "\n".join([*lines, *hooks()]) + "\n"


def described(full: str, value: Any) -> Iterator[str]:
    """Writes one name."""
    if not getattr(value, "__module__", "consilience").startswith("consilience") and callable(value):
        name = getattr(value, "__qualname__", type(value).__qualname__)
        yield f"{full} = {value.__module__.partition('.')[0]}.{name}"
    elif inspect.isclass(value):
        bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
        yield f"class {full}({bases})" if bases else f"class {full}"
        yield from (f"    {line}" for line in members(value))
    elif inspect.isroutine(value):
        yield f"def {full}{signature(value)}"
    elif isinstance(value, str | int):
        yield f"{full} = {value!r}"
    elif type(value).__module__ == "typing":
        yield f"{full} = {annotation(value)}"
    else:
        yield f"{full}: {type(value).__name__}"


def members(of: type) -> Iterator[str]:
    """Writes the fields and the methods of a class, with those of the private bases that nobody else could look up."""
    if issubclass(of, Enum):
        yield from (f"{item.name} = {item.value!r}" for item in of)
        return
    own = [base for base in of.__mro__[1:] if base.__module__.startswith("consilience")]
    listed = [base for base in own if not _is_hidden(base)]
    hidden = [base for base in own if _is_hidden(base) and not any(issubclass(other, base) for other in listed)]
    fields: dict[str, str] = {}
    methods: dict[str, str] = {}
    for owner in [*reversed(hidden), of]:
        fields |= {name: text for name, text in _fields(owner) if not name.startswith("_")}
        methods |= dict(_methods(owner))
    yield from fields.values()
    yield from (methods[name] for name in sorted(methods))


def _is_hidden(base: type) -> bool:
    packages = [importlib.import_module(package) for package in HOMES]
    return not any(getattr(package, name, None) is base for package in packages for name in package.__all__)


def _fields(owner: type) -> Iterator[tuple[str, str]]:
    for name, given in vars(owner).get("__annotations__", {}).items():
        yield name, f"{name}: {annotation(given)}{_default(owner, name)}"


def _default(owner: type, name: str) -> str:
    if name in getattr(owner, "model_fields", {}):
        info = owner.model_fields[name]  # type: ignore[attr-defined]
        return "" if info.is_required() else f" = {shown(info.default) if info.default_factory is None else '...'}"
    if dataclasses.is_dataclass(owner):
        [field] = [field for field in dataclasses.fields(owner) if field.name == name] or [None]
        if field is not None:
            if field.default is not dataclasses.MISSING:
                return f" = {shown(field.default)}"
            return "" if field.default_factory is dataclasses.MISSING else " = ..."
    return f" = {shown(vars(owner)[name])}" if name in vars(owner) else ""


def _methods(owner: type) -> Iterator[tuple[str, str]]:
    for name, value in vars(owner).items():
        if name.startswith(("_", "model_")) and name not in _SPOKEN:
            continue
        if isinstance(value, property | functools.cached_property):
            function = value.fget if isinstance(value, property) else value.func
            yield name, f"property {name}{signature(function).partition(')')[2]}"
            continue
        word = type(value).__name__ + " " if isinstance(value, classmethod | staticmethod) else ""
        function = inspect.unwrap(getattr(value, "__func__", value))
        if inspect.isfunction(function) and function.__code__.co_filename != _MADE_BY_PYTHON:
            yield name, f"{word}def {name}{signature(function)}"


def signature(function: Any) -> str:
    """Writes parameters and what is returned, without the quotes and modules that versions of Python write unlike."""
    found = inspect.signature(function)
    parts: list[str] = []
    star_is_written = False
    for parameter in found.parameters.values():
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            star_is_written = True
        elif parameter.kind is inspect.Parameter.KEYWORD_ONLY and not star_is_written:
            parts.append("*")
            star_is_written = True
        stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        typed = "" if parameter.annotation is parameter.empty else f": {annotation(parameter.annotation)}"
        default = "" if parameter.default is parameter.empty else f" = {shown(parameter.default)}"
        parts.append(f"{stars}{parameter.name}{typed}{default}")
    gives = "" if found.return_annotation is found.empty else f" -> {annotation(found.return_annotation)}"
    return f"({', '.join(parts)}){gives}"


def annotation(given: Any) -> str:
    """Writes a type as the source does, each name without its module."""
    text = given if isinstance(given, str) else inspect.formatannotation(given)
    return _PREFIX.sub("", text).replace("'", "") if not isinstance(given, str) else text


def shown(value: Any) -> str:
    """Writes a default, where it says something in one line."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    return repr(value) if value in ((), frozenset()) else "..."


def hooks() -> Iterator[str]:
    """Writes the hooks with their arguments."""
    from consilience.host import _hookspecs

    for name, value in sorted(vars(_hookspecs).items()):
        if name.startswith("consilience_"):
            yield f"hook {name}{signature(value)}"
