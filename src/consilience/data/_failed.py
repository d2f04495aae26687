"""Tells what a plugin raised while it was asked for data."""

from __future__ import annotations

from consilience.data._plan import DataPlan
from consilience.declare import Component
from consilience.errors import Diagnostic
from consilience.host import failure

__all__ = ["failed"]


def failed(
    plan: DataPlan, component: Component, written: str, path: tuple[str, ...], doing: str, error: BaseException
) -> Diagnostic:
    """Names the distribution whose component failed, at the component's place."""
    offer = plan.registry.component(written)
    distribution = offer.distribution if offer else type(component).__module__
    found = failure(distribution, doing, written, error)
    return Diagnostic("CN207", path, found, "a component that can be opened", f"# mend {distribution}, or upgrade it")
