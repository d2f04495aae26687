"""The head that a checkpoint brings scores as transformers' own, and is told where there is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn

import consilience_linguistics as plugin
from consilience.declare import Dims, Fault, Float, Fusion, Int, Module, Ports, Use
from consilience.errors import DeclarationError
from consilience.fuse import FusedModel, fuse
from consilience.plan import check
from consilience.standard import Checkpoint, TextEncoder
from consilience.standard.built.lora import linear_layers

SIZES = {
    "vocab_size": 31,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": SIZES,
    "bert with another activation": SIZES | {"hidden_act": "relu"},
    "roberta": SIZES | {"layer_norm_eps": 1e-5},
    "xlm-roberta": SIZES,
    "camembert": SIZES,
    "mpnet": SIZES,
    "electra": SIZES | {"embedding_size": 8},
    "albert": SIZES | {"embedding_size": 8},
    "distilbert": {"vocab_size": 31, "dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 24, "pad_token_id": 0},
    "modernbert": SIZES | {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
}
DIMS = Dims({"hidden": 16, "vocab": 31})
IDS = torch.tensor([[5, 9, 13, 21], [7, 8, 30, 2]])
POSITIONS = torch.tensor([[0, 2], [3, 1]])


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., tuple[Any, Checkpoint]]:
    """Saves a model with its head, every bias random; gives it, and its checkpoint."""

    def save(family: str, **settings: Any) -> tuple[Any, Checkpoint]:
        torch.manual_seed(0)
        config = transformers.AutoConfig.for_model(family, **settings)
        model = transformers.AutoModelForMaskedLM.from_config(config).eval()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith("bias"):
                    parameter.normal_()
        model.save_pretrained(str(tmp_path / "model"))
        return model, Checkpoint.model_validate({"path": str(tmp_path / "model")})

    return save


def declared(checkpoint: Checkpoint, **keys: Any) -> tuple[plugin.MaskedLMHead, TextEncoder]:
    encoder = TextEncoder(checkpoint=Use("tiny", checkpoint))
    return plugin.MaskedLMHead(tie=Use("encoder", encoder), start="pretrained", **keys), encoder


def faults_of(checkpoint: Checkpoint) -> list[Fault]:
    return list(declared(checkpoint)[0].faults())


def rewrite(folder: Path, rename: Callable[[str], str | None]) -> None:
    """Gives the tensors of a folder other names; None leaves one out."""
    weights = {new: value for name, value in load_file(folder / "model.safetensors").items() if (new := rename(name))}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize("family", FAMILIES)
def test_it_scores_as_the_models_own_head(family: str, saved: Callable[..., tuple[Any, Checkpoint]]) -> None:
    model, checkpoint = saved(family.partition(" ")[0], **FAMILIES[family])
    assert list(checkpoint.faults()) == []
    head, encoder = declared(checkpoint)
    assert [*head.faults(), *head.faults_with(DIMS)] == []
    built = encoder.build(DIMS).eval()
    scorer = head.build(Dims(DIMS.sizes, nodes={"encoder": built})).eval()
    logits = scorer(built(IDS, torch.ones_like(IDS).bool())[0], POSITIONS)
    theirs = model(input_ids=IDS, attention_mask=torch.ones_like(IDS)).logits
    torch.testing.assert_close(logits, theirs[torch.arange(2)[:, None], POSITIONS])
    fresh = plugin.MaskedLMHead(tie=Use("encoder", encoder)).build(Dims(DIMS.sizes, nodes={"encoder": built}))
    assert not torch.equal(fresh.dense.weight, scorer.dense.weight)
    assert all(parameter.requires_grad for parameter in scorer.parameters())


def test_older_names_of_its_norm_are_found(saved: Callable[..., tuple[Any, Checkpoint]], tmp_path: Path) -> None:
    model, checkpoint = saved("bert", **SIZES)
    older = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    rewrite(tmp_path / "model", lambda name: name.replace(*next((p for p in older.items() if p[0] in name), ("", ""))))
    assert "cls.predictions.transform.LayerNorm.gamma" in (checkpoint.tensors() or {})
    head, encoder = declared(checkpoint)
    scorer = head.build(Dims(DIMS.sizes, nodes={"encoder": encoder.build(DIMS)}))
    torch.testing.assert_close(scorer.norm.bias, model.cls.predictions.transform.LayerNorm.bias)


def test_an_encoder_without_a_head_brings_none(saved: Callable[..., tuple[Any, Checkpoint]], tmp_path: Path) -> None:
    _, checkpoint = saved("bert", **SIZES)
    rewrite(tmp_path / "model", lambda name: None if name.startswith("cls.") else name)
    [fault] = faults_of(checkpoint)
    assert fault == Fault(
        "CN691",
        "start",
        "tiny, among whose weights there is no head for masked words",
        "a checkpoint with its head, as BertForMaskedLM and the like are saved",
        "start: fresh",
    )
    head, encoder = declared(checkpoint)
    with pytest.raises(DeclarationError, match="CN691"):
        head.build(Dims(DIMS.sizes, nodes={"encoder": encoder.build(DIMS)}))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"hidden_act": "mish"}, "tiny, whose head has the activation mish"),
        ({"tie_word_embeddings": False}, "tiny, whose head has output weights of its own"),
        ({"model_type": "deberta-v2"}, "tiny, a deberta-v2: where such keep a head is not known"),
    ],
)
def test_a_head_that_could_not_score_alike_is_told(
    change: dict[str, Any], found: str, saved: Callable[..., tuple[Any, Checkpoint]], tmp_path: Path
) -> None:
    _, checkpoint = saved("bert", **SIZES)
    file = tmp_path / "model" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert [(fault.code, fault.found) for fault in faults_of(checkpoint)] == [("CN691", found)]


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        ({"hidden": 24, "vocab": 31}, "tiny, whose head is for a hidden of 16, not 24"),
        ({"hidden": 16, "vocab": 40}, "tiny, whose head is for a vocab of 31, not 40"),
    ],
)
def test_a_head_of_another_size_is_told(
    sizes: dict[str, int], found: str, saved: Callable[..., tuple[Any, Checkpoint]]
) -> None:
    head, encoder = declared(saved("bert", **SIZES)[1])
    assert [fault.found for fault in head.faults_with(Dims(sizes))] == [found]
    with pytest.raises(DeclarationError, match=found):
        head.build(Dims(sizes, nodes={"encoder": encoder.build(DIMS)}))


def test_a_checkpoint_that_starts_fresh_has_a_fresh_head_of_its_own_kind(
    saved: Callable[..., tuple[Any, Checkpoint]], tmp_path: Path
) -> None:
    saved("bert", **SIZES, hidden_act="relu", layer_norm_eps=1e-5)
    checkpoint = Checkpoint.model_validate({"path": str(tmp_path / "model"), "weights": "fresh"})
    head, encoder = declared(checkpoint)
    assert [*head.faults(), *head.faults_with(DIMS)] == []
    scorer = head.build(Dims(DIMS.sizes, nodes={"encoder": encoder.build(DIMS)}))
    assert (scorer.activation, scorer.norm.eps) == ("relu", 1e-5)
    assert torch.equal(scorer.dense.bias, torch.zeros(16))


def test_an_encoder_that_is_made_from_no_checkpoint_brings_none() -> None:
    class Own(Module):
        """Embeds tokens."""

        inputs = Ports(ids=Int["batch seq"].below("vocab"))
        outputs = Ports(hidden=Float["batch seq hidden"])

    [fault] = plugin.MaskedLMHead(tie=Use("own", Own()), start="pretrained").faults()
    assert (fault.code, fault.found) == ("CN691", "own, which is made from no checkpoint")


def test_an_encoder_that_hides_its_embeddings_cannot_be_tied() -> None:
    head = plugin.MaskedLMHead(tie=Use("own"))
    with pytest.raises(DeclarationError, match=r"CN390[\s\S]*own: a Linear without get_input_embeddings"):
        head.build(Dims(DIMS.sizes, nodes={"own": nn.Linear(2, 2)}))


def test_it_names_its_linear_layers(saved: Callable[..., tuple[Any, Checkpoint]]) -> None:
    head, encoder = declared(saved("bert", **SIZES)[1])
    scorer = head.build(Dims(DIMS.sizes, nodes={"encoder": encoder.build(DIMS)}))
    assert list(head.linear_layers(DIMS)) == linear_layers(scorer)


FILE = """
consilience: 1
name: language
resources: {tiny: {use: checkpoint, path: model}}
fields: {text: text}
sources: {texts: {use: table, path: texts.csv, map: {text: text}}}
inputs:
  tokens: {use: tokens, in: text, checkpoint: tiny, max_length: 16}
  masked: {use: linguistics.mask, in: tokens}
