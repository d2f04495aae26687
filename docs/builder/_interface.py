"""Writes a page for each public package: an entry for every name of its `__all__`, from the docstrings."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from inspect import cleandoc
from itertools import pairwise
from types import ModuleType
from typing import Any

from docs.builder._navigation import toctree

from consilience.declare import Component

__all__ = ["PACKAGES", "pages"]

PACKAGES = (
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
"""The public packages, the lowest first: a name that several offer is explained where it comes first."""


def pages() -> dict[str, str]:
    """Gives the pages of the public packages, and the list of them, by name."""
    owners: dict[str, str] = {}
    written: dict[str, str] = {}
    packages = [import_module(name) for name in PACKAGES if find_spec(name)]
    for package in packages:
        written[f"api/{package.__name__}"] = "\n".join(_page(package, owners)) + "\n"
    return {"api/index": _index(packages), **written}


def _index(packages: list[ModuleType]) -> str:
    lines = [
        "# Public Python",
        "",
        "Every name that a package lists in its `__all__`; [the contract](../contract.md) says which are promised.",
        "[Python](../python-api.md) shows how they are used together.",
        "",
        "| package | |",
        "|---|---|",
    ]
    ordered = sorted(packages, key=lambda package: (package.__name__ != "consilience", packages.index(package)))
    lines += [f"| [`{one.__name__}`]({one.__name__}.md) | {_first(one.__doc__)} |" for one in ordered]
    return "\n".join(lines) + "\n" + toctree(f"api/{one.__name__}" for one in ordered)


def _page(package: ModuleType, owners: dict[str, str]) -> Iterator[str]:
    yield from (f"# `{package.__name__}`", "", cleandoc(package.__doc__ or ""), "")
    yield from ("```{eval-rst}", f".. py:module:: {package.__name__}", "")
    for name in package.__all__:
        value = inspect.unwrap(getattr(package, name))
        full = f"{package.__name__}.{name}"
        home = _home(value, name, package)
        if home in owners:
            yield from _entry("py:data", name, f"Is :py:obj:`{owners[home]}`.")
        elif inspect.isclass(value) and value.__module__.startswith("consilience"):
            yield from (f".. autoclass:: {full}", *_options(value), "")
        elif inspect.isfunction(value) and value.__module__.startswith("consilience"):
            yield from (f".. autofunction:: {full}", "")
        else:
            yield from _entry("py:data", name, _says(value, name, package))
        owners.setdefault(home, full)
    yield "```"


def _options(value: type) -> Iterator[str]:
    """Says what of a class is shown: for the kinds of component, the ports' half of their contract too."""
    yield "   :show-inheritance:"
    if issubclass(value, Component) and value is not Component:
        bases = value.__mro__[: value.__mro__.index(Component)]
        names = (name for base in bases for name in (*vars(base).get("__annotations__", ()), *vars(base)))
        own = dict.fromkeys(name for name in names if not name.startswith(("_", "model_")))
        yield f"   :members: {', '.join(name for name in own if name not in ('component', 'kind'))}"
    else:
        yield from ("   :members:", "   :exclude-members: model_config, model_post_init")


def _home(value: Any, name: str, package: ModuleType) -> str:
    """Names where a value is made, so that one is known in two packages."""
    if inspect.isclass(value) or inspect.isfunction(value):
        return f"{value.__module__}.{value.__qualname__}"
    return f"{_origin(package, name)}.{name}"


def _entry(directive: str, name: str, text: str) -> Iterator[str]:
    yield from (f".. {directive}:: {name}", "", *(f"   {line}".rstrip() for line in text.splitlines()), "")


def _says(value: Any, name: str, package: ModuleType) -> str:
    """Gives the literal that stands under a constant; else where it comes from, or what its type says of itself."""
    if literal := _literals(_origin(package, name)).get(name):
        return literal
    if inspect.isclass(value) or inspect.isfunction(value):
        return f"Is `{value.__module__}.{value.__qualname__}`, of another package."
    own = type(value).__module__.startswith("consilience")
    return cleandoc(value.__doc__ or "").partition("\n\n")[0] if own else ""


def _origin(package: ModuleType, name: str) -> str:
    """Names the module that makes a name which a package offers, perhaps by way of others."""
    return _maker(package.__name__, name)


@cache
def _maker(module: str, name: str) -> str:
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in node.names):
            return _maker(node.module, name) if (node.module or "").startswith("consilience") else module
    return module


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(import_module(module)))


def _literals(module: str) -> dict[str, str]:
    found = {}
    for made, under in pairwise(_tree(module).body):
        match made, under:
            case (
                (ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name))),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = cleandoc(text)
    return found


def _first(text: str | None) -> str:
    return " ".join(cleandoc(text or "").partition("\n\n")[0].split())
