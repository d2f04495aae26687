"""A dim that stands in no port of a component is its author's slip, and not the file's fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from consilience import Fusion
from consilience.declare import (
    Dims,
    Fault,
    Float,
    Input,
    Int,
    Loss,
    Module,
    Ports,
    Source,
    Text,
    Tuner,
    UnknownDimError,
    Unsolved,
    Use,
)
from consilience.errors import Diagnostic
from consilience.host import Registry
from consilience.plan import survey

Toy = Callable[..., Registry]
FAULT = Fault("CN999", "", "a fault", "none", "# none")
OWNER = "the plugin registered as toy"


class Rows(Source):
    """Is empty."""


class Measures(Input):
    """Measures texts."""

    inputs = Ports(text=Text["batch"])
    outputs = Ports(value=Float["batch measure"], kind=Int["batch"].below("kinds"))

    def dims(self, known: Dims) -> Mapping[str, int]:
        """States how many there are."""
        return {"measure": 3, "kinds": 5}


class Head(Module):
    """Needs its width before any batch."""

    width: int = 2
    inputs = Ports(value=Float["batch measure"])
    outputs = Ports(value=Float["batch width*extra"])
    static = ("measure",)

    def dims(self, known: Dims) -> Mapping[str, int]:
        """States what stands in a product alone."""
        return {"extra": 4}


class Sum(Loss):
    """Reads anything."""

    inputs = Ports(value=Float["batch ..."])


def told(toy: Toy, *components: type, loss: Mapping[str, Any] = {}, **keys: Any) -> list[Diagnostic]:
    fusion = Fusion(
        name="named",
        fields={"text": "text"},
        sources={"rows": {"use": "toy.rows", "map": {"text": "text"}}},
        inputs={"x": {"use": "toy.measures", "in": "text"}},
        modules={"head": {"use": "toy.head", "in": "x.value", **keys}},
        losses={"loss": {"use": "toy.sum", "in": "head", **loss}},
    )
    offered = {one.__name__: one for one in (Rows, Measures, Head, Sum, *components)}
    return list(survey(fusion, toy(*offered.values())).diagnostics)


def other(base: type, **attributes: Any) -> type:
    return type(base.__name__, (base,), {"__module__": __name__, **attributes})


def test_a_dim_that_stands_in_a_bound_or_in_a_product_alone_may_be_stated(toy: Toy) -> None:
    assert told(toy) == []


@pytest.mark.parametrize(
    ("dims", "asked", "fix"),
    [
        (lambda self, known: {"measures": 3}, "states measures", '# mend {owner}: "measure"'),
        (lambda self, known: {"measure": 3, "knds": 5}, "states knds", '# mend {owner}: "kinds"'),
        (lambda self, known: {"measure": known["batsh"]}, "asks for batsh", '# mend {owner}: "batch"'),
        (lambda self, known: {"measure": len(known.labels("kind"))}, "asks for kind", '# mend {owner}: "kinds"'),
        (lambda self, known: {"measure": known.each("x")[0]}, "asks for x", "# mend {owner}, or let a port of it"),
    ],
    ids=["stated", "stated beside another", "asked for", "labels", "each"],
)
def test_a_misspelt_dim_is_told_once_and_nothing_that_follows_from_it(
    toy: Toy, dims: Any, asked: str, fix: str
) -> None:
    [fault] = told(toy, other(Measures, dims=dims))
    assert (fault.code, fault.where) == ("CN207", "inputs.x")
    assert fault.found == f"{OWNER} {asked} in dims of toy.measures, which has no such dim"
    assert fault.expected == "one of its dims: batch, measure, kinds"
    assert fault.fix.startswith(fix.format(owner=OWNER))


def test_a_misspelt_dim_of_a_module_is_told_where_its_size_comes_from_elsewhere(toy: Toy) -> None:
    [fault] = told(toy, other(Head, dims=lambda self, known: {"measur": 3, "extra": 4}))
    assert (fault.code, fault.where, fault.fix) == ("CN207", "modules.head", f'# mend {OWNER}: "measure"')


@pytest.mark.parametrize("given", [[2], None, "measure"])
def test_dims_that_are_no_mapping_are_told_without_a_line_of_the_core(toy: Toy, given: Any) -> None:
    [fault] = told(toy, other(Measures, dims=lambda self, known: given))
    error = f"TypeError: dims gives a value of type {type(given).__name__}, and not a mapping of dims to sizes"
    assert fault.found == f"{OWNER} fails to state the dims of toy.measures: {error}"


def test_what_asks_for_a_misspelt_dim_while_it_is_judged_is_told(toy: Toy) -> None:
    def faults_with(self: Any, dims: Dims) -> Iterable[Fault]:
        return [FAULT] if dims["measuer"] > 1 else []

    [fault] = told(toy, other(Head, faults_with=faults_with))
    assert (fault.code, fault.where, fault.fix) == ("CN207", "modules.head", f'# mend {OWNER}: "measure"')
    assert fault.found == f"{OWNER} asks for measuer of head, which has no such dim"


def test_of_another_node_any_dim_may_be_asked_for(toy: Toy) -> None:
    asked: list[str] = []

    class Near(Loss):
        """Stands near a module."""

        of: Use[Module]
        inputs = Ports(value=Float["batch ..."])

        def faults_with(self, dims: Dims) -> Iterable[Fault]:
            asked.append("a loss")
            return [FAULT] if dims.of(self.of)["vocab"] else []

    class Odd(Tuner):
        """Asks a module for what few have."""

        def faults_on(self, module: Module, dims: Dims) -> Iterable[Fault]:
            asked.append("a tuner")
            return [FAULT] if dims["vocab"] else []

    assert told(toy, Near, Odd, loss={"use": "toy.near", "of": "head"}, tune="toy.odd") == []
    assert sorted(asked) == ["a loss", "a tuner"]


def test_a_dim_that_is_not_known_yet_is_no_slip() -> None:
    dims = Dims({"hidden": 3}, names=("hidden", "seq"))
    with pytest.raises(Unsolved):
        dims["seq"]
    with pytest.raises(UnknownDimError, match="no dim 'sek': the ports speak of hidden, seq"):
        dims["sek"]
    assert dims.get("sek", 7) == 7
    assert "sek" not in dims
    with pytest.raises(Unsolved):
        Dims()["sek"]
