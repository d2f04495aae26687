"""What a saved model says when a plugin is missing, of another version, or has changed what it declares."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from consilience import ConsilienceError, FusedModel, Fusion, RunError, check
from consilience.cli import main
from consilience.declare import Dims, Float, LabelSpace, Module, Ports, Tuner, hookimpl
from consilience.errors import ConsilienceWarning
from consilience.fuse import check_as_saved, fuse
from consilience.host import Registry, _registry
from consilience.plan import Purpose


class Scaled(nn.Module):
    """Scales the features by one learnt number."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features * self.factor


class Odd(Module):
    """Scales."""

    width: int = 3
    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(made=Float["batch hidden"])

    def build(self, dims: Dims) -> nn.Module:
        return Scaled()


def changed(**attributes: Any) -> type[Module]:
    """Makes another `odd`, as a later version of the plugin might have it."""
    namespace: dict[str, Any] = {"__module__": __name__, "__doc__": "Scales.", "build": Odd.build}
    namespace |= {"inputs": Odd.inputs, "outputs": Odd.outputs, **attributes}
    namespace["__annotations__"] = {"width": int} if "width" in attributes else {}
    return type(Module)("Odd", (Module,), namespace)


AS_IT_WAS = changed(width=3)


class Dist(Distribution):
    """A distribution that nobody installed."""

    def __init__(self, version: str, name: str = "consilience-lab") -> None:
        self.told = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"

    def read_text(self, filename: str) -> str | None:
        return self.told if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        return path


class Point(EntryPoint):
    """An entry point whose plugin is at hand."""

    def load(self) -> Any:
        return self.plugin


def registry(version: str, *offered: type[Module], name: str = "consilience-lab", spaces: Any = ()) -> Registry:
    """Gives a registry with the standard components, and the plugin `lab` in a version."""
    plugin = ModuleType("lab")
    vars(plugin)["consilience_components"] = hookimpl(specname="consilience_components")(lambda: list(offered))
    vars(plugin)["consilience_label_spaces"] = hookimpl(specname="consilience_label_spaces")(lambda: list(spaces))
    point = Point("lab", "lab", "consilience.plugins")
    vars(point).update(dist=Dist(version, name), plugin=plugin)
    return Registry([*standard(), point])


def standard() -> list[EntryPoint]:
    return [point for point in entry_points(group="consilience.plugins") if point.name == "standard"]


def fusion(folder: Path, tiny: Path, **odd: Any) -> Fusion:
    (folder / "rows.csv").write_text("text,mark\na fine film,good\nthe dull plot,bad\n", encoding="utf-8")
    return Fusion(
        base=folder,
        name="saved",
        resources={"tiny": {"use": "checkpoint", "path": str(tiny)}},
        fields={"text": "text", "mark": {"category": ["bad", "good"]}},
        sources={"rows": {"use": "table", "path": "rows.csv", "map": {"text": "text", "mark": "mark"}}},
        inputs={"tokens": {"use": "tokens", "in": "text", "checkpoint": "tiny"}},
        modules={
            "encoder": {"use": "text_encoder", "in": "tokens"},
            "odd": {"use": "lab.odd", "in": "encoder.pooled", **odd},
            "head": {"use": "classifier", "in": "odd"},
        },
        losses={"loss": {"use": "cross_entropy", "in": "head", "target": "mark"}},
    )


@pytest.fixture
def saved(tmp_path: Path, tiny: Path) -> Path:
    """A model saved with version 1.0 of the plugin."""
    return save(tmp_path, tiny, registry("1.0", AS_IT_WAS))


def save(folder: Path, tiny: Path, plugins: Registry, **odd: Any) -> Path:
    fuse(check(fusion(folder, tiny, **odd), plugins)).save_pretrained(folder / "model")
    return folder / "model"


def told(path: Path, plugins: Registry) -> list[str]:
    with pytest.raises(ConsilienceError) as raised:
        FusedModel.from_pretrained(path, registry=plugins)
    assert isinstance(raised.value, RunError)
    return [str(item) for item in raised.value.diagnostics]


