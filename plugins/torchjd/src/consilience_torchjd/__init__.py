"""Declares what TorchJD offers to a fusion: balancers that join the gradients of several losses."""

from __future__ import annotations

from consilience.declare import Component, hookimpl
from consilience_torchjd import _conflicts, _per_number, _plain

__all__ = ["consilience_components"]


@hookimpl
def consilience_components() -> list[type[Component]]:
    return [getattr(module, name) for module in (_conflicts, _per_number, _plain) for name in module.__all__]
