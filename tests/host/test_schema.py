"""The JSON Schema of the fusion file: what it says, of which components, and that it accepts what the check accepts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, get_args

import pytest
from jsonschema import Draft7Validator
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import core_schema

from consilience.declare import (
    SECTIONS,
    Component,
    Field,
    Float,
    Fusion,
    Mixing,
    Module,
    Objective,
    Ports,
    TrainingKeys,
    hookimpl,
)
from consilience.declare._reader import read_file
from consilience.host import Registry, schema

sys.path.insert(0, str(Path(__file__).parent))
import tiny_plugin

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden" / "tiny.schema.json"
REWRITE = "CONSILIENCE_GOLDEN"
"""Set to 1, the golden file is written anew: CONSILIENCE_GOLDEN=1 python -m pytest tests/host/test_schema.py."""

Install = Callable[..., None]


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    return schema(Registry())


@pytest.fixture(scope="module")
def tiny() -> dict[str, Any]:
    registry = Registry(found=[])
    registry.register(tiny_plugin, "tiny")
    return schema(registry)


def of(*components: type[Component]) -> dict[str, Any]:
    """Gives the schema of a registry with these components alone, in the namespace `own`."""
    hook = hookimpl(specname="consilience_components")(lambda: list(components))
    registry = Registry(found=[])
    registry.register(SimpleNamespace(consilience_components=hook), "own")
    return schema(registry)


def test_the_schema_of_a_tiny_plugin_is_the_golden_one(tiny: dict[str, Any]) -> None:
    definitions = {name: part for name, part in tiny["definitions"].items() if not name.startswith("source")}
    parts = {"modules": tiny["properties"]["modules"], "definitions": definitions}
    text = json.dumps(parts, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get(REWRITE) == "1":
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8"), f"set {REWRITE}=1 to write it anew, if it shall change"


@pytest.mark.parametrize("name", ["written", "tiny"])
def test_it_is_a_schema(name: str, request: pytest.FixtureRequest) -> None:
    made = request.getfixturevalue(name)
    Draft7Validator.check_schema(made)
    assert made["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert made["$id"] == "urn:consilience:fusion-file:1"
    assert made["title"]
    assert made["description"]


def test_without_plugins_it_is_a_schema_too() -> None:
    made = schema(Registry(found=[]))
    Draft7Validator.check_schema(made)
    assert Draft7Validator(made).is_valid({"consilience": 1, "name": "empty", "modules": {}})


def test_it_is_the_same_in_every_process_and_brings_nothing_heavy() -> None:
    heavy = ["torch", "transformers", "datasets", "numpy", "pandas", "rdflib", "peft", "torchmetrics", "sklearn"]
    code = (
        "import json, sys\nfrom consilience.host import schema\nprint(json.dumps(schema()))\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    printed = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.endswith("\n[]\n")
        printed.add(done.stdout)
    assert len(printed) == 1


def test_every_component_and_every_key_of_one_is_there_with_what_it_says_of_itself(written: dict[str, Any]) -> None:
    registry = Registry()
    registry.plugins()
    assert len(registry.components()) > 40
    for offer in registry.components():
        definition = written["definitions"][f"{offer.component.kind}.{offer.name}"]
        assert definition["title"] == offer.name
        assert definition["additionalProperties"] is False
        descriptions = offer.component.descriptions()
        for name, info in offer.component.model_fields.items():
            said = definition["properties"][info.alias or name]["description"]
            assert " ".join(said.split()).startswith(" ".join(descriptions[name].split()))


def test_every_key_of_the_file_itself_is_described(written: dict[str, Any]) -> None:
    for key, section in written["properties"].items():
        assert section.get("description") or key == "name", key
    for key in TrainingKeys.model_fields:
        assert written["properties"]["train"]["properties"][key]["description"], key


def test_a_plugin_at_fault_is_left_out(install: Install, registry: Callable[[], Registry]) -> None:
    install("broken", "import nothing_of_this_name")
    install("whole", "from tiny_plugin import consilience_components, consilience_label_spaces")
    found = registry()
    made = schema(found)
    assert [info.namespace for info in found.plugins() if info.fault] == ["broken"]
    assert "module.whole.mean" in made["definitions"]
    assert not [name for name in made["definitions"] if "broken" in name]


# What the file may say, and what it may not


def faults(made: dict[str, Any], **sections: Any) -> list[str]:
    """Gives the dotted paths at which a file is refused; `modules` where one of several forms would have been right."""
    validator = Draft7Validator(made)
    errors = validator.iter_errors({"consilience": 1, "name": "x", **sections})
    return sorted({".".join(map(str, error.absolute_path)) for error in errors})


@pytest.mark.parametrize(
    "module",
    [
        {"use": "tiny.mean", "in": "weigh"},
        {"use": "tiny.mean", "in": "weigh.weights"},
        {"use": "tiny.mean", "in": ["weigh"]},
        {"use": "tiny.mean", "in": {"weights": "weigh.weights", "mask": ["weigh"]}},
        {"use": "tiny.mean", "in": "weigh", "tune": "tiny.half"},
        {"use": "tiny.mean", "in": "weigh", "tune": {"use": "tiny.half", "first": True}},
        {"use": "tiny.mean", "in": "weigh", "tune": {"use": "tiny.part", "names": ["a"]}},
        {"use": "tiny.mean", "in": "weigh", "lexicon": "words", "of": None, "rounding": None, "width": 3},
        {"use": "tiny.mean", "in": "weigh", "rate": [{"value": 0.1, "stage": "late", "before": {"value": 0.2}}]},
        {"use": "tiny.sum", "in": {"parts": ["first", "second"]}},
        {"share": "first", "in": {"whatever": "weigh"}},
    ],
    ids=json.dumps,
)
def test_a_module_that_is_right(tiny: dict[str, Any], module: dict[str, Any]) -> None:
    assert faults(tiny, modules={"first": module}) == []


@pytest.mark.parametrize(
    ("module", "place"),
    [
        ({}, ""),
        ({"use": "tiny.men", "in": "weigh"}, "use"),
        ({"use": "tiny.distance", "in": "weigh"}, "use"),
        ({"use": "tiny.mean"}, ""),
        ({"use": "tiny.mean", "in": "weigh", "rating": 1}, ""),
        ({"use": "tiny.mean", "in": "weigh", "rates": []}, ""),
        ({"use": "tiny.mean", "in": " "}, "in"),
        ({"use": "tiny.mean", "in": []}, "in"),
        ({"use": "tiny.mean", "in": {}}, "in"),
        ({"use": "tiny.mean", "in": {"mask": "weigh"}}, "in"),
        ({"use": "tiny.mean", "in": {"weights": "weigh", "words": "weigh"}}, "in"),
        ({"use": "tiny.mean", "in": {"weights": ["weigh", "weigh"]}}, "in.weights"),
        ({"use": "tiny.mean", "in": "weigh", "width": 0}, "width"),
        ({"use": "tiny.mean", "in": "weigh", "rounding": "off"}, "rounding"),
        ({"use": "tiny.mean", "in": "weigh", "of": 1}, "of"),
        ({"use": "tiny.mean", "in": "weigh", "tune": "tiny.hal"}, "tune"),
        ({"use": "tiny.mean", "in": "weigh", "tune": "tiny.part"}, "tune"),
        ({"use": "tiny.mean", "in": "weigh", "tune": {"use": "tiny.half", "names": []}}, "tune"),
        ({"use": "tiny.mean", "in": "weigh", "tune": {"use": "tiny.half", "first": 1}}, "tune.first"),
        ({"use": "tiny.mean", "in": "weigh", "rate": [{"value": 1}]}, "rate.0.value"),
        ({"use": "tiny.mean", "in": "weigh", "target": "label"}, ""),
        ({"use": "tiny.mean", "share": "other", "in": "weigh"}, ""),
        ({"share": "other"}, ""),
        ({"share": "other", "in": "weigh", "tune": "tiny.half"}, ""),
    ],
    ids=json.dumps,
)
def test_a_module_that_is_wrong_and_where(tiny: dict[str, Any], module: dict[str, Any], place: str) -> None:
    assert faults(tiny, modules={"first": module}) == [".".join(filter(None, ["modules.first", place]))]


@pytest.mark.parametrize(
    ("field", "places"),
    [
        ("text", []),
        ({"category": ["dull", "fine"]}, []),
        ({"numbers": "tiny.mood"}, []),
        ("category", ["fields.one"]),
        ({"text": ["a", "b"]}, ["fields.one"]),
        ({"category": ["dull"]}, ["fields.one.category"]),
        ({"category": ["dull", "dull"]}, ["fields.one.category"]),
        ({"category": ["dull", " "]}, ["fields.one.category.1"]),
        ({"category": "tiny.moods"}, ["fields.one.category"]),
        ({"category": ["a", "b"], "numbers": ["a", "b"]}, ["fields.one"]),
        ({}, ["fields.one"]),
    ],
    ids=json.dumps,
)
def test_a_field(tiny: dict[str, Any], field: Any, places: list[str]) -> None:
    assert faults(tiny, fields={"one": field}) == places


def test_the_other_sections(tiny: dict[str, Any]) -> None:
    right: dict[str, Any] = {
        "resources": {"words": {"use": "tiny.lexicon", "path": "words.txt"}},
        "sources": {
            "rows": {
                "use": "tiny.rows",
                "map": {"text": "t", "mood": {"column": "m", "space": "tiny.mood"}},
                "where": {"a": 1, "b": True},
                "split": {"test": 0.1, "train": 10},
            }
        },
        "losses": {"loss": {"use": "tiny.distance", "in": "sum", "target": "mood", "weight": 2, "discipline": "x"}},
        "objective": {"balance": "tiny.even", "weights": {"task": 1, "tiny": 0, "x": 0.5}},
        "train": {"epochs": 0.5, "optim": "sgd", "max_steps": None},
    }
    assert faults(tiny, **right) == []
    wrong: list[tuple[list[str | int], Any, str]] = [
        (["name"], "-x", "name"),
        (["name"], "x" * 101, "name"),
        (["consilience"], 2, "consilience"),
        (["resources", "words", "path"], "", "resources.words.path"),
        (["resources", "a-b"], {"use": "tiny.lexicon", "path": "x"}, "resources"),
        (["sources", "rows", "split", "trian"], 1, "sources.rows.split"),
        (["sources", "rows", "split", "train"], 0, "sources.rows.split.train"),
        (["sources", "rows", "map", "mood"], {"space": "tiny.mood"}, "sources.rows.map.mood"),
        (["sources", "rows", "count"], 101, "sources.rows.count"),
        (["losses", "loss", "weight"], -1, "losses.loss.weight"),
        (["objective", "balance"], "fixed", "objective.balance"),
        (["objective", "weights", "tiny"], -1, "objective.weights.tiny"),
        (["train", "epochs"], 0, "train.epochs"),
        (["train", "fp17"], True, "train"),
        (["modles"], {}, ""),
    ]
    for path, value, place in wrong:
        file = json.loads(json.dumps({"consilience": 1, "name": "x", **right}))
        inner = file
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        assert faults(tiny, **file) == [place], path


def test_names_in_any_alphabet_are_names(tiny: dict[str, Any]) -> None:
    assert faults(tiny, name="Ünïcode 1.0-β", fields={"größe": "number", "字": "text", "_a1": "text"}) == []


# Types of keys that a plugin may come with


class _Colour:
    """A type of a plugin's own, that JSON Schema knows nothing of."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(lambda value: value)


