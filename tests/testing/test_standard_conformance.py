"""The kit on the standard components, which are a plugin like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from consilience.testing import conformance


def a_table(folder: Path) -> dict[str, Any]:
    (folder / "rows.csv").write_text("text,label\na film,1\na plot,0\n", encoding="utf-8")
    return {"path": str(folder / "rows.csv")}


def a_data_set(folder: Path) -> dict[str, Any]:
    data = folder / "data"
    data.mkdir(exist_ok=True)
    (data / "train.csv").write_text("text,label\na film,1\na plot,0\n", encoding="utf-8")
    return {"path": str(data)}


test_standard = conformance(
    "standard",
    examples={
        "table": [a_table],
        "hub": [a_data_set],
        "tokens": [{"words": "whitespace", "max_length": 8, "pad_to_multiple_of": 4}],
        "text_encoder": [{"pooling": "cls"}, {"pooling": "max"}],
        "classifier": [{"width": 6}],
        "token_classifier": [{"width": 6, "dropout": 0.5}],
        "regressor": [{"width": 1}],
        "gated": [{"width": 4, "gate": "sigmoid"}],
        "cross_attention": [{"heads": 2, "head_width": 3, "dropout": 0.5}],
        "regroup": [{"combine": "max"}],
        "probabilities": [{"over": "each"}],
        "cross_entropy": [{"label_smoothing": 0.2}, {"class_weights": [1.0, 2.0, 0.5]}],
        "binary_cross_entropy": [{"pos_weight": [1.0, 2.0]}],
        "f1": [{"average": "micro"}, {"average": "weighted"}],
        "accuracy": [{"average": "macro"}],
        "confusion": [{"normalize": "true"}],
        "multilabel_f1": [{"average": "micro", "threshold": 0.3}],
        "lora": [{"r": 2, "targets": ["query", "value"]}],
    },
)
