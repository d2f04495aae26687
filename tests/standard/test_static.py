"""Which sizes a component is built with, its class says: else the check could not tell that one is not there."""

from __future__ import annotations

import ast
import inspect
import textwrap

import pytest

from consilience.declare import Component, Input, Loss, Metric, Module
from consilience.host import Registry

NAMESPACES = ("standard", "complexity", "knowledge", "linguistics", "psychology", "torchjd")
ASKED_IF_KNOWN = {("tokens", "vocab")}
"""Sizes that a build does without where nothing gives them."""


def offered() -> list[type[Component]]:
    registry = Registry()
    for namespace in NAMESPACES:
        assert registry.load(namespace) is None
    kinds = (Input, Module, Loss, Metric)
    return [offer.component for offer in registry.components() if issubclass(offer.component, kinds)]


def asked(component: type[Component]) -> set[str]:
    """Lists the dims whose size or sizes the source of `build` asks for, by `dims["x"]` or `dims.each("x")`."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(component.build)))  # type: ignore[attr-defined]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "dims":
            found.add(ast.literal_eval(node.slice))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "dims.each":
            found.add(ast.literal_eval(node.args[0]))
    return found


@pytest.mark.parametrize("component", offered(), ids=lambda component: component.component)
def test_a_component_says_which_sizes_it_is_built_with(component: type[Component]) -> None:
    exempt = {name for owner, name in ASKED_IF_KNOWN if owner == component.component}
    lacking = asked(component) - exempt - set(component.static)  # type: ignore[attr-defined]
    assert not lacking


def test_the_sizes_that_are_asked_for_are_seen() -> None:
    seen = {component.component: asked(component) for component in offered()}
    assert seen["classifier"] == {"hidden", "classes"}
    assert "part" in seen["gated"]
