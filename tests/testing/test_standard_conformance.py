"""The kit on the standard components, which are a plugin like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from consilience.testing import conformance


def a_table(folder: Path) -> dict[str, Any]:
    (folder / "rows.csv").write_text("text,label\na film,1\na plot,0\n", encoding="utf-8")
    return {"path": str(folder / "rows.csv")}


def a_data_set(folder: Path) -> dict[str, Any]:
    data = folder / "data"
    data.mkdir(exist_ok=True)
    (data / "train.csv").write_text("text,label\na film,1\na plot,0\n", encoding="utf-8")
    return {"path": str(data)}


test_standard = conformance("standard", examples={"table": [a_table], "hub": [a_data_set]})
