"""The smallest fusion that keeps some losses: what stays, what goes, and that it still passes the check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from consilience.declare import Dims, Fusion, Loss, Module, Ports, Use, hookimpl
from consilience.declare import Float as FloatPort
from consilience.errors import DeclarationError
from consilience.host import Registry
from consilience.plan import Plan, check, reduced

TWO = """\
consilience: 1
name: two
resources:
  tiny: {use: checkpoint, path: checkpoint}
  other: {use: checkpoint, path: checkpoint}
fields:
  text: text
  title: text
  label: {category: [no, yes]}
  stars: number
sources:
  labelled: {use: table, path: rows.csv, map: {text: text, label: label}}
  rated: {use: table, path: rows.csv, map: {text: text, stars: stars}}
  titled: {use: table, path: rows.csv, map: {title: title, label: label}}
inputs:
  tokens: {use: tokens, in: text, checkpoint: tiny, max_length: 16}
  heads: {use: tokens, in: title, checkpoint: other, max_length: 16}
modules:
  encoder: {use: text_encoder, in: tokens}
  second: {use: text_encoder, in: heads}
  again: {share: encoder, in: tokens}
  answer: {use: classifier, in: encoder.pooled}
  rating: {use: regressor, in: again.pooled}
  titles: {use: classifier, in: second.pooled}
losses:
  answer_loss: {use: cross_entropy, in: answer, target: label, weight: 2.0}
  rating_loss: {use: mse, in: rating, target: stars, discipline: critics}
  titles_loss: {use: cross_entropy, in: titles, target: label}
objective: {weights: {critics: 0.5, task: 3.0}}
metrics:
  accuracy: {use: accuracy, in: answer, target: label}
  pearson: {use: pearson, in: rating, target: stars}
train: {epochs: 2, batch_size: 4, seed: 7}
"""


@pytest.fixture
def plan(tiny: Path, tmp_path: Path) -> Plan:
    (tmp_path / "checkpoint").symlink_to(tiny)
    (tmp_path / "rows.csv").write_text("text,title,label,stars\na,b,yes,1\n", encoding="utf-8")
    return check(Fusion.parse(TWO, base=tmp_path))


def names(fusion: Fusion) -> dict[str, list[str]]:
    sections = ("resources", "fields", "sources", "inputs", "modules", "losses", "metrics")
    return {section: sorted(getattr(fusion, section)) for section in sections}


def test_a_loss_keeps_what_it_reads_and_what_fills_it(plan: Plan) -> None:
    assert names(reduced(plan, ["answer_loss"])) == {
        "resources": ["tiny"],
        "fields": ["label", "text"],
        "sources": ["labelled"],
        "inputs": ["tokens"],
        "modules": ["answer", "encoder"],
        "losses": ["answer_loss"],
        "metrics": ["accuracy"],
    }


def test_the_owner_of_shared_parameters_stays(plan: Plan) -> None:
    kept = names(reduced(plan, ["rating_loss"]))
    assert kept["modules"] == ["again", "encoder", "rating"]
    assert kept["sources"] == ["rated"]
    assert kept["metrics"] == ["pearson"]


def test_a_source_maps_only_the_fields_that_stay(plan: Plan) -> None:
    kept = reduced(plan, ["titles_loss"])
    assert {name: sorted(source.map) for name, source in kept.sources.items()} == {"titled": ["label", "title"]}
    assert names(kept)["resources"] == ["other"]


def test_what_stays_is_as_it_was(plan: Plan) -> None:
    kept = reduced(plan, ["answer_loss"])
    assert kept.losses == {"answer_loss": plan.fusion.losses["answer_loss"]}
    assert kept.train == plan.fusion.train
    assert kept.base == plan.fusion.base
    assert kept.objective.weights == {"task": 3.0}
    assert kept.text is None  # the file's own text would be another fusion's


@pytest.mark.parametrize("losses", [["answer_loss"], ["rating_loss"], ["titles_loss"], ["answer_loss", "rating_loss"]])
def test_it_passes_the_check_and_reduces_to_itself(plan: Plan, losses: list[str]) -> None:
    once = reduced(plan, losses)
    assert check(reduced(once, losses)).to_json() == check(once).to_json()


def test_all_losses_keep_everything(plan: Plan) -> None:
    assert check(reduced(plan, plan.fusion.losses)).to_json() == plan.to_json()


def test_an_unknown_loss_is_told(plan: Plan) -> None:
    with pytest.raises(DeclarationError) as caught:
        reduced(plan, ["answer_los"])
    assert str(caught.value) == (
        "error CN210 at losses.answer_los\n"
        "  found     the unknown loss answer_los\n"
        "  expected  some of answer_loss, rating_loss, titles_loss\n"
        "  fix       answer_loss"
    )


def test_no_loss_is_told(plan: Plan) -> None:
    with pytest.raises(DeclarationError, match="CN405"):
        reduced(plan, [])


class _Size(Loss, name="size"):
    of: Use[Module]

    value = FloatPort[""]
    inputs = Ports()

    def build(self, dims: Dims) -> Any:
        return None


class _Plugin:
    @hookimpl
    def consilience_components(self) -> list[type[Loss]]:
        return [_Size]


def test_a_loss_that_needs_nothing_of_a_row_keeps_every_source(plan: Plan) -> None:
    registry = Registry()
    registry.register(_Plugin(), "measure")
    written = plan.fusion.to_dict()
    written["losses"]["size_loss"] = {"use": "measure.size", "of": "encoder"}
    larger = check(Fusion(base=plan.fusion.base, **written), registry)
    kept = reduced(larger, ["size_loss"])
    assert names(kept) == {
        "resources": ["tiny"],
        "fields": ["text"],
        "sources": ["labelled", "rated", "titled"],
        "inputs": ["tokens"],
        "modules": ["encoder"],
        "losses": ["size_loss"],
        "metrics": [],
    }
    assert kept.objective.weights == {}
