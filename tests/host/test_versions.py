"""Another behaviour of a component has a version of its own; a file that names none means the first."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from consilience import Fusion
from consilience.declare import Dims, Float, Module, Ports, hookimpl
from consilience.host import Registry, schema
from consilience.plan import survey

Make = Callable[[], Registry]


class Affect(Module):
    """Estimates affect as it did at first."""

    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(valence=Float["batch"])

    def build(self, dims: Dims) -> object:
        raise NotImplementedError


class AffectInThree(Module, name="affect", version=2):
    """Estimates affect in three dimensions."""

    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(affect=Float["batch 3"])

    def build(self, dims: Dims) -> object:
        raise NotImplementedError


@pytest.fixture
def host(registry: Make) -> Registry:
    host = registry()
    plugin = SimpleNamespace(
        consilience_components=hookimpl(specname="consilience_components")(lambda: [Affect, AffectInThree])
    )
    host.register(plugin, "lab")
    return host


@pytest.mark.parametrize(("written", "meant"), [("affect", Affect), ("affect@1", Affect), ("affect@2", AffectInThree)])
def test_a_file_says_which_behaviour_it_means(host: Registry, written: str, meant: type) -> None:
    offer = host.component(f"lab.{written}")
    assert offer is not None
    assert offer.component is meant
    fusion = Fusion.draft_text(f"consilience: 1\nname: x\nmodules: {{m: {{use: lab.{written}, in: y}}}}")
    found = survey(fusion, host)
    assert found.plan.nodes["m"].declaration == meant()
    assert "CN201" not in {fault.code for fault in found.diagnostics}


def test_a_behaviour_that_is_not_there_has_a_near_name(host: Registry) -> None:
    fusion = Fusion.draft_text("consilience: 1\nname: x\nmodules: {m: {use: lab.affect@3, in: y}}")
    [fault] = [fault for fault in survey(fusion, host).diagnostics if fault.code == "CN201"]
    assert fault.found == "the unknown module lab.affect@3"
    assert fault.fix == "use: lab.affect@2"


def test_editors_complete_both(host: Registry) -> None:
    written = str(schema(host))
    assert "lab.affect@2" in written


@pytest.mark.parametrize("version", [0, -1, "2"])
def test_a_version_is_a_whole_number_from_1_on(version: int) -> None:
    with pytest.raises(TypeError, match="no whole number from 1 on"):
        type("Odd", (Module,), {}, version=version)
