"""Small networks behind linear layers, each beside a way past it (Houlsby et al. 2019; Pfeiffer et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from consilience.standard.built.gates import train_gates

__all__ = ["Bottleneck", "add_bottlenecks"]

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": nn.functional.relu,
    "gelu": nn.functional.gelu,
    "silu": nn.functional.silu,
    "tanh": torch.tanh,
}


class Bottleneck(nn.Module):
    """Adds to a state what a narrow network makes of it: nothing, at the start.

    state (... hidden) -> (... hidden)
    """

    def __init__(self, hidden: int, width: int, activation: str, dropout: float) -> None:
        super().__init__()
        self.down = nn.Linear(hidden, width)
        self.up = nn.Linear(width, hidden)
        self.dropout = nn.Dropout(dropout)
        self.activation = activation
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, state: Tensor) -> Tensor:
        added: Tensor = self.up(_ACTIVATIONS[self.activation](self.down(self.dropout(state))))
        return state + added


def add_bottlenecks(module: nn.Module, layers: Sequence[str], reduction: int, activation: str, dropout: float) -> None:
    """Freezes a module and puts a trainable bottleneck behind each named layer."""
    module.requires_grad_(False)
    for name in layers:
        layer: Any = module.get_submodule(name)
        weight: Any = layer.weight
        hidden = int(layer.nf if hasattr(layer, "nf") else weight.shape[0])  # transformers' Conv1D has it turned
        adapter = Bottleneck(hidden, max(1, hidden // reduction), activation, dropout)
        layer.add_module("bottleneck", adapter.to(device=weight.device, dtype=weight.dtype))
        layer.register_forward_hook(_through)
    train_gates(module)


def _through(layer: Any, given: Any, state: Tensor) -> Tensor:
    changed: Tensor = layer.bottleneck(state)
    return changed
