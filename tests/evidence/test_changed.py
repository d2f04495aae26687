"""Data that changed since the training: a fault by default, for rows that were trained on may be measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from consilience.errors import RunError
from consilience.evidence import evaluate


@pytest.fixture
def moved(small_run: Path, small_fusion: Path, tmp_path: Path) -> Path:
    """A run whose data lie beside it, and may be changed."""
    for name in ("reviews.csv", "checkpoint"):
        source = small_fusion.parent / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    (run / "report-test.json").unlink(missing_ok=True)
    record = json.loads((run / "record.json").read_text(encoding="utf-8")) | {"base": str(tmp_path)}
    (run / "record.json").write_text(json.dumps(record), encoding="utf-8")
    return run


def add_a_row(run: Path) -> None:
    with (run.parent / "reviews.csv").open("a", encoding="utf-8") as table:
        table.write("a fine plot,positive,5,plot,0.5 0.5\n")


def test_the_same_data_elsewhere_are_no_fault(moved: Path) -> None:
    assert evaluate(moved, progress=False).notes == ()


def test_a_row_more_is_refused(moved: Path) -> None:
    add_a_row(moved)
    with pytest.raises(RunError) as caught:
        evaluate(moved, progress=False)
    [line] = [
        number
        for number, text in enumerate((moved / "fusion.yaml").read_text(encoding="utf-8").splitlines(), start=1)
        if text.startswith("  reviews:")
    ]
    assert str(caught.value) == (
        f"error CN710 at sources.reviews ({moved / 'fusion.yaml'}:{line})\n"
        "  found     reviews.csv changed since the training\n"
        "  expected  the data that the run was trained with: rows that were trained on may stand in this split\n"
        "  fix       consilience train FILE  # or put the data back, or keep a note: --changed-data note"
    )
    assert not (moved / "report-test.json").exists()


def test_a_row_more_is_noted_when_asked(moved: Path) -> None:
    add_a_row(moved)
    report = evaluate(moved, progress=False, changed_data="note")
    note = "reviews: reviews.csv changed since the training; rows that were trained on may stand in this split"
    assert report.notes == (note,)
    assert json.loads((moved / "report-test.json").read_text(encoding="utf-8"))["notes"] == [note]
    assert f"note: {note}" in report.to_text()


def test_every_changed_file_is_told(moved: Path) -> None:
    add_a_row(moved)
    (moved.parent / "checkpoint" / "extra.json").write_text("{}", encoding="utf-8")
    config = moved.parent / "checkpoint" / "tokenizer_config.json"
    config.write_text(config.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(RunError) as caught:
        evaluate(moved, progress=False)
    told = [(item.where, item.found.partition(" ")[0]) for item in caught.value.diagnostics]
    assert ("resources.tiny", "tokenizer_config.json") in told
    assert ("sources.reviews", "reviews.csv") in told