modules:
  encoder: {use: text_encoder, in: masked, checkpoint: tiny}
  words: {use: linguistics.masked_lm_head, in: [encoder, masked], tie: encoder, start: pretrained}
losses:
  language_loss: {use: linguistics.masked_lm_loss, in: words, target: masked.labels}
"""


def test_a_saved_model_with_it_is_loaded_as_it_was(
    saved: Callable[..., tuple[Any, Checkpoint]], tmp_path: Path
) -> None:
    saved("bert", **SIZES, hidden_act="relu")
    words = [*("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), *"abcdefghijklmnopqrstuvwxyz"]
    transformers.BertTokenizer(vocab={word: index for index, word in enumerate(words)}).save_pretrained(
        str(tmp_path / "model")
    )
    (tmp_path / "texts.csv").write_text("text\na b c\nd e f\n")
    model = fuse(check(Fusion.parse(FILE, tmp_path))).eval()
    batch = {"masked.ids": IDS, "masked.mask": torch.ones_like(IDS).bool(), "masked.positions": POSITIONS}
    logits = model(batch, outputs=["words"]).tensors["words.logits"]
    model.save_pretrained(str(tmp_path / "kept"))
    twin = FusedModel.from_pretrained(str(tmp_path / "kept")).eval()
    assert torch.equal(twin(batch, outputs=["words"]).tensors["words.logits"], logits)
