"""What modules say of their linear layers before they are built is held to what they build."""

from typing import Any

import pytest

import consilience.standard
from consilience.declare import Dims, LabelSpace, Module, Use
from consilience.standard import (
    Checkpoint,
    Classifier,
    Concat,
    CrossAttention,
    Gated,
    Lora,
    MultioutputRegressor,
    Probabilities,
    Regressor,
    Regroup,
    TextEncoder,
    TokenClassifier,
)
from consilience.standard.built.lora import linear_layers

SPACES = {
    "labels": LabelSpace(name="stars", labels=("1", "2", "3")),
    "groups": LabelSpace(name="moods", labels=("bad", "good"), maps={"stars": {"1": "bad", "2": "good", "3": "good"}}),
}
DIMS = Dims({"hidden": 8, "classes": 3, "numbers": 2, "width": 6, "vocab": 21}, SPACES, {"part": (4, 8, 2)})
MODULES: list[tuple[type[Module], dict[str, Any]]] = [
    *((head, {}) for head in (Classifier, Regressor, MultioutputRegressor, TokenClassifier)),
    *((head, {"width": 5}) for head in (Classifier, Regressor, MultioutputRegressor, TokenClassifier)),
    (Concat, {}),
    (Gated, {}),
    (CrossAttention, {"heads": 2}),
    (TextEncoder, {}),
    (Regroup, {}),
    (Probabilities, {}),
]


@pytest.mark.parametrize(("kind", "keys"), MODULES)
def test_a_module_builds_the_linear_layers_that_it_names(
    kind: type[Module], keys: dict[str, Any], checkpoint: Checkpoint
) -> None:
    if kind is TextEncoder:
        keys = {"checkpoint": Use("tiny", checkpoint)}
    declared = kind.model_validate(keys)
    named = declared.linear_layers(DIMS)
    assert named is not None
    built = declared.build(DIMS)
    assert list(named) == linear_layers(built)
    faults = list(Lora().faults_on(declared, DIMS))
    assert [fault.code for fault in faults] == ([] if list(named) else ["CN450"])
    if not faults:
        Lora(r=2).apply(built)
        assert any("lora_" in name for name, value in built.named_parameters() if value.requires_grad)


def test_every_standard_module_is_held_to_it() -> None:
    offered = [kind for kind in consilience.standard.consilience_components() if issubclass(kind, Module)]
    assert {kind for kind, _ in MODULES} == set(offered)
