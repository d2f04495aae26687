"""Low-rank adapters of peft, injected in place."""

from __future__ import annotations

from collections.abc import Sequence

from peft import LoraConfig, inject_adapter_in_model
from torch import nn
from transformers.pytorch_utils import Conv1D

from consilience.standard.built.gates import train_gates

__all__ = ["add_lora", "linear_layers"]


def linear_layers(module: nn.Module) -> list[str]:
    """Lists the linear layers inside a module by name."""
    return [name for name, layer in module.named_modules() if name and isinstance(layer, nn.Linear | Conv1D)]


def add_lora(module: nn.Module, layers: Sequence[str], r: int, alpha: int, dropout: float) -> None:
    """Freezes a module and adds a trainable product of two matrices of rank `r` to each named layer.

    The parameters that the module names in `starts_closed` stay trained: behind a gate of zero nothing would learn.
    """
    config = LoraConfig(r=r, lora_alpha=alpha, lora_dropout=dropout, target_modules=list(layers))
    inject_adapter_in_model(config, module)
    train_gates(module)
