"""Low-rank additions of peft whose directions are closed while they are trained (Zhang et al. 2023)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from peft import AdaLoraConfig, inject_adapter_in_model
from peft.tuners.adalora import AdaLoraLayer
from torch import Tensor, nn

from consilience.standard.built.gates import train_gates

__all__ = ["RankSchedule", "add_adalora"]

_NAME = "default"
_PARTS = ("A", "E", "B")


def add_adalora(module: nn.Module, layers: Sequence[str], start_r: int, alpha: int, dropout: float) -> None:
    """Freezes a module and adds to each named layer a trainable B·diag(E)·A of rank `start_r`, and the schedule."""
    # What peft would do of the schedule keeps its notes in Python, which a checkpoint does not have.
    config = AdaLoraConfig(
        target_r=1,
        init_r=start_r,
        lora_alpha=alpha,
        lora_dropout=dropout,
        tinit=0,
        tfinal=0,
        total_step=2,
        target_modules=list(layers),
    )
    inject_adapter_in_model(config, module)
    train_gates(module)
    module.add_module("rank_schedule", RankSchedule([_weights(layer) for layer in _layers(module)]))


def _layers(module: nn.Module) -> Iterator[AdaLoraLayer]:
    return (layer for layer in module.modules() if isinstance(layer, AdaLoraLayer))


def _weights(layer: AdaLoraLayer) -> dict[str, nn.Parameter]:
    return {part: getattr(layer, f"lora_{part}")[_NAME] for part in _PARTS}


class RankSchedule(nn.Module):
    """Notes how much each direction moves the loss, and closes those that do least.

    All that it knows is in buffers, so that a resumed training closes what it would have closed.
    """

    def __init__(self, weights: Sequence[dict[str, nn.Parameter]]) -> None:
        super().__init__()
        for number, parts in enumerate(weights):
            for part, weight in parts.items():
                for what in ("sensitivity", "uncertainty"):
                    self.register_buffer(f"{what}_{part}_{number}", torch.zeros_like(weight, requires_grad=False))
            rank = len(parts["A"])
            self.register_buffer(f"open_{number}", torch.ones(rank, dtype=torch.bool, device=parts["A"].device))

    def straighten(self, module: nn.Module, strength: float) -> None:
        """Adds the gradient of strength x mean ||P Pᵀ - 1|| over the directions P of every layer, of A and of B."""
        layers = [_weights(layer) for layer in _layers(module)]
        share = strength / max(1, 2 * len(layers))
        for parts in layers:
            for weight, directions in ((parts["A"], parts["A"].detach()), (parts["B"], parts["B"].detach().T)):
                if weight.grad is None or not share:
                    continue
                off = directions @ directions.T - torch.eye(len(directions), device=weight.device, dtype=weight.dtype)
                slope = 2 * share * (off @ directions) / off.norm().clamp(min=1e-12)
                weight.grad.add_(slope if weight is parts["A"] else slope.T)

    @torch.no_grad()
    def note(self, module: nn.Module, sensitivity_decay: float, uncertainty_decay: float) -> None:
        """Takes in one step's gradients."""
        for number, layer in enumerate(_layers(module)):
            for part, weight in _weights(layer).items():
                if weight.grad is None:
                    continue
                moved = (weight * weight.grad).abs()
                mean, spread = self._noted(number, part)
                mean.mul_(sensitivity_decay).add_(moved, alpha=1 - sensitivity_decay)
                spread.mul_(uncertainty_decay).add_((moved - mean).abs(), alpha=1 - uncertainty_decay)

    @torch.no_grad()
    def close(self, module: nn.Module, rank: float) -> None:
        """Leaves open, over all layers, the directions that matter most: `rank` a layer on average."""
        layers = list(_layers(module))
        scores = [self._scores(number) for number in range(len(layers))]
        kept = min(int(rank * len(layers)), sum(map(len, scores)))
        order = torch.cat(scores).argsort(descending=True, stable=True)
        is_open = torch.zeros(len(order), dtype=torch.bool, device=order.device)
        is_open[order[:kept]] = True
        for number, part in enumerate(is_open.split([len(score) for score in scores])):
            self.get_buffer(f"open_{number}").copy_(part)

    @torch.no_grad()
    def keep_closed(self, module: nn.Module) -> None:
        """Sets the values of the closed directions to zero."""
        for number, layer in enumerate(_layers(module)):
            values = _weights(layer)["E"]
            values.mul_(self.get_buffer(f"open_{number}").unsqueeze(1))

    def _noted(self, number: int, part: str) -> tuple[Tensor, Tensor]:
        return self.get_buffer(f"sensitivity_{part}_{number}"), self.get_buffer(f"uncertainty_{part}_{number}")

    def _scores(self, number: int) -> Tensor:
        """Gives how much each direction of a layer matters: its value's part, and the mean of its two vectors'."""
        of_a, of_value, of_b = (mean * spread for mean, spread in (self._noted(number, part) for part in _PARTS))
        scores: Tensor = of_value.squeeze(1) + of_a.mean(dim=1) + of_b.mean(dim=0)
        return scores
