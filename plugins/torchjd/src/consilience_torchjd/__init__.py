"""Declares what TorchJD offers to a fusion: balancers that join the gradients of several losses."""

from __future__ import annotations

from consilience.declare import Component, hookimpl
from consilience_torchjd import _declarations as declared

__all__ = ["consilience_components"]


@hookimpl
def consilience_components() -> list[type[Component]]:
    return [getattr(declared, name) for name in declared.__all__]
