"""Prompt and prefix tuning: on every family that they name, they change what is read and not what it is read as."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from consilience.declare import DeclarationError, Dims, Tuner, Use
from consilience.standard import Checkpoint, Classifier, Prefix, Prompt, TextEncoder

IDS = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 1, 1]])
MASK = IDS != 1
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SIZES |= {"vocab_size": 21, "max_position_embeddings": 8, "pad_token_id": 1}
DISTILBERT = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
PAIRS = [(tuner, family) for tuner in (Prompt, Prefix) for family in tuner.families]


def save(folder: Path, family: str) -> Checkpoint:
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(0)
    sizes = {key: value for key, value in SIZES.items() if family != "distilbert" or not key.endswith("_heads")}
    if family == "distilbert":
        sizes = {"vocab_size": 21, "max_position_embeddings": 8, "pad_token_id": 1} | DISTILBERT
    config = AutoConfig.for_model(family, **sizes, **({"embedding_size": 8} if family == "electra" else {}))
    AutoModel.from_config(config).save_pretrained(str(folder))
    return Checkpoint.model_validate({"path": str(folder)})


def encoder(checkpoint: Checkpoint, tuner: Tuner | None = None) -> nn.Module:
    torch.manual_seed(1)
    built: nn.Module = TextEncoder(checkpoint=Use("tiny", checkpoint)).build(Dims({"hidden": 16, "vocab": 21}))
    if tuner is not None:
        tuner.apply(built)
    return built.eval()


@pytest.mark.parametrize(("kind", "family"), PAIRS, ids=lambda given: getattr(given, "component", given))
def test_virtual_tokens_are_read_beside_the_text(
    kind: type[Prompt] | type[Prefix], family: str, tmp_path: Path
) -> None:
    checkpoint = save(tmp_path, family)
    tuner = kind(tokens=7)  # as many positions as a text may have are left to the text
    declared = TextEncoder(checkpoint=Use("tiny", checkpoint))
    assert list(tuner.faults_on(declared, Dims({"hidden": 16, "vocab": 21}))) == []
    module, before = encoder(checkpoint, tuner), encoder(checkpoint)
    hidden, pooled = module(IDS, MASK)
    assert hidden.shape == before(IDS, MASK)[0].shape
    assert not torch.allclose(hidden, before(IDS, MASK)[0])
    alone = module(IDS[1:, :3], MASK[1:, :3])[0][0]
    torch.testing.assert_close(hidden[1, :3], alone, rtol=0, atol=1e-5)  # padding is read by nobody still
    pooled.square().sum().backward()
    added = {name: value for name, value in module.named_parameters() if value.requires_grad}
    assert all(value.grad is not None and bool((value.grad != 0).any()) for value in added.values())
    assert set(added) == set(module.state_dict()) - set(before.state_dict())
    count = 7 * (8 if family == "electra" else 16) if kind is Prompt else 2 * 2 * 7 * 16
    assert sum(value.numel() for value in added.values()) == count


@pytest.mark.parametrize("kind", [Prompt, Prefix])
def test_virtual_tokens_come_back_run_on_fake_tensors_and_in_bfloat16(
    kind: type[Prompt] | type[Prefix], checkpoint: Checkpoint
) -> None:
    first, second = encoder(checkpoint, kind(tokens=3)), encoder(checkpoint, kind(tokens=3))
    for value in first.parameters():
        if value.requires_grad:
            nn.init.normal_(value)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(IDS, MASK)[1], second(IDS, MASK)[1])
    assert torch.equal(copy.deepcopy(first)(IDS, MASK)[1], first(IDS, MASK)[1])
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert first(mode.from_tensor(IDS), mode.from_tensor(MASK))[1].shape == (2, 16)
    assert first.to(torch.bfloat16)(IDS, MASK)[1].dtype == torch.bfloat16


def test_a_prefix_is_one_module_s_own(checkpoint: Checkpoint) -> None:
    plain = encoder(checkpoint)(IDS, MASK)[1]
    encoder(checkpoint, Prefix(tokens=3))
    assert torch.equal(encoder(checkpoint)(IDS, MASK)[1], plain)


def test_an_encoder_of_another_family_is_told(tmp_path: Path) -> None:
    checkpoint = save(tmp_path, "mpnet")
    [fault] = Prefix().faults_on(TextEncoder(checkpoint=Use("tiny", checkpoint)), Dims({"hidden": 16}))
    assert (fault.code, fault.found) == ("CN452", "an encoder of the type mpnet")
    with pytest.raises(DeclarationError, match="CN452"):
        encoder(checkpoint, Prefix())


@pytest.mark.parametrize("tuner", [Prompt(), Prefix()])
def test_a_head_is_told(tuner: Tuner) -> None:
    dims = Dims({"hidden": 16, "classes": 2})
    [fault] = tuner.faults_on(Classifier(), dims)
    assert (fault.code, fault.found) == ("CN452", "a module without an encoder that reads tokens")
    with pytest.raises(DeclarationError, match="CN452"):
        tuner.apply(Classifier().build(dims))
