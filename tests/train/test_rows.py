"""Batches of rows that were filled up with none: what is no row is left out, and counts for nothing."""

from __future__ import annotations

from typing import Any

import torch

from consilience.data import ROW
from consilience.train._objective._rows import RowsKept, counted_rows


def collate(examples: Any) -> dict[str, torch.Tensor]:
    return {"x": torch.tensor([example["x"] for example in examples])}


def test_a_batch_holds_its_rows_alone() -> None:
    batch = RowsKept(collate)([{ROW: 7, "x": 1.0}, {ROW: -1, "x": 0.0}, {ROW: 3, "x": 2.0}, {ROW: -1, "x": 0.0}])
    assert batch["x"].tolist() == [1.0, 2.0]
    assert batch[ROW].tolist() == [7, 3]
    assert counted_rows(batch, 2).tolist() == [True, True]


def test_a_process_without_a_row_has_a_batch_that_counts_for_nothing() -> None:
    batch = RowsKept(collate)([{ROW: -1, "x": 0.0}, {ROW: -1, "x": 0.0}])
    assert batch["x"].tolist() == [0.0]
    assert counted_rows(batch, 1).tolist() == [False]
