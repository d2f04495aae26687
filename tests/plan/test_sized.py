"""What components tell of their solved sizes, tuners of the modules they are put on, and whom a fix names instead."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from consilience import Fusion
from consilience.declare import Dims, Fault, Float, Input, Loss, Module, Ports, Resource, Severity, Text, Tuner, Use
from consilience.errors import Diagnostic
from consilience.host import Registry
from consilience.plan import survey

Toy = Callable[..., Registry]

ASKED: list[str] = []


class Store(Resource):
    """Has a number."""

    number: int = 0


class Reader(Input):
    """Gives a vector of a width."""

    width: int = 4
    inputs = Ports(text=Text["batch"])
    outputs = Ports(vector=Float["batch width"])

    def dims(self, known: Dims) -> Mapping[str, int]:
        return {"width": self.width}


class Body(Module):
    """Has the layers that it is told to have."""

    layers: list[str] | None = None
    most: int = 99
    inputs = Ports(vector=Float["batch width"])
    outputs = Ports(vector=Float["batch width"])

    def linear_layers(self, dims: Dims) -> Iterable[str] | None:
        return self.layers

    def faults_with(self, dims: Dims) -> Iterable[Fault]:
        ASKED.append("body")
        if dims["width"] > self.most:
            yield Fault("CN123", "most", f"{self.most}", f"at least {dims['width']}", f"most: {dims['width']}")


class Size(Loss):
    """Shrinks a body that has layers."""

    of: Use[Module]
    value = Float[""]
    has_parameters: ClassVar[bool] = True

    def faults_with(self, dims: Dims) -> Iterable[Fault]:
        if dims.of(self.of).get("width") and not self.of.declared.linear_layers(dims.of(self.of)):
            yield Fault("CN481", "of", str(self.of.name), "a body with layers", "# name under of a body with layers")


class Sum(Loss):
    """Adds up."""

    inputs = Ports(vector=Float["batch width"])


class Picky(Tuner):
    """Wants one layer."""

    def faults_on(self, module: Module, dims: Dims) -> Iterable[Fault]:
        ASKED.append("tuner")
        layers = module.linear_layers(dims)
        if layers is not None and "one" not in layers:
            yield Fault("CN450", "", f"width {dims['width']}", "a layer one", "tune: full")


@pytest.fixture
def told(toy: Toy, tmp_path: Path) -> Callable[..., list[Diagnostic]]:
    registry = toy(Store, Reader, Body, Size, Sum, Picky)
    (tmp_path / "rows.csv").write_text("text\na\n")

    def survey_of(modules: Mapping[str, Mapping[str, Any]], **losses: Mapping[str, Any]) -> list[Diagnostic]:
        ASKED.clear()
        written = {
            "consilience": 1,
            "name": "toys",
            "fields": {"text": "text"},
            "sources": {"rows": {"use": "table", "path": "rows.csv", "map": {"text": "text"}}},
            "inputs": {"read": {"use": "toy.reader", "in": "text"}},
            "modules": {name: {"in": "read", **keys} for name, keys in modules.items()},
            "losses": {f"{name}_sum": {"use": "toy.sum", "in": name} for name in modules} | losses,
        }
        fusion = Fusion.parse(json.dumps(written), tmp_path)
        return [item for item in survey(fusion, registry).diagnostics if item.severity is Severity.ERROR]

    return survey_of


def brief(found: list[Diagnostic]) -> list[tuple[str, str, str]]:
    return [(item.code, item.where, item.fix) for item in found]


def test_a_component_judges_its_solved_sizes(told: Callable[..., list[Diagnostic]]) -> None:
    assert told({"body": {"use": "toy.body"}}) == []
    assert brief(told({"body": {"use": "toy.body", "most": 3}})) == [("CN123", "modules.body.most", "most: 4")]


def test_a_shared_module_is_asked_once(told: Callable[..., list[Diagnostic]]) -> None:
    found = told({"body": {"use": "toy.body", "most": 3}, "again": {"share": "body"}})
    assert [item.where for item in found] == ["modules.body.most"]
    assert ASKED == ["body"]


def test_a_tuner_judges_the_module(told: Callable[..., list[Diagnostic]]) -> None:
    assert told({"body": {"use": "toy.body", "tune": "toy.picky", "layers": ["one"]}}) == []
    assert told({"body": {"use": "toy.body", "tune": "toy.picky"}}) == []
    [fault] = told({"body": {"use": "toy.body", "tune": "toy.picky", "layers": ["two"]}})
    assert (fault.code, fault.where, fault.found, fault.fix) == ("CN450", "modules.body.tune", "width 4", "tune: full")


def test_what_is_at_fault_already_is_not_asked(told: Callable[..., list[Diagnostic]]) -> None:
    found = told({"body": {"use": "toy.body", "most": "three", "tune": {"use": "toy.picky", "how": 1}}})
    assert [item.where for item in found] == ["modules.body.most", "modules.body.tune.how"]
    assert ASKED == []


def test_a_fault_of_the_wiring_hides_no_fault_of_the_tuner(told: Callable[..., list[Diagnostic]]) -> None:
    found = told({"body": {"use": "toy.body", "in": "reed", "tune": "toy.picky", "layers": ["two"]}})
    assert [item.code for item in found][:1] == ["CN210"]
    assert "tuner" in ASKED  # and it cannot say more, since the width is not known


def test_a_component_that_fails_to_judge_is_told(toy: Toy, tmp_path: Path) -> None:
    class Broken(Module):
        """Fails."""

        inputs = Ports(vector=Float["batch width"])
        outputs = Ports(vector=Float["batch width"])

        def faults_with(self, dims: Dims) -> Iterable[Fault]:
            raise RuntimeError("no judgement")

    text = """
