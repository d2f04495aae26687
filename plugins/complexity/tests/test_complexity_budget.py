"""Gates on layers and rows, the budget and its Lagrangian, and the norms: against counts and values by hand."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel

from consilience.declare import Location
from consilience_complexity._table import LatencyTable
from consilience_complexity.anatomy import find_blocks, find_embeddings, find_projections
from consilience_complexity.budget import BudgetLoss, cost_of, flops_of
from consilience_complexity.cutting import Kept, cut, importance
from consilience_complexity.gates import HardConcrete, SizeLoss, gates_of
from consilience_complexity.norms import GroupNorm, SpectrumNorm, matrices_of

HIDDEN, HEADS, NEURONS, LAYERS, WORDS = 16, 4, 24, 3, 20
IDS = torch.arange(3, 15).reshape(2, 6)
SHUT = -1e4


def encoder() -> Any:
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=NEURONS,
        vocab_size=WORDS,
    )
    return BertModel(config, add_pooling_layer=False).eval()


def hidden(model: nn.Module, ids: torch.Tensor = IDS) -> torch.Tensor:
    return model(input_ids=ids).last_hidden_state


def sized(model: nn.Module) -> SizeLoss:
    projections = find_projections(model)
    return SizeLoss(projections, HardConcrete(), 0.995, 1.0, None, find_blocks(model), find_embeddings(model)).eval()


def shut(loss: nn.Module, kind: str, unit: int, place: int = 0) -> None:
    with torch.no_grad():
        [gate for gate in gates_of(loss) if gate.kind == kind][place].location[unit] = SHUT


def test_a_closed_layer_is_as_if_it_were_not_there_and_open_ones_are_exact() -> None:
    gated, plain = encoder(), encoder()
    loss = sized(gated)
    assert torch.equal(hidden(gated), hidden(plain))
    shut(loss, "layers", 0, place=1)
    del plain.encoder.layer[1]
    assert torch.equal(hidden(gated), hidden(plain))


def test_a_closed_row_is_a_row_of_zeros() -> None:
    gated, plain = encoder(), encoder()
    shut(sized(gated), "embeddings", 5)
    with torch.no_grad():
        plain.embeddings.word_embeddings.weight[5] = 0
    assert torch.equal(hidden(gated), hidden(plain))


def test_the_whole_size_is_that_of_layers_and_rows_and_what_a_closed_layer_holds_is_not_counted() -> None:
    model = encoder()
    loss = sized(model)
    layer = sum(value.numel() for value in model.encoder.layer[0].parameters())
    gates = list(gates_of(loss))
    assert sum(gate.units * gate.cost for gate in gates) == LAYERS * layer + WORDS * HIDDEN
    with torch.no_grad():
        for gate in gates:
            gate.location.fill_(-SHUT)
    shut(loss, "layers", 0, place=2)
    assert loss().item() == pytest.approx(1 - layer / (LAYERS * layer + WORDS * HIDDEN), rel=1e-6)
    assert sum(gate.closed() * gate.cost for gate in gates) == layer


def budget(model: nn.Module, measure: str, curves: Any = None, keep: float = 0.5, over: int = 0) -> BudgetLoss:
    parts = {"projections": find_projections(model), "blocks": find_blocks(model)}
    cost = cost_of(measure, parts["projections"], 6, curves)
    return BudgetLoss(parts, cost, HardConcrete(), 0.995, 1.0, (keep, over, 1.0))


def test_operations_are_those_that_are_counted_by_hand() -> None:
    head, neuron = find_projections(encoder())[:2]
    width = HIDDEN // HEADS
    assert flops_of(head, 6) == 2 * 6 * 4 * HIDDEN * width + 4 * 36 * width
    assert flops_of(neuron, 6) == 2 * 6 * 2 * HIDDEN
    whole = LAYERS * (2 * 6 * (4 * HIDDEN**2 + 2 * HIDDEN * NEURONS) + 4 * 36 * HIDDEN)
    assert budget(encoder(), "flops").whole == whole


def test_a_latency_is_read_from_its_curves() -> None:
    curves = {"heads": [(1, 1.0), (2, 1.5), (4, 4.0)], "neurons": [(12, 3.0), (24, 4.0)]}
    loss = budget(encoder(), "latency", curves)
    assert loss.whole == pytest.approx(LAYERS * 4.0)
    with torch.no_grad():
        for gate in gates_of(loss):
            gate.location.fill_(-SHUT)
    shut(loss, "layers", 0, place=1)
    assert loss.share().item() == pytest.approx(2 / 3)
    heads = next(gate for gate in gates_of(loss) if gate.kind == "heads")
    with torch.no_grad():
        heads.location[:3] = SHUT  # one head of the first layer is left: 1 ms in the place of 4
    assert loss.share().item() == pytest.approx((1 + 4) / 12)


@pytest.mark.parametrize(("measure", "keep"), [("flops", 0.5), ("parameters", 0.3)])
@pytest.mark.parametrize("task", [0.0, 5.0, 500.0])
def test_the_budget_meets_its_target_whatever_the_task_weighs(measure: str, keep: float, task: float) -> None:
    torch.manual_seed(0)
    loss = budget(encoder(), measure, keep=keep, over=30)
    wanted = [torch.rand(gate.units) for gate in gates_of(loss)]
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.1)
    for step in range(1, 81):
        optimizer.zero_grad()
        open_ = torch.cat([gate.probabilities() * want for gate, want in zip(gates_of(loss), wanted, strict=True)])
        (loss() - task * open_.mean()).backward()
        optimizer.step()
        loss.step(step)
        assert loss.share().item() <= loss.target().item() + 1e-3
    assert loss.share().item() == pytest.approx(keep, abs=0.02)
    assert (loss.pressure.item() > 0) == (task > 0)


def test_of_units_that_cost_alike_the_task_keeps_those_that_it_needs() -> None:
    torch.manual_seed(0)
    loss = budget(encoder(), "flops", keep=0.5, over=30)
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.1)
    [neurons] = [gate for gate in gates_of(loss) if gate.name == "encoder.layer.1.output.dense"]
    for step in range(1, 81):
        optimizer.zero_grad()
        (loss() - 5 * neurons.own_probabilities()[:6].mean()).backward()
        optimizer.step()
        loss.step(step)
    assert neurons.own_probabilities()[:6].min() > neurons.own_probabilities()[6:].max()


def test_the_target_goes_down_with_the_steps() -> None:
    loss = budget(encoder(), "flops", keep=0.2, over=10)
    targets = []
    for step in (0, 5, 10, 20):
        loss.progress.fill_(step)
        targets.append(loss.target().item())
    assert targets == pytest.approx([1, 0.6, 0.2, 0.2])


def test_a_table_is_read_and_one_that_is_none_is_told(tmp_path: Path) -> None:
    place = tmp_path / "latency.json"
    place.write_text(json.dumps({"heads": [[1, 0.1], [4, 0.3]], "neurons": [[8, 0.2], [24, 0.3]]}))
    table = LatencyTable(path=Location(str(place)))
    assert list(table.faults()) == []
    assert table.curves()["heads"] == [(1.0, 0.1), (4.0, 0.3)]
    place.write_text(json.dumps({"heads": [[4, 0.1], [1, 0.3]], "neurons": [[8, 0.2], [24, 0.3]]}))
    [fault] = table.faults()
    assert str(fault.at("resources", "here")) == (
        "error CN442 at resources.here.path\n"
        f"  found     {place}: heads are no two or more pairs of positive numbers in rising order\n"
        "  expected  a table of measured latencies\n"
        f"  fix       consilience complexity profile CHECKPOINT --output {place}"
    )


def test_the_group_lasso_is_the_formula_and_one_for_weights_of_one() -> None:
    model = encoder()
    projections = find_projections(model)
    with torch.no_grad():
        for projection in projections:
            for layer in (*projection.makers, projection.linear):
                layer.weight.fill_(-1)
    assert GroupNorm(projections)().item() == pytest.approx(1, rel=1e-5)
    [neurons] = [one for one in projections if one.name == "encoder.layer.0.output.dense"]
    with torch.no_grad():
        neurons.linear.weight.normal_()
        up, down = neurons.makers[0].weight, neurons.linear.weight
        norms = [math.sqrt(float(up[unit].square().sum() + down[:, unit].square().sum())) for unit in range(NEURONS)]
    expected = sum(norms) * math.sqrt(2 * HIDDEN) / (2 * HIDDEN * NEURONS)
    assert GroupNorm([neurons])().item() == pytest.approx(expected, rel=1e-5)
    assert importance(neurons).tolist() == pytest.approx(norms, rel=1e-5)


def test_the_norms_of_matrices_are_those_of_their_singular_values() -> None:
    layer = nn.Linear(3, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 0, 0], [0, 4.0, 0]]))
    assert SpectrumNorm([layer], "nuclear", None)().item() == pytest.approx(7 / (5 * math.sqrt(2)), rel=1e-5)
    assert SpectrumNorm([layer], "spectral", None)().item() == pytest.approx(8, rel=1e-5)
    assert len(matrices_of(encoder())) == 6 * LAYERS
    sampled = SpectrumNorm(matrices_of(encoder()), "spectral", 2)
    assert len({round(sampled().item(), 6) for _ in range(8)}) > 1
    assert len({round(sampled.eval()().item(), 6) for _ in range(3)}) == 1


def test_what_is_cut_gives_what_the_gates_gave_and_the_larger_model_stays() -> None:
    model = encoder()
    loss = sized(model)
    shut(loss, "layers", 0, place=1)
    for unit in range(3, 20):
        for place in range(LAYERS):
            shut(loss, "neurons", unit, place)
    shut(loss, "heads", 2)
    before = hidden(model)
    units = {gate.name: gate.modes() for gate in gates_of(loss) if gate.kind in ("heads", "neurons")}
    made = cut(model, Kept(units, [0, 2]))
    assert made.told["layers"] == (3, 2)
    assert made.told["neurons"] == (24, 8)
    assert made.told["heads that are zeros"] == 1
    assert torch.allclose(hidden(made.model), before, atol=1e-6)
    assert made.model.encoder.layer[0].intermediate.dense.out_features == 8
    assert torch.equal(hidden(model), before)
    assert len(copy.copy(model).encoder.layer) == LAYERS
