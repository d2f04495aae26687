"""What a component builds is compared with what it declares before anything runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torchmetrics
from torch import Tensor, nn

from consilience import Fusion, check
from consilience.declare import Bool, Component, Dims, Float, Input, Metric, Module, Ports, Text, hookimpl
from consilience.errors import DeclarationError, Diagnostic
from consilience.fuse import build_collator, fuse
from consilience.host import Registry
from consilience.plan import Plan
from consilience.train._measure import build_metrics

OWNER = "the plugin registered as lab"


def lab(*components: type[Component]) -> Registry:
    registry = Registry()
    offer = hookimpl(specname="consilience_components")(lambda: list(components))
    registry.register(SimpleNamespace(consilience_components=offer), "lab")
    return registry


def checked(folder: Path, tiny: Path, registry: Registry, **sections: Any) -> Plan:
    """Checks a fusion in which `odd` stands between the encoder and the classifier."""
    (folder / "rows.csv").write_text("text,mark\na film,good\na plot,bad\n")
    given: dict[str, Any] = {
        "resources": {"tiny": {"use": "checkpoint", "path": str(tiny)}},
        "fields": {"text": "text", "mark": {"category": ["bad", "good"]}},
        "sources": {"rows": {"use": "table", "path": "rows.csv", "map": {"text": "text", "mark": "mark"}}},
        "inputs": {"tokens": {"use": "tokens", "in": "text", "checkpoint": "tiny"}},
        "modules": {
            "encoder": {"use": "text_encoder", "in": "tokens"},
            "odd": {"use": "lab.odd", "in": "encoder.pooled", "tune": "frozen"},
            "mark_scores": {"use": "classifier", "in": "odd"},
        },
        "losses": {"mark_loss": {"use": "cross_entropy", "in": "mark_scores", "target": "mark"}},
    }
    return check(Fusion(base=folder, name="odd", **{**given, **sections}), registry)


def odd(build: Any, **attributes: Any) -> type[Component]:
    """Declares a module `odd`, which gives what it reads, and builds it so."""
    own = {"inputs": Ports(features=Float["batch hidden"]), "outputs": Ports(made=Float["batch hidden"])}
    return type("Odd", (Module,), {"__module__": __name__, **own, "build": build, **attributes})


def told(plan: Plan) -> Diagnostic:
    with pytest.raises(DeclarationError) as caught:
        fuse(plan)
    [fault] = caught.value.diagnostics
    return fault


class Takes(nn.Module):
    """Takes another argument than the port is called."""

    def forward(self, x: Tensor, *, scale: float = 1.0) -> Tensor:
        return x * scale


class Whatever(nn.Module):
    """Takes anything, and says so."""

    def forward(self, **ports: Tensor) -> Tensor:
        return ports["features"]


class Around(nn.Module):
    """Gives its forward other arguments than it is given."""

    def __call__(self, features: Tensor) -> Tensor:
        return self.forward(features)

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_a_forward_that_takes_not_its_ports_is_told_with_what_to_write(tmp_path: Path, tiny: Path) -> None:
    masked = Ports(features=Float["batch hidden"], mask=Bool["batch seq"] | None)
    for ports, arguments in (({}, "features"), ({"inputs": masked}, "features, mask=None")):
        fault = told(checked(tmp_path, tiny, lab(odd(lambda self, dims: Takes(), **ports))))
        assert "test_build.py:" in str(fault.place)
        assert (fault.code, fault.where, fault.found) == (
            "CN312",
            "modules.odd",
            "forward of lab.odd takes (x, *, scale)",
        )
        assert (fault.expected, fault.fix) == ("its ports: (features)", f"# def forward(self, {arguments})")


def test_an_argument_that_no_port_feeds_is_told(tmp_path: Path, tiny: Path) -> None:
    class Two(nn.Module):
        def forward(self, features: Tensor, mask: Tensor) -> Tensor:
            return features

    masked = Ports(features=Float["batch hidden"], mask=Bool["batch seq"] | None)
    fault = told(checked(tmp_path, tiny, lab(odd(lambda self, dims: Two(), inputs=masked))))
    assert (fault.found, fault.expected) == ("forward of lab.odd takes (features, mask)", "its ports: (features)")


@pytest.mark.parametrize("module", [Whatever, Around, lambda: hooked(Takes())], ids=["**", "__call__", "a hook"])
def test_what_may_take_its_ports_is_not_told(module: Any, tmp_path: Path, tiny: Path) -> None:
    fuse(checked(tmp_path, tiny, lab(odd(lambda self, dims: module()))))


def hooked(module: nn.Module) -> nn.Module:
    module.register_forward_pre_hook(lambda self, args, named: (tuple(named.values()), {}), with_kwargs=True)
    return module


def by_no_name(words: list[str]) -> Tensor:
    return torch.zeros(len(words), 16)


class ByNoName:
    """Takes the words of a text, not the text."""

    def __call__(self, words: list[str]) -> Tensor:
        return by_no_name(words)


@pytest.mark.parametrize(
    ("call", "random", "takes", "fix"),
    [
        (by_no_name, False, "(words)", "# def by_no_name(text)"),
        (partial(by_no_name), False, "(words)", "# def by_no_name(text)"),
        (ByNoName(), False, "(words)", "# def __call__(self, text)"),
        (len, True, "(obj, /)", "# def len(text, generators)"),
    ],
    ids=["a function", "a partial", "an object", "built in, and random"],
)
def test_an_input_that_takes_not_its_ports_is_told_before_any_batch(
    call: Any, random: bool, takes: str, fix: str, tmp_path: Path, tiny: Path
) -> None:
    class Vectors(Input):
        """Gives vectors of texts."""

        is_random = random
        inputs = Ports(text=Text["batch"])
        outputs = Ports(vector=Float["batch hidden"])

        def dims(self, known: Dims) -> dict[str, int]:
            return {"hidden": 16}

        def build(self, dims: Dims) -> Any:
            return call

    registry = lab(odd(lambda self, dims: Whatever()), Vectors)
    modules = {"mark_scores": {"use": "classifier", "in": "vectors"}}
    plan = checked(tmp_path, tiny, registry, inputs={"vectors": {"use": "lab.vectors", "in": "text"}}, modules=modules)
    with pytest.raises(DeclarationError) as caught:
        build_collator(plan, ["mark_loss"])
    [fault] = caught.value.diagnostics
    assert (fault.code, fault.where, fault.fix) == ("CN312", "inputs.vectors", fix)
    assert fault.found == f"what lab.vectors builds takes {takes}"


def test_a_metric_whose_update_takes_not_its_ports_is_told(tmp_path: Path, tiny: Path) -> None:
    class Share(Metric):
        """Is updated with other names."""

        inputs = Ports(logits=Float["batch classes"])

        def build(self, dims: Dims) -> Any:
            return torchmetrics.MeanMetric()

    registry = lab(odd(lambda self, dims: Whatever()), Share)
    plan = checked(tmp_path, tiny, registry, metrics={"share": {"use": "lab.share", "in": "mark_scores"}})
    with pytest.raises(DeclarationError) as caught:
        build_metrics(plan)
    [fault] = caught.value.diagnostics
    assert (fault.code, fault.found) == ("CN312", "update of lab.share takes (value, weight)")
    assert fault.fix == "# def update(self, logits)"


def test_a_build_that_asks_for_a_misspelt_dim_is_told_as_its_own(tmp_path: Path, tiny: Path) -> None:
    registry = lab(odd(lambda self, dims: nn.Linear(dims["hiden"], 3)))
    fault = told(checked(tmp_path, tiny, registry))
    assert (fault.code, fault.where) == ("CN207", "modules.odd")
    assert fault.found == f"{OWNER} asks for hiden in the build of lab.odd, which has no such dim"
    assert (fault.expected, fault.fix) == ("one of its dims: batch, hidden", f'# mend {OWNER}: "hidden"')


def test_a_build_that_asks_for_what_varies_is_told_as_before(tmp_path: Path, tiny: Path) -> None:
    fault = told(checked(tmp_path, tiny, lab(odd(lambda self, dims: nn.Linear(dims["batch"], 3)))))
    assert (fault.code, fault.where) == ("CN306", "modules.odd")


def test_a_metric_that_asks_for_a_misspelt_dim_is_told(tmp_path: Path, tiny: Path) -> None:
    class Share(Metric):
        """Asks for what it has not."""

        inputs = Ports(logits=Float["batch classes"])

        def build(self, dims: Dims) -> Any:
            return dims["clases"]

    registry = lab(odd(lambda self, dims: Whatever()), Share)
    plan = checked(tmp_path, tiny, registry, metrics={"share": {"use": "lab.share", "in": "mark_scores"}})
    with pytest.raises(DeclarationError) as caught:
        build_metrics(plan)
    [fault] = caught.value.diagnostics
    assert (fault.code, fault.where, fault.fix) == ("CN207", "metrics.share", f'# mend {OWNER}: "classes"')
