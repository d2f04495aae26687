"""Factors of peft at linear layers, injected in place."""

from __future__ import annotations

from collections.abc import Sequence

from peft import IA3Config, inject_adapter_in_model
from torch import nn

from consilience.standard.built.gates import train_gates

__all__ = ["add_ia3"]


def add_ia3(module: nn.Module, layers: Sequence[str], inner: Sequence[str]) -> None:
    """Freezes a module and adds trainable factors of 1: of what each layer gives, or, of the `inner`, what it reads."""
    config = IA3Config(target_modules=list(layers), feedforward_modules=list(inner))
    inject_adapter_in_model(config, module)
    train_gates(module)
