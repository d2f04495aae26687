from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

import consilience_psychology as plugin
from consilience.declare import Dims


def test_importing_the_plugin_is_light() -> None:
    heavy = ("torch", "transformers", "numpy", "vaderSentiment", "datasets")
    code = f"import consilience_psychology, sys; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_names_in_the_file() -> None:
    kinds: dict[str, set[str]] = {}
    for component in plugin.consilience_components():
        kinds.setdefault(component.kind, set()).add(component.component)
    assert kinds["resource"] == {"taxonomy", "lexicon"}
    assert kinds["source"] == {"emobank"}
    assert kinds["input"] == {"lexicon_affect", "lexicon_scores", "rater"}
    assert {"emotion_head", "affect_head", "thresholds", "temperature"} < kinds["module"]
    assert {"emotion_loss", "affect_loss", "asymmetric_loss"} < kinds["loss"]
    assert len(plugin.consilience_components()) == sum(map(len, kinds.values()))
    assert [(space.name, len(space)) for space in plugin.consilience_label_spaces()] == [
        ("goemotions", 28),
        ("ekman", 7),
        ("sentiment", 4),
        ("plutchik", 8),
        ("vad", 3),
        ("appraisal", 7),
    ]


@pytest.mark.parametrize("component", plugin.consilience_components())
def test_every_component_and_key_is_explained(component: type) -> None:
    assert component.__doc__
    assert set(component.descriptions()) == set(component.model_fields)


@pytest.mark.parametrize(
    ("component", "keys"),
    [
        (plugin.EmotionHead, {"dropout": 1.0}),
        (plugin.EmotionHead, {"width": 0}),
        (plugin.EmotionHead, {"depth": 2}),
        (plugin.EmotionLoss, {"gamma": -1.0}),
        (plugin.EmotionLoss, {"positive_weight": 0.0}),
        (plugin.LexiconAffect, {"max_words": 0}),
        (plugin.AffectHead, {"dropout": -0.1}),
        (plugin.AffectLoss, {"huber": 0.0}),
    ],
)
def test_refuses_keys_out_of_range(component: type, keys: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        component(**keys)


def test_builds_with_the_solved_sizes_and_the_keys() -> None:
    dims = Dims({"hidden": 12, "emotion": 28})
    head = plugin.EmotionHead(dropout=0.3, width=20).build(dims)
    assert (head.layers[0].p, head.layers[1].in_features, head.layers[4].in_features, head.layers[4].out_features) == (
        0.3,
        12,
        20,
        28,
    )
    assert plugin.AffectHead(dropout=0).build(dims).layers[4].out_features == 1
    loss = plugin.EmotionLoss(gamma=2, positive_weight=3).build(dims)
    assert (loss.gamma, loss.positive_weight) == (2, 3)
    assert plugin.AffectLoss(huber=0.5).build(dims).huber == 0.5
    assert plugin.LexiconAffect(max_words=9).build(dims).max_words == 9
