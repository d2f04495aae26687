"""What is made of scores: those of groups of labels by a declared mapping, and probabilities."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from consilience import Fusion, check
from consilience.declare import Dims, LabelSpace, hookimpl
from consilience.fuse import FusedModel, build_collator, fuse
from consilience.host import Registry
from consilience.standard import Probabilities, Regroup

STARS = LabelSpace(name="stars", labels=("1", "2", "3", "4"))
MOODS = LabelSpace(
    name="moods", labels=("good", "bad"), maps={"stars": {"1": "bad", "2": "bad", "3": "good", "4": "bad"}}
)
SCORES = torch.tensor([[1.0, -2.0, 0.5, 3.0], [-1.0, 0.0, 1.0, 2.0]])


def regroup(**keys: Any) -> torch.nn.Module:
    dims = Dims({"labels": 4, "groups": 2}, {"labels": STARS, "groups": MOODS})
    built: torch.nn.Module = Regroup.model_validate(keys).build(dims)
    return built


def test_a_sum_adds_the_probabilities_of_the_labels() -> None:
    shares = SCORES.softmax(-1)
    expected = torch.stack([shares[:, 2], shares[:, [0, 1, 3]].sum(-1)], dim=-1)
    torch.testing.assert_close(regroup()(SCORES).softmax(-1), expected)


def test_a_maximum_takes_the_highest_score() -> None:
    assert regroup(combine="max")(SCORES).tolist() == [[0.5, 3.0], [1.0, 2.0]]


@pytest.mark.parametrize("combine", ["sum", "max"])
def test_groups_are_scored_in_every_place_and_type(combine: str) -> None:
    module = regroup(combine=combine)
    assert list(module.parameters()) == []
    assert list(module.state_dict()) == []
    words = SCORES.expand(3, 2, 4)
    torch.testing.assert_close(module(words), module(SCORES).expand(3, 2, 2))
    assert module(SCORES.bfloat16()).dtype is torch.bfloat16
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert module(mode.from_tensor(words)).shape == (3, 2, 2)


@pytest.mark.parametrize("combine", ["sum", "max"])
def test_every_label_may_learn_from_its_group(combine: str) -> None:
    scores = SCORES.clone().requires_grad_()
    torch.nn.functional.cross_entropy(regroup(combine=combine)(scores), torch.tensor([0, 1])).backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()
    assert (scores.grad != 0).all() == (combine == "sum")


def test_probabilities_lie_within_0_and_1() -> None:
    shared, each = Probabilities().build(Dims()), Probabilities(over="each").build(Dims())
    torch.testing.assert_close(shared(SCORES).sum(-1), torch.ones(2))
    torch.testing.assert_close(each(SCORES), SCORES.sigmoid())


FILE = """
consilience: 1
name: grouped
resources: {{tiny: {{use: checkpoint, path: "{path}"}}}}
fields:
  text: text
  stars: {{category: toy.stars}}
  mood: {{category: toy.moods}}
sources: {{rows: {{use: table, path: rows.csv, map: {{text: text, stars: stars, mood: mood}}}}}}
inputs: {{tokens: {{use: tokens, in: text, checkpoint: tiny}}}}
modules:
  encoder: {{use: text_encoder, in: tokens}}
  rating: {{use: classifier, in: encoder.pooled}}
  feeling: {{use: regroup, in: rating}}
  shares: {{use: probabilities, in: feeling}}
  both: {{use: concat, in: [encoder.pooled, shares]}}
  again: {{use: classifier, in: both}}
losses:
  rating_loss: {{use: cross_entropy, in: rating, target: stars}}
  feeling_loss: {{use: cross_entropy, in: feeling, target: mood}}
  again_loss: {{use: cross_entropy, in: again, target: mood}}
"""


def plugin() -> object:
    spaces = hookimpl(specname="consilience_label_spaces")(lambda: [STARS, MOODS])
    return SimpleNamespace(consilience_label_spaces=spaces)


def test_a_fusion_learns_two_label_spaces_by_one_head(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consilience.host import _registry

    registry = Registry()
    registry.register(plugin(), "toy")
    monkeypatch.setattr(_registry, "_default", registry)
    (tmp_path / "rows.csv").write_text("text,stars,mood\na fine film,3,good\n")
    plan = check(Fusion.parse(FILE.format(path=tiny), tmp_path))
    assert dict(plan.solved["feeling"]) == {"labels": 4, "groups": 2}
    assert plan.answers()["feeling"][1] == "mood"
    model = fuse(plan)
    losses = ["rating_loss", "feeling_loss", "again_loss"]
    batch = build_collator(plan, losses)([{"text": "a fine film", "stars": 2, "mood": 0}])
    output = model(batch, outputs=losses)
    rating, feeling = output.tensors["rating.logits"], output.tensors["feeling.logits"]
    torch.testing.assert_close(feeling.softmax(-1)[:, 0], rating.softmax(-1)[:, 2])
    sum(value.sum() for value in output.losses.values()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.eval().save_pretrained(tmp_path / "saved")
    again = FusedModel.from_pretrained(tmp_path / "saved")
    with torch.no_grad():
        first = model(batch, outputs=["feeling"]).tensors["feeling.logits"]
        assert torch.equal(again(batch, outputs=["feeling"]).tensors["feeling.logits"], first)


def test_the_emotions_of_psychology_have_groups(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,stars,mood\na fine film,joy,joy\n")
    text = FILE.replace("category: toy.stars", "categories: psychology.goemotions")
    text = text.replace("category: toy.moods", "categories: psychology.ekman").replace(
        "cross_entropy", "binary_cross_entropy"
    )
    plan = check(Fusion.parse(text.replace("regroup,", "regroup, combine: max,").format(path=tiny), tmp_path))
    assert dict(plan.solved["feeling"]) == {"labels": 28, "groups": 7}
    assert fuse(plan).nodes["feeling"].is_member.sum() == 28
