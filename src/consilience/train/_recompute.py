"""Trades time for memory: activations of transformers' models are computed again in the backward pass."""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel

from consilience.fuse import FusedModel

__all__ = ["recompute_activations"]

_NAME = "activation_checkpointing_enable"
"""What newer versions of transformers call it."""


def recompute_activations(model: FusedModel) -> tuple[str, ...]:
    """Turns gradient checkpointing on in every trained transformers model inside the fused one.

    Gives the names of the modules that have parameters to train and keep their activations as ever: they hold no such
    model, or one that cannot.
    """
    keeping = []
    for node in model.plan.of("modules"):
        if node.share or not node.is_trained:
            continue
        able = [inner for inner in _outermost(model.nodes[node.name]) if inner.supports_gradient_checkpointing]
        for inner in able:
            # The other way runs no backward pass where an encoder's inputs, token ids, need no gradient.
            enable = getattr(inner, _NAME, None) or inner.gradient_checkpointing_enable
            enable({"use_reentrant": False})
        if not able:
            keeping.append(node.name)
    return tuple(keeping)


def _outermost(module: nn.Module) -> list[PreTrainedModel]:
    """Lists the transformers models in a module that lie in no other."""
    if isinstance(module, PreTrainedModel):
        return [module]
    return [found for child in module.children() for found in _outermost(child)]