class _Sick(BaseModel):
    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> Any:
        raise RuntimeError("no schema of mine")


class _Built(Module):
    inputs = Ports(x=Float["batch"])
    outputs = Ports(y=Float["batch"])

    def build(self, dims: Any) -> Any:
        raise NotImplementedError


def test_a_type_without_a_schema_may_be_anything() -> None:
    class Painted(_Built):
        """Painted."""

        colour: _Colour = Field(default_factory=_Colour)
        """Its colour."""
        width: int = 1

    made = of(Painted)
    keys = made["definitions"]["module.own.painted"]["properties"]
    assert keys["colour"] == {"description": "Its colour."}
    assert faults(made, modules={"a": {"use": "own.painted", "in": "b", "colour": {"r": 1}}}) == []
    assert faults(made, modules={"a": {"use": "own.painted", "in": "b", "width": "1"}}) == ["modules.a.width"]


def test_a_type_that_fails_to_tell_its_schema_takes_no_other_key_along() -> None:
    class Unwell(_Built):
        """Unwell."""

        sick: _Sick = Field(default_factory=_Sick)
        width: int = 1

    made = of(Unwell)
    assert faults(made, modules={"a": {"use": "own.unwell", "in": "b", "sick": {}, "width": 1}}) == []
    assert faults(made, modules={"a": {"use": "own.unwell", "in": "b", "sck": {}}}) == ["modules.a"]


