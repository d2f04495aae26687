"""Reading survives the faults after which the rest of a file can still be understood."""

from typing import Any

import pytest

from consilience.declare._reader import read_text
from consilience.errors import DeclarationError, Part, Place, Related

FAULTS: dict[str, tuple[str, dict[str, Any], str, set[tuple[str | int, ...]]]] = {
    "a doubled key": ("a: 1\nb: {c: 2}\na: {d: 3}", {"a": 1, "b": {"c": 2}}, "CN102", {("a",)}),
    "a doubled mapping": ("a: {b: 1}\na: {c: 2}", {"a": {"b": 1}}, "CN102", {("a",)}),
    "a tag": ("a: !!int 1", {"a": 1}, "CN103", {("a",)}),
    "a tag of text": ("a: !!str 12\nb: ! 12", {"a": "12", "b": "12"}, "CN103", {("a",), ("b",)}),
    "a tag of a list": ("a: !x [1]", {"a": [1]}, "CN103", {("a",)}),
    "an unknown alias": ("a: *b\nc: 1", {"c": 1}, "CN104", {("a",)}),
    "an unknown alias in a list": ("a: [1, *b, 2]", {"a": [1, None, 2]}, "CN104", {("a", 1)}),
    "an alias inside itself": ("a: &a [*a, 2]", {"a": [None, 2]}, "CN104", {("a", 0)}),
    "a merge key": ("a: &a {b: 1}\nc: {<<: *a, d: 1}", {"a": {"b": 1}, "c": {"d": 1}}, "CN105", {("c",)}),
    "a list as a key": ("a: {[b]: 1, c: 2}", {"a": {"c": 2}}, "CN107", {("a",)}),
    "braces for a name": ("a: {{b}}\nc: 1", {"a": {}, "c": 1}, "CN107", {("a",)}),
    "an alias as a key": ("a: &b c\n*b : 1", {"a": "c"}, "CN107", {()}),
    "null as a key": ("null: 1\na: 2", {"null": 1, "a": 2}, "CN107", {("null",)}),
    "no key": ("a:\n  ?\n  : 1\n  b: 2", {"a": {"b": 2}}, "CN107", {("a",)}),
    "an escape in a key": ('"a\\eb": 1', {"a\\x1bb": 1}, "CN109", {("a\\x1bb",)}),
    "an escaped NUL": ('a: "b\\0"', {"a": "b"}, "CN109", {("a",)}),
    "a control character": ("a: b\x07\nc\x07: 1\nd: 2", {"a": "b", "c": 1, "d": 2}, "CN109", {("a",), ("c",)}),
    "a control character between values": ("a: 1\n\x0cb: 2", {"a": 1, "b": 2}, "CN109", {("b",)}),
    "a number too large": ("a: 1e999\nb: 1", {"b": 1}, "CN110", {("a",)}),
    "a number too large in a list": ("a: [.nan, 1]", {"a": [None, 1]}, "CN110", {("a", 0)}),
}


@pytest.mark.parametrize(("text", "value", "code", "doubtful"), FAULTS.values(), ids=FAULTS)
def test_what_is_at_fault_is_left_out_or_kept_as_it_was_meant(
    text: str, value: dict[str, Any], code: str, doubtful: set[tuple[str | int, ...]]
) -> None:
    document = read_text(text)
    assert document.value == value
    assert {fault.code for fault in document.faults} == {code}
    assert document.doubtful == doubtful


def test_a_value_is_doubtful_with_all_that_stands_below_it() -> None:
    document = read_text("a: {b: {<<: 1, c: 1}, d: 1}")
    assert [document.is_doubtful(path) for path in [(), ("a",), ("a", "d"), ("a", "b"), ("a", "b", "c")]] == [
        False,
        False,
        False,
        True,
        True,
    ]


def test_a_doubled_key_names_the_place_of_the_first() -> None:
    [fault] = read_text("a:\n  bc: 1\n  bc: 2").faults
    assert fault.place == Place("<text>", 3, 3, 3, 5)
    assert fault.part is Part.KEY
    assert fault.related == (Related(("a", "bc"), "first here", Place("<text>", 2, 3, 2, 5)),)


def test_faults_inside_what_is_left_out_are_told_too() -> None:
    document = read_text("a: 1\na: {b: .nan, c: [*d], e: !x 1}\n? {f: .inf, f: 1}\n: 2\n")
    assert [fault.code for fault in document.faults] == ["CN102", "CN110", "CN104", "CN103", "CN107", "CN110", "CN102"]
    assert document.value == {"a": 1}


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("a: .nan\nb: 'open", ["CN110", "CN101"]),
        ("a: .nan\nb: " + "[" * 65 + "]" * 65, ["CN110", "CN106"]),
        ("- .nan", ["CN108", "CN110"]),
        ("a: .nan\n---\nb: 1", ["CN110", "CN108"]),
        ("a: .nan\nb: [\x07", ["CN110", "CN109"]),
        ("\x07" * 10 + ": 1", ["CN109"] * 10),
        ("a: [" + ".nan, " * 200 + "]", ["CN110"] * 100),
    ],
)
def test_what_makes_the_rest_untrustworthy_is_raised_with_all_faults_above_it(text: str, codes: list[str]) -> None:
    with pytest.raises(DeclarationError) as caught:
        read_text(text)
    assert [fault.code for fault in caught.value.diagnostics] == codes


def test_the_stretches_of_faults() -> None:
    text = 'a: &x !!int 1\nb: [*y, 1e999]\n? [c]\n: 1\nd: "\\0"\n{e: 1}: 1\n<<: {}\n'
    document = read_text(text)
    lines = text.split("\n")
    places = [fault.place for fault in document.faults]
    assert [lines[place.line - 1][place.column - 1 : place.end_column - 1] for place in places if place] == [
        "!!int",
        "*y",
        "1e999",
        "[c]",
        '"\\0"',
        "{e: 1}",
        "<<",
    ]
