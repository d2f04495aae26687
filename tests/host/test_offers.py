"""A component is looked over when it is offered: its class's faults are told as its distribution's."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Literal

import pytest
from pydantic import Field, model_validator

from consilience.declare import (
    SECTIONS,
    Balancer,
    Checkpoint,
    Component,
    Float,
    GradientBalancer,
    Input,
    Int,
    Loss,
    Many,
    Metric,
    Module,
    Number,
    Ports,
    Resource,
    Source,
    Text,
    Tuner,
)
from consilience.host import Registry
from consilience.host._offers import first_wrong

ONE = Float["batch width"]


def build(self: Any, dims: Any) -> Any:
    return None


def made(kind: type[Component], /, name: str | None = None, **attributes: Any) -> type[Component]:
    """Makes a component class `Own` that is right but for what is given."""
    own: dict[str, Any] = {"__module__": __name__, "build": build, "open": lambda self: None, "apply": build}
    if kind in (Input, Module):
        own |= {"inputs": Ports(x=ONE), "outputs": Ports(y=ONE)}
    own = {key: value for key, value in (own | attributes).items() if value is not ...}
    with warnings.catch_warnings(action="ignore"):  # pydantic's own, of a key that shadows an attribute
        return type(kind)("Own", (kind,), own, name=name)


def key(annotation: Any, *default: Any, named: str = "size") -> dict[str, Any]:
    return {"__annotations__": {named: annotation}, **({named: default[0]} if default else {})}


def classvar(name: str) -> dict[str, Any]:
    return {"__annotations__": {name: ClassVar[Any]}}


WRONG = {
    "ports as a mapping": (made(Module, inputs={"a": ONE}), "inputs", "Ports"),
    "a port for ports": (made(Module, outputs=ONE), "outputs", "Ports"),
    "ports for a target": (made(Loss, target=Ports(a=ONE)), "target", "one port, or None"),
    "many for a target": (made(Metric, target=Many(ONE)), "target", "one port, or None"),
    "a key for ports": (made(Module, **key(str, "x", named="inputs")), "inputs", "a key of another name"),
    "a variadic output": (made(Module, outputs=Ports(y=Many(ONE))), "outputs.y", "outputs of one tensor"),
    "an output of texts": (made(Input, outputs=Ports(y=Text["batch"])), "outputs.y", "outputs that are tensors"),
    "each of no dim": (
        made(Module, inputs=Ports(x=Many(ONE, each=("wide",)))),
        "wide",
        "dims of the port: batch, width",
    ),
    "below no dim": (made(Input, outputs=Ports(y=Int["batch"].below("widht"))), "widht", "its dims: batch, width"),
    "a number that is given": (made(Module, outputs=Ports(y=Number["batch"])), "outputs.y", "Float, Int or Bool"),
    "dims that no input tells": (
        made(Module, outputs=Ports(y=Float["batch *more"])),
        "outputs.y",
        "nothing that is read",
    ),
    "an axis that no input tells": (made(Module, outputs=Ports(y=Float["batch ?seq"])), "outputs.y", "has ?seq"),
    "any dims": (made(Module, outputs=Ports(y=Float["batch ..."])), "outputs.y", "nothing that is read has ..."),
    "a name with two meanings": (
        made(Module, inputs=Ports(x=Float["batch ?seq"], z=Float["batch seq"])),
        "with seq where ?seq stands elsewhere",
        "seq written one way",
    ),
    "a sum of no dim": (
        made(Module, outputs=Ports(y=Float["batch width+more"])),
        "width+more",
        "sums and products of its dims (batch, width, width+more)",
    ),
    "a sum of dims of several tensors": (
        made(Module, inputs=Ports(x=Many(Float["batch 2*width"]))),
        "2*width",
        "dims of several tensors that are no sums",
    ),
    "a static size of no dim": (
        made(Module, static=("with",)),
        "static speaks of with",
        "dims of its ports: batch, width",
    ),
    "static sizes in a text": (made(Module, static="width"), "static is no tuple", "the dims that build asks for"),
    "a mapping of no dim": (made(Module, mapped={"width": "wide"}), "mapped speaks of wide", "dims of its ports"),
    "a mapping that is none": (made(Module, mapped=("width",)), "mapped is no mapping", "the dim they are mapped from"),
    "a port named target": (made(Loss, inputs=Ports(target=ONE)), "target", "beside the inputs"),
    "a value a token": (made(Loss, value=Float["batch seq"]), "value", 'Float["batch"], one sum an example'),
    "a value of counts": (made(Loss, value=Int["batch"]), "value", 'Float["batch"], one sum an example'),
    "a name with a dash": (made(Module, name="own-head"), "'own-head'", "letters, digits and underscores"),
    "a flag of text": (made(Input, is_random="no"), "is_random", "True or False"),
    "a loss's weight": (made(Loss, **key(float, 1.0, named="weight")), "weight", "keys other than the node's own"),
    "a source's map": (made(Source, **key(str, "x", named="map")), "map", "keys other than the node's own"),
    "an alias that is in": (made(Module, **key(str, Field("x", alias="in"))), "in", "keys other than the node's own"),
    "a default below its bound": (made(Module, **key(int, Field(0, ge=1))), "size is 0", "greater than or equal to 1"),
    "a default of another type": (made(Module, **key(int, "x")), "size is 'x'", "a valid integer"),
    "a default that is no choice": (made(Module, **key(Literal["a", "b"], "c")), "size is 'c'", "'a' or 'b'"),
    "a source that does not open": (made(Source, open=...), "open", "the method open"),
    "a tuner that does not apply": (made(Tuner, apply=...), "apply", "the method apply"),
    "a checkpoint that loads nothing": (made(Checkpoint), "config", "the method config"),
    **{
        f"{kind.kind} that does not build": (made(kind, build=...), "build", "the method build")
        for kind in (Input, Module, Loss, Metric, Balancer)
    },
    "dims that are told nothing": (made(Module, dims=lambda self: {}), "dims takes (self)", "dims(self, known)"),
    "dims that are a property": (
        made(Module, dims=property(lambda self: {})),
        "dims is a property",
        "dims(self, known)",
    ),
    "dims that are a mapping": (made(Module, dims={}, **classvar("dims")), "dims is no method", "dims(self, known)"),
    "an input that examines no sample": (
        made(Input, examine=lambda self: []),
        "examine takes (self)",
        "the method examine(self, sample)",
    ),
    "a resource that asks for a sample": (
        made(Resource, examine=lambda self, sample: []),
        "examine takes (self, sample)",
        "the method examine(self)",
    ),
    "splits of something": (made(Source, splits=lambda self, rows: None), "splits takes", "splits(self)"),
    "layers without sizes": (made(Module, linear_layers=lambda self: []), "linear_layers takes", "(self, dims)"),
    "a tuner's faults without sizes": (made(Tuner, faults_on=lambda self, module: []), "takes", "(self, module, dims)"),
    "a static method too many": (made(Input, dims=staticmethod(lambda self, known: {})), "takes", "dims(self, known)"),
    "a build of names": (made(Module, build=lambda self, *, dims: None), "takes (self, *, dims)", "build(self, dims)"),
    "a build of a balancer": (made(Balancer, build=lambda self: None), "build takes (self)", "build(self, losses)"),
    "no build of a gradient balancer": (
        made(GradientBalancer, build=...),
        "which has no build of its own",
        "the method build",
    ),
    "what a gradient balancer sees": (
        made(GradientBalancer, build=lambda self, objectives: None, sees="gramian"),
        "whose sees is 'gramian'",
        "Sees.GRAMIAN",
    ),
    "another kind": (made(Module, kind="gadget"), "no component of a kind", "a subclass of one of"),
}


@pytest.mark.parametrize(("component", "attribute", "expected"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_with_its_class_and_attribute(
    component: type[Component], attribute: str, expected: str
) -> None:
    wrong = first_wrong(component)
    assert wrong is not None
    assert wrong.found.startswith("Own, ")
    assert attribute in wrong.found
    assert expected in wrong.expected


@pytest.mark.parametrize("kind", [*SECTIONS.values(), Tuner, Balancer, Checkpoint, Component])
def test_a_kind_is_no_component_of_it(kind: type[Component]) -> None:
    wrong = first_wrong(kind)
    assert wrong is not None
    assert "no component of a kind" in wrong.found


RIGHT = {
    **{kind.kind: made(kind) for kind in (Input, Module, Loss, Metric, Tuner, Balancer, Resource, Source)},
    "a required key with bounds": made(Module, **key(int, Field(ge=1))),
    "a module's weight": made(Module, **key(float, 1.0, named="weight")),
    "a number that is read": made(Loss, inputs=Ports(x=ONE), target=Number["batch"]),
    "dims that an input tells": made(
        Module, inputs=Ports(x=Float["batch ?seq width"]), outputs=Ports(y=Float["batch ?seq 2*width"])
    ),
    "a product with a key": made(Module, outputs=Ports(y=Float["batch size*width"]), **key(int, 1)),
    "a product with a key that may be left out": made(
        Module, outputs=Ports(y=Float["batch size*width"]), **key(int | None, None)
    ),
    "a sum that is stated": made(
        Module, outputs=Ports(y=Float["batch width+more"]), dims=lambda self, known: {"more": 3}
    ),
    "static and mapped dims": made(
        Module, outputs=Ports(y=Float["batch wide"]), static=("width",), mapped={"wide": "width"}
    ),
    "methods that take what they are given": made(
        Module,
        dims=staticmethod(lambda known: {}),
        faults_with=classmethod(lambda own, dims: ()),
        linear_layers=lambda self, *sizes: [],
        build=lambda self, sizes, dropout=0.1: None,
    ),
    "one number": made(Loss, value=Float[""]),
    "a stated bound": made(Input, outputs=Ports(y=Int["batch"].below("vocab")), dims=lambda self, known: {"vocab": 3}),
    "labels that no score goes with": made(Loss, inputs=Ports(x=ONE), target=Int["batch"].below("classes")),
    "a bound handed on": made(
        Input, inputs=Ports(x=Int["batch"].below("v")), outputs=Ports(y=Int["batch seq"].below("v"))
    ),
}


@pytest.mark.parametrize("component", RIGHT.values(), ids=RIGHT)
def test_what_is_right_is_taken(component: type[Component]) -> None:
    assert first_wrong(component) is None


def test_the_keys_of_every_node_are_its_own() -> None:
    for section, kind in SECTIONS.items():
        node = {"in_": "x"} if section in ("inputs", "modules", "losses", "metrics") else {}
        wrong = first_wrong(made(kind, **key(str, "x", named="use")))
        assert wrong is not None
        assert all(name.rstrip("_") in wrong.expected for name in node)


def test_a_validator_of_the_plugin_s_own_is_not_asked_for_a_verdict() -> None:
    class Own(Module):
        size: int = 1
        other: str
        inputs: ClassVar = Ports(x=ONE)
        outputs: ClassVar = Ports(y=ONE)

        @model_validator(mode="before")
        @classmethod
        def needs_other(cls, value: Any) -> Any:
            return {**value, "other": value["other"]}

        build = build

    assert first_wrong(Own) is None


def test_everything_that_is_installed_passes() -> None:
    registry = Registry()
    for namespace in registry.namespaces():
        if namespace in ("standard", "complexity", "knowledge", "linguistics", "psychology", "torchjd"):
            assert registry.load(namespace) is None
    assert registry.components()
    assert all(first_wrong(offer.component) is None for offer in registry.components())


def test_the_distribution_is_named(install: Any, registry: Any) -> None:
    install(
        "own",
        """
        from consilience.declare import Float, Module, Ports, hookimpl

        class Head(Module):
            inputs = {"a": Float["batch"]}

        @hookimpl
        def consilience_components():
            return [Head]
        """,
    )
    assert str(registry().load("own")) == (
        "error CN207 at the file\n"
        "  found     own-own offers Head, whose inputs is a value of type dict\n"
        "  expected  Ports\n"
        '  fix       # mend own-own: inputs = Ports(features=Float["batch hidden"])'
    )
