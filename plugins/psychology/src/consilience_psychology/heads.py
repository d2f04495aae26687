"""Heads that read emotion and affect out of one vector an example, in plain PyTorch."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["AffectHead", "EmotionHead"]


def _scorer(hidden: int, outputs: int, width: int | None, dropout: float) -> nn.Sequential:
    width = width or hidden
    return nn.Sequential(
        nn.Dropout(dropout), nn.Linear(hidden, width), nn.Tanh(), nn.Dropout(dropout), nn.Linear(width, outputs)
    )


class EmotionHead(nn.Module):
    """Scores each emotion by one hidden layer, as the classification heads of BERT's family do."""

    def __init__(self, hidden: int, emotions: int, width: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = _scorer(hidden, emotions, width, dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Maps features [batch hidden] to logits [batch emotion]."""
        logits: Tensor = self.layers(features)
        return logits


class AffectHead(nn.Module):
    """Estimates valence by one hidden layer; the scale is that of its target, unbounded."""

    def __init__(self, hidden: int, width: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = _scorer(hidden, 1, width, dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Maps features [batch hidden] to valence [batch]."""
        valence: Tensor = self.layers(features)
        return valence.squeeze(-1)
