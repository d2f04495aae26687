"""What the plugin declares: keys, ports, building, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from consilience.declare import Component, Dims, Loss, Module, Unsolved, Use
from consilience.errors import DeclarationError
from consilience_complexity import Budget, GroupLasso, Sparsity, consilience_components, consilience_report_section
from consilience_complexity.gates import SizeLoss, gates_of


def layer() -> nn.Module:
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), 1)


def built(**keys: object) -> SizeLoss:
    return Sparsity(of=Use("encoder"), **keys).build(Dims(nodes={"encoder": layer()}))  # type: ignore[arg-type]


def test_the_plugin_offers_its_loss() -> None:
    assert [one.component for one in consilience_components()] == [
        "sparsity",
        "budget",
        "latency_table",
        "group_lasso",
        "nuclear_norm",
        "spectral_norm",
        "trained_run",
        "teacher",
        "distillation",
        "state_distillation",
        "attention_distillation",
        "compact_encoder",
    ]
    assert Sparsity.component == "sparsity"
    assert issubclass(Sparsity, Loss)
    assert Sparsity.uses() == {"of": Module}
    assert not Sparsity.inputs
    assert Sparsity.target is None
    assert str(Sparsity.value) == "Float[]"
    assert Sparsity.has_parameters


@pytest.mark.parametrize("component", consilience_components(), ids=lambda one: one.component)
def test_every_key_says_what_it_does(component: type[Component]) -> None:
    assert component.__doc__
    assert set(component.descriptions()) == set(component.model_fields)


def test_the_file_writes_the_module_by_its_name() -> None:
    assert Sparsity.model_validate({"of": "encoder", "keep": 0.5}).of == Use("encoder")


@pytest.mark.parametrize(
    "keys",
    [
        {"keep": 1.5},
        {"keep": -0.1},
        {"openness": 1.0},
        {"temperature": 1.0},
        {"low": 0.0},
        {"high": 1.0},
        {"speed": 0.0},
        {"target": "sentiment"},
    ],
)
def test_keys_out_of_range_and_a_target_are_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Sparsity.model_validate({"of": "encoder", **keys})


def test_the_defaults_are_the_papers_with_almost_open_gates() -> None:
    loss = built()
    [gate] = gates_of(loss)
    assert (gate.distribution.temperature, gate.distribution.low, gate.distribution.high) == (2 / 3, -0.1, 1.1)
    assert 0.95 <= loss().item() < 1
    assert loss.keep is None


def test_the_keys_reach_the_gates() -> None:
    loss = built(keep=0.25, openness=0.75, temperature=0.5, low=-0.2, high=1.2, speed=7.0)
    [gate] = gates_of(loss)
    assert (gate.distribution.temperature, gate.distribution.low, gate.distribution.high) == (0.5, -0.2, 1.2)
    assert gate.speed == 7
    assert loss().item() == pytest.approx(0.25, abs=1e-6)


def test_a_scalar_comes_out_for_the_objective() -> None:
    value = built()()
    assert value.shape == torch.Size([])
    assert value.requires_grad


def test_a_module_without_a_transformer_is_a_diagnostic() -> None:
    with pytest.raises(DeclarationError) as caught:
        Sparsity(of=Use("opinion")).build(Dims(nodes={"opinion": nn.Linear(4, 2)}))
    assert str(caught.value) == (
        "error CN481 at of\n"
        "  found     opinion, but Linear has no attention and no feed-forward layers\n"
        "  expected  a module with a transformer inside, such as a text_encoder\n"
        "  fix       # name under of a module with a transformer inside, such as a text_encoder"
    )


def test_the_report_of_an_evaluation_gets_its_section() -> None:
    class ByName(nn.Linear):
        """Takes its batch as one mapping, as a fused model does."""

        def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
            return super().forward(batch["input"])

    section = consilience_report_section(ByName(4, 2), {"input": torch.zeros(3, 4)})
    assert section["parameters"] == 10
    assert section["FLOPs a batch"] == 2 * 3 * 4 * 2


def test_importing_the_plugin_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, consilience_complexity as c; c.consilience_components()[0].model_json_schema();"
        "print([m for m in ('torch', 'transformers', 'numpy', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("layers", "codes"),
    [
        (None, []),
        ([], ["CN481"]),
        (["projection.1", "projection.4"], ["CN481"]),
        (["layers.0.itself", "layers.1.itself"], ["CN481"]),
        (["layers.0.linear1", "layers.0.linear2"], []),
        (["model.encoder.layer.0.attention.self.query", "model.encoder.layer.0.output.dense"], []),
    ],
)
def test_the_check_asks_the_module_for_its_layers(layers: list[str] | None, codes: list[str]) -> None:
    class Told(Module):
        """Says its linear layers."""

        def linear_layers(self, dims: Dims) -> list[str] | None:
            return layers

    loss = Sparsity(of=Use("told", Told()))
    assert [fault.code for fault in loss.faults_with(Dims(used={"told": Dims()}))] == codes
    with pytest.raises(Unsolved):
        list(loss.faults_with(Dims()))


def test_a_layer_alone_is_no_stack_to_gate() -> None:
    class Told(Module):
        """Says its linear layers."""

        def linear_layers(self, dims: Dims) -> list[str]:
            return ["layers.0.linear1", "layers.0.linear2"]

    loss = Sparsity(of=Use("told", Told()), gates=["neurons", "layers"])
    [fault] = loss.faults_with(Dims(used={"told": Dims()}))
    assert str(fault.at("losses", "size")) == (
        "error CN440 at losses.size.gates\n"
        "  found     layers, but a told with one layer of its own\n"
        "  expected  units that told has several of\n"
        "  fix       gates: [neurons]"
    )
    with pytest.raises(DeclarationError) as caught:
        built(gates=["neurons", "layers"])
    assert caught.value.diagnostics[0].code == "CN440"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (
            {"measure": "latency"},
            "error CN441 at measure\n"
            "  found     latency, and no table\n"
            "  expected  a table of measured latencies\n"
            "  fix       table: here  # resources: {here: {use: complexity.latency_table, path: latency.json}}",
        ),
        (
            {"table": "here"},
            "error CN441 at table\n"
            "  found     a table, and measure: flops\n"
            "  expected  no table\n"
            "  fix       measure: latency",
        ),
        (
            {"gates": ["embeddings"]},
            "error CN440 at gates\n"
            "  found     embeddings alone, whose rows cost no flops\n"
            "  expected  gates whose units cost flops\n"
            "  fix       measure: parameters",
        ),
    ],
)
def test_a_budget_that_cannot_be_counted_is_told(keys: dict[str, object], told: str) -> None:
    [fault] = Budget.model_validate({"of": "encoder", "keep": 0.5, **keys}).faults()
    assert str(fault.at()) == told


def test_a_norm_of_nothing_is_told() -> None:
    with pytest.raises(DeclarationError) as caught:
        GroupLasso(of=Use("opinion")).build(Dims(nodes={"opinion": nn.Linear(4, 2)}))
    assert str(caught.value) == (
        "error CN447 at of\n"
        "  found     opinion, but Linear has no attention and no feed-forward layers\n"
        "  expected  a module with weights of linear layers, such as a text_encoder\n"
        "  fix       # name under of a module with weights of linear layers, such as a text_encoder"
    )
