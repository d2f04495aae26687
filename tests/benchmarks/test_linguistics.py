"""The benchmark of linguistics, small: the probe runs over layers of a tiny encoder, and goes on from its results."""

from __future__ import annotations

import csv
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
    for name in ("linguistics", "linguistics_data", "linguistics_fusions", "measuring"):
        sys.modules.pop(name, None)


def test_the_probe_goes_on_from_its_results(
    linguistics: Any, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONSILIENCE_CACHE", str(tmp_path / "cache"))
    if not linguistics.DATA.is_dir():
        pytest.skip(f"no data at {linguistics.DATA}")
    setting = linguistics.Setting(linguistics.Amount(12, 8), 1, encoder=str(tiny), layers=(1,))
    file = tmp_path / "results.jsonl"
    results = linguistics.run_all(["probe"], setting, [0], file)
    assert [row["side"] for row in results] == ["probe, layer 1", "probe, neighbours"]
    assert all(0 <= row["scores"]["uuas"] <= 1 for row in results)
    again = linguistics.run_all(["probe"], setting, [0], file)
    assert again == results == [json.loads(line) for line in file.read_text().splitlines()]
    assert "| probe, layer 1 | uuas |" in linguistics.table(results)


def test_what_is_measured_on_stands_in_no_training(linguistics: Any, tmp_path: Path) -> None:
    if not linguistics.DATA.is_dir():
        pytest.skip(f"no data at {linguistics.DATA}")
    for on in ("test", "validation"):
        folder = tmp_path / on
        folder.mkdir()
        linguistics.write_cola(folder, linguistics.Amount(on=on))
        texts = {
            name: {row[0].lower() for row in csv.reader((folder / f"{name}.csv").open(encoding="utf-8", newline=""))}
            for name in ("cola-train", "cola-test", *(["outside-test"] if on == "test" else []))
        }
        assert len(texts["cola-train"]) > 7900
        assert texts.pop("cola-train") & set().union(*texts.values()) == {"text"}


def test_baselines_of_pairs_know_lengths_and_words_alone(linguistics: Any, tmp_path: Path) -> None:
    (tmp_path / "sentences-train.csv").write_text("text\nthe cat sleeps\nthe dog sleeps\n", encoding="utf-8")
    pairs = [("The cat sleeps.", "The cat does sleep.", "a"), ("The cat sleeps.", "The cat sleep.", "b")]
    lines = [json.dumps({"sentence_good": good, "sentence_bad": bad, "UID": uid}) for good, bad, uid in pairs]
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert linguistics.pair_baselines(tmp_path) == {"shorter": {"a": 1.0, "b": 0.5}, "unigrams": {"a": 1.0, "b": 1.0}}
