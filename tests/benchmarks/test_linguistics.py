"""The benchmark of linguistics, small: the probe runs over layers of a tiny encoder, and goes on from its results."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("consilience_linguistics", reason="the plugin is not installed")

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def linguistics(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module("linguistics")
    for name in ("linguistics", "linguistics_fusions", "measuring"):
        sys.modules.pop(name, None)


def test_the_probe_goes_on_from_its_results(linguistics: Any, tiny: Path, tmp_path: Path) -> None:
    if not linguistics.DATA.is_dir():
        pytest.skip(f"no data at {linguistics.DATA}")
    setting = linguistics.Setting(12, 8, 1, encoder=str(tiny), layers=(1,))
    file = tmp_path / "results.jsonl"
    results = linguistics.run_all(["probe"], setting, [0], file)
    assert [row["side"] for row in results] == ["probe, layer 1", "probe, neighbours"]
    assert all(0 <= row["scores"]["uuas"] <= 1 for row in results)
    again = linguistics.run_all(["probe"], setting, [0], file)
    assert again == results == [json.loads(line) for line in file.read_text().splitlines()]
    assert "| probe, layer 1 | uuas |" in linguistics.table(results)
