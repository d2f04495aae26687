"""Heads: from a vector to scores or numbers."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["Classifier", "Regressor", "TokenClassifier"]


def _projection(inputs: int, outputs: int, dropout: float, width: int | None) -> nn.Sequential:
    if width is None:
        return nn.Sequential(nn.Dropout(dropout), nn.Linear(inputs, outputs))
    hidden = [nn.Dropout(dropout), nn.Linear(inputs, width), nn.GELU()]
    return nn.Sequential(*hidden, nn.Dropout(dropout), nn.Linear(width, outputs))


class Classifier(nn.Module):
    """Scores classes: features (batch hidden) -> logits (batch classes)."""

    def __init__(self, hidden: int, classes: int, dropout: float = 0.1, width: int | None = None) -> None:
        super().__init__()
        self.projection = _projection(hidden, classes, dropout, width)

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.projection(features)
        return logits


class TokenClassifier(nn.Module):
    """Scores classes for every token: hidden (batch seq hidden) -> logits (batch seq classes)."""

    def __init__(self, hidden: int, classes: int, dropout: float = 0.1, width: int | None = None) -> None:
        super().__init__()
        self.projection = _projection(hidden, classes, dropout, width)

    def forward(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.projection(hidden)
        return logits


class Regressor(nn.Module):
    """Predicts numbers: features (batch hidden) -> value (batch), or (batch numbers) when `numbers` is given."""

    def __init__(self, hidden: int, numbers: int | None = None, dropout: float = 0.1, width: int | None = None) -> None:
        super().__init__()
        self.is_single = numbers is None
        self.projection = _projection(hidden, numbers or 1, dropout, width)

    def forward(self, features: Tensor) -> Tensor:
        value: Tensor = self.projection(features)
        return value.squeeze(-1) if self.is_single else value
