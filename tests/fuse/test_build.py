"""What a component builds is compared with what it declares before anything runs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from consilience import Fusion, check
from consilience.declare import Component, Dims, Float, Metric, Module, Ports, hookimpl
from consilience.errors import DeclarationError, Diagnostic
from consilience.fuse import fuse
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

    registry = lab(odd(lambda self, dims: nn.Identity()), Share)
    plan = checked(tmp_path, tiny, registry, metrics={"share": {"use": "lab.share", "in": "mark_scores"}})
    with pytest.raises(DeclarationError) as caught:
        build_metrics(plan)
    [fault] = caught.value.diagnostics
    assert (fault.code, fault.where, fault.fix) == ("CN207", "metrics.share", f'# mend {OWNER}: "classes"')
