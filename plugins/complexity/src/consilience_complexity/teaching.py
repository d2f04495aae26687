"""A trained model as a teacher, and the losses of who learns from it. Plain PyTorch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from consilience_complexity.watching import NOTHING, relations, seen, watch

__all__ = ["Absent", "AttentionLoss", "ScoreLoss", "StateLoss", "TaughtBy"]


class TaughtBy(nn.Module):
    """Gives what a trained fused model scores, its states, and the relations of its last layer, without gradients.

    ids (batch seq), mask (batch seq) -> logits (batch classes), states (batch depth seq wide), relations (batch 2 heads
    seq seq). The model is no submodule: its parameters are nobody's to train or to save.
    """

    def __init__(self, folder: Path, answer: str, encoder: str, tokens: tuple[str, str]) -> None:
        super().__init__()
        from transformers import AutoModel

        model = AutoModel.from_pretrained(str(folder)).eval().requires_grad_(False)
        self._model = (model,)
        self._answer, self._encoder, self._tokens = answer, encoder, tokens
        self._heads = watch(model.nodes[encoder]).heads

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        [model] = self._model
        if next(model.parameters()).device != ids.device:
            model.to(ids.device)
        with torch.no_grad():
            batch = dict(zip(self._tokens, (ids, mask), strict=True))
            given = model(batch, outputs=(self._encoder, self._answer)).tensors
            hidden = given[f"{self._encoder}.hidden"]
            inside = seen(hidden)
            assert inside is not None, "the teacher's encoder is watched"
            related = relations(inside.attended, mask, self._heads)
            return given[f"{self._answer}.logits"], torch.stack([*inside.states, hidden], dim=1), related


class Absent(nn.Module):
    """Stands where the teacher stood in a model that was saved: whoever learnt from it can do without."""

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        raise RuntimeError("a saved model has no teacher: train from the fusion, which names the teacher's run")


class ScoreLoss(nn.Module):
    """Is the divergence of the teacher's distribution from that of the logits, at a temperature, times its square.

    logits, taught (batch classes) -> (batch)
    """

    def __init__(self, temperature: float, classes: Literal["one", "several"]) -> None:
        super().__init__()
        self.temperature, self.classes = temperature, classes

    def forward(self, logits: Tensor, taught: Tensor) -> Tensor:
        own, other = (_precise(scores) / self.temperature for scores in (logits, taught))
        if self.classes == "one":
            value = functional.kl_div(own.log_softmax(-1), other.log_softmax(-1), reduction="none", log_target=True)
            return value.sum(-1) * self.temperature**2
        both = [
            functional.kl_div(
                functional.logsigmoid(sign * own),
                functional.logsigmoid(sign * other),
                reduction="none",
                log_target=True,
            )
            for sign in (1, -1)
        ]
        return (both[0] + both[1]).mean(-1) * self.temperature**2


class StateLoss(nn.Module):
    """Is the mean squared difference of projected states from a teacher's, over tokens, dims and layers.

    hidden (batch seq hidden), taught (batch depth seq wide), mask (batch seq) -> (batch). Where the encoder was not run
    in the same pass, as with kept features, `hidden` is all there is to compare.
    """

    def __init__(self, width: int, wide: int, layers: Mapping[int, int], last: int) -> None:
        super().__init__()
        self.layers, self.last = dict(layers), last
        self.projection = nn.Linear(width, wide, bias=False)
        if width == wide:
            nn.init.eye_(self.projection.weight)

    def forward(self, hidden: Tensor, taught: Tensor, mask: Tensor) -> Tensor:
        inside = seen(hidden)
        states = [hidden] if inside is None else [*inside.states, hidden]
        chosen = {self.last: taught.shape[1] - 1} if inside is None else self.layers
        counts = mask.sum(dim=1).clamp(min=1)
        values = []
        for own, other in chosen.items():
            apart = self.projection(states[min(own, len(states) - 1)]) - taught[:, other]
            values.append((_precise(apart).square().mean(-1) * mask).sum(dim=1) / counts)
        return torch.stack(values).mean(dim=0)


class AttentionLoss(nn.Module):
    """Is the divergence of a teacher's relations from those of the last layer, averaged over heads and tokens.

    hidden (batch seq hidden), taught (batch 2 heads seq seq), mask (batch seq) -> (batch). Where the encoder was not
    run in the same pass, the states are related as one head, with what the teacher's heads do in the mean.
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, hidden: Tensor, taught: Tensor, mask: Tensor) -> Tensor:
        inside = seen(hidden)
        if inside is None:
            own = relations((hidden, hidden, hidden), mask, 1)
            taught = taught.logsumexp(dim=2, keepdim=True) - math.log(taught.shape[2])
        else:
            own = relations(inside.attended, mask, self.heads)
        if own.shape[2] != taught.shape[2]:
            raise ValueError(f"{own.shape[2]} heads cannot attend as {taught.shape[2]} heads do")
        padding = ~mask[:, None, None, None, :]
        told = _precise(taught).masked_fill(padding, NOTHING).log_softmax(-1)
        told, own = (one.masked_fill(padding, 0) for one in (told, own))
        each = (told.exp() * (told - own)).sum(-1)  # batch 2 heads seq
        each = each.mean(dim=2).sum(dim=1)
        return (each * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def _precise(values: Tensor) -> Tensor:
    """Gives values in 32 bits at least."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
