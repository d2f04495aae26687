"""The shape of a fusion: each fault with its code, its place and a fix that can be pasted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from consilience.declare import FIELD_TYPES, Field, Float, Fusion, Location, Module, Ports, Use, diagnostics_of
from consilience.declare._paste import paste
from consilience.declare._reader import read_text
from consilience.errors import DeclarationError


def faults_of(text: str) -> list[tuple[str, str, str]]:
    with pytest.raises(DeclarationError) as caught:
        Fusion.parse(text)
    return [(fault.code, fault.where, fault.fix) for fault in caught.value.diagnostics]


HEAD = "consilience: 1\nname: x\n"
SHAPES: dict[str, tuple[str, str, str, str]] = {
    "a list for a section": (
        "fields: [text]",
        "CN122",
        "fields",
        "# write for fields keys and their values, such as {key: value}",
    ),
    "nothing for a section": ("sources:", "CN122", "sources", "# remove the key sources"),
    "named nodes in a list": (
        "losses: [{a: {use: mse, in: x}}, {b: {use: mse, in: y}}]",
        "CN122",
        "losses",
        "losses: {a: {use: mse, in: x}, b: {use: mse, in: y}}",
    ),
    "two nodes of one component in a list": (
        "losses: [{use: p.mse, in: x}, {use: p.mse, in: y}]",
        "CN122",
        "losses",
        "losses: {mse: {use: p.mse, in: x}, mse_2: {use: p.mse, in: y}}",
    ),
    "names in a list of nodes": (
        "losses: [mse, {use: mse, in: x}]",
        "CN122",
        "losses",
        "# write a name before each node, in place of its dash",
    ),
    "a number for a component": ("modules: {m: {use: 3, in: x}}", "CN122", "modules.m.use", 'use: "3"'),
    "an empty component": ("modules: {m: {use: 3.5, in: x}}", "CN122", "modules.m.use", 'use: "3.5"'),
    "nothing in": (
        "modules: {m: {use: a, in: []}}",
        "CN124",
        "modules.m.in",
        "# name under in what is to be read, such as encoder.pooled",
    ),
    "a number in": (
        "modules: {m: {use: a, in: 3}}",
        "CN124",
        "modules.m.in",
        "# name under in what is to be read, such as encoder.pooled",
    ),
    "a tuner of a number": (
        "modules: {m: {use: a, in: x, tune: 5}}",
        "CN124",
        "modules.m.tune",
        "# remove the key tune",
    ),
    "a tuner of truth": ("modules: {m: {use: a, in: x, tune: true}}", "CN124", "modules.m.tune", "tune: full"),
    "a tuner in a list": ("modules: {m: {use: a, in: x, tune: [lora]}}", "CN124", "modules.m.tune", "tune: lora"),
    "an empty tuner": ("modules: {m: {use: a, in: x, tune: {}}}", "CN124", "modules.m.tune", "# remove the key tune"),
    "a balancer of a number": (
        "objective: {balance: {use: 3}}",
        "CN124",
        "objective.balance",
        "# remove the key balance",
    ),
    "a negative lambda": ("objective: {weights: {x: -1}}", "CN123", "objective.weights.x", "x: 0"),
    "a split below nothing": (
        "sources: {s: {use: t, map: {}, split: {test: 0}}}",
        "CN123",
        "sources.s.split.test",
        "test: 1",
    ),
    "a share in per cent": (
        "sources: {s: {use: t, map: {}, split: {test: 20%}}}",
        "CN124",
        "sources.s.split.test",
        "test: 0.2",
    ),
    "a share of text": (
        'sources: {s: {use: t, map: {}, split: {test: "0.3"}}}',
        "CN124",
        "sources.s.split.test",
        "test: 0.3",
    ),
    "a share of words": (
        "sources: {s: {use: t, map: {}, split: {test: some}}}",
        "CN124",
        "sources.s.split.test",
        "# write a share below 1, such as 0.2, or how many rows test takes",
    ),
    "a misspelt split": (
        "sources: {s: {use: t, map: {}, split: {tests: 3}}}",
        "CN124",
        "sources.s.split.tests",
        "test:",
    ),
    "a split of another name": (
        "sources: {s: {use: t, map: {}, split: {Dev: 3}}}",
        "CN124",
        "sources.s.split.Dev",
        "validation:",
    ),
    "a split of no name": (
        "sources: {s: {use: t, map: {}, split: {holdout: 3}}}",
        "CN124",
        "sources.s.split.holdout",
        "# write one of train, validation, test, aside in place of holdout",
    ),
    "a split below nothing in one number": (
        "sources: {s: {use: t, map: {}, split: -1}}",
        "CN122",
        "sources.s.split",
        "split: {test: 0.2}",
    ),
    "a misspelt column": (
        "sources: {s: {use: t, map: {a: {colum: b}}}}",
        "CN120",
        "sources.s.map.a.colum",
        "column: b",
    ),
    "a number for a column": ("sources: {s: {use: t, map: {a: 3}}}", "CN122", "sources.s.map.a", 'a: "3"'),
    "no map": ("sources: {s: {use: t}}", "CN121", "sources.s", "map: {text: text}"),
    "a name with a dash": ("modules: {a-b: {use: c, in: x}}", "CN124", "modules.a-b", "a_b:"),
    "a name of a number": ("modules: {1: {use: c, in: x}}", "CN124", "modules.1", "n_1:"),
    "a raised digit": ("modules: {²: {use: c, in: x}}", "CN124", "modules.²", "node:"),
    "no field type": ("fields: {t: 3}", "CN124", "fields.t", f"# write for t one of {', '.join(FIELD_TYPES)}"),
    "an unknown field type": (
        "fields: {t: blob}",
        "CN124",
        "fields.t",
        f"# write for t one of {', '.join(FIELD_TYPES)}",
    ),
    "a field type of another language": ("fields: {t: Float}", "CN124", "fields.t", "t: number"),
    "labels by number": ("fields: {t: {category: {b: 1, a: 0}}}", "CN124", "fields.t", "t: {category: [a, b]}"),
    "labels by another number": (
        "fields: {t: {category: {10: c, 9: b, 0: a}}}",
        "CN124",
        "fields.t",
        "t: {category: [a, b, c]}",
    ),
    "a field type with labels": ("fields: {t: {text: [a, b]}}", "CN124", "fields.t", "t: text"),
    "a category without labels": (
        "fields: {t: category}",
        "CN124",
        "fields.t",
        "# write its labels, such as t: {category: [negative, positive]}",
    ),
    "one label": ("fields: {t: {category: [a]}}", "CN124", "fields.t", "t: {category: [a, second]}"),
    "one label twice": ("fields: {t: {category: [a, a]}}", "CN124", "fields.t", "t: {category: [a, second]}"),
    "a label twice": ("fields: {t: {category: [a, b, a]}}", "CN124", "fields.t", "t: {category: [a, b]}"),
    "a misspelt field type": ("fields: {t: {categry: [a, b]}}", "CN124", "fields.t", "t: {category: [a, b]}"),
    "labels alone": ("fields: {t: [a, b]}", "CN124", "fields.t", "t: {category: [a, b]}"),
    "labels of numbers": ("fields: {t: {category: [0, 1]}}", "CN124", "fields.t", 't: {category: ["0", "1"]}'),
    "labels of truth": ("fields: {t: {category: [yes, true]}}", "CN124", "fields.t", 't: {category: [yes, "true"]}'),
    "a key of python alone": ("base: /etc", "CN120", "base", "# remove the key base"),
    "a key named self": ("self: 1", "CN120", "self", "# remove the key self"),
    "half an epoch below nothing": ("train: {epochs: -0.5}", "CN123", "train.epochs", "epochs: 3"),
    "a word for a number": ("train: {batch_size: many}", "CN122", "train.batch_size", "batch_size: 16"),
    "a text of a number": ('train: {batch_size: "8"}', "CN122", "train.batch_size", "batch_size: 8"),
    "a fraction of a row": ("train: {batch_size: 8.0}", "CN122", "train.batch_size", "batch_size: 8"),
}


@pytest.mark.parametrize(("text", "code", "where", "fix"), SHAPES.values(), ids=SHAPES)
def test_a_fault_of_shape(text: str, code: str, where: str, fix: str) -> None:
    assert faults_of(HEAD + text) == [(code, where, fix)]


def test_a_version_is_asked_for_beside_other_faults() -> None:
    found = faults_of("name: film/reviews\nbase: x\n")
    assert found == [
        ("CN121", "the file", "consilience: 1"),
        ("CN124", "name", "name: film-reviews"),
        ("CN120", "base", "# remove the key base"),
    ]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{category: [a, b, a]}", "each label once: a stands twice"),
        ("{category: [a, ' ']}", "labels that are not empty"),
        ("{category: [one]}", "a label space of at least two labels"),
        ("{category: [0, 1]}", "labels that are text, in quotes where they look like something else"),
    ],
)
def test_a_fault_of_labels_shows_what_is_written(written: str, expected: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        Fusion.parse(HEAD + f"fields: {{t: {written}}}")
    [fault] = caught.value.diagnostics
    assert fault.expected == expected
    assert fault.found.startswith('{"category": [')


@pytest.mark.parametrize("written", ["2", '"1"', "null"])
def test_another_version_of_the_format_leads_to_a_number(written: str) -> None:
    assert faults_of(f"consilience: {written}\nname: x\n") == [("CN124", "consilience", "consilience: 1")]


def test_python_may_declare_what_a_file_can() -> None:
    text = HEAD + "modules: {m: {use: a, in: x, rate: 0.5}}"
    python = Fusion(name="x", modules={"m": {"use": "a", "in": "x", "rate": 0.5}})
    assert python.to_dict() == Fusion.parse(text).to_dict()


class Sized(Module):
    """Has keys of many types."""

    count: int = Field(4, ge=1, le=8)
    rate: float = Field(gt=0, lt=1)
    width: int | None = None
    word: Literal["one", "two"] | int = "two"
    names: list[str] = Field(["a"], min_length=1)
    tie: Use[Module] | None = None
    weights: list[float] | None = None
    pole: Literal["north", "south"] | None = None
    outputs = Ports(x=Float["batch"])


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "out of range": ({"rate": 0.5, "count": 9}, "CN123", "count: 4"),
    "out of an open range": ({"rate": 0}, "CN123", "rate: 0.5"),
    "neither form": ({"rate": 0.5, "word": "three"}, "CN124", "word: two"),
    "null for a list": ({"rate": 0.5, "names": None}, "CN122", "names: [a]"),
    "a mapping for a list": (
        {"rate": 0.5, "names": {"b": "c", "d": "e"}},
        "CN122",
        "names: [c, e]  # of b, d, in this order",
    ),
    "a text for a list": ({"rate": 0.5, "names": "b"}, "CN122", "names: [b]"),
    "a mapping of the wrong for a list": ({"rate": 0.5, "names": {"b": 1}}, "CN122", "names: [a]"),
    "a word for weights": (
        {"rate": 0.5, "weights": "balanced"},
        "CN122",
        "# write for weights a list, such as [first, second]",
    ),
    "no such choice, and none is usual": (
        {"rate": 0.5, "pole": "purple"},
        "CN124",
        "# write for pole one of north, south",
    ),
    "an empty list": ({"rate": 0.5, "names": []}, "CN123", "names: [a]"),
    "a text for a number or none": ({"rate": 0.5, "width": "9"}, "CN122", "width: 9"),
    "a number for a name": ({"rate": 0.5, "tie": 9}, "CN122", "# write for tie text"),
    "a missing key": ({}, "CN121", "rate: 1.0"),
}


@pytest.mark.parametrize(("given_", "code", "fix"), WRONG.values(), ids=WRONG)
def test_a_fault_of_a_component(given_: dict[str, Any], code: str, fix: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Sized.model_validate_json(json.dumps(given_))
    [fault] = diagnostics_of(caught.value, Sized, ("modules", "m"))
    assert (fault.code, fault.fix) == (code, fix)
    assert fault.path[:2] == ("modules", "m")


plain = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Cn", "Cf", "Co"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain, inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_what_is_pasted_is_read_back(value: object) -> None:
    text = paste({"key": value})
    assert "\n" not in text
    assert read_text(text).value == {"key": value}


def test_a_location_runs_no_code_to_find_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer" / "__init__.py").write_text("raise SystemExit('ran')")
    (tmp_path / "outer" / "inner").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    fault = Location("pkg:outer.inner/file").fault()
    assert fault is not None
    assert fault.code == "CN602"
    assert Location("pkg:outer/inner").fault() is None


@pytest.mark.parametrize("text", ["x" * 5000, "~nobody_of_that_name/x", "a\0b", "pkg:", "pkg:/x"])
def test_a_path_that_no_disk_can_hold_is_a_fault_in_words(text: str) -> None:
    fault = Location(text).fault()
    assert fault is not None
    assert fault.code in ("CN601", "CN602")
    assert fault.fix.startswith(("#", "pip install", "path: "))


@pytest.mark.parametrize("name", ["self", "class", "keys"])
def test_a_port_may_have_any_name(name: str) -> None:
    assert list(Ports(**{name: Float["batch"]})) == [name]
