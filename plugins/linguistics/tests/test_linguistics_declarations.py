from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

import consilience_linguistics as plugin
from consilience.declare import Checkpoint, Dims, Float, Int, Module, Ports, Unsolved, Use
from consilience.errors import DeclarationError


class Model(Checkpoint):
    """A checkpoint of which only the tokenizer's mask token is asked."""

    mask_token_id: int | None = 4

    def tokenizer(self) -> Any:
        return SimpleNamespace(mask_token_id=self.mask_token_id)


class Encoder(Module):
    """An encoder that states its vocabulary."""

    inputs = Ports(ids=Int["batch seq"].below("vocab"))
    outputs = Ports(hidden=Float["batch seq hidden"])

    def dims(self, known: Dims) -> Mapping[str, int]:
        return {"vocab": 61, "hidden": 16}


class Pooler(Module):
    """A module without embeddings."""

    inputs = Ports(hidden=Float["batch seq hidden"])


def test_importing_the_plugin_is_light() -> None:
    heavy = ("torch", "transformers", "numpy", "torchmetrics", "datasets")
    code = f"import consilience_linguistics, sys; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_names_in_the_file() -> None:
    names = {kind.component: kind.kind for kind in plugin.consilience_components()}
    assert (
        names.items()
        >= {
            "conllu": "source",
            "mask": "input",
            "masked_lm_head": "module",
            "masked_lm_loss": "loss",
            "perplexity": "metric",
            "las": "metric",
            "uas": "metric",
            "ufeats": "metric",
            "uuas": "metric",
            "simcse_loss": "loss",
        }.items()
    )
    assert len(names) == len(plugin.COMPONENTS)


@pytest.mark.parametrize("component", plugin.consilience_components())
def test_every_component_and_key_is_explained(component: type) -> None:
    assert component.__doc__
    assert set(component.descriptions()) == set(component.model_fields)


@pytest.mark.parametrize("keys", [{"rate": 0.0}, {"rate": 1.2}, {"replaced": -0.1}, {"random": 2.0}, {"rat": 0.1}])
def test_refuses_keys_out_of_range(keys: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        plugin.Mask(**keys)


def test_tells_of_shares_above_one() -> None:
    assert not list(plugin.Mask().faults())
    assert not list(plugin.Mask(replaced=0.9, random=0.1).faults())
    [fault] = plugin.Mask(replaced=0.9, random=0.3).faults()
    assert (fault.code, fault.key, fault.found, fault.expected, fault.fix) == (
        "CN123",
        "random",
        "0.3, with replaced: 0.9",
        "replaced and random of at most 1 together",
        "random: 0.1",
    )


def test_builds_a_mask_with_what_was_solved() -> None:
    masker = plugin.Mask(rate=0.3, checkpoint=Use("bert", Model())).build(Dims({"vocab": 61}))
    assert (masker.vocabulary, masker.mask_token, masker.rate, masker.replaced, masker.random) == (61, 4, 0.3, 0.8, 0.1)


def test_tells_of_a_tokenizer_without_a_mask_token() -> None:
    mask = plugin.Mask(checkpoint=Use("gpt", Model(mask_token_id=None)))
    with pytest.raises(DeclarationError) as refused:
        mask.build(Dims({"vocab": 61}))
    assert str(refused.value) == (
        "error CN690 at the file\n"
        "  found     gpt, whose tokenizer has no mask token\n"
        "  expected  a tokenizer with a mask token\n"
        "  fix       # take a checkpoint that was trained to guess masked words, such as a BERT, for tokens and encoder"
    )


def test_the_check_asks_the_files_for_a_mask_token() -> None:
    class Told(Model):
        roles: dict[str, str | None]

        def special_tokens(self) -> Mapping[str, str | None]:
            return self.roles

    def faults(**roles: str | None) -> list[str]:
        return [fault.code for fault in plugin.Mask(checkpoint=Use("gpt", Told(roles=roles))).faults()]

    assert faults(mask_token=None) == ["CN690"]
    assert faults(mask_token="[MASK]") == []
    assert faults(pad_token="[PAD]") == []


def test_the_head_takes_the_vocabulary_of_the_encoder_it_is_tied_to() -> None:
    assert plugin.MaskedLMHead(tie=Use("encoder", Encoder())).dims(Dims()) == {"vocab": 61}
    assert plugin.MaskedLMHead(tie=Use("encoder")).dims(Dims()) == {}


def test_tells_of_a_tied_module_without_embeddings() -> None:
    assert not list(plugin.MaskedLMHead(tie=Use("encoder")).faults())
    assert not list(plugin.MaskedLMHead(tie=Use("encoder", Encoder())).faults())
    [fault] = plugin.MaskedLMHead(tie=Use("pooler", Pooler())).faults()
    assert (fault.code, fault.key, fault.found, fault.expected, fault.fix) == (
        "CN390",
        "tie",
        "pooler: a pooler, which embeds no tokens",
        "a module that reads token ids",
        "# name under tie the encoder that reads the tokens",
    )


def test_builds_the_head_over_the_built_encoder() -> None:
    from torch import nn

    class Built(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embeddings = nn.Embedding(61, 16)

        def get_input_embeddings(self) -> nn.Embedding:
            return self.embeddings

    declared, built = plugin.MaskedLMHead(tie=Use("encoder", Encoder())), Built()
    head = declared.build(Dims({"hidden": 16, "vocab": 61}, nodes={"encoder": built}))
    assert head._tied == (built,)
    with pytest.raises(Unsolved):
        declared.build(Dims({"hidden": 16, "vocab": 61}))
    assert plugin.MaskedLMLoss().build(Dims()).count is not None
    assert plugin.Perplexity().build(Dims()).ignore_index == -100
