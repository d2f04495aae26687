"""What is told of an encoder from its config.json is held to what transformers builds of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import nn
from transformers.activations import ACT2CLS

from consilience.declare import Dims, Use
from consilience.errors import DeclarationError
from consilience.standard import Checkpoint, TextEncoder
from consilience.standard._families import _ACTIVATIONS, _FAMILIES, family_of, unknown_model_type
from consilience.standard.built.lora import linear_layers

SIZES = {
    "vocab_size": 21,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
}
CONFIGS: dict[str, dict[str, Any]] = {
    **{name: {"model_type": name, **SIZES} for name in ("bert", "roberta", "xlm-roberta", "camembert", "mpnet")},
    "electra": {"model_type": "electra", **SIZES, "embedding_size": 16},
    "electra with narrow embeddings": {"model_type": "electra", **SIZES, "embedding_size": 8},
    "distilbert": {
        "model_type": "distilbert",
        "vocab_size": 21,
        "dim": 16,
        "n_layers": 2,
        "n_heads": 2,
        "hidden_dim": 24,
        "max_position_embeddings": 20,
        "pad_token_id": 0,
    },
    "modernbert": {"model_type": "modernbert", **SIZES, "pad_token_id": 0},
    "modernbert with every bias": {
        "model_type": "modernbert",
        **SIZES,
        "pad_token_id": 0,
        "norm_bias": True,
        "attention_bias": True,
        "mlp_bias": True,
    },
    "bert of one layer and four types": {"model_type": "bert", **SIZES, "num_hidden_layers": 1, "type_vocab_size": 4},
}


def written(folder: Path, config: dict[str, Any]) -> Checkpoint:
    (folder / "config.json").write_text(json.dumps(config))
    return Checkpoint.model_validate({"path": str(folder), "weights": "fresh"})


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_a_family_tells_the_weights_and_linear_layers_that_are_built(tmp_path: Path, config: dict[str, Any]) -> None:
    family = family_of(config)
    assert family is not None
    assert family.fault(config) is None
    checkpoint = written(tmp_path, config)
    with torch.device("meta"):
        model = checkpoint.model()
    assert family.weights(config) == {name: tuple(value.shape) for name, value in model.named_parameters()}
    encoder = TextEncoder(checkpoint=Use("tiny", checkpoint))
    assert encoder.linear_layers(Dims()) == linear_layers(encoder.build(Dims()))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_weights_with_a_head_have_the_familys_prefix(tmp_path: Path, config: dict[str, Any]) -> None:
    written(tmp_path, config)
    loaded = transformers.AutoConfig.from_pretrained(str(tmp_path))
    transformers.AutoModelForMaskedLM.from_config(loaded).save_pretrained(str(tmp_path))
    checkpoint = Checkpoint.model_validate({"path": str(tmp_path)})
    family = family_of(config)
    assert family is not None
    assert any(name.startswith(f"{family.prefix}.") for name in checkpoint.tensors() or {})
    assert list(checkpoint.faults()) == []
    assert isinstance(checkpoint.model(), nn.Module)


@pytest.mark.parametrize("name", _FAMILIES)
def test_a_familys_defaults_are_those_of_transformers(name: str) -> None:
    config = transformers.AutoConfig.for_model(name)
    assert _FAMILIES[name].defaults == {key: getattr(config, key) for key in _FAMILIES[name].defaults}


def test_the_activations_are_those_of_transformers() -> None:
    assert set(ACT2CLS) == _ACTIVATIONS


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({"num_attention_heads": 3}, "hidden_size is 16, no multiple of num_attention_heads, 3"),
        ({"num_hidden_layers": "2"}, "num_hidden_layers is '2'"),
        ({"num_hidden_layers": None}, "num_hidden_layers is None"),
        ({"num_hidden_layers": -1}, "num_hidden_layers is -1"),
        ({"type_vocab_size": 0}, "type_vocab_size is 0"),
        ({"hidden_act": "gleu"}, "hidden_act is 'gleu', which is no activation"),
        ({"hidden_dropout_prob": 2.0}, "hidden_dropout_prob is 2.0, which is no share"),
        ({"pad_token_id": 50}, "pad_token_id is 50, beyond vocab_size, 21"),
        ({"add_cross_attention": True}, "add_cross_attention is True, and is_decoder is not"),
        ({"model_type": "roberta", "pad_token_id": None}, "pad_token_id is None"),
    ],
)
def test_sizes_that_nothing_can_be_built_of_are_told(tmp_path: Path, wrong: dict[str, Any], found: str) -> None:
    checkpoint = written(tmp_path, CONFIGS["bert"] | wrong)
    [fault] = checkpoint.faults()
    assert (fault.code, fault.found) == ("CN606", f"{tmp_path / 'config.json'}: {found}")
    with pytest.raises(DeclarationError, match="CN606"):
        checkpoint.model()


@pytest.mark.parametrize(
    "more",
    [
        {"position_embedding_type": "relative_key"},
        {"quantization_config": {"quant_method": "gptq"}},
        {"is_decoder": True, "add_cross_attention": True},
        {"model_type": "deberta-v2"},
    ],
)
def test_of_what_is_built_otherwise_nothing_is_told(more: dict[str, Any]) -> None:
    assert family_of(CONFIGS["bert"] | more) is None


def test_distilberts_sizes_by_berts_names_are_not_guessed_at() -> None:
    assert family_of({"model_type": "distilbert", "vocab_size": 21, "hidden_size": 16}) is None


@pytest.mark.parametrize("count", [4097, 10**12, 10**400])
@pytest.mark.parametrize("name", ["bert", "mpnet", "distilbert", "modernbert"])
def test_layers_without_number_are_told_and_not_listed(tmp_path: Path, name: str, count: int) -> None:
    key = "n_layers" if name == "distilbert" else "num_hidden_layers"
    checkpoint = written(tmp_path, CONFIGS[name] | {key: count})
    [fault] = checkpoint.faults()
    assert (fault.code, fault.found) == (
        "CN606",
        f"{tmp_path / 'config.json'}: {key} is {count}, and 4096 are many",
    )
    assert TextEncoder(checkpoint=Use("tiny", checkpoint)).linear_layers(Dims({"hidden": 16, "vocab": 21})) is None


def test_a_model_type_that_transformers_lacks_is_told_with_the_nearest() -> None:
    found = "model_type is 'distillbert', which transformers has not; 'distilbert' it has"
    assert unknown_model_type("distillbert") == found


def test_every_model_type_of_transformers_is_known() -> None:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    assert [name for name in CONFIG_MAPPING_NAMES if unknown_model_type(name)] == []


def test_without_transformers_nobody_is_told_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consilience.standard._families.find_spec", lambda name: None)
    assert unknown_model_type("distillbert") is None


@pytest.mark.parametrize("name", ["bert", "roberta", "mpnet", "distilbert"])
def test_a_config_that_passes_can_be_built_whatever_stands_in_it(tmp_path: Path, name: str) -> None:
    from consilience.standard.built.pretrained import load_model

    transformers.AutoConfig.for_model(**CONFIGS[name]).save_pretrained(str(tmp_path))
    sound = json.loads((tmp_path / "config.json").read_text())
    ids = torch.tensor([[2, 5, 6, 7]])
    unsound, told = [], 0
    for key in sound:
        for value in (None, "x", -1, 0, 1.5, [], {}, True, ...):
            changed = {other: sound[other] for other in sound if other != key}
            checkpoint = written(tmp_path, changed if value is ... else changed | {key: value})
            if list(checkpoint.faults()):
                told += 1
                continue
            try:
                load_model(tmp_path, False)(input_ids=ids, attention_mask=torch.ones_like(ids))
            except Exception as error:  # whatever transformers and torch raise
                unsound.append((key, value, str(error)))
    assert unsound == []
    assert told > 60
