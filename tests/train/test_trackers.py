"""Where the course of a training is told: the log, trackers, the bar or its lines, and the picture."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from consilience import Fusion, RunError
from consilience.cli import main
from consilience.train import draw_course, train
from consilience.train._progress import Progress
from consilience.train._runs._chart import chart


def changed(fusion: Fusion, **keys: object) -> Fusion:
    written = fusion.to_dict()
    written["train"] |= keys
    return Fusion(base=fusion.base, **written)


def test_tensorboard_gets_every_series_of_the_log(
    opinions: Fusion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one process, each run in its own place."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    other = train(changed(opinions, report_to=["tensorboard"], max_steps=1), tmp_path / "runs", progress=False)
    assert len(list((other.path / "tensorboard").iterdir())) == 1
    assert "TENSORBOARD_LOGGING_DIR" not in os.environ
    run = train(changed(opinions, report_to=["tensorboard"], run_name="mine"), tmp_path / "runs", progress=False)
    events = EventAccumulator(str(run.path / "tensorboard"))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    logged = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    named = {name for line in logged for name in line} - {"step", "epoch"}
    shown = {f"eval/{name[5:]}" if name.startswith("eval_") else f"train/{name}" for name in named}
    assert shown <= tags
    assert {"train/loss/opinion_loss", "train/share/task", "train/grad_norm", "eval/loss/rating_loss"} <= tags
    kept = [line["loss/opinion_loss"] for line in logged if "loss/opinion_loss" in line]
    assert [event.value for event in events.Scalars("train/loss/opinion_loss")] == pytest.approx(kept)
    inside = {path.name for path in tmp_path.iterdir()} - {"rows.csv", "runs"}
    assert not inside  # nothing is written beside the run


def test_a_tracker_that_is_not_installed_is_told_before_anything_is_read(
    opinions: Fusion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "consilience.train._runs._trackers.find_spec", lambda name: None if name == "wandb" else found(name)
    )
    with pytest.raises(RunError) as told:
        train(changed(opinions, report_to=["wandb"]), tmp_path / "runs", progress=False)
    [fault] = told.value.diagnostics
    assert str(fault.at(None)) == (
        "error CN752 at train.report_to\n"
        "  found     wandb, which is not installed\n"
        "  expected  trackers that are installed\n"
        "  fix       pip install wandb"
    )
    assert not (tmp_path / "runs").exists()


def test_where_nobody_looks_progress_is_plain_lines(
    opinions: Fusion, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train(opinions, tmp_path / "runs", progress=True)
    told = capfd.readouterr().err
    lines = [line for line in told.splitlines() if line.startswith(("step", "epoch"))]
    assert len([line for line in lines if line.startswith("epoch")]) == 3
    assert "validation loss/opinion_loss" in lines[0]
    [last] = [line for line in lines if line.startswith("step 12 of 12, opinion_loss ")]
    assert last.endswith("rows/s, 0:00 left")
    assert "\r" not in "".join(lines)
    assert "\x1b" not in "".join(lines)


def test_only_the_first_process_tells(capfd: pytest.CaptureFixture[str]) -> None:
    progress = Progress(pause=0.0)
    other = SimpleNamespace(is_world_process_zero=False, global_step=1, max_steps=2, epoch=0.5)
    progress.on_train_begin(None, other, None)
    progress.on_log(None, other, None, {"loss/one": 1.0, "eval_loss": 2.0})
    progress.on_step_end(None, other, None)
    progress.on_train_end(None, other, None)
    assert capfd.readouterr().err == ""


def test_a_run_leaves_a_picture_of_its_course(opinions: Fusion, tmp_path: Path) -> None:
    run = train(opinions, tmp_path / "runs", progress=False)
    page = (run.path / "course.html").read_text()
    for title in ("Losses", "Shares of the disciplines", "Validation: metrics", "Norm of the gradient"):
        assert f"<figcaption>{title}</figcaption>" in page
    assert "opinion_loss, validation" in page
    assert "http" not in page  # it needs no network
    assert "<script" not in page


def test_the_picture_of_a_run_that_was_killed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.dumps({"step": step, "loss/<b>": 1 / step, "grad_norm": None}) for step in (1, 2, 3)]
    (tmp_path / "log.jsonl").write_text("\n".join([*lines, '{"step": 4, "lo']))
    (tmp_path / "record.json").write_text('{"name": "killed & gone"}')
    drawn = draw_course(tmp_path)
    assert drawn == tmp_path / "course.html"
    page = drawn.read_text()
    assert "killed &amp; gone" in page
    assert "&lt;b&gt;" in page
    assert "<b>:" not in page
    with pytest.raises(SystemExit) as ended:
        main(["report", str(tmp_path)])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == str(drawn)


def test_a_directory_without_a_log_has_no_course(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert draw_course(tmp_path / "elsewhere") is None
    with pytest.raises(SystemExit) as ended:
        main(["report", str(tmp_path)])
    assert ended.value.code == 1
    assert "no log of losses in it" in capsys.readouterr().err


def test_a_chart_of_one_point_and_of_equal_points() -> None:
    assert "<circle" in chart("one", {"a": [(5, 0.0)]})
    assert "nan" not in chart("flat", {"a": [(1, 2.0), (2, 2.0)]}).lower()