def test_a_component_that_takes_any_key_is_open() -> None:
    class Open(_Built):
        """Open."""

        model_config = ConfigDict(extra="allow")

    assert faults(of(Open), modules={"a": {"use": "own.open", "in": "b", "anything": 1}}) == []


def test_a_pattern_that_javascript_does_not_know_is_left_to_the_check() -> None:
    class Named(_Built):
        """Named."""

        plain: str = Field("a", pattern=r"^[a-z]+$")
        other: str = Field("a", pattern=r"^(?i:a)\z")

    keys = of(Named)["definitions"]["module.own.named"]["properties"]
    assert keys["plain"]["pattern"] == "^[a-z]+$"
    assert "pattern" not in keys["other"]


def test_a_key_named_as_a_word_of_json_schema_is_a_key() -> None:
    class Words(_Built):
        """Words."""

        title: str = "x"
        """The title."""
        default: int | None = None
        """The default."""
        properties: Literal["a", "b"] = "a"
        """The properties."""

    keys = of(Words)["definitions"]["module.own.words"]["properties"]
    assert keys["title"]["description"] == "The title."
    assert keys["default"]["type"] == ["integer", "null"]
    assert keys["properties"]["enum"] == ["a", "b"]


# The schema beside pydantic, key by key

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 7, 10**6, 2**32, 0.5, 1.5, -0.5, 1e-9),
    *("", "a", " ", "null", "mean", "full", "csv", ",", "psychology.ekman", "train"),
    *([], ["a"], ["a", "b"], [""], [1], [0.5, 1], [-1], ["rdfs:label"]),
    *({}, {"a": 1}, {"a": "b"}, {"a": {"b": 1}}, {"train": 1}, {"train": 0}, {"train": 0.5}, {"x": 1}),
]


