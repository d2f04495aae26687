"""The reference fusion: standard components on the tiny encoder, with a field of every type."""

from __future__ import annotations

from typing import Any

from consilience.declare import Fusion
from consilience.host import Registry
from consilience.testing._tiny import scratch, write_encoder, write_table

__all__ = ["base_fusion", "base_settings", "batch_of"]

_LABELS = ["first", "second"]


def base_settings() -> dict[str, Any]:
    """Gives the sections of the reference fusion, as a file has them."""
    return {
        "resources": {"tiny": {"use": "checkpoint", "path": str(write_encoder())}},
        "fields": {
            "text": "text",
            "label": {"category": _LABELS},
            "labels": {"categories": _LABELS},
            "number": "number",
            "numbers": {"numbers": _LABELS},
            "words": {"token_labels": _LABELS},
        },
        "sources": {
            "rows": {
                "use": "table",
                "path": str(write_table()),
                "map": {
                    "text": "text",
                    "label": "label",
                    "labels": {"column": "labels", "separator": ";"},
                    "number": "number",
                    "numbers": {"column": "numbers", "separator": " "},
                    "words": {"column": "words", "separator": " "},
                },
            }
        },
        "inputs": {"tokens": {"use": "tokens", "in": "text", "checkpoint": "tiny", "words": "whitespace"}},
        "modules": {
            "encoder": {"use": "text_encoder", "in": "tokens"},
            "opinion": {"use": "classifier", "in": "encoder.pooled"},
        },
        "losses": {"opinion_loss": {"use": "cross_entropy", "in": "opinion", "target": "label"}},
        "train": {"seed": 0},
    }


def base_fusion() -> Fusion:
    """Gives the reference fusion."""
    return Fusion(name="reference", base=scratch(), **base_settings())


def batch_of(fusion: Fusion, registry: Registry, rows: int = 4) -> dict[str, Any]:
    """Gives the batch of a fusion's first rows: the tensors of its fields and inputs, by name."""
    from consilience.data import prepare
    from consilience.fuse import build_collator
    from consilience.plan import check

    plan = check(fusion, registry)
    examples = prepare(plan).train
    batch: dict[str, Any] = build_collator(plan, plan.fusion.losses)([examples[row] for row in range(rows)])
    return batch