consilience: 1
name: toys
fields: {text: text}
sources: {rows: {use: table, path: rows.csv, map: {text: text}}}
inputs: {read: {use: toy.reader, in: text}}
modules: {broken: {use: toy.broken, in: read}}
losses: {sum: {use: toy.sum, in: broken}}
"""
    (tmp_path / "rows.csv").write_text("text\na\n")
    found = survey(Fusion.parse(text, tmp_path), toy(Reader, Broken, Sum)).errors
    [fault] = [item for item in found if item.code == "CN207"]
    assert fault.where == "modules.broken"
    assert "no judgement" in fault.found


def test_a_fix_names_another_node_that_would_do(told: Callable[..., list[Diagnostic]]) -> None:
    modules = {
        "bare": {"use": "toy.body", "layers": []},
        "bald": {"use": "toy.body", "layers": []},
        "dressed": {"use": "toy.body", "layers": ["one"]},
        "again": {"share": "dressed"},
        "robed": {"use": "toy.body", "layers": ["one"]},
    }
    found = told(modules, size={"use": "toy.size", "of": "bare"})
    assert brief(found) == [("CN481", "losses.size.of", "of: dressed")]
    assert told(modules, size={"use": "toy.size", "of": "dressed"}) == []


def test_where_none_would_do_the_fix_stays(told: Callable[..., list[Diagnostic]]) -> None:
    found = told({"bare": {"use": "toy.body", "layers": []}}, size={"use": "toy.size", "of": "bare"})
    assert brief(found) == [("CN481", "losses.size.of", "# name under of a body with layers")]


class Mumbling(Module):
    """Gives, in place of a fault, what it is told to give."""

    part: str
    inputs = Ports(vector=Float["batch width"])
    outputs = Ports(vector=Float["batch width"])

    def faults(self) -> Iterable[Fault]:
        parts: dict[str, Any] = {"code": "CN123", "key": "", "found": "f", "expected": "e", "fix": "# x"}
        yield Fault(**{**parts, self.part: None})


@pytest.mark.parametrize("part", ["code", "key", "found", "expected", "fix"])
def test_a_fault_that_is_none_is_its_plugins(toy: Toy, part: str) -> None:
    fusion = Fusion.model_validate(
        {
            "consilience": 1,
            "name": "mumbling",
            "fields": {"text": "text"},
            "sources": {"all": {"use": "csv", "path": "all.csv", "map": {"text": "text"}}},
            "inputs": {"reader": {"use": "toy.reader", "in": "text"}},
            "modules": {"head": {"use": "toy.mumbling", "part": part, "in": "reader"}},
            "losses": {"sum": {"use": "toy.sum", "in": "head"}},
        }
    )
    found = survey(fusion, toy(Reader, Mumbling, Sum)).diagnostics
    [fault] = [item for item in found if item.code == "CN207"]
    assert fault.where == "modules.head"
    assert fault.found.endswith(f"toy gives a fault whose {part} is no text, of mumbling")
    assert str(fault)


@pytest.mark.parametrize("part", ["code", "found", "expected", "fix"])
def test_the_key_of_a_fault_alone_may_be_empty(part: str) -> None:
    parts: dict[str, Any] = {"code": "CN123", "key": "", "found": "f", "expected": "e", "fix": "# x"}
    assert Fault(**parts).at("modules", "head").path == ("modules", "head")
    with pytest.raises(TypeError, match=f"a fault whose {part} is empty"):
        Fault(**{**parts, part: ""})


@pytest.mark.parametrize(("answer", "says"), [("one", "linear_layers gives"), (1 / 1, "TypeError"), (None, "no way")])
def test_what_a_module_says_wrongly_of_its_layers_is_its_own(toy: Toy, answer: Any, says: str) -> None:
    class Wrong(Module):
        """Cannot say its layers."""

        inputs = Ports(vector=Float["batch width"])
        outputs = Ports(vector=Float["batch width"])

        def linear_layers(self, dims: Dims) -> Iterable[str] | None:
            if answer is None:
                raise ZeroDivisionError("no way")
            return answer  # type: ignore[no-any-return]

    fusion = Fusion.model_validate(
        {
            "consilience": 1,
            "name": "wrong",
            "fields": {"text": "text"},
            "sources": {"all": {"use": "csv", "path": "all.csv", "map": {"text": "text"}}},
            "inputs": {"reader": {"use": "toy.reader", "in": "text"}},
            "modules": {"head": {"use": "toy.wrong", "in": "reader", "tune": {"use": "lora"}}},
            "losses": {"sum": {"use": "toy.sum", "in": "head"}},
        }
    )
    [fault] = [item for item in survey(fusion, toy(Reader, Wrong, Sum)).diagnostics if item.code == "CN207"]
    assert fault.where == "modules.head"
    assert "toy fails to check wrong" in fault.found
    assert says in fault.found