@pytest.fixture(autouse=True)
def warned() -> Iterator[None]:
    """Makes a warning that no test expects a failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConsilienceWarning)
        yield


def test_the_record_names_every_plugin_with_its_version(saved: Path) -> None:
    plugins = json.loads((saved / "record.json").read_text(encoding="utf-8"))["plugins"]
    assert plugins["lab"]["distribution"] == "consilience-lab"
    assert plugins["lab"]["version"] == "1.0"
    assert plugins["standard"]["distribution"] == "consilience"


def test_with_the_same_version_nothing_is_told(saved: Path) -> None:
    assert FusedModel.from_pretrained(saved, registry=registry("1.0", AS_IT_WAS)).plan.warnings == ()


def test_a_missing_plugin_is_told_with_the_version_that_the_model_was_saved_with(saved: Path) -> None:
    assert told(saved, Registry(standard())) == [
        "error CN720 at modules.odd.use\n"
        "  found     the plugin lab, which is not installed; the model was saved with consilience-lab 1.0\n"
        "  expected  consilience-lab 1.0\n"
        "  fix       pip install consilience-lab==1.0"
    ]


def test_a_missing_plugin_of_a_script_is_to_be_registered(tmp_path: Path, tiny: Path) -> None:
    plugins = Registry(standard())
    plugin = SimpleNamespace(consilience_components=hookimpl(specname="consilience_components")(lambda: [AS_IT_WAS]))
    plugins.register(plugin, "lab")
    model = save(tmp_path, tiny, plugins)
    assert FusedModel.from_pretrained(model, registry=plugins).plan.warnings == ()
    assert told(model, Registry(standard())) == [
        "error CN720 at modules.odd.use\n"
        "  found     the plugin lab, which is not installed; "
        "the model was saved with a plugin that a script registered\n"
        "  expected  a plugin that a script registered\n"
        '  fix       consilience.register(plugin, "lab")  # before the model is loaded'
    ]


def test_another_version_with_the_same_plan_is_a_warning(saved: Path) -> None:
    text = (
        "warning CN721 at the file\n"
        "  found     consilience-lab 2.0, where the model was saved with consilience-lab 1.0; the plan is the same\n"
        "  expected  consilience-lab 1.0\n"
        "  fix       pip install consilience-lab==1.0"
    )
    with pytest.warns(ConsilienceWarning) as warned:
        model = FusedModel.from_pretrained(saved, registry=registry("2.0", AS_IT_WAS))
    assert [str(warning.message) for warning in warned] == [text]
    assert [str(item) for item in model.plan.warnings] == [text]


def test_another_distribution_for_the_namespace_is_another_version(saved: Path) -> None:
    with pytest.warns(ConsilienceWarning, match="folklore-lab 1.0, where the model was saved with consilience-lab 1.0"):
        FusedModel.from_pretrained(saved, registry=registry("1.0", AS_IT_WAS, name="folklore-lab"))


def test_a_key_that_is_gone_is_refused(tmp_path: Path, tiny: Path) -> None:
    model = save(tmp_path, tiny, registry("1.0", AS_IT_WAS), width=4)
    assert told(model, registry("2.0", changed())) == [
        "error CN722 at modules.odd.width\n"
        "  found     the unknown key width (CN120), with consilience-lab 2.0; "
        "the model was saved with consilience-lab 1.0\n"
        "  expected  the plan that the weights were trained in\n"
        "  fix       pip install consilience-lab==1.0"
    ]


def test_a_component_that_is_gone_is_refused(saved: Path) -> None:
    [text] = told(saved, registry("2.0"))
    assert "CN722 at modules.odd.use" in text
    assert "the unknown module lab.odd (CN201), with consilience-lab 2.0" in text


@pytest.mark.parametrize(
    ("later", "where", "found"),
    [
        ({"width": 5}, "modules.odd", "settings with width 5, which was 3"),
        ({}, "modules.odd", "settings without width, which was 3"),
        (
            {"width": 3, "inputs": Ports(states=Float["batch hidden"])},
            "modules.odd",
            'in without features, which was ["encoder.pooled"]',
        ),
        ({"width": 3, "outputs": Ports(made=Float["batch seq hidden"])}, "modules.head.in", "(CN301)"),
        ({"width": 3, "outputs": Ports(one=Float["batch hidden"], two=Float["batch"])}, "modules.head.in", "(CN310)"),
        (
            {"width": 3, "inputs": Ports(features=Float["batch feature"]), "outputs": Ports(made=Float["batch made"])},
            "modules.odd",
            "(CN306)",
        ),
    ],
    ids=["default", "default_gone", "port_renamed", "port_of_another_rank", "ports_added", "dims"],
)
def test_another_plan_is_refused(later: dict[str, Any], where: str, found: str, saved: Path) -> None:
    texts = told(saved, registry("2.0", changed(**later)))
    assert all("CN722" in text and "fix       pip install consilience-lab==1.0" in text for text in texts)
    assert any(f"at {where}\n" in text and found in text for text in texts), texts


def test_a_key_that_is_new_makes_another_plan(saved: Path) -> None:
    class New(Odd, name="odd"):
        """Scales."""

        height: int = 1

    [text] = told(saved, registry("2.0", New))
    assert "found     settings with height 1, which was not there, with consilience-lab 2.0" in text


def test_the_same_version_with_another_plan_is_the_authors_own_affair(saved: Path) -> None:
    assert FusedModel.from_pretrained(saved, registry=registry("1.0", changed(width=5))).plan.warnings == ()


def test_a_fault_that_no_version_explains_is_told_as_it_is(tmp_path: Path, tiny: Path) -> None:
    model = save(tmp_path, tiny, registry("1.0", AS_IT_WAS))
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    config["fusion"]["modules"]["head"]["in"] = "od"
    (model / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ConsilienceError, match="CN210"):
        FusedModel.from_pretrained(model, registry=registry("1.0", AS_IT_WAS))


def test_a_broken_plugin_and_a_lost_file_are_told_as_they_are(saved: Path) -> None:
    class Twice(Odd, name="odd"):
        """Stands twice."""

    with pytest.raises(ConsilienceError, match="CN207"):
        FusedModel.from_pretrained(saved, registry=registry("2.0", AS_IT_WAS, Twice))
    (saved / "resources" / "tiny" / "config.json").unlink()
    with pytest.raises(ConsilienceError) as raised:
        FusedModel.from_pretrained(saved, registry=registry("2.0", AS_IT_WAS))
    assert {item.code for item in raised.value.diagnostics} == {"CN606"}


def test_a_model_without_a_record_is_loaded(saved: Path) -> None:
    (saved / "record.json").unlink()
    assert FusedModel.from_pretrained(saved, registry=registry("2.0", AS_IT_WAS)).plan.warnings == ()


def test_a_damaged_record_is_told(saved: Path) -> None:
    (saved / "record.json").write_text('{"plugins": {"lab": {}}}', encoding="utf-8")
    [text] = told(saved, registry("1.0", AS_IT_WAS))
    assert "CN704" in text
    assert "record.json: KeyError('distribution')" in text


def test_a_plugin_of_label_spaces_alone_has_its_version_in_the_record(tmp_path: Path, tiny: Path) -> None:
    def plugins(version: str) -> Registry:
        return registry(version, spaces=[LabelSpace(name="marks", labels=("bad", "good"))])

    written = fusion(tmp_path, tiny).to_dict()
    written["fields"]["mark"] = {"category": "lab.marks"}
    written["modules"] = {
        "encoder": {"use": "text_encoder", "in": "tokens"},
        "head": {"use": "classifier", "in": "encoder.pooled"},
    }
    made = Fusion(base=tmp_path, **written)
    fuse(check(made, plugins("1.0"))).save_pretrained(tmp_path / "model")
    with pytest.warns(ConsilienceWarning, match=r"consilience-lab 2\.0, where"):
        FusedModel.from_pretrained(tmp_path / "model", registry=plugins("2.0"))
    [text] = told(tmp_path / "model", Registry(standard()))
    assert "CN720 at fields.mark.category" in text
    assert "pip install consilience-lab==1.0" in text


def test_a_missing_tuner_names_its_plugin(tmp_path: Path, tiny: Path) -> None:
    class Most(Tuner):
        """Trains all."""

        def apply(self, module: Any) -> None: ...

    plugins = registry("1.0", AS_IT_WAS, Most)  # type: ignore[arg-type]
    written = fusion(tmp_path, tiny).to_dict()
    written["modules"] = {
        "encoder": {"use": "text_encoder", "in": "tokens", "tune": "lab.most"},
        "head": {"use": "classifier", "in": "encoder.pooled"},
    }
    fuse(check(Fusion(base=tmp_path, **written), plugins)).save_pretrained(tmp_path / "model")
    [text] = told(tmp_path / "model", Registry(standard()))
    assert "CN720 at modules.encoder.tune" in text


def test_a_run_is_opened_with_the_plugins_that_it_was_trained_with(saved: Path, tmp_path: Path, tiny: Path) -> None:
    made = fusion(tmp_path, tiny)
    with pytest.raises(RunError, match="CN720"):
        check_as_saved(made, saved, Registry(standard()))
    with pytest.warns(ConsilienceWarning):
        plan = check_as_saved(made, saved, registry("2.0", AS_IT_WAS), Purpose.USE)
    assert [item.code for item in plan.warnings] == ["CN721"]


def test_the_command_tells_the_warning_as_a_diagnostic(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(_registry, "_default", registry("2.0", AS_IT_WAS))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = CliRunner().invoke(main, ["predict", str(saved), "a fine film"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["head"]["label"] in ("bad", "good")
    assert "warning CN721 at the file\n" in result.stderr
    assert "\n1 warning\n" in result.stderr
    assert "ConsilienceWarning" not in result.stderr
