"""The tuners that choose layers, or add to them: what they train, what they leave as it was, what they refuse."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from consilience.declare import DeclarationError, Dims, Tuner, Use
from consilience.standard import (
    Adalora,
    Bitfit,
    Bottleneck,
    Checkpoint,
    Classifier,
    CrossAttention,
    Gated,
    Ia3,
    LastN,
    TextEncoder,
)
from consilience.standard.built.stack import layers_of

IDS = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]])
MASK = IDS != 0
DIMS = Dims({"hidden": 16, "vocab": 21, "classes": 3}, parts={"part": (4, 8)})


def encoder(checkpoint: Checkpoint, tuner: Tuner | None = None) -> nn.Module:
    torch.manual_seed(0)
    built: nn.Module = TextEncoder(checkpoint=Use("tiny", checkpoint)).build(DIMS)
    if tuner is not None:
        tuner.apply(built)
    return built.eval()


def trained(module: nn.Module) -> dict[str, int]:
    return {name: parameter.numel() for name, parameter in module.named_parameters() if parameter.requires_grad}


# Of each of 2 layers: keys and values of 16, and the 32 that the second feed-forward layer reads.
NUMBERS: dict[str, tuple[Tuner, int]] = {
    "ia3": (Ia3(), 2 * (16 + 16 + 32)),
    "ia3 of all": (Ia3(targets="all-linear", feedforward=[]), 2 * (4 * 16 + 32 + 16)),
    "bottleneck": (Bottleneck(reduction=4), 2 * (16 * 4 + 4 + 4 * 16 + 16)),
    "bottleneck of both": (Bottleneck(reduction=4, places="both"), 4 * (16 * 4 + 4 + 4 * 16 + 16)),
    "bottleneck of one": (Bottleneck(reduction=100, targets=["intermediate.dense"]), 2 * (32 + 1 + 32 + 32)),
    "bitfit": (Bitfit(), 16 + 2 * (4 * 16 + 16 + 32 + 16 + 16)),
    "last_n": (LastN(n=1), 4 * (16 * 16 + 16) + 32 * 17 + 16 * 33 + 2 * 32),
    "adalora": (Adalora(r=2, start_r=3), 2 * 3 * (4 * 33 + 2 * 49)),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_tuner_trains_so_many_numbers_and_starts_where_the_module_is(name: str, checkpoint: Checkpoint) -> None:
    tuner, count = NUMBERS[name]
    module = encoder(checkpoint, tuner)
    assert sum(trained(module).values()) == count
    for one, other in zip(encoder(checkpoint)(IDS, MASK), module(IDS, MASK), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NUMBERS)
def test_all_that_is_trained_gets_a_gradient_and_nothing_else_moves(name: str, checkpoint: Checkpoint) -> None:
    module = encoder(checkpoint, NUMBERS[name][0])
    before = copy.deepcopy(module.state_dict())
    optimizer = torch.optim.SGD([value for value in module.parameters() if value.requires_grad], lr=1.0)
    module(IDS, MASK)[1].square().sum().backward()
    assert all(value.grad is not None for value in module.parameters() if value.requires_grad)
    optimizer.step()
    moved = {key for key, value in module.state_dict().items() if not torch.equal(value, before[key])}
    assert moved
    assert moved <= set(trained(module))


def test_the_last_layers_are_trained_and_no_table(checkpoint: Checkpoint) -> None:
    module = encoder(checkpoint)
    layers = layers_of(module)
    assert layers == list(TextEncoder(checkpoint=Use("tiny", checkpoint)).layer_stack(DIMS) or ())
    assert layers == ["model.encoder.layer.0", "model.encoder.layer.1"]
    assert not any(name.startswith("model.encoder.layer.0.") for name in trained(encoder(checkpoint, LastN())))
    whole = trained(encoder(checkpoint, LastN(n=2)))
    assert not any("embeddings" in name for name in whole)
    assert any(name.startswith("model.encoder.layer.0.") for name in whole)


@pytest.mark.parametrize(
    ("model_type", "names"),
    [
        ("modernbert", ["model.final_norm.weight"]),
        ("mpnet", []),
    ],
)
def test_what_comes_after_the_layers_is_trained_too(model_type: str, names: list[str]) -> None:
    from transformers import AutoConfig, AutoModel

    sizes = {"hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 8}
    config = AutoConfig.for_model(model_type, vocab_size=9, pad_token_id=0, **sizes)
    module = nn.ModuleDict({"model": AutoModel.from_config(config)})
    module["model"].pooler = None  # as a checkpoint is loaded
    LastN(n=1).apply(module)
    outside = [name for name in trained(module) if ".2." not in name]
    assert outside == names


def test_a_gate_that_starts_closed_is_trained_too() -> None:
    for tuner in (Bitfit(), Ia3(), Bottleneck(targets=["output"])):
        module = CrossAttention(heads=2, head_width=4).build(Dims({"hidden": 6, "width": 5}))
        tuner.apply(module)
        assert "gate" in trained(module), tuner


FAULTS: list[tuple[Tuner, Any, str]] = [
    (
        Ia3(),
        Classifier(),
        "CN450 targets: 1: no linear layer of keys and values, or at the end of a feed-forward part; "
        "targets that name some of them; targets: all-linear",
    ),
    (
        Bottleneck(),
        Classifier(),
        "CN450 targets: 1: no linear layer at the end of an attention or a feed-forward part; "
        "targets that name some of them; targets: all-linear",
    ),
    (Adalora(targets=["2"]), Classifier(), "CN450 targets: 2: no linear layer; one of 1; targets: ['1']"),
    (
        Ia3(targets=["1"], feedforward=["2"]),
        Classifier(),
        "CN450 feedforward: 2: none of the targets; some of the layers that get factors: 1; feedforward: []",
    ),
    (LastN(), Classifier(), "CN451 : a module without a stack of layers; a module such as text_encoder; tune: full"),
    (LastN(), Gated(), "CN451 : a module without a stack of layers; a module such as text_encoder; tune: full"),
]


@pytest.mark.parametrize(("tuner", "module", "told"), FAULTS)
def test_a_tuner_tells_what_it_cannot_tune(tuner: Tuner, module: Any, told: str) -> None:
    [fault] = tuner.faults_on(module, DIMS)
    assert f"{fault.code} {fault.key}: {fault.found}; {fault.expected}; {fault.fix}" == told.replace("['1']", '["1"]')
    with pytest.raises(DeclarationError, match=fault.code):  # and once it is built, where nothing tells before
        tuner.apply(module.build(DIMS))


def test_more_layers_than_there_are_is_told(checkpoint: Checkpoint) -> None:
    [fault] = LastN(n=99).faults_on(TextEncoder(checkpoint=Use("tiny", checkpoint)), DIMS)
    assert (fault.code, fault.key, fault.found) == ("CN451", "n", "99, where the module has 2")
    assert (fault.expected, fault.fix) == ("at most 2 layers", "n: 2")
    assert not list(LastN(n=2).faults_on(TextEncoder(checkpoint=Use("tiny", checkpoint)), DIMS))


def test_an_encoder_without_biases_is_told(tmp_path: Path) -> None:
    from transformers import AutoModel, ModernBertConfig

    config = ModernBertConfig(hidden_size=8, num_attention_heads=2, num_hidden_layers=1, vocab_size=9, pad_token_id=0)
    AutoModel.from_config(config).save_pretrained(str(tmp_path))
    declared = TextEncoder(checkpoint=Use("modern", Checkpoint.model_validate({"path": str(tmp_path)})))
    [fault] = Bitfit().faults_on(declared, DIMS)
    assert (fault.code, fault.found) == ("CN453", "a module without biases")
    with pytest.raises(DeclarationError) as told:
        Bitfit().apply(declared.build(DIMS))
    assert str(told.value) == (
        "error CN453 at tune\n"
        "  found     a module without biases\n"
        "  expected  a module with biases to train\n"
        "  fix       tune: {use: lora}"
    )


def test_ranks_that_would_grow_are_told() -> None:
    [fault] = Adalora(r=8, start_r=4).faults()
    assert (fault.code, fault.key, fault.fix) == ("CN454", "start_r", "start_r: 12")


def step(module: nn.Module, tuner: Adalora, number: int, steps: int, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    module(IDS, MASK)[1].square().sum().backward()
    tuner.before_step(module, number, steps)
    optimizer.step()
    tuner.after_step(module, number, steps)


def ranks(module: nn.Module) -> list[int]:
    values = [value for name, value in module.named_parameters() if "lora_E" in name]
    return [int((value != 0).sum()) for value in values]


def test_the_ranks_shrink_to_their_budget_and_stay(checkpoint: Checkpoint) -> None:
    tuner = Adalora(r=2, start_r=4, targets=["query", "value"], warmup=0.2, cooldown=0.3)
    module = encoder(checkpoint, tuner)
    optimizer = torch.optim.SGD([value for value in module.parameters() if value.requires_grad], lr=0.1)
    open_after = []
    for number in range(1, 11):
        step(module, tuner, number, 10, optimizer)
        open_after.append(sum(ranks(module)))
    assert open_after[1] == 4 * 4  # in the warm-up
    assert open_after == sorted(open_after, reverse=True)
    assert open_after[6:] == [2 * 4] * 4
    assert len(set(ranks(module))) > 1 or min(ranks(module)) > 0


def test_a_schedule_goes_on_from_its_state(checkpoint: Checkpoint) -> None:
    tuner = Adalora(r=1, start_r=4, warmup=0.0, cooldown=0.0)
    first, second = encoder(checkpoint, tuner), encoder(checkpoint, tuner)

    def learn(module: nn.Module, numbers: range) -> None:
        optimizer = torch.optim.SGD([value for value in module.parameters() if value.requires_grad], lr=0.1)
        for number in numbers:
            step(module, tuner, number, 6, optimizer)

    learn(first, range(1, 4))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    learn(first, range(4, 7))
    learn(second, range(4, 7))
    assert all(torch.equal(one, second.state_dict()[name]) for name, one in first.state_dict().items())


def test_directions_are_pulled_towards_right_angles(checkpoint: Checkpoint) -> None:
    tuner = Adalora(r=2, start_r=2, targets=["query"], orthogonality=3.0)
    module = encoder(checkpoint, tuner)
    nodes = {name: value for name, value in module.named_parameters() if "lora_A" in name or "lora_B" in name}
    for value in nodes.values():
        value.grad = torch.zeros_like(value)
    tuner.before_step(module, 1, 1)

    def off(name: str, value: torch.Tensor) -> torch.Tensor:
        directions = value if "lora_A" in name else value.T
        return (directions @ directions.T - torch.eye(len(directions))).norm()

    total = 3.0 * torch.stack([off(name, value) for name, value in nodes.items()]).mean()
    for value, slope in zip(nodes.values(), torch.autograd.grad(total, list(nodes.values())), strict=True):
        torch.testing.assert_close(value.grad, slope, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NUMBERS)
def test_what_was_tuned_comes_back_from_its_state(name: str, make_bert: Callable[..., Path]) -> None:
    checkpoint = Checkpoint.model_validate({"path": str(make_bert())})
    first = encoder(checkpoint, NUMBERS[name][0])
    for value in first.parameters():
        if value.requires_grad:
            nn.init.normal_(value)
    second = encoder(checkpoint, NUMBERS[name][0])
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(IDS, MASK)[1], second(IDS, MASK)[1])
    assert torch.equal(copy.deepcopy(first)(IDS, MASK)[1], first(IDS, MASK)[1])
