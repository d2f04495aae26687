"""What the fusions of these tests have in common: texts, and an encoder with an opinion and a rating."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["TEXTS", "two_heads"]

TEXTS = [
    "a fine film",
    "the dull plot",
    "a film",
    "the plot was dull !",
    "fine plot",
    "a dull film",
    "fine !",
    "dull !",
]


def two_heads(checkpoint: Path) -> dict[str, Any]:
    """Gives the sections of a fusion of two losses over `rows.csv`, of which rows may lack what either needs."""
    return {
        "resources": {"tiny": {"use": "checkpoint", "path": str(checkpoint)}},
        "fields": {"text": "text", "mark": {"category": ["bad", "good"]}, "stars": "number"},
        "sources": {
            "rows": {"use": "table", "path": "rows.csv", "map": {"text": "text", "mark": "mark", "stars": "stars"}}
        },
        "inputs": {"tokens": {"use": "tokens", "in": "text", "checkpoint": "tiny"}},
        "modules": {
            "encoder": {"use": "text_encoder", "in": "tokens"},
            "opinion": {"use": "classifier", "in": "encoder.pooled", "dropout": 0.0},
            "rating": {"use": "regressor", "in": "encoder.pooled", "dropout": 0.0},
        },
        "losses": {
            "opinion_loss": {"use": "cross_entropy", "in": "opinion", "target": "mark"},
            "rating_loss": {"use": "mse", "in": "rating", "target": "stars"},
        },
    }
