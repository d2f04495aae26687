"""The reference fusion: standard components on the tiny encoder, with a field of every type."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from consilience.declare import Fusion
from consilience.fuse import FusedModel, fuse
from consilience.host import Registry
from consilience.plan import Plan, check
from consilience.testing._tiny import scratch, write_encoder, write_table

__all__ = ["base_fusion", "base_settings", "batch_of", "fusion_of", "step", "trained"]

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
                "split": {"test": 0.2},
            }
        },
        "inputs": {"tokens": {"use": "tokens", "in": "text", "checkpoint": "tiny", "words": "whitespace"}},
        "modules": {
            "encoder": {"use": "text_encoder", "in": "tokens"},
            "opinion": {"use": "classifier", "in": "encoder.pooled"},
            "rating": {"use": "regressor", "in": "encoder.pooled"},
        },
        "losses": {
            "opinion_loss": {"use": "cross_entropy", "in": "opinion", "target": "label"},
            "rating_loss": {"use": "mse", "in": "rating", "target": "number"},
        },
        "train": {"seed": 0},
    }


def base_fusion() -> Fusion:
    """Gives the reference fusion."""
    return fusion_of(base_settings())


def fusion_of(settings: dict[str, Any]) -> Fusion:
    """Gives the fusion of some sections."""
    return Fusion(name="reference", base=scratch(), **settings)


def batch_of(fusion: Fusion, registry: Registry, rows: int = 4) -> dict[str, Any]:
    """Gives the batch of a fusion's first rows: the tensors of its fields and inputs, by name."""
    return _batch(check(fusion, registry), rows)


def _batch(plan: Plan, rows: int) -> dict[str, Tensor]:
    from consilience.data import prepare
    from consilience.fuse import build_collator

    examples = prepare(plan).train
    return build_collator(plan, plan.fusion.losses)([examples[row] for row in range(rows)])


def step(plan: Plan) -> tuple[FusedModel, dict[str, Tensor]]:
    """Builds a plan and takes one optimizer's step on its first rows; gives the model, and the losses before."""
    model = fuse(plan).train()
    batch = _batch(plan, 4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = model(batch, outputs=list(plan.fusion.losses)).losses
        total = torch.stack([value.sum() for value in found.values()]).sum()
        optimizer = torch.optim.SGD([one for one in model.parameters() if one.requires_grad], lr=0.1)
        total.backward()
        optimizer.step()
    model.eval()  # type: ignore[no-untyped-call]
    return model, found


def trained(registry: Registry) -> dict[str, Tensor]:
    """Builds the reference fusion and takes a step; gives its parameters and buffers."""
    model, _ = step(check(base_fusion(), registry))
    return dict(model.state_dict())
