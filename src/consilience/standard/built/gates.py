"""Gates that start closed: behind one of zero nothing would learn, were it frozen with its module."""

from __future__ import annotations

from torch import nn

__all__ = ["train_gates"]


def train_gates(module: nn.Module) -> None:
    """Trains the parameters that a module names in `starts_closed`, if it names any."""
    for name in getattr(module, "starts_closed", ()):
        module.get_parameter(name).requires_grad_(True)
