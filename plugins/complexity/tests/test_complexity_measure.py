"""Measured costs against counts by hand."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from consilience_complexity.anatomy import find_projections
from consilience_complexity.gates import HardConcrete, SizeLoss, gates_of
from consilience_complexity.measure import measure
from consilience_complexity.report import report_section

BATCH, SEQUENCE, HIDDEN, NEURONS, HEADS, LAYERS = 2, 6, 16, 24, 4, 2


class Fused(nn.Module):
    """A gated encoder with its size loss, as a fusion holds the two."""

    def __init__(self, attention: str = "sdpa") -> None:
        super().__init__()
        config = BertConfig(
            hidden_size=HIDDEN,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            intermediate_size=NEURONS,
            vocab_size=40,
            attn_implementation=attention,
        )
        self.encoder = BertModel(config, add_pooling_layer=False)
        self.size = SizeLoss(find_projections(self.encoder), HardConcrete(), 0.995, 1.0)

    def forward(self, ids: Tensor) -> Tensor:
        states: Tensor = self.encoder(input_ids=ids).last_hidden_state
        return states


def batch() -> dict[str, Tensor]:
    return {"ids": torch.arange(12).reshape(BATCH, SEQUENCE)}


def test_a_linear_layer_costs_what_the_hand_counts() -> None:
    layer = nn.Linear(8, 3)
    layer.bias.requires_grad_(False)
    cost = measure(layer, torch.zeros(5, 8), runs=4)
    assert cost.flops == 2 * 5 * 8 * 3
    assert (cost.parameters, cost.trainable, cost.kept_parameters) == (27, 24, 27)
    assert cost.runs == 4
    assert cost.device == "cpu"


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_an_encoder_costs_what_the_hand_counts_fused_attention_too(attention: str) -> None:
    tokens = BATCH * SEQUENCE
    linear = 2 * tokens * (4 * HIDDEN**2 + 2 * HIDDEN * NEURONS)
    scores = 2 * 2 * BATCH * SEQUENCE**2 * HIDDEN
    assert measure(Fused(attention), batch(), runs=2).flops == LAYERS * (linear + scores)


def test_closed_gates_lower_the_parameters_that_are_kept() -> None:
    model = Fused()
    open_ = measure(model, batch(), runs=2)
    assert open_.kept_parameters == open_.parameters
    heads, neurons = list(gates_of(model))[:2]
    with torch.no_grad():
        heads.location[0] = -10
        neurons.location[:3] = -10
    closed = measure(model, batch(), runs=2)
    assert open_.parameters - closed.kept_parameters == heads.cost + 3 * neurons.cost


def test_latencies_are_ordered_and_positive() -> None:
    cost = measure(nn.Linear(8, 3), torch.zeros(5, 8))
    assert 0 < cost.latency_first_quartile <= cost.latency_median <= cost.latency_third_quartile


def test_measuring_leaves_modes_gradients_and_parameters_alone() -> None:
    model = Fused().train()
    model.encoder.embeddings.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    measure(model, batch(), runs=2)
    assert model.training
    assert model.size.training
    assert not model.encoder.embeddings.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_modes_are_put_back_when_the_model_fails() -> None:
    model = nn.Linear(8, 3).train()
    with pytest.raises(RuntimeError):
        measure(model, torch.zeros(5, 7))
    assert model.training


def test_one_run_has_no_quartiles() -> None:
    with pytest.raises(ValueError, match="1 runs have no quartiles: at least 2"):
        measure(nn.Linear(8, 3), torch.zeros(5, 8), runs=1)


def test_the_numbers_are_json_and_the_table_is_for_people() -> None:
    cost = measure(nn.Linear(8000, 3), torch.zeros(5, 8000), runs=2)
    assert json.loads(json.dumps(cost.to_dict())) == cost.to_dict()
    lines = cost.table().splitlines()
    assert lines[0].split() == ["parameters", "24,003"]
    assert f"{cost.latency_median:.2f} ms" in cost.table()
    assert lines[-1].split() == ["measured", "2", "runs", "on", "cpu"]


def test_the_section_of_the_report_names_every_number() -> None:
    class ByName(Fused):
        """Takes its batch as one mapping, as a fused model does."""

        def forward(self, batch: dict[str, torch.Tensor]) -> object:
            return super().forward(**batch)

    model = ByName()
    section = report_section(model, batch())
    assert section["parameters"] == section["trainable parameters"] == sum(p.numel() for p in model.parameters())
    assert section["expected share kept"] == pytest.approx(0.995, abs=1e-6)
    assert section["FLOPs a batch"] == measure(model, (batch(),), runs=2).flops
    assert isinstance(section["latency ms (median)"], float)
    assert math.isfinite(section["latency ms (median)"])


def test_a_model_without_gates_has_no_share_to_tell() -> None:
    section = report_section(nn.Linear(4, 2), torch.zeros(1, 4))
    assert "expected share kept" not in section
    assert section["parameters"] == 10
