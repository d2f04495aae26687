"""The benchmark of saving, small: what a checkpoint holds is what the plain file holds."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def saving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module("saving")
    for name in ("saving", "measuring"):
        sys.modules.pop(name, None)


def test_all_ways_save_the_same(saving: Any, tmp_path: Path) -> None:
    files = saving.state_of(0.1, 3)
    for side in saving.sides_of(files, tmp_path).values():
        side(1)
    for name, tensors in files.items():
        places = [tmp_path / "checkpoints" / "step-00000001", tmp_path]
        for found in (
            *(load_file(place / f"{name}.safetensors") for place in places),
            torch.load(tmp_path / f"{name}.pt"),
        ):
            assert found.keys() == tensors.keys()
            assert all(torch.equal(found[key], value) for key, value in tensors.items())


def test_every_size_gets_its_figures(saving: Any) -> None:
    rows = {row.name: row for row in saving.rows_of([0.1], 1)}
    assert rows["checkpoint, 0.1 MB, weights"].value > 0
    assert rows["checkpoint/safetensors, 0.1 MB, weights and AdamW's state"].against == "safetensors"
