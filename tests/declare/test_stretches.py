"""Every key and every value of a document knows where it begins and ends."""

from typing import Any

import pytest

from consilience.declare._reader import Document, read_text
from consilience.errors import Part, Place

TEXT = """\
# A comment first.
plain: two words   # and a comment
"quoted key":   'it''s'
folded in quotes: "one
  two"   # behind it
long plain: one
  two
block: |
  text

  more

# below the block
last: >-
    folded
flow: [a, {b: 1}, "c d" ]   # behind it
flow over lines: [
    a,
    b,
  ]
list:
  - one
  - two: 2   # behind it
    three: 3
  -
  - [x, y]
  - k: "long # in quotes
      text"

  # below the list
mapping:
  deep: {left: [1, 2], right: {}}
empty:
anchored: &name value
alias: *name
? complex
: explicit
"""
DOCUMENT = read_text(TEXT)


def words(document: Document, path: tuple[str | int, ...], part: Part = Part.VALUE) -> str:
    """Gives the text that the place of a path covers."""
    place = document.place(path, part)
    lines = document.text.split("\n")[place.line - 1 : place.end_line]
    lines[-1] = lines[-1][: place.end_column - 1]
    lines[0] = lines[0][place.column - 1 :]
    return "\n".join(lines)


VALUES: dict[tuple[str | int, ...], str] = {
    ("plain",): "two words",
    ("quoted key",): "'it''s'",
    ("folded in quotes",): '"one\n  two"',
    ("long plain",): "one\n  two",
    ("block",): "|\n  text\n\n  more",
    ("last",): ">-\n    folded",
    ("flow",): '[a, {b: 1}, "c d" ]',
    ("flow", 0): "a",
    ("flow", 1): "{b: 1}",
    ("flow", 1, "b"): "1",
    ("flow", 2): '"c d"',
    ("flow over lines",): "[\n    a,\n    b,\n  ]",
    ("list", 0): "one",
    ("list", 1): "two: 2",
    ("list", 1, "three"): "3",
    ("list", 2): "-",
    ("list", 3): "[x, y]",
    ("list", 4): 'k: "long',
    ("list", 4, "k"): '"long # in quotes\n      text"',
    ("mapping",): "mapping",
    ("mapping", "deep"): "deep",
    ("mapping", "deep", "left"): "[1, 2]",
    ("mapping", "deep", "right"): "right",
    ("empty",): "empty",
    ("anchored",): "&name value",
    ("alias",): "*name",
    ("complex",): "explicit",
}


@pytest.mark.parametrize(("path", "written"), VALUES.items(), ids=lambda item: ".".join(map(str, item))[:30])
def test_the_stretch_of_a_value(path: tuple[str | int, ...], written: str) -> None:
    assert words(DOCUMENT, path) == written


def test_a_block_list_ends_with_its_last_item() -> None:
    written = words(DOCUMENT, ("list",))
    assert written.startswith("- one\n  - two: 2   # behind it\n")
    assert written.endswith('  - k: "long # in quotes\n      text"')


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(below for key, child in inside for below in paths(child, (*path, key)))]


def test_the_stretch_of_a_key_is_the_key_as_it_is_written() -> None:
    named = [path for path in paths(DOCUMENT.value) if path and isinstance(path[-1], str)]
    assert len(named) == 21
    for path in named:
        assert words(DOCUMENT, path, Part.KEY).strip('"') == path[-1]


def test_the_stretch_of_an_item_is_that_of_its_value_whichever_part_is_asked_for() -> None:
    for path in ("flow", 1), ("list", 0), ("list", 1), ("list", 2), ("list", 3):
        assert DOCUMENT.place(path, Part.KEY) == DOCUMENT.place(path)


def test_the_stretch_of_what_is_not_there_is_that_of_the_nearest_key_above() -> None:
    for part in Part:
        assert DOCUMENT.place(("missing",), part) == DOCUMENT.place((), part) == Place("<text>", 1, 1)
        assert words(DOCUMENT, ("plain", "missing", 3), part) == "plain"
        assert words(DOCUMENT, ("list", -1), part) == words(DOCUMENT, ("list", 9), part) == "list"
        assert words(DOCUMENT, ("list", 1, "missing"), part) == "two: 2"
        assert words(DOCUMENT, ("mapping", "deep", "up", 0), part) == "deep"


def test_places_are_the_same_with_the_line_ends_of_other_systems() -> None:
    for line_end in "\r\n", "\r":
        other = read_text(TEXT.replace("\n", line_end))
        for path in paths(DOCUMENT.value):
            assert [other.place(path, part) for part in Part] == [DOCUMENT.place(path, part) for part in Part]


def test_columns_count_code_points() -> None:
    document = read_text("'😀é': ['😀', é]")
    assert document.place(("😀é", 1)) == Place("<text>", 1, 13, 1, 14)
    assert document.place(("😀é",), Part.KEY) == Place("<text>", 1, 1, 1, 5)
