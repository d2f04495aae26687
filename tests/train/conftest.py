"""A fusion of one encoder and one head that learns in a second, with validation rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.train.opinions import TEXTS

from consilience import Fusion


@pytest.fixture
def opinions(tmp_path: Path, tiny: Path) -> Fusion:
    """40 rows, 8 of them for validation; two losses, one of which some rows lack."""
    rows = []
    for number in range(5):
        for place, text in enumerate(TEXTS):
            stars = "" if place % 3 == 0 else str(place / 8)
            rows.append(f"{text} {'a ' * number},{'good' if 'fine' in text else 'bad'},{stars}")
    (tmp_path / "rows.csv").write_text("\n".join(["text,mark,stars", *rows]))
    columns = {"text": "text", "mark": "mark", "stars": "stars"}
    return Fusion(
        base=tmp_path,
        name="opinions",
        resources={"tiny": {"use": "checkpoint", "path": str(tiny)}},
        fields={"text": "text", "mark": {"category": ["bad", "good"]}, "stars": "number"},
        sources={"rows": {"use": "table", "path": "rows.csv", "map": columns, "split": {"validation": 8}}},
        inputs={"tokens": {"use": "tokens", "in": "text", "checkpoint": "tiny"}},
        modules={
            "encoder": {"use": "text_encoder", "in": "tokens"},
            "opinion": {"use": "classifier", "in": "encoder.pooled"},
            "rating": {"use": "regressor", "in": "encoder.pooled"},
        },
        losses={
            "opinion_loss": {"use": "cross_entropy", "in": "opinion", "target": "mark"},
            "rating_loss": {"use": "mse", "in": "rating", "target": "stars", "weight": 0.5},
        },
        metrics={
            "accuracy": {"use": "accuracy", "in": "opinion", "target": "mark"},
            "table": {"use": "confusion", "in": "opinion", "target": "mark"},
        },
        train={"epochs": 3, "batch_size": 8, "learning_rate": 0.01, "logging_steps": 2, "use_cpu": True},
    )
