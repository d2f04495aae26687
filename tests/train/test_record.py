"""The record of a run: what the log says of the validations, numbers or not."""

from __future__ import annotations

import torch

from consilience.train._runs._record import Timings, outcome


def test_a_value_that_was_not_finite_stands_in_the_record_as_in_the_log() -> None:
    lines = [
        {"step": 2, "loss": 1.0},
        {"step": 4, "epoch": 1.0, "eval_r": None, "eval_loss": 0.5},
    ]
    told = outcome(lines, Timings(), 8, torch.device("cpu"))["validation"]
    assert told == [{"step": 4, "epoch": 1.0, "metrics": {"r": None, "loss": 0.5}}]
