"""Heads that read emotion and affect out of one vector an example, in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["AffectHead", "EmotionHead", "LabelCorrelation", "LexiconPrior", "scorer"]


def scorer(hidden: int, outputs: int, width: int | None, dropout: float) -> nn.Sequential:
    """Makes one hidden layer with a hyperbolic tangent, as the classification heads of BERT's family have it."""
    width = width or hidden
    return nn.Sequential(
        nn.Dropout(dropout), nn.Linear(hidden, width), nn.Tanh(), nn.Dropout(dropout), nn.Linear(width, outputs)
    )


class EmotionHead(nn.Module):
    """Scores each emotion by one hidden layer, as the classification heads of BERT's family do."""

    def __init__(self, hidden: int, emotions: int, width: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = scorer(hidden, emotions, width, dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Maps features [batch hidden] to logits [batch emotion]."""
        logits: Tensor = self.layers(features)
        return logits


class AffectHead(nn.Module):
    """Estimates valence by one hidden layer; the scale is that of its target, unbounded."""

    def __init__(self, hidden: int, width: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = scorer(hidden, 1, width, dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Maps features [batch hidden] to valence [batch]."""
        valence: Tensor = self.layers(features)
        return valence.squeeze(-1)


class LabelCorrelation(nn.Module):
    """Corrects each emotion's score by what the others say, from nothing on: one block of CorNet (Xun et al. 2020)."""

    def __init__(self, emotions: int, width: int = 64) -> None:
        super().__init__()
        self.read = nn.Linear(emotions, width)
        self.write = nn.Linear(width, emotions)
        nn.init.zeros_(self.write.weight)
        nn.init.zeros_(self.write.bias)

    def forward(self, logits: Tensor) -> Tensor:
        """Maps logits [batch emotion] to logits [batch emotion]."""
        corrected: Tensor = logits + self.write(torch.nn.functional.elu(self.read(logits.sigmoid())))
        return corrected


class LexiconPrior(nn.Module):
    """Adds to each emotion's score a weighted sum of what a lexicon says of the text, from next to nothing on."""

    def __init__(self, dimensions: int, emotions: int) -> None:
        super().__init__()
        self.write = nn.Linear(dimensions, emotions, bias=False)
        nn.init.normal_(self.write.weight, std=1e-3)

    def forward(self, logits: Tensor, scores: Tensor) -> Tensor:
        """Maps logits [batch emotion] and scores [batch dimension] to logits [batch emotion]."""
        added: Tensor = self.write(scores.to(self.write.weight.dtype))
        return logits + added.to(logits.dtype)
