"""What several tests of complexity run: a small fusion of rows, the command, and the states of a run's encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from click.testing import CliRunner

from consilience import Fusion
from consilience.cli import main
from consilience.testing._tiny import write_encoder, write_table
from consilience.train import Run

__all__ = ["called", "states", "whole"]


def whole(folder: Path, **changed: Any) -> Fusion:
    return Fusion(
        base=folder,
        name="rows",
        resources={"tiny": {"use": "checkpoint", "path": str(write_encoder())}},
        fields={"text": "text", "label": {"category": ["first", "second"]}},
        sources={
            "rows": {
                "use": "table",
                "path": str(write_table()),
                "map": {"text": "text", "label": "label"},
                "split": {"test": 4, "train": 8},
            }
        },
        inputs={"tokens": {"use": "tokens", "in": "text", "checkpoint": "tiny"}},
        modules={
            "encoder": {"use": "text_encoder", "in": "tokens"},
            "head": {"use": "classifier", "in": "encoder.pooled"},
        },
        losses={"loss": {"use": "cross_entropy", "in": "head", "target": "label"}},
        train={"max_steps": 2, "batch_size": 4, "learning_rate": 0.05, "seed": 0, "logging_steps": 1},
        **changed,
    )


def called(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, list(arguments))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def states(run: Run, text: str) -> torch.Tensor:
    tokens = run.plan.resources[next(iter(run.plan.resources))].tokenizer()(text, return_tensors="pt")
    batch = {"tokens.ids": tokens["input_ids"], "tokens.mask": tokens["attention_mask"].bool()}
    with torch.no_grad():
        return run.model()(batch, outputs=["encoder"]).tensors["encoder.hidden"]
