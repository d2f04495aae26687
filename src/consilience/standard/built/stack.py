"""Finds a module's stack of layers, and trains the last of them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

__all__ = ["layers_of", "train_last"]


def layers_of(module: nn.Module) -> list[str]:
    """Names the layers of the longest `nn.ModuleList` inside a module; none where no list holds layers."""
    found: list[str] = []
    for name, inner in module.named_modules():
        if isinstance(inner, nn.ModuleList) and len(inner) > len(found) and all(map(_has_parts, inner)):
            found = [f"{name}.{number}" if name else str(number) for number in range(len(inner))]
    return found


def _has_parts(layer: nn.Module) -> bool:
    """Tells a layer from a list of single projections, as that of `gated`."""
    return any(True for _ in layer.children()) and any(True for _ in layer.parameters())


def train_last(module: nn.Module, layers: Sequence[str], n: int) -> None:
    """Trains the last `n` layers, and the parameters after them; tables of embeddings come before any layer."""
    tables = {
        id(weight) for inner in module.modules() if isinstance(inner, nn.Embedding) for weight in inner.parameters()
    }
    is_after = False
    for name, parameter in module.named_parameters():
        number = next((number for number, layer in enumerate(layers) if name.startswith(f"{layer}.")), None)
        is_after = is_after or number is not None
        is_late = is_after if number is None else number >= len(layers) - n
        parameter.requires_grad_(is_late and id(parameter) not in tables)
