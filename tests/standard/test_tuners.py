import copy

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from consilience.declare import Dims, Tuner, Use
from consilience.errors import DeclarationError
from consilience.standard import Checkpoint, Classifier, CrossAttention, Frozen, Full, Lora, TextEncoder

IDS = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]])
MASK = IDS != 0


def encoder(checkpoint: Checkpoint, tuner: Tuner | None = None) -> nn.Module:
    built: nn.Module = TextEncoder(checkpoint=Use("tiny", checkpoint)).build(Dims({"hidden": 16, "vocab": 21}))
    if tuner is not None:
        tuner.apply(built)
    return built.eval()


def trained(module: nn.Module) -> dict[str, int]:
    return {name: parameter.numel() for name, parameter in module.named_parameters() if parameter.requires_grad}


def test_full_and_frozen_train_all_and_nothing(checkpoint: Checkpoint) -> None:
    module = encoder(checkpoint, Frozen())
    assert trained(module) == {}
    Full().apply(module)
    assert trained(module) == {name: parameter.numel() for name, parameter in module.named_parameters()}
    assert Full.trains
    assert Lora.trains
    assert not Frozen.trains


def test_lora_trains_two_matrices_a_linear_layer(checkpoint: Checkpoint) -> None:
    module = encoder(checkpoint, Lora(r=4))
    # A layer of in x out features gets r x (in + out): four of 16 x 16, and 16 x 32 and back, in each of 2 layers.
    assert sum(trained(module).values()) == 2 * 4 * (4 * 32 + 2 * 48)
    assert all("lora_" in name for name in trained(module))


def test_lora_starts_where_the_module_is(checkpoint: Checkpoint) -> None:
    for one, other in zip(encoder(checkpoint)(IDS, MASK), encoder(checkpoint, Lora())(IDS, MASK), strict=True):
        torch.testing.assert_close(one, other)


def test_lora_reaches_the_targets_alone(checkpoint: Checkpoint) -> None:
    names = trained(encoder(checkpoint, Lora(targets=["query", "value"])))
    assert len(names) == 2 * 2 * 2
    assert all(".query." in name or ".value." in name for name in names)
    first = trained(encoder(checkpoint, Lora(targets=["model.encoder.layer.0.attention.self.query"])))
    assert len(first) == 2
    assert all(name.startswith("model.encoder.layer.0.") for name in first)


def test_all_linear_layers_are_compared_with_none() -> None:
    class Name(str):
        __slots__ = ()

        def endswith(self, *arguments: object) -> bool:
            raise AssertionError("compared with another")

    layers = [Name(f"{number}.query") for number in range(9)]
    assert Lora()._matching(layers) == {name: [name] for name in layers}
    assert Lora(targets=["query"])._matching([*map(str, layers)]) == {"query": layers}


def test_lora_goes_round_through_the_state(checkpoint: Checkpoint) -> None:
    first = encoder(checkpoint, Lora(r=2))
    for parameter in first.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter)
    second = encoder(checkpoint, Lora(r=2))
    assert not torch.equal(first(IDS, MASK)[1], second(IDS, MASK)[1])
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(IDS, MASK)[1], second(IDS, MASK)[1])
    assert trained(first) == trained(second)
    assert torch.equal(copy.deepcopy(first)(IDS, MASK)[1], first(IDS, MASK)[1])


def test_only_what_lora_added_moves(checkpoint: Checkpoint) -> None:
    module = encoder(checkpoint, Lora())
    before = copy.deepcopy(module.state_dict())
    optimizer = torch.optim.SGD([parameter for parameter in module.parameters() if parameter.requires_grad], lr=1.0)
    module(IDS, MASK)[1].square().sum().backward()
    optimizer.step()
    moved = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert all("lora_B" in name for name in moved)  # A gets no gradient while B is zero


def test_lora_takes_any_module_with_linear_layers() -> None:
    head = Classifier().build(Dims({"hidden": 16, "classes": 3}))
    Lora(r=2).apply(head)
    assert sum(trained(head).values()) == 2 * (16 + 3)


def test_lora_leaves_no_module_behind_a_closed_gate() -> None:
    module = CrossAttention(heads=2, head_width=4).build(Dims({"hidden": 6, "width": 5}))
    Lora(r=2).apply(module)
    assert "gate" in trained(module)
    with torch.no_grad():
        module.gate.fill_(0.5)
    hidden, _ = module(torch.randn(2, 3, 6), torch.randn(2, 4, 5))
    hidden.square().sum().backward()
    assert all(value.grad is not None for value in module.parameters() if value.requires_grad)
    assert any(bool((value.grad != 0).any()) for name, value in module.named_parameters() if "lora_B" in name)


def test_lora_runs_on_fake_tensors_and_in_bfloat16(checkpoint: Checkpoint) -> None:
    module = encoder(checkpoint, Lora())
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert module(mode.from_tensor(IDS), mode.from_tensor(MASK))[1].shape == (2, 16)
    assert module.to(torch.bfloat16)(IDS, MASK)[1].dtype == torch.bfloat16


def test_lora_keeps_the_table_of_embeddings_at_hand(checkpoint: Checkpoint) -> None:
    module = encoder(checkpoint, Lora())
    assert module.get_input_embeddings().weight.shape == (21, 16)  # type: ignore[operator]


def test_a_target_that_is_nowhere_is_told_with_the_nearest(checkpoint: Checkpoint) -> None:
    with pytest.raises(DeclarationError) as caught:
        encoder(checkpoint, Lora(targets=["query", "vlaue"]))
    assert str(caught.value) == (
        "error CN450 at tune.targets\n"
        "  found     vlaue: no linear layer\n"
        "  expected  one of query, key, value, dense\n"
        "  fix       targets: [query, value]"
    )


@pytest.mark.parametrize("module", [nn.Linear(2, 2), nn.Sequential(nn.Embedding(3, 2))])
def test_a_module_without_linear_layers_inside_is_told(module: nn.Module) -> None:
    with pytest.raises(DeclarationError, match="a module without linear layers inside"):
        Lora().apply(module)
