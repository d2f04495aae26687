"""What the check tells of modules that are fitted after the training, and how the training fits them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from consilience import DeclarationError, Fusion, RunError, check
from consilience.declare import Bool, Dims, Float, LabelSpace, Location, Module, Port, Ports, Resource, hookimpl
from consilience.evidence import evaluate
from consilience.fuse import FusedModel
from consilience.host import Registry
from consilience.plan import fitted_of
from consilience.train import train


class Shifting(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.shift: Tensor
        self.register_buffer("shift", torch.zeros(classes))

    def forward(self, logits: Tensor) -> Tensor:
        return logits + self.shift

    def fit(self, logits: Tensor, target: Tensor) -> dict[str, float]:
        """Makes what is given about as large, on average, as what is so."""
        self.shift.copy_(torch.logit(target.float().mean(0), eps=0.01) - logits.mean(0))
        return {"rows": len(target)}


class Shift(Module):
    """Shifts each score by what the validation rows say."""

    has_parameters = False
    inputs = Ports(logits=Float["batch classes"].logits())
    outputs = Ports(logits=Float["batch classes"].logits())
    static = ("classes",)
    fit_target: ClassVar[Port | None] = Bool["batch classes"]

    def build(self, dims: Dims) -> Any:
        return Shifting(dims["classes"])


class Moods(Resource):
    """Labels, one a line."""

    path: Location

    def label_space(self) -> LabelSpace | None:
        return LabelSpace(name="moods", labels=tuple(self.path.path.read_text().split()), onto={"mood": MOODS})

    def save(self, folder: Path) -> dict[str, Any]:
        (folder / "moods.txt").write_bytes(self.path.path.read_bytes())
        return {"path": "moods.txt"}


MOODS = {"calm": "fine", "glad": "fine", "sad": "dull"}


class Lab:
    @hookimpl
    def consilience_components(self) -> list[type]:
        return [Shift, Moods]

    @hookimpl
    def consilience_label_spaces(self) -> list[LabelSpace]:
        return [LabelSpace(name="mood", labels=("dull", "fine"))]


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.register(Lab(), "lab")
    return registry


@pytest.fixture
def file(tiny: Path, tmp_path: Path) -> dict[str, Any]:
    rows = ["text,moods", *(f"a film {i},{'calm;glad' if i % 3 else 'sad'}" for i in range(20))]
    (tmp_path / "rows.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "moods.txt").write_text("calm\nglad\nsad\n")
    mapped = {"column": "moods", "separator": ";"}
    return {
        "base": tmp_path,
        "name": "fitted",
        "resources": {
            "tiny": {"use": "checkpoint", "path": str(tiny)},
            "own": {"use": "lab.moods", "path": "moods.txt"},
        },
        "fields": {"text": "text", "moods": {"categories": "own"}},
        "sources": {
            "rows": {
                "use": "table",
                "path": "rows.csv",
                "map": {"text": "text", "moods": mapped},
                "split": {"test": 4, "validation": 6},
            }
        },
        "inputs": {"tokens": {"use": "tokens", "in": "text", "checkpoint": "tiny"}},
        "modules": {
            "encoder": {"use": "text_encoder", "in": "tokens"},
            "feeling": {"use": "classifier", "in": "encoder.pooled", "dropout": 0.0},
            "decided": {"use": "lab.shift", "in": "feeling"},
        },
        "losses": {"loss": {"use": "binary_cross_entropy", "in": "decided", "target": "moods"}},
        "metrics": {"f1": {"use": "multilabel_f1", "in": "decided", "target": "moods", "average": "micro"}},
        "train": {"max_steps": 2, "batch_size": 4, "use_cpu": True},
    }


def told(file: dict[str, Any], registry: Registry) -> str:
    with pytest.raises(DeclarationError) as error:
        check(Fusion(**file), registry)
    return "\n".join(str(fault.at(None)) for fault in error.value.diagnostics)


def test_the_nearest_loss_with_a_target_that_suits_is_what_it_is_fitted_to(
    file: dict[str, Any], registry: Registry
) -> None:
    file["modules"]["again"] = {"use": "lab.shift", "in": "decided"}
    file["losses"]["later"] = {"use": "binary_cross_entropy", "in": "again", "target": "moods"}
    plan = check(Fusion(**file), registry)
    assert fitted_of(plan) == {"decided": "loss", "again": "later"}
    file["losses"].pop("loss")
    assert fitted_of(check(Fusion(**file), registry)) == {"decided": "later", "again": "later"}
    # Scores of other labels are compared with another target.
    file["fields"]["mood"] = {"categories": "lab.mood"}
    file["sources"]["rows"]["map"]["mood"] = {"column": "moods", "separator": ";", "space": "own"}
    file["modules"]["grouped"] = {"use": "regroup", "in": "feeling", "combine": "max"}
    file["modules"]["again"]["in"] = "grouped"
    file["losses"]["later"]["target"] = "mood"
    file["losses"]["first"] = {"use": "binary_cross_entropy", "in": "decided", "target": "moods"}
    assert fitted_of(check(Fusion(**file), registry)) == {"decided": "first", "again": "later"}


def test_tells_a_module_that_has_nothing_to_be_fitted_to(file: dict[str, Any], registry: Registry) -> None:
    file["losses"]["loss"]["in"] = "feeling"
    file["metrics"] = {}
    assert told(file, registry) == (
        "error CN437 at modules.decided\n"
        "  found     decided, which is fitted to a target, and no loss compares what it gives with one that suits it\n"
        "  expected  a loss with a target that reads it\n"
        "  fix       # let a loss with a target, such as moods, read decided in place of what decided reads"
    )


def test_tells_a_module_that_no_validation_row_fits(file: dict[str, Any], registry: Registry) -> None:
    file["sources"]["rows"]["split"] = {"test": 4}
    assert told(file, registry) == (
        "error CN438 at modules.decided\n"
        "  found     decided, which is fitted to validation rows, and none has moods and text\n"
        "  expected  validation rows to fit it to\n"
        "  fix       split: {test: 4, validation: 0.1}  # under sources.rows"
    )


def test_tells_validation_rows_that_all_lack_the_target(
    file: dict[str, Any], registry: Registry, tmp_path: Path
) -> None:
    file["sources"]["rows"] |= {"path": "{split}.csv", "split": {}}
    (tmp_path / "train.csv").write_text((tmp_path / "rows.csv").read_text())
    (tmp_path / "validation.csv").write_text("text,moods\nanother film,\n")
    with pytest.raises(RunError) as error:
        train(check(Fusion(**file), registry), tmp_path / "runs", progress=False)
    [fault] = error.value.diagnostics
    assert str(fault.at(None)) == (
        "error CN439 at modules.decided\n"
        "  found     decided, and no validation row has all that loss needs\n"
        "  expected  validation rows that it can be fitted to\n"
        "  fix       split: {validation: 0.1}  # under a source whose rows have the target of loss"
    )


def test_tells_a_module_that_cannot_be_fitted(
    file: dict[str, Any], registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Shifting, "fit")
    with pytest.raises(RunError) as error:
        train(check(Fusion(**file), registry), tmp_path / "runs", progress=False)
    [fault] = error.value.diagnostics
    assert str(fault.at(None)) == (
        "error CN312 at modules.decided\n"
        "  found     what lab.shift builds has no method fit, and it declares a fit_target\n"
        "  expected  its ports: (logits, target)\n"
        "  fix       # def fit(self, logits, target)"
    )


@pytest.mark.parametrize("best", [False, True])
def test_is_fitted_once_trained_and_saved_with_the_model(
    file: dict[str, Any], registry: Registry, tmp_path: Path, best: bool
) -> None:
    file["train"] |= {"load_best_model_at_end": best}
    said: list[str] = []
    run = train(check(Fusion(**file), registry), tmp_path / "runs", said.append, progress=False)
    assert said[-1] == "fitted decided to the validation rows"
    assert run.record["training"]["fitted"] == {"decided": {"rows": 6}}
    shift = run.model().nodes["decided"].shift
    assert bool((shift != 0).all())
    assert 0 <= evaluate(run, "test", progress=False).metrics["f1"] <= 1


def test_each_is_fitted_to_what_those_before_it_give_in_one_pass_for_all_of_a_depth(
    file: dict[str, Any], registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file["modules"] |= {
        "again": {"use": "lab.shift", "in": "decided"},
        "other": {"use": "classifier", "in": "encoder.pooled", "dropout": 0.0},
        "beside": {"use": "lab.shift", "in": "other"},
    }
    file["losses"]["loss"]["in"] = "again"
    file["losses"]["second"] = {"use": "binary_cross_entropy", "in": "beside", "target": "moods"}
    asked: list[set[str]] = []
    forward = FusedModel.forward

    def noted(self: FusedModel, *given: Any, outputs: Any = None, **more: Any) -> Any:
        asked.extend([set(outputs)] if outputs and not self.training else [])
        return forward(self, *given, outputs=outputs, **more)

    monkeypatch.setattr(FusedModel, "forward", noted)
    run = train(check(Fusion(**file), registry), tmp_path / "runs", progress=False)
    assert asked[-2:] == [{"feeling", "other"}, {"decided"}]  # those before are of the checks
    assert list(run.record["training"]["fitted"]) == ["decided", "again", "beside"]
    nodes = run.model().nodes
    assert bool((nodes["decided"].shift.abs() > 0.01).all() and (nodes["beside"].shift != 0).all())
    torch.testing.assert_close(nodes["again"].shift, torch.zeros(3), atol=1e-5, rtol=0)


def test_a_field_takes_the_labels_of_a_resource(file: dict[str, Any], registry: Registry, tmp_path: Path) -> None:
    plan = check(Fusion(**file), registry)
    assert str(plan.labels("moods")) == "[calm, glad, sad]"
    # What it leads onto: rows of its labels fill a field of the plugin's.
    file["fields"]["mood"] = {"category": "lab.mood"}
    file["sources"]["rows"]["map"]["mood"] = {"column": "moods", "space": "own"}
    file["losses"]["other"] = {"use": "cross_entropy", "in": "opinion", "target": "mood"}
    file["modules"]["opinion"] = {"use": "classifier", "in": "encoder.pooled"}
    assert dict(check(Fusion(**file), registry).labels("mood").mapping_from(plan.labels("moods"))) == MOODS
    (tmp_path / "moods.txt").unlink()
    assert "CN207 at resources.own" in told(file, registry)


def test_tells_a_resource_without_labels(file: dict[str, Any], registry: Registry) -> None:
    file["fields"]["moods"] = {"categories": "tiny"}
    assert told(file, registry) == (
        "error CN208 at fields.moods.categories\n"
        "  found     the unknown label space tiny\n"
        "  expected  one of lab.mood, own\n"
        "  fix       categories: [first, second]"
    )