def keys_beside_their_schemas(written: dict[str, Any]) -> Iterator[tuple[type[BaseModel], dict[str, Any], str, Any]]:
    registry = Registry()
    registry.plugins()
    for offer in registry.components():
        properties = written["definitions"][f"{offer.component.kind}.{offer.name}"]["properties"]
        for name, info in offer.component.model_fields.items():
            key = info.alias or name
            yield offer.component, {}, key, properties[key]
    for key, own in written["properties"]["train"]["properties"].items():
        yield TrainingKeys, {}, key, own
    for key, own in written["properties"]["mixing"]["properties"].items():
        yield Mixing, {}, key, own
    yield Objective, {}, "weights", written["properties"]["objective"]["properties"]["weights"]
    node = get_args(Fusion.model_fields["sources"].annotation)[1]
    for key in {*node.model_fields} - {"use"}:
        yield node, {"use": "table", "map": {}}, key, written["definitions"]["source.table"]["properties"][key]
    node = get_args(Fusion.model_fields["losses"].annotation)[1]
    for key in ("weight", "discipline"):
        yield node, {"use": "mse"}, key, written["definitions"]["loss.mse"]["properties"][key]


def test_every_key_takes_what_the_check_takes_and_nothing_else(written: dict[str, Any]) -> None:
    compared = 0
    for model, base, key, own in keys_beside_their_schemas(written):
        validator = Draft7Validator({**own, "definitions": written["definitions"]})
        for value in VALUES:
            try:
                model.model_validate_json(json.dumps({**base, key: value}), strict=True, context={"base": "."})
                is_taken = True
            except ValidationError as error:
                is_taken = not any(detail["loc"][:1] == (key,) for detail in error.errors())
            assert validator.is_valid(value) == is_taken, f"{model.__name__}.{key}: {value!r}"
            compared += 1
    assert compared > 3000


def test_the_names_of_entries_are_whole_numbers_where_the_check_asks_for_them(written: dict[str, Any]) -> None:
    own = written["definitions"]["loss.complexity.state_distillation"]["properties"]["layers"]
    validator = Draft7Validator({**own, "definitions": written["definitions"]})
    assert validator.is_valid({"1": 2})
    assert not validator.is_valid({"first": 2})


# The files of the repository


def test_the_example_is_right(written: dict[str, Any]) -> None:
    found = sorted((ROOT / "examples").rglob("*.yaml"))
    files = [
        file for file in found if not (file.parent / "pyproject.toml").exists()
    ]  # a plugin's own are tried with it
    assert files
    for file in files:
        assert list(Draft7Validator(written).iter_errors(read_file(file).value)) == []


def test_every_section_of_the_file_is_in_the_schema(written: dict[str, Any]) -> None:
    assert list(written["properties"]) == list(Fusion.model_fields)
    assert {*SECTIONS} < {*written["properties"]}
