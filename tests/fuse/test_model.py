"""The fused model: what runs, what is shared, what is saved; and that modules give what they declared."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from consilience import ConsilienceError, FusedModel, Fusion, RunError, check
from consilience.data import prepare
from consilience.declare import Dims, Float, Module, Ports, hookimpl
from consilience.fuse import build_collator, fuse
from consilience.host import Registry
from consilience.plan import Plan

ROWS = ["a fine film,good", "the dull plot,bad", "a film,good", "the plot was dull !,bad", "fine,", "a plot,bad"]


def write(folder: Path, tiny: Path) -> Fusion:
    (folder / "rows.csv").write_text("text,mark\n" + "\n".join(ROWS))
    return Fusion(
        base=folder,
        name="tiny",
        resources={"tiny": {"use": "checkpoint", "path": str(tiny)}},
        fields={"text": "text", "mark": {"category": ["bad", "good"]}},
        sources={"rows": {"use": "table", "path": "rows.csv", "map": {"text": "text", "mark": "mark"}}},
        inputs={
            "tokens": {"use": "tokens", "in": "text", "checkpoint": "tiny"},
            "masked": {"use": "linguistics.mask", "in": "tokens"},
        },
        modules={
            "encoder": {"use": "text_encoder", "in": "tokens"},
            "reread": {"share": "encoder", "in": "masked"},
            "words": {"use": "linguistics.masked_lm_head", "in": ["reread", "masked"], "tie": "encoder"},
            "logits": {"use": "classifier", "in": "encoder.pooled"},
        },
        losses={
            "mark_loss": {"use": "cross_entropy", "in": "logits", "target": "mark"},
            "words_loss": {"use": "linguistics.masked_lm_loss", "in": "words", "target": "masked.labels"},
        },
    )


@pytest.fixture
def plan(tmp_path: Path, tiny: Path) -> Plan:
    return check(write(tmp_path, tiny))


@pytest.fixture
def batch(plan: Plan) -> dict[str, torch.Tensor]:
    rows = prepare(plan).train
    return build_collator(plan, ["mark_loss", "words_loss"])([rows[index] for index in range(len(rows))])


def calls(model: FusedModel) -> list[str]:
    seen: list[str] = []
    for name in ("encoder", "words", "logits", "mark_loss", "words_loss"):
        model.nodes[name].register_forward_hook(lambda *_, name=name: seen.append(name))
    return seen


def test_only_what_the_outputs_need_runs_and_each_node_once(plan: Plan, batch: dict[str, torch.Tensor]) -> None:
    model = fuse(plan).eval()
    seen = calls(model)
    output = model(batch)
    assert seen == ["encoder", "logits"]
    assert set(output.tensors) == {"encoder.hidden", "encoder.pooled", "logits.logits"}
    assert output.losses == {}
    seen.clear()
    model(batch, outputs=["mark_loss", "words_loss"])
    assert sorted(seen) == [
        "encoder",
        "encoder",
        "logits",
        "mark_loss",
        "words",
        "words_loss",
    ]  # reread is a second pass


def test_share_applies_the_same_parameters_and_saves_them_once(plan: Plan) -> None:
    model = fuse(plan)
    names = [name for name, _ in model.named_parameters()]
    assert not any("reread" in name for name in names)
    embeddings = [name for name in model.state_dict() if name.endswith("word_embeddings.weight")]
    assert len(embeddings) == 1


def test_every_trained_parameter_gets_a_gradient(plan: Plan, batch: dict[str, torch.Tensor]) -> None:
    model = fuse(plan).train()
    losses = model(batch, outputs=["mark_loss", "words_loss"]).losses
    sum(value.sum() for value in losses.values()).backward()
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert without == []
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_a_node_starts_the_same_whatever_stands_beside_it(plan: Plan) -> None:
    first = fuse(plan).nodes["logits"].state_dict()
    alone = plan.fusion.to_dict()
    del alone["inputs"]["masked"], alone["losses"]["words_loss"], alone["modules"]["reread"], alone["modules"]["words"]
    second = fuse(check(Fusion(base=plan.fusion.base, **alone))).nodes["logits"].state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_frozen_module_is_neither_trained_nor_dropped_out(tmp_path: Path, tiny: Path) -> None:
    written = write(tmp_path, tiny).to_dict()
    written["modules"]["encoder"]["tune"] = "frozen"
    plan = check(Fusion(base=tmp_path, **written))
    model = fuse(plan).train()
    assert not any(parameter.requires_grad for parameter in model.nodes["encoder"].parameters())
    assert not any(module.training for module in model.nodes["encoder"].modules())
    assert model.nodes["logits"].training


def test_rows_count_only_with_every_field_behind_a_loss(plan: Plan, batch: dict[str, torch.Tensor]) -> None:
    model = fuse(plan)
    assert batch["mark.present"].tolist() == [True, True, True, True, False, True]
    assert model.count("mark_loss", batch).tolist() == [1, 1, 1, 1, 0, 1]
    words = model.count("words_loss", batch)
    assert words.tolist() == (batch["masked.labels"] != -100).sum(dim=1).tolist()


def test_saved_and_loaded_in_a_new_process_it_gives_the_same_bits(
    plan: Plan, batch: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    model = fuse(plan)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01)
    model.eval()
    with torch.no_grad():
        expected = model(batch).tensors["logits.logits"]
    model.save_pretrained(tmp_path / "model")
    assert not list((tmp_path / "model").rglob("*.bin")) + list((tmp_path / "model").rglob("*.pt"))
    torch.save({"batch": batch, "expected": expected}, tmp_path / "case.pt")
    script = (
        "import sys, torch\n"
        "from consilience import FusedModel\n"
        "FusedModel\n"
        "from transformers import AutoModel\n"
        "case = torch.load(sys.argv[2])\n"
        "model = AutoModel.from_pretrained(sys.argv[1])\n"
        "assert type(model) is FusedModel and not model.training\n"
        "with torch.no_grad(): logits = model(case['batch']).tensors['logits.logits']\n"
        "assert torch.equal(logits, case['expected']), (logits - case['expected']).abs().max()\n"
    )
    (tmp_path / "rows.csv").unlink()  # a saved model stands alone: neither data nor the old checkpoint are asked for
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "model"), str(tmp_path / "case.pt")],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr


def test_a_loaded_model_is_saved_where_it_lies_and_elsewhere(plan: Plan, tmp_path: Path) -> None:
    fuse(plan).save_pretrained(tmp_path / "one")
    loaded = FusedModel.from_pretrained(tmp_path / "one")
    loaded.save_pretrained(tmp_path / "one")
    loaded.save_pretrained(tmp_path / "two")
    again = FusedModel.from_pretrained(tmp_path / "two")
    first, second = loaded.state_dict(), again.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_damaged_model_is_told_and_not_loaded(plan: Plan, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    fuse(plan).save_pretrained(tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    weights = load_file(file)
    first = sorted(weights)[0]
    save_file({name: value for name, value in weights.items() if name != first}, file)
    with pytest.raises(RunError) as told:
        FusedModel.from_pretrained(tmp_path / "model")
    assert told.value.diagnostics[0].code == "CN701"
    assert f"1 weights missing: {first}" in told.value.diagnostics[0].found
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(RunError, match="CN701"):
        FusedModel.from_pretrained(tmp_path / "model")
    file.unlink()
    with pytest.raises(RunError, match="CN704"):
        FusedModel.from_pretrained(tmp_path / "model")
    with pytest.raises(RunError, match="CN704"):
        FusedModel.from_pretrained(tmp_path / "nowhere")


def test_a_deep_copy_is_independent(plan: Plan, batch: dict[str, torch.Tensor]) -> None:
    model = fuse(plan).eval()
    twin = copy.deepcopy(model)
    with torch.no_grad():
        before = model(batch).tensors["logits.logits"]
        for parameter in twin.parameters():
            parameter.zero_()
        assert torch.equal(model(batch).tensors["logits.logits"], before)


def test_an_unknown_output_is_told(plan: Plan, batch: dict[str, torch.Tensor]) -> None:
    with pytest.raises(RunError) as told:
        fuse(plan)(batch, outputs=["opinion"])
    assert str(told.value) == (
        "error CN702 at outputs\n"
        "  found     the unknown output opinion\n"
        "  expected  one of logits\n"
        "  fix       outputs: [logits]"
    )


def lab(module: nn.Module, **ports: object) -> Registry:
    class Odd(Module):
        """Gives something."""

        inputs = Ports(features=Float["batch hidden"])
        outputs = Ports(**(ports or {"made": Float["batch hidden"]}))

        def build(self, dims: Dims) -> nn.Module:
            return module

    class Plugin:
        @hookimpl
        def consilience_components(self) -> list[type[Module]]:
            return [Odd]

    registry = Registry()
    registry.register(Plugin(), "lab")
    return registry


class Lambda(nn.Module):
    def __init__(self, call: object) -> None:
        super().__init__()
        self.call = call
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, features: torch.Tensor) -> object:
        return self.call(features * self.weight)


def with_odd(plan: Plan, registry: Registry) -> Plan:
    written = plan.fusion.to_dict()
    written["modules"] |= {
        "odd": {"use": "lab.odd", "in": "encoder.pooled"},
        "logits": {"use": "classifier", "in": "odd"},
    }
    return check(Fusion(base=plan.fusion.base, **written), registry)


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (lambda x: x[:, :5], "made: Float[3 5] from lab.odd"),
        (lambda x: x[0], "made: Float[16] from lab.odd"),
        (lambda x: x > 0, "made: Bool[3 16] from lab.odd"),
    ],
)
def test_a_module_that_gives_not_what_it_declared_is_told_at_build(plan: Plan, call: object, found: str) -> None:
    registry = lab(Lambda(call))
    with pytest.raises(ConsilienceError) as told:
        fuse(with_odd(plan, registry))
    [diagnostic] = [item for item in told.value.diagnostics if item.path == ("modules", "odd")]
    assert diagnostic.code == "CN312"
    assert diagnostic.found == found
    assert diagnostic.expected == "made: Float[batch=3 hidden=16]"


def states(call: object, plan: Plan, given: str, read: str = "batch seq hidden") -> list[str]:
    """Tells what a module that reads the states gives, where it declares `given`."""

    class Odd(Module):
        """Gives something."""

        width: int = 3
        inputs = Ports(features=Float[read])
        outputs = Ports(made=Float[given])

        def build(self, dims: Dims) -> nn.Module:
            return Lambda(call)

    class Plugin:
        @hookimpl
        def consilience_components(self) -> list[type[Module]]:
            return [Odd]

    registry = Registry()
    registry.register(Plugin(), "lab")
    written = plan.fusion.to_dict()
    written["modules"]["odd"] = {"use": "lab.odd", "in": "encoder.hidden", "tune": "frozen"}
    try:
        fuse(check(Fusion(base=plan.fusion.base, **written), registry))
    except ConsilienceError as error:
        return [item.expected for item in error.diagnostics if item.code == "CN312"]
    return []


@pytest.mark.parametrize(
    ("given", "right", "wrong", "expected"),
    [
        (
            "batch 2*seq+1 hidden",
            lambda x: torch.cat([x, x, x[:, :1]], 1),
            lambda x: torch.cat([x, x], 1),
            "2*seq+1=7",
        ),
        ("batch width*hidden", lambda x: x.mean(1).repeat(1, 3), lambda x: x.mean(1), "width*hidden=48"),
    ],
)
def test_a_sum_is_what_it_adds_in_every_run(
    plan: Plan, given: str, right: object, wrong: object, expected: str
) -> None:
    assert states(right, plan, given) == []
    [told] = states(wrong, plan, given)
    assert expected in told


def test_an_axis_is_left_out_of_what_is_given_where_it_is_of_what_is_read(plan: Plan) -> None:
    ports = {"given": "batch ?more 2*hidden", "read": "batch ?more hidden"}
    assert states(lambda x: torch.cat([x, x], -1), plan, **ports) == []
    assert states(lambda x: torch.cat([x, x], -1).mean(1), plan, **ports) == [
        "made: Float[batch=3 ?more=5 2*hidden=32]"
    ]
    rest = {"given": "batch *more", "read": "batch *more hidden"}
    assert states(lambda x: x.mean(-1), plan, **rest) == []
    assert states(lambda x: x.mean(1), plan, **rest) == ["made: Float[batch=3 *more=5]"]


def test_a_plugin_that_raises_keeps_its_traceback_and_is_named(plan: Plan, batch: dict[str, torch.Tensor]) -> None:
    def fail(features: torch.Tensor) -> None:
        raise ZeroDivisionError("oh")

    with pytest.raises(ZeroDivisionError) as told:
        fuse(with_odd(plan, lab(Lambda(fail))))
    [note] = told.value.__notes__
    assert note.startswith("in the forward of node odd (lab.odd, from the plugin registered as lab, at ")
    assert re.search(r"test_model\.py:\d+\)$", note)  # where this fusion was declared


def test_a_build_that_returns_no_module_is_told(plan: Plan) -> None:
    with pytest.raises(ConsilienceError, match="CN311"):
        fuse(with_odd(plan, lab("no module")))  # type: ignore[arg-type]


def test_any_name_will_do_for_a_node(plan: Plan, batch: dict[str, torch.Tensor]) -> None:
    written = plan.fusion.to_dict()
    for name in ("forward", "keys", "training", "größe"):
        written["modules"][name] = {"use": "classifier", "in": "encoder.pooled"}
        written["losses"][f"{name}_loss"] = {"use": "cross_entropy", "in": name, "target": "mark"}
    model = fuse(check(Fusion(base=plan.fusion.base, **written)))
    output = model(batch)
    assert output.tensors["keys.logits"].shape == (6, 2)
    assert output.tensors["größe.logits"].shape == (6, 2)
