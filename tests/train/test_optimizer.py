"""Groups of parameters: every one in one group, in the order of the plan, with the rates that the file says."""

from __future__ import annotations

from pathlib import Path

import pytest

from consilience.declare import Fusion
from consilience.fuse import FusedModel, fuse
from consilience.plan import check
from consilience.train._optimizer import own_rates, parameter_groups


def model_of(file: Path, **encoder: object) -> FusedModel:
    written = Fusion.load(file).to_dict()
    written["modules"]["encoder"] |= encoder
    model: FusedModel = fuse(check(Fusion(**written, base=file.parent)))
    return model


def groups_of(model: FusedModel) -> list[dict[str, object]]:
    names = dict(model.named_parameters())
    decayed = [name for name in names if not name.endswith("bias")]
    groups = parameter_groups(model, names, decayed, 0.1, 0.2)
    assert groups is not None
    return groups


def named(model: FusedModel, group: dict[str, object]) -> list[str]:
    ids = {id(value): name for name, value in model.named_parameters()}
    return [ids[id(value)] for value in group["params"]]  # type: ignore[attr-defined]


def test_one_rate_for_all_leaves_the_groups_to_the_trainer(small_fusion: Path) -> None:
    model = model_of(small_fusion)
    assert parameter_groups(model, dict(model.named_parameters()), [], 0.1, 0.2) is None


def test_every_parameter_is_in_one_group(small_fusion: Path) -> None:
    model = model_of(small_fusion, learning_rate=0.5, weight_decay=0.3, layer_decay=0.5)
    groups = groups_of(model)
    grouped = [name for group in groups for name in named(model, group)]
    assert sorted(grouped) == sorted(name for name, _ in model.named_parameters())
    assert [group["name"] for group in groups[:2]] == ["default", "default"]
    assert all(group["weight_decay"] == 0 for group in groups if named(model, group)[0].endswith("bias"))
    decays = {group["weight_decay"] for group in groups if group["name"] == "encoder"}
    assert decays == {0.0, 0.3}
    assert [named(model, group) for group in groups] == [named(model, group) for group in groups_of(model)]


def test_the_rate_falls_from_layer_to_layer(small_fusion: Path) -> None:
    model = model_of(small_fusion, learning_rate=0.4, layer_decay=0.5)
    rates = {name: group["lr"] for group in groups_of(model) for name in named(model, group)}
    assert rates["nodes.encoder.model.encoder.layer.1.output.dense.weight"] == pytest.approx(0.4)
    assert rates["nodes.encoder.model.encoder.layer.0.output.dense.weight"] == pytest.approx(0.2)
    assert rates["nodes.encoder.model.embeddings.word_embeddings.weight"] == pytest.approx(0.1)
    assert rates["nodes.encoder.model.embeddings.LayerNorm.weight"] == pytest.approx(0.1)
    assert rates["nodes.opinion.projection.1.weight"] == pytest.approx(0.1)  # that of the training


def test_what_wraps_a_model_changes_no_group(small_fusion: Path) -> None:
    model = model_of(small_fusion, learning_rate=0.4)
    for prefix in ("module.", "_orig_mod.", "module._orig_mod.", "_fsdp_wrapped_module."):
        names = {f"{prefix}{name}": value for name, value in model.named_parameters()}
        groups = parameter_groups(model, names, [], 0.1, 0.0)
        assert groups is not None
        assert {str(group["name"]) for group in groups} == {"default", "encoder"}, prefix


def test_a_rate_is_told_beside_the_first(small_fusion: Path) -> None:
    groups = groups_of(model_of(small_fusion, learning_rate=0.4, layer_decay=0.5))
    assert list(own_rates(groups, 0.05)) == [("encoder", pytest.approx(0.2))]
    assert list(own_rates([{"lr": 0.1}], 0.05)) == []
