"""The standard components together: checked, built, run, saved and loaded as one fusion."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import torch

from consilience.declare import Fusion
from consilience.errors import DeclarationError
from consilience.fuse import FusedModel, build_collator, fuse
from consilience.plan import Plan, check

FILE = """
    consilience: 1
    name: all-standard
    resources:
      tiny: {{use: checkpoint, path: "{path}"}}
    fields:
      text:   text
      topic:  {{category: [plot, cast, sound]}}
      moods:  {{categories: [sad, glad]}}
      stars:  number
      affect: {{numbers: [valence, arousal, dominance]}}
      marks:  {{token_labels: [outside, name]}}
    sources:
      rows:
        use: table
        path: rows.jsonl
        map: {{text: text, topic: topic, moods: moods, stars: stars, affect: affect, marks: marks}}
    inputs:
      tokens: {{use: tokens, in: text, checkpoint: tiny, max_length: {length}, words: whitespace}}
      marked: {{use: token_labels, in: {{words: tokens.words, labels: marks}}}}
    modules:
      encoder: {{use: text_encoder, in: tokens, tune: {{use: lora, r: 2}}}}
      second:  {{use: text_encoder, in: tokens, checkpoint: tiny, pooling: max, tune: frozen}}
      read:
        use: cross_attention
        in: {{queries: encoder.hidden, states: second.hidden, mask: tokens.mask, query_mask: tokens.mask}}
      mixed:   {{use: gated, in: [read.pooled, second.pooled], width: 8}}
      beside:  {{use: concat, in: [mixed, encoder.pooled]}}
      topics:  {{use: classifier, in: beside}}
      mood:    {{use: classifier, in: mixed, width: 6}}
      rating:  {{use: regressor, in: beside}}
      feeling: {{use: multioutput_regressor, in: beside}}
      names:   {{use: token_classifier, in: read.hidden}}
    losses:
      topic_loss: {{use: cross_entropy, in: topics, target: topic, label_smoothing: 0.1, class_weights: {weights}}}
      mood_loss:  {{use: binary_cross_entropy, in: mood, target: moods}}
      stars_loss: {{use: mse, in: rating, target: stars}}
      affect_loss: {{use: mse, in: feeling, target: affect}}
      names_loss: {{use: cross_entropy, in: names, target: marked.labels}}
    objective: {{balance: uncertainty}}
    metrics:
      accuracy: {{use: accuracy, in: topics, target: topic}}
      moods_f1: {{use: multilabel_f1, in: mood, target: moods}}
      r:        {{use: pearson, in: rating, target: stars}}
      rs:       {{use: multioutput_pearson, in: feeling, target: affect}}
      table:    {{use: confusion, in: topics, target: topic}}
"""
ROW = (
    '{"text": "a fine film", "topic": "cast", "moods": "glad", "stars": 4.5, "affect": "0.5,0.1,0.2", '
    '"marks": "outside,outside,name"}\n'
)
LOSSES = ["topic_loss", "mood_loss", "stars_loss", "affect_loss", "names_loss"]


def write(folder: Path, tiny: Path, length: int = 12, weights: str = "[1, 2, 3]") -> Path:
    (folder / "rows.jsonl").write_text(ROW)
    file = folder / "fusion.yaml"
    file.write_text(textwrap.dedent(FILE).format(path=tiny, length=length, weights=weights))
    return file


@pytest.fixture
def plan(tmp_path: Path, tiny: Path) -> Plan:
    return check(Fusion.load(write(tmp_path, tiny)))


def batch(plan: Plan) -> dict[str, torch.Tensor]:
    rows = [
        {"text": "a fine film", "topic": 1, "moods": [1], "stars": 4.5, "affect": [0.5, 0.1, 0.2], "marks": [0, 0, 1]},
        {
            "text": "dull plots but fine",
            "topic": 0,
            "moods": [],
            "stars": 1.0,
            "affect": [0.0, 0.4, 0.9],
            "marks": [0, 1, 0, 0],
        },
    ]
    made: dict[str, torch.Tensor] = build_collator(plan, [*LOSSES])(rows)
    return made


def test_the_sizes_are_solved(plan: Plan) -> None:
    assert {name: plan.solved["topics"][name] for name in ("hidden", "classes")} == {"hidden": 24, "classes": 3}
    assert plan.solved["names"]["classes"] == 2
    assert plan.solved["feeling"]["numbers"] == 3
    assert plan.solved["read"]["width"] == 16


def test_every_loss_reaches_what_is_trained(plan: Plan) -> None:
    model = fuse(plan)
    given = batch(plan)
    losses = model(given, outputs=LOSSES).losses
    means = {name: value.sum() / model.count(name, given).sum() for name, value in losses.items()}
    assert set(means) == set(LOSSES)
    factors, penalties = model.balancer(means)
    total = sum(factors[name] * value for name, value in means.items()) + sum(penalties.values())
    assert total.isfinite()
    torch.nn.init.ones_(model.nodes["read"].gate)
    total.backward()
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert {name for name, parameter in model.named_parameters() if parameter.grad is not None} == trained
    assert not any("second" in name for name in trained)
    assert all("lora_" in name for name in trained if name.startswith("nodes.encoder"))


def test_it_comes_back_from_disk_to_the_last_bit(plan: Plan, tmp_path: Path) -> None:
    model = fuse(plan).eval()
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(tmp_path / "saved")
    again = FusedModel.from_pretrained(tmp_path / "saved").eval()
    given = batch(plan)
    answers = ["topics", "mood", "rating", "feeling", "names"]
    first, second = model(given, outputs=answers).tensors, again(given, outputs=answers).tensors
    assert set(first) == set(second)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_the_metrics_take_what_the_model_gives(plan: Plan) -> None:
    model, given = fuse(plan).eval(), batch(plan)
    with torch.no_grad():
        made = model(given, outputs=["topics", "mood", "rating", "feeling"]).tensors
    for node in plan.of("metrics"):
        metric = node.declaration.build(plan.solved[node.name])  # type: ignore[union-attr]
        wiring = plan.wiring(node.name)
        tensors = {**given, **made}
        metric.update(**{port: tensors[str(refs[0])] for port, refs in wiring.items()})
        assert metric.compute().isfinite().all(), node.name


def test_a_text_longer_than_the_positions_is_a_fault(tmp_path: Path, tiny: Path) -> None:
    with pytest.raises(DeclarationError, match="CN610"):
        build_collator(check(Fusion.load(write(tmp_path, tiny, length=33))), LOSSES)


def test_weights_for_another_number_of_classes_are_a_fault(tmp_path: Path, tiny: Path) -> None:
    with pytest.raises(DeclarationError, match="topic_loss"):
        check(Fusion.load(write(tmp_path, tiny, weights="[1, 2]")))
