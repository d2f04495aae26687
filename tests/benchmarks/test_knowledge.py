"""The benchmark of knowledge, in a setting so small that it takes seconds."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


def test_every_part_gives_its_figures() -> None:
    command = [sys.executable, str(FOLDER / "knowledge.py"), "--quick", "--json", "--sides", "complex"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {row["name"]: row["value"] for row in map(json.loads, done.stdout.splitlines())}
    assert found["2,000 triples to a graph, first"] > 0
    assert found["linking"] > 1
    assert found.get("links umls") == "skipped" or 0 < found["umls complex mrr, ours"] <= 1


def test_the_nulls_of_a_file_stand_in_every_place_that_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    nulls = importlib.import_module("nulls")
    written = {"inputs": {"words": {"use": "knowledge.mentions"}, "tokens": {"use": "tokens"}}, "train": {"epochs": 1}}
    keys = nulls.keys_of(written)
    assert keys == ["inputs.words.control"]
    told = dict(nulls.variants(written, keys, nulls.CONTROLS, seed=3))
    assert [one["inputs"]["words"]["control"] for one in told.values()] == list(nulls.CONTROLS)
    assert told["flag"]["train"] == {"epochs": 1, "seed": 3}
    assert "control" not in written["inputs"]["words"]
    rows = {row.name: row.value for row in nulls.compared({"none": [0.7, 0.8, 0.9], "flag": [0.6, 0.75, 0.75]}, "none")}
    assert rows["none over flag"] == pytest.approx(0.1)
    assert rows["none over flag, p"] == pytest.approx(0.0742, abs=1e-4)


def test_each_value_and_seed_is_trained_once_on_rows_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    nulls = importlib.import_module("nulls")
    trained = []

    def measured(fusion: object, runs: str, measure: str) -> dict[str, float]:
        told = fusion.to_dict()  # type: ignore[attr-defined]
        labelled, control = told["sources"]["labelled"]["split"], told["inputs"]["mentions"].get("control", "none")
        seed: int = fusion.train.seed  # type: ignore[attr-defined]
        trained.append((labelled["train"], labelled["aside"], seed, control, measure))
        return {"macro_f1": labelled["train"] / 1000 - seed * (control == "flag") / 8}

    monkeypatch.setattr(nulls, "measured", measured)
    asked = [str(FOLDER / "nulls" / "medical.yaml"), "--seeds", "0", "1", "--values", "none", "flag"]
    asked += ["--over", "sources.labelled.split.train=[50, 200]", "--draw", "sources.labelled.split.aside=150"]
    asked += ["--measure", "validation", "--results", str(tmp_path / "results.jsonl")]
    rows = {row.name: row.value for row in nulls.rows(nulls.parsed(asked), str(tmp_path))}
    assert trained[:3] == [
        (50, 1, 0, "none", "validation"),
        (50, 1, 0, "flag", "validation"),
        (50, 151, 1, "none", "validation"),
    ]
    assert len(trained) == 8
    assert rows["sources.labelled.split.train=50: none"] == 0.05
    assert rows["sources.labelled.split.train=200: none over flag"] == 0.0625
    again = {row.name: row.value for row in nulls.rows(nulls.parsed(asked), str(tmp_path))}
    assert (again, len(trained)) == (rows, 8)
