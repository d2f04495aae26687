from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from consilience.declare import Dims, Use
from consilience_knowledge import Injection
from consilience_knowledge.injection import GatedInjection, align, masked_mean

SPAN = st.tuples(st.integers(0, 6), st.integers(0, 6))


def example(dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """Two texts of 5 tokens; the first names entity 2 with tokens 1 and 2, and entity 1 with token 3."""
    generator = torch.Generator().manual_seed(0)
    return {
        "hidden": torch.randn(2, 5, 8, generator=generator).to(dtype),
        "spans": torch.tensor([[[0, 0], [0, 3], [3, 6], [7, 9], [0, 0]], [[0, 0], [0, 2], [0, 0], [0, 0], [0, 0]]]),
        "entities": torch.tensor([[2, 1], [0, 0]]),
        "entity_spans": torch.tensor([[[0, 6], [7, 9]], [[0, 0], [0, 0]]]),
        "mask": torch.tensor([[True] * 5, [True, True, True, False, False]]),
    }


def opened(vectors: str = "trained", dtype: torch.dtype = torch.float32) -> GatedInjection:
    """Gives an injection that has learned something."""
    torch.manual_seed(0)
    module = GatedInjection(4, hidden=8, width=3, vectors=vectors)  # type: ignore[arg-type]
    nn.init.normal_(module.project.weight)
    return module.to(dtype)


@given(st.lists(SPAN, min_size=1, max_size=4), st.lists(st.tuples(SPAN, st.integers(0, 2)), min_size=1, max_size=4))
def test_a_token_and_a_mention_are_aligned_when_they_share_a_character(tokens, mentions):
    tokens, mentions = [sorted(span) for span in tokens], [(sorted(span), entity) for span, entity in mentions]
    found = align(
        torch.tensor([tokens]),
        torch.tensor([[entity for _, entity in mentions]]),
        torch.tensor([[span for span, _ in mentions]]),
    )
    wanted = [
        [entity > 0 and not set(range(*token)).isdisjoint(range(*span)) for span, entity in mentions]
        for token in tokens
    ]
    assert found[0].tolist() == wanted


@pytest.mark.parametrize("vectors", ["trained", "fixed", "none"])
def test_it_starts_as_the_identity_and_learns_at_once(vectors):
    torch.manual_seed(0)
    module, batch = GatedInjection(4, hidden=8, width=3, vectors=vectors), example()
    hidden, pooled = module(**batch)
    assert torch.equal(hidden, batch["hidden"])
    assert torch.equal(pooled, masked_mean(batch["hidden"], batch["mask"]))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        hidden, _ = module(**batch)
        (hidden - 1).square().sum().backward()
        assert module.project.weight.grad.abs().sum() > 0
        optimizer.step()
    assert all(parameter.grad.abs().sum() > 0 for parameter in module.parameters())
    assert (hidden != batch["hidden"]).any()


def test_only_tokens_that_name_an_entity_are_changed():
    batch = example()
    hidden, _ = opened()(**batch)
    changed = (hidden != batch["hidden"]).any(-1)
    assert changed.tolist() == [[False, True, True, True, False], [False] * 5]


def test_what_is_added_is_the_gated_projection_of_flag_and_entity():
    module, batch = opened(), example()
    hidden, _ = module(**batch)
    for token, entity in ((1, 2), (2, 2), (3, 1)):
        before = batch["hidden"][0, token]
        content = module.linked_here + module.trained[entity]
        gate = torch.sigmoid(module.gate(torch.cat([before, content])))
        assert torch.allclose(hidden[0, token], before + gate * module.project(content), atol=1e-6)


def test_a_token_that_names_two_entities_gets_their_mean():
    module, batch = opened(), example()
    batch["spans"][0, 2] = torch.tensor([3, 9])
    hidden, _ = module(**batch)
    before = batch["hidden"][0, 2]
    content = module.linked_here + module.trained[1:3].mean(0)
    gate = torch.sigmoid(module.gate(torch.cat([before, content])))
    assert torch.allclose(hidden[0, 2], before + gate * module.project(content), atol=1e-6)


def test_without_vectors_every_entity_is_the_same():
    module, batch = opened("none"), example()
    hidden, _ = module(**batch)
    other, _ = module(**{**batch, "entities": torch.tensor([[3, 3], [0, 0]])})
    assert torch.equal(hidden, other)
    assert "trained" not in module.state_dict()


def test_fixed_vectors_cannot_be_freed_by_a_tuner_and_are_saved():
    module = opened("fixed").requires_grad_()
    assert not any(parameter.shape == (4, 3) for parameter in module.parameters())
    assert module.state_dict()["fixed"].shape == (4, 3)
    hidden, _ = module(**example())
    other, _ = module(**{**example(), "entities": torch.tensor([[3, 3], [0, 0]])})
    assert (hidden != other).any()


def test_more_padded_mentions_change_nothing():
    module, batch = opened(), example()
    hidden, pooled = module(**batch)
    batch["entities"] = nn.functional.pad(batch["entities"], (0, 3))
    batch["entity_spans"] = nn.functional.pad(batch["entity_spans"], (0, 0, 0, 3))
    padded, padded_pooled = module(**batch)
    assert torch.allclose(hidden, padded, atol=1e-6)
    assert torch.allclose(pooled, padded_pooled, atol=1e-6)


def test_rows_do_not_see_each_other():
    module, batch = opened(), example()
    hidden, pooled = module(**batch)
    turned_hidden, turned_pooled = module(**{name: tensor.flip(0) for name, tensor in batch.items()})
    assert torch.allclose(hidden, turned_hidden.flip(0), atol=1e-6)
    assert torch.allclose(pooled, turned_pooled.flip(0), atol=1e-6)


def test_the_mean_is_over_the_mask_alone():
    batch = example()
    batch["hidden"][1, 3:] = float("nan")
    hidden, pooled = opened()(**batch)
    assert torch.allclose(pooled[1], batch["hidden"][1, :3].mean(0), atol=1e-6)
    assert torch.allclose(pooled[0], hidden[0].mean(0), atol=1e-6)
    nothing = masked_mean(batch["hidden"], torch.zeros(2, 5, dtype=torch.bool))
    assert not nothing.any()


def test_the_mask_may_be_left_out():
    batch = example()
    del batch["mask"]
    hidden, pooled = opened()(**batch)
    assert torch.equal(pooled, hidden.mean(1))


def test_gradients_reach_everything():
    module, batch = opened(), example()
    batch["hidden"].requires_grad_()
    module(**batch)[1].square().sum().backward()
    assert batch["hidden"].grad.abs().sum() > 0
    assert module.linked_here.grad.abs().sum() > 0
    assert module.gate.weight.grad.abs().sum() > 0
    assert module.trained.grad.abs().sum(1).gt(0).tolist() == [False, True, True, False]


def test_bfloat16_is_near():
    hidden, pooled = opened(dtype=torch.bfloat16)(**example(torch.bfloat16))
    assert hidden.dtype == pooled.dtype == torch.bfloat16
    wanted, _ = opened()(**example())
    assert torch.allclose(hidden.float(), wanted, atol=0.1)


def test_it_runs_with_fake_tensors_and_is_copied_and_loaded(film):
    module = Injection(graph=film, width=3).build(Dims({"hidden": 8}))
    copied, loaded = copy.deepcopy(module), Injection(graph=film, width=3).build(Dims({"hidden": 8}))
    loaded.load_state_dict(module.state_dict())
    for other in (copied, loaded):
        assert all(torch.equal(other.state_dict()[name], tensor) for name, tensor in module.state_dict().items())
    with FakeTensorMode() as mode:
        fake = Injection(graph=film, width=3).build(Dims({"hidden": 8}))
        hidden, pooled = fake(**{name: mode.from_tensor(tensor) for name, tensor in example().items()})
    assert (hidden.shape, pooled.shape) == ((2, 5, 8), (2, 8))


def test_the_entities_are_counted_when_it_is_built(film):
    assert Injection(graph=film).build(Dims({"hidden": 8})).trained.shape == (6, 64)


def test_the_graph_may_be_left_to_the_mentions():
    assert Injection().graph == Use(None)
