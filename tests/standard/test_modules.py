import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from consilience.declare import Dims, Module, Unsolved, Use
from consilience.standard import (
    Checkpoint,
    Classifier,
    Concat,
    CrossAttention,
    Gated,
    MultioutputRegressor,
    Regressor,
    TextEncoder,
    TokenClassifier,
)

IDS = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0], [2, 3, 0, 0, 0]])
MASK = IDS != 0


def encoder(checkpoint: object, pooling: str = "mean") -> nn.Module:
    declared = TextEncoder.model_validate({"checkpoint": Use("tiny", checkpoint), "pooling": pooling})  # type: ignore[type-var]
    dims = declared.dims(Dims())
    assert set(dims) == {"hidden", "vocab"}
    built: nn.Module = declared.build(Dims(dims))
    return built.eval()


def modules(checkpoint: object) -> dict[str, tuple[Module, nn.Module, dict[str, object]]]:
    """Gives every standard module with its declaration and inputs."""
    torch.manual_seed(0)
    vector, states = torch.randn(3, 16), torch.randn(3, 5, 16)
    parts = [vector, torch.randn(3, 7), torch.randn(3, 2)]
    attention = {"queries": states, "states": torch.randn(3, 4, 6), "mask": torch.rand(3, 4) > 0.3, "query_mask": MASK}
    size = Dims({"hidden": 16, "classes": 3, "numbers": 2, "width": 6})
    each = Dims({"hidden": 16}, parts={"part": (16, 7, 2)})
    text = TextEncoder.model_validate({"checkpoint": Use("tiny", checkpoint)})  # type: ignore[type-var]
    return {
        "text_encoder": (text, encoder(checkpoint), {"ids": IDS, "mask": MASK}),
        "classifier": (Classifier(), Classifier().build(size), {"features": vector}),
        "deep": (Classifier(width=9), Classifier(width=9).build(size), {"features": vector}),
        "regressor": (Regressor(), Regressor().build(size), {"features": vector}),
        "multioutput": (MultioutputRegressor(), MultioutputRegressor().build(size), {"features": vector}),
        "token_classifier": (TokenClassifier(), TokenClassifier().build(size), {"hidden": states}),
        "concat": (Concat(), Concat().build(each), {"parts": parts}),
        "gated": (Gated(), Gated().build(each), {"parts": parts}),
        "sigmoid": (Gated(gate="sigmoid"), Gated(gate="sigmoid").build(each), {"parts": parts}),
        "cross_attention": (CrossAttention(), CrossAttention().build(size), attention),
    }


NAMES = (
    "text_encoder",
    "classifier",
    "deep",
    "regressor",
    "multioutput",
    "token_classifier",
    "concat",
    "gated",
    "sigmoid",
    "cross_attention",
)


def outputs(result: object) -> tuple[torch.Tensor, ...]:
    return result if isinstance(result, tuple) else (result,)  # type: ignore[return-value]


def cast(value: object, dtype: torch.dtype) -> object:
    if isinstance(value, list):
        return [cast(item, dtype) for item in value]
    assert isinstance(value, torch.Tensor)
    return value.to(dtype) if value.is_floating_point() else value


@pytest.mark.parametrize("name", NAMES)
def test_a_module_gives_what_it_declares(checkpoint: Checkpoint, name: str) -> None:
    declared, built, given = modules(checkpoint)[name]
    sizes = {"batch": 3, "seq": 5, "hidden": 25 if name == "concat" else 16, "classes": 3, "numbers": 2}
    for port, tensor in zip(declared.outputs.values(), outputs(built(**given)), strict=True):
        assert tensor.shape == tuple(sizes[dim.name] for dim in port.dims)  # type: ignore[index, union-attr]
        assert tensor.is_floating_point()
    assert any(True for _ in built.parameters()) == declared.has_parameters


@pytest.mark.parametrize("mask", ["with a mask", "without"])
@pytest.mark.parametrize("name", NAMES)
def test_a_module_runs_on_fake_tensors(checkpoint: Checkpoint, name: str, mask: str) -> None:
    declared, built, given = modules(checkpoint)[name]
    if mask == "without":
        optional = {port for port, kind in declared.inputs.items() if kind.is_optional}
        given = {port: value for port, value in given.items() if port not in optional}
    real = outputs(built.eval()(**given))
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fakes = {
            port: [mode.from_tensor(item) for item in value] if isinstance(value, list) else mode.from_tensor(value)  # type: ignore[arg-type]
            for port, value in given.items()
        }
        fake = outputs(built(**fakes))
    assert [(tuple(item.shape), item.dtype) for item in fake] == [(tuple(item.shape), item.dtype) for item in real]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "concat"])
def test_every_parameter_gets_a_gradient(checkpoint: Checkpoint, name: str) -> None:
    _, built, given = modules(checkpoint)[name]
    if name == "cross_attention":
        nn.init.ones_(built.gate)  # closed at first, it lets no gradient through to what it gates
    built.zero_grad()
    sum(output.square().sum() for output in outputs(built.eval()(**given))).backward()  # type: ignore[union-attr]
    dead = [key for key, value in built.named_parameters() if value.grad is None or not value.grad.any()]
    # A key's bias shifts all scores of a query alike, and a softmax does not see that.
    assert [key for key in dead if not key.endswith("key.bias")] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_module_compiles_to_one_graph(checkpoint: Checkpoint, name: str) -> None:
    _, built, given = modules(checkpoint)[name]
    wanted = outputs(built.eval()(**given))
    compiled = torch.compile(built, backend="eager", fullgraph=True, dynamic=True)
    for one, other in zip(outputs(compiled(**given)), wanted, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_a_module_runs_in_bfloat16(checkpoint: Checkpoint, name: str) -> None:
    _, built, given = modules(checkpoint)[name]
    built.eval()
    exact = outputs(built(**given))
    rough = outputs(
        copy.deepcopy(built).to(torch.bfloat16)(**{key: cast(value, torch.bfloat16) for key, value in given.items()})
    )
    for one, other in zip(exact, rough, strict=True):
        assert other.dtype == torch.bfloat16
        torch.testing.assert_close(other.float(), one, atol=0.1, rtol=0.1)


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_pooling_is_what_its_name_says(checkpoint: Checkpoint, pooling: str) -> None:
    hidden, pooled = encoder(checkpoint, pooling)(ids=IDS, mask=MASK)
    for row, length in enumerate(MASK.sum(dim=1).tolist()):
        kept = hidden[row, :length]
        wanted = {"cls": kept[0], "mean": kept.mean(dim=0), "max": kept.max(dim=0).values}[pooling]
        torch.testing.assert_close(pooled[row], wanted)


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_padding_and_order_do_not_change_a_text(checkpoint: Checkpoint, pooling: str) -> None:
    model = encoder(checkpoint, pooling)
    _, together = model(ids=IDS, mask=MASK)
    for row, length in enumerate(MASK.sum(dim=1).tolist()):
        _, alone = model(ids=IDS[row : row + 1, :length], mask=MASK[row : row + 1, :length])
        torch.testing.assert_close(alone[0], together[row], atol=1e-6, rtol=1e-5)
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(model(ids=IDS[order], mask=MASK[order])[1], together[order], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_a_text_of_nothing_pools_to_zeros(pooling: str) -> None:
    from consilience.standard.built.encoder import POOLINGS

    hidden = torch.full((1, 3, 4), float("nan"))
    assert POOLINGS[pooling](hidden, torch.zeros(1, 3, dtype=torch.bool)).tolist() == [[0.0] * 4]


def test_it_gives_the_vectors_of_sentence_transformers(minilm: Checkpoint) -> None:
    """The published recipe of all-MiniLM-L6-v2, written out by hand over transformers' own model and tokenizer."""
    from transformers import AutoModel

    texts = ["This is an example sentence", "Each sentence is converted, at once."]
    tokens = minilm.tokenizer()(texts, padding=True, return_tensors="pt")
    plain = AutoModel.from_pretrained(str(minilm.folder())).eval()
    with torch.no_grad():
        states = plain(**tokens).last_hidden_state
        weights = tokens["attention_mask"].unsqueeze(-1).float()
        wanted = (states * weights).sum(1) / weights.sum(1)
        hidden, pooled = encoder(minilm)(ids=tokens["input_ids"], mask=tokens["attention_mask"].bool())
    torch.testing.assert_close(pooled, wanted, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(hidden[tokens["attention_mask"].bool()], states[tokens["attention_mask"].bool()])


def test_heads_can_tie_to_the_embeddings(checkpoint: Checkpoint) -> None:
    model = encoder(checkpoint)
    assert model.get_input_embeddings() is model.model.get_input_embeddings()  # type: ignore[operator, union-attr]
    assert model.get_input_embeddings().weight.shape == (21, 16)  # type: ignore[operator]


def test_the_checkpoint_may_be_left_out() -> None:
    declared = TextEncoder.model_validate({})
    assert declared.checkpoint.name is None
    with pytest.raises(Unsolved):
        declared.dims(Dims())


def test_sizes_follow_from_the_parts() -> None:
    known = Dims(parts={"part": (16, 7)})
    assert Concat().dims(known) == {"hidden": 23}
    assert Gated().dims(known) == {"hidden": 16}
    assert Gated(width=5).dims(Dims()) == {"hidden": 5}
    for fuser in (Concat(), Gated()):
        with pytest.raises(Unsolved):
            fuser.dims(Dims(parts={"part": (16, None)}))


def test_concat_keeps_the_order() -> None:
    first, second = torch.ones(2, 3), torch.zeros(2, 1)
    fused = Concat().build(Dims())(parts=[first, second])
    assert fused.tolist() == [[1, 1, 1, 0]] * 2


def test_the_gate_of_two_parts_is_that_of_the_paper() -> None:
    """Arevalo et al. 2017, equation 1: z * tanh(W_v v) + (1 - z) * tanh(W_t t), z from both."""
    torch.manual_seed(0)
    first, second = torch.randn(3, 4), torch.randn(3, 6)
    unit = Gated(width=5).build(Dims({"hidden": 5}, parts={"part": (4, 6)}))
    scores = unit.gates(torch.cat([first, second], dim=-1))
    gate = torch.sigmoid(scores[:, :5] - scores[:, 5:])
    wanted = gate * unit.projections[0](first).tanh() + (1 - gate) * unit.projections[1](second).tanh()
    torch.testing.assert_close(unit(parts=[first, second]), wanted)
    unit.gate = "sigmoid"
    opened = torch.sigmoid(scores[:, :5]) * unit.projections[0](first).tanh()
    opened = opened + torch.sigmoid(scores[:, 5:]) * unit.projections[1](second).tanh()
    torch.testing.assert_close(unit(parts=[first, second]), opened)


@pytest.fixture
def attention() -> nn.Module:
    torch.manual_seed(0)
    built: nn.Module = CrossAttention(heads=2, head_width=8).build(Dims({"hidden": 16, "width": 6}))
    return built.eval()


def test_cross_attention_starts_as_the_identity(attention: nn.Module) -> None:
    queries, states = torch.randn(2, 5, 16), torch.randn(2, 4, 6)
    hidden, pooled = attention(queries=queries, states=states)
    assert torch.equal(hidden, queries)
    torch.testing.assert_close(pooled, queries.mean(dim=1))
    hidden.square().sum().backward()
    assert attention.gate.grad.abs() > 0  # type: ignore[union-attr, operator]


def test_cross_attention_is_torchs(attention: nn.Module) -> None:
    queries, states, mask = (
        torch.randn(2, 5, 16),
        torch.randn(2, 4, 6),
        torch.tensor([[1, 1, 0, 1], [0, 1, 0, 0]]).bool(),
    )
    torchs = nn.MultiheadAttention(16, 2, kdim=6, vdim=6, batch_first=True)
    with torch.no_grad():
        for name in ("query", "key", "value"):
            getattr(torchs, f"{name[0]}_proj_weight").copy_(getattr(attention, name).weight)
        torchs.in_proj_bias.copy_(torch.cat([attention.query.bias, attention.key.bias, attention.value.bias]))  # type: ignore[list-item, union-attr]
        torchs.out_proj.load_state_dict(attention.output.state_dict())  # type: ignore[union-attr]
    normed = F.layer_norm(states, (6,))
    wanted, _ = torchs(F.layer_norm(queries, (16,)), normed, normed, key_padding_mask=~mask)
    torch.testing.assert_close(attention.read(queries, states, mask), wanted)  # type: ignore[operator]


def test_what_the_mask_hides_is_not_read(attention: nn.Module) -> None:
    nn.init.ones_(attention.gate)  # type: ignore[arg-type]
    queries, states = torch.randn(2, 5, 16), torch.randn(2, 4, 6)
    mask = torch.tensor([[True, True, False, False], [True, False, False, False]])
    hidden, _ = attention(queries=queries, states=states, mask=mask)
    changed = states.masked_fill(~mask.unsqueeze(-1), 1e6)
    torch.testing.assert_close(attention(queries=queries, states=changed, mask=mask)[0], hidden)
    torch.testing.assert_close(attention(queries=queries, states=states[:, :2], mask=mask[:, :2])[0], hidden)
    order = torch.tensor([3, 1, 0, 2])
    torch.testing.assert_close(attention(queries=queries, states=states[:, order], mask=mask[:, order])[0], hidden)


def test_a_row_with_nothing_to_read_stays_as_it_is(attention: nn.Module) -> None:
    nn.init.ones_(attention.gate)  # type: ignore[arg-type]
    queries, states = torch.randn(2, 5, 16), torch.randn(2, 4, 6)
    mask = torch.tensor([[False] * 4, [True] * 4])
    hidden, _ = attention(queries=queries, states=states, mask=mask)
    assert torch.equal(hidden[0], queries[0])
    assert not torch.equal(hidden[1], queries[1])
    hidden.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in attention.parameters())  # type: ignore[union-attr]


def test_padding_stays_out_of_the_pooled_queries(attention: nn.Module) -> None:
    queries, states = torch.randn(2, 5, 16), torch.randn(2, 4, 6)
    query_mask = torch.tensor([[True, True, False, False, False], [True] * 5])
    _, pooled = attention(queries=queries, states=states, query_mask=query_mask)
    torch.testing.assert_close(pooled[0], queries[0, :2].mean(dim=0))


def test_a_fresh_encoder_can_stand_on_the_meta_device(tiny: Path) -> None:
    checkpoint = Checkpoint.model_validate({"path": str(tiny), "weights": "fresh"})
    with torch.device("meta"):
        model = encoder(checkpoint)
    assert all(parameter.is_meta for parameter in model.parameters())


def test_a_mean_keeps_the_bits_of_what_it_averages(attention: nn.Module) -> None:
    from consilience.standard.built.encoder import POOLINGS

    hidden, mask = torch.full((1, 3, 16), 1 / 3, dtype=torch.float64), torch.ones(1, 3, dtype=torch.bool)
    assert POOLINGS["mean"](hidden, mask)[0, 0].item() == pytest.approx(1 / 3, abs=1e-15)
    states = torch.randn(1, 4, 6, dtype=torch.float64)
    _, pooled = attention.double()(queries=hidden, states=states, query_mask=mask)
    assert pooled[0, 0].item() == pytest.approx(1 / 3, abs=1e-15)
    assert POOLINGS["mean"](hidden.bfloat16(), mask).dtype == torch.bfloat16
