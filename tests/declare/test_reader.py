"""The reader gives plain YAML 1.2 values with their places, and tells every fault of a hostile or a careless file."""

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consilience.declare._reader import MOST_LEVELS, MOST_VALUES, Document, read_file, read_text
from consilience.errors import DeclarationError, Diagnostic, Part, Place

FILM = """\
# A comment first.
name: film
modules:
  encoder: {use: text_encoder, in: [tokens, "😀", masked],
            tune: full}
  "quoted key": |
    two
    lines
list:
- a
-  {b: 1}
"""


def told(text: str, file: str = "<text>") -> tuple[Diagnostic, ...]:
    """Gives the faults of a text, whether reading survived them or not."""
    try:
        return read_text(text, file).faults
    except DeclarationError as error:
        return error.diagnostics


def faults_of(text: str) -> list[tuple[str, tuple[str | int, ...]]]:
    return [(fault.code, fault.path) for fault in told(text)]


def words(document: Document, *path: str | int, part: Part = Part.VALUE) -> str:
    """Gives the text that the place of a path covers."""
    place = document.place(path, part)
    lines = document.text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    taken = lines[place.line - 1 : place.end_line]
    taken[-1] = taken[-1][: place.end_column - 1]
    taken[0] = taken[0][place.column - 1 :]
    return "\n".join(taken)


def at(document: Document, *path: str | int) -> tuple[int, int, int, int]:
    """Gives line and column of the key, then those of its value."""
    key, value = document.place(path, Part.KEY), document.place(path)
    return key.line, key.column, value.line, value.column


GOLDEN = {
    "CN101 a colon in a value": (
        "a: b: c",
        """\
error CN101 at the file (film.yaml:1)
  found     mapping values are not allowed here
  expected  readable YAML
  fix       # put a value that holds ": " in quotes, or begin the key on a line of its own""",
    ),
    "CN101 a tab": (
        "a:\n\tb: 2",
        """\
error CN101 at a (film.yaml:2)
  found     character '\\t' that cannot start any token, while scanning for the next token
  expected  readable YAML
  fix       # put spaces in place of the tab""",
    ),
    "CN101 a bracket": (
        "a: [1\nb: 2",
        """\
error CN101 at a.1 (film.yaml:2)
  found     expected ',' or ']', but got ':', while parsing a flow sequence
  expected  readable YAML
  fix       # write the missing comma or closing bracket""",
    ),
    "CN101 an escape": (
        'a: "\\UFFFFFFFF"',
        """\
error CN101 at a (film.yaml:1)
  found     an escape or a version whose number is too large
  expected  readable YAML
  fix       # write a backslash in double quotes twice (\\\\), or put the text in single quotes""",
    ),
    "CN102": (
        "train: {rate: 1,\n  rate: 2}",
        """\
error CN102 at train.rate (film.yaml:2)
  found     `rate` a second time (first on line 1, column 9)
  expected  every key once
  fix       # delete one of the two, or give one another name, such as `rate_2`""",
    ),
    "CN103": (
        "a: &x !!python/object/apply:os.system [ls]",
        """\
error CN103 at a (film.yaml:1)
  found     the tag `!!python/object/apply:os.system`
  expected  plain data, without tags
  fix       # delete `!!python/object/apply:os.system`""",
    ),
    "CN103 a string": (
        "a: !!str 12",
        """\
error CN103 at a (film.yaml:1)
  found     the tag `!!str`
  expected  plain data, without tags
  fix       # write it in quotes: "12\"""",
    ),
    "CN104 misspelt": (
        "a: &encoder 1\nb: *encodr",
        """\
error CN104 at b (film.yaml:2)
  found     the alias *encodr, with no &encodr above it
  expected  an anchor
  fix       *encoder""",
    ),
    "CN101 emphasis": (
        "a: *bold*",
        """\
error CN101 at a (film.yaml:1)
  found     expected alphabetic or numeric character, but found '*', while scanning an alias
  expected  readable YAML
  fix       # indent this line as its neighbours are, and close every quote and bracket above it""",
    ),
    "CN104 no anchor": (
        "a: *bold",
        """\
error CN104 at a (film.yaml:1)
  found     the alias *bold, with no &bold above it
  expected  an anchor
  fix       # write the value here, or put text in quotes: "*bold\"""",
    ),
    "CN104 inside itself": (
        "a: &a [*a]",
        """\
error CN104 at a.0 (film.yaml:1)
  found     the alias *a inside what it stands for
  expected  a value that ends
  fix       # write a value in place of *a""",
    ),
    "CN104 too many": (
        "a: &a [" + "x," * 4999 + "]\nb: [" + "*a," * 20 + "]",
        """\
error CN104 at b.18.4997 (film.yaml:2)
  found     more than 100,000 values, with the aliases written out
  expected  at most 100,000
  fix       # keep long lists in a file of their own, and write only the aliases that are needed""",
    ),
    "CN105": (
        "a: &a {x: 1}\nb: {<<: *a, y: 2}",
        """\
error CN105 at b (film.yaml:2)
  found     the merge key `<<`
  expected  keys that are written out
  fix       # write the keys out in place of `<<`, or give each value an anchor of its own: `rate: &rate 0.1`""",
    ),
    "CN106": (
        "a: " + "[" * MOST_LEVELS,
        f"""\
error CN106 at a{".0" * (MOST_LEVELS - 1)} (film.yaml:1)
  found     more than 64 levels
  expected  at most 64
  fix       # take the inner value out, and give it a name of its own at the top of the file""",
    ),
    "CN107 a list": (
        "a: {[b]: 1}",
        """\
error CN107 at a (film.yaml:1)
  found     a list as a key
  expected  a name
  fix       # write a name before the colon, as in `name: value`; put text that holds braces in quotes: "{{...}}\"""",
    ),
    "CN107 null": (
        "~: 1",
        """\
error CN107 at the file (film.yaml:1)
  found     the key `~`, which is null
  expected  a name
  fix       # put the name in quotes: "~":""",
    ),
    "CN107 too long": (
        "? " + "k" * 2000 + "\n: 1",
        """\
error CN107 at the file (film.yaml:1)
  found     a key of 2,000 characters
  expected  at most 1,024
  fix       # shorten it: kkkkkkkkkkkkkkkkk...:""",
    ),
    "CN108 empty": (
        "# nothing\n",
        """\
error CN108 at the file (film.yaml:1)
  found     nothing
  expected  keys and their values
  fix       # begin the file with `consilience: 1`, and write its other keys below""",
    ),
    "CN108 a list": (
        "\n- a",
        """\
error CN108 at the file (film.yaml:2)
  found     a list
  expected  keys and their values
  fix       # begin the file with `consilience: 1`, and write its other keys below""",
    ),
    "CN108 two documents": (
        "a: 1\n---\nb: 1",
        """\
error CN108 at the file (film.yaml:2)
  found     a second document
  expected  one document
  fix       # delete the `---` or `...` that ends the first, or keep the rest in a file of its own""",
    ),
    "CN109 NUL": (
        "a: 1\nb: \x00",
        """\
error CN109 at the file (film.yaml:2)
  found     the character U+0000, which cannot be seen
  expected  text
  fix       # delete it, and save the file as UTF-8""",
    ),
    "CN109 a control character": (
        "a: \x1b[31m",
        """\
error CN109 at the file (film.yaml:1)
  found     the character U+001B, which cannot be seen
  expected  text
  fix       # delete it, or write it as an escape in double quotes: "\\x1b\"""",
    ),
    "CN109 an escaped NUL": (
        'a: "b\\0"',
        """\
error CN109 at a (film.yaml:1)
  found     the character U+0000, which no text holds
  expected  text
  fix       # write it without that: "b\"""",
    ),
    "CN109 a key": (
        '"a\\eb": 1',
        """\
error CN109 at the file (film.yaml:1)
  found     control characters in the key a\\x1bb
  expected  printable text
  fix       # write it without them: "ab":""",
    ),
    "CN109 too large": (
        "a: " + "b" * (1 << 20),
        """\
error CN109 at the file (film.yaml:1)
  found     more than 1 MiB
  expected  a file of at most 1 MiB
  fix       # keep long lists and data in files of their own, and name them by their path""",
    ),
    "CN110": (
        "rate: 1e999",
        """\
error CN110 at rate (film.yaml:1)
  found     1e999
  expected  a finite number that a 64-bit float can hold
  fix       # write a finite number, or put it in quotes if it is text: "1e999\"""",
    ),
}


@pytest.mark.parametrize(("text", "expected"), GOLDEN.values(), ids=GOLDEN)
def test_a_fault_reads_exactly(text: str, expected: str) -> None:
    assert "\n".join(map(str, told(text, "film.yaml"))) == expected


def test_every_fault_is_told_in_one_run() -> None:
    text = "a: !x 1\na: .nan\nb: {c: 1, c: 2, <<: {d: *e}}\n[f]: [g, !!set h]\nnull: 1\ni: 'open"
    assert faults_of(text) == [
        ("CN103", ("a",)),
        ("CN102", ("a",)),
        ("CN110", ("a",)),
        ("CN102", ("b", "c")),
        ("CN105", ("b",)),
        ("CN104", ("b", "<<", "d")),
        ("CN107", ()),
        ("CN103", ("key at 4:1", 1)),
        ("CN107", ()),
        ("CN101", ("i",)),
    ]


def test_the_column_of_a_fault_counts_code_points() -> None:
    faults = told("\ufeff'😀é': {a: 1, a: 2}\r\nb: .inf", "f.yaml")
    assert [fault.place for fault in faults] == [Place("f.yaml", 1, 14, 1, 15), Place("f.yaml", 2, 4, 2, 8)]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_places(line_end: str, mark: str) -> None:
    document = read_text(mark + FILM.replace("\n", line_end))
    assert document.value["modules"]["quoted key"] == "two\nlines\n"
    assert at(document, "name") == (2, 1, 2, 7)
    assert at(document, "modules", "encoder") == (4, 3, 4, 3)
    assert at(document, "modules", "encoder", "in", 2) == (4, 50, 4, 50)
    assert at(document, "modules", "encoder", "tune") == (5, 13, 5, 19)
    assert at(document, "modules", "quoted key") == (6, 3, 6, 17)
    assert at(document, "list", 1) == (11, 4, 11, 4)
    assert at(document, "list", 1, "b") == (11, 5, 11, 8)


def test_places_of_what_is_not_there_are_those_of_the_nearest_key_above() -> None:
    document = read_text(FILM, "film.yaml")
    assert document.place(()) == Place("film.yaml", 1, 1)
    assert document.place(("missing", "key")) == Place("film.yaml", 1, 1)
    assert document.place(("modules", "encoder", "out", 0)) == Place("film.yaml", 4, 3, 4, 10)
    assert document.place(("list", 7)) == Place("film.yaml", 9, 1, 9, 5)
    assert words(document, "list", 1, "c") == "{b: 1}"


def test_tabs_inside_text_and_comments_count_as_one_column() -> None:
    document = read_text("{'a_b': \"c\td\", e: 1, #\t\n\n  f:\n    2}")
    assert document.value == {"a_b": "c\td", "e": 1, "f": 2}
    assert at(document, "e") == (1, 16, 1, 19)
    assert at(document, "f") == (3, 3, 4, 5)


@pytest.mark.parametrize("text", ["a:\t1", "a: 1\t# why", "a: 1\t", "\ta: 1", "{\n\t'a': 1}"])
def test_a_tab_between_values_is_refused_where_it_stands(text: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        read_text(text)
    (fault,) = caught.value.diagnostics
    assert fault.fix == "# put spaces in place of the tab"
    assert fault.place == Place("<text>", 1 + text.count("\n"), 1 + text.splitlines()[-1].index("\t"))


def test_an_alias_is_a_copy_that_stands_where_the_alias_does_and_holds_what_stands_at_the_anchor() -> None:
    document = read_text("a: &x {b: [1]}\nc: *x\nd: [*x]\ne: &s 2\nf: *s\n")
    assert document.value == {"a": {"b": [1]}, "c": {"b": [1]}, "d": [{"b": [1]}], "e": 2, "f": 2}
    assert document.value["a"] is not document.value["c"]
    assert document.value["a"]["b"] is not document.value["c"]["b"]
    assert words(document, "c") == "c"
    assert words(document, "d", 0) == "*x"
    assert at(document, "c", "b") == at(document, "d", 0, "b") == (1, 8, 1, 11)
    assert words(document, "d", 0, "b") == "[1]"
    assert words(document, "f") == "*s"


def test_keys_are_the_text_that_is_written() -> None:
    document = read_text("1: a\n0x1: b\ntrue: c\nno: d\n'null': e\n\"<<\": f\n2024-01-01: g\n? long\n: h\n&k i: *k")
    assert list(document.value) == ["1", "0x1", "true", "no", "null", "<<", "2024-01-01", "long", "i"]
    assert document.value["i"] == "i"


SCALARS: dict[str, Any] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None, "nULL": "nULL",
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False, "tRUE": "tRUE",
    "yes": "yes", "no": "no", "NO": "NO", "on": "on", "off": "off", "y": "y", "n": "n",
    "0": 0, "12": 12, "-12": -12, "+12": 12, "012": 12, "08": 8, "0o17": 15, "0xfF": 255, "0b1": "0b1",
    "-0o17": "-0o17", "0o8": "0o8", "0x": "0x", "1_000": "1_000", "1,000": "1,000", "1:30": "1:30", "٣": "٣",
    "1e-3": 1e-3, "5.0e-5": 5e-5, "1E+2": 100.0, ".5": 0.5, "-.5": -0.5, "1.": 1.0, "1.5": 1.5, "0.0e9": 0.0,
    "1e308": 1e308, "5e-324": 5e-324, ".": ".", "+": "+", "e5": "e5", "1e": "1e", "1.2.3": "1.2.3",
    "inf": "inf", "nan": "nan",
    "2024-01-01": "2024-01-01", "2024-01-01T10:00:00Z": "2024-01-01T10:00:00Z", "=": "=", "a b": "a b",
    '"12"': "12", "'true'": "true", '""': "", "'it''s'": "it's", '"\\u00e9\\n"': "é\n", '"\\ud83d\\ude00"': "😀",
    '"\\x07"': "\x07", "|\n  12": "12", ">-\n  a\n  b": "a b", "1\n  2": "1 2",
}  # fmt: skip


@pytest.mark.parametrize(("written", "value"), SCALARS.items())
def test_scalars_follow_the_core_schema(written: str, value: Any) -> None:
    read = read_text(f"a: {written}").value["a"]
    assert read == value
    assert type(read) is type(value)


NOT_FINITE = [".inf", "-.INF", "+.Inf", ".nan", ".NaN", "1e999", "-1e999", "1e-999", "9" * 310, "0x" + "f" * 257]
HUGE = ["9" * 5000, "9" * 1_000_000, "1." + "0" * 1_000_000, "1e" + "9" * 1_000_000, "0x" + "f" * 1_000_000]


@pytest.mark.parametrize("number", NOT_FINITE + HUGE, ids=lambda number: number[:12])
def test_numbers_that_are_not_finite_are_refused(number: str) -> None:
    assert faults_of(f"a: {number}") == [("CN110", ("a",))]


def test_the_largest_numbers_are_read() -> None:
    largest = int(math.ldexp(1 - 2**-53, 1024))
    assert read_text(f"a: {largest}").value["a"] == largest
    assert faults_of(f"a: {largest + 1}") == [("CN110", ("a",))]


def bomb(first: str, level: str) -> str:
    """Ten levels that each hold the one before ten times."""
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{n}: &a{n} {level.format(','.join([f'*a{n - 1}'] * 10))}" for n in range(1, 10)]
    return "\n".join(lines)


HOSTILE = {
    "alias bomb of lists": (bomb("[x]", "[{}]"), "CN104"),
    "alias bomb of scalars": (bomb("x", "[{}]"), "CN104"),
    "alias bomb by depth": ("\n".join(["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100)]), "CN106"),
    "merge bomb": (bomb("{x: 1}", "{{<<: [{}]}}"), "CN105"),
    "merge of itself": ("a: &a {<<: *a}", "CN105"),
    "100,000 lists": ("a: " + "[" * 100_000, "CN106"),
    "100,000 mappings": ("a: " + "{" * 100_000, "CN106"),
    "100,000 block lists": ("- " * 100_000, "CN106"),
    "100,000 keys in keys": ("? " * 100_000, "CN106"),
    "100,000 nested mappings": ("".join(" " * n + "a:\n" for n in range(1000)), "CN106"),
    "100,000 items": ("a: [" + "x," * 100_000 + "]", "CN104"),
    "100,000 items without end": ("a: [" + "[]," * 100_000, "CN104"),
    "100,000 duplicates": ("{a: 1" + ",a: 1" * 100_000 + "}", "CN102"),
    "100,000 tags": ("a: [" + "!x y," * 100_000 + "]", "CN103"),
    "unknown aliases among many anchors": (
        "a: [" + "".join(f"&{'x' * 50}{n} y," for n in range(2000)) + f"*{'x' * 50}z," * 200 + "]",
        "CN104",
    ),
    "a long key above many faults": ("? " + "k" * 500_000 + "\n: {a: 1" + ",a: 1" * 5000 + "}", "CN107"),
    "a megabyte of NUL": ("\x00" * (1 << 20), "CN109"),
    "every lone surrogate": ("".join(map(chr, range(0xD800, 0xE000))) * 500, "CN109"),
    "a megabyte of comment": ("#" * (1 << 20), "CN108"),
    "a megabyte of lines": ("\n" * (1 << 20), "CN108"),
    "a megabyte of directives": ("%F\n" * 300_000 + "---\n- a", "CN108"),
    "a long version": ("%YAML 1." + "1" * 5000 + "\n---\na: 1", "CN101"),
    "a lone surrogate": ("a: \ud800", "CN109"),
    "an escaped lone surrogate": ('a: "\\udc00\\ud800"', "CN109"),
    "a hidden byte order mark": ("a: 1\n\ufeffb: 2", "CN109"),
    "a line end of YAML 1.1": ("a: x\u2028b: 2", "CN109"),
    "an undeclared tag handle": ("a: !e!x 1", "CN101"),
    "a tag directive": ("%TAG !e! tag:yaml.org,2002:python/\n---\na: !e!object:os.system x", "CN103"),
    "a document without a mark": ("a: 1\n...\nb: 2", "CN101"),
    "an alias as the whole": ("*a", "CN104"),
    "an alias as a key": ("a: &a b\n*a : 1", "CN107"),
    "no key": ("?\n: 1", "CN107"),
}


@pytest.mark.parametrize(("text", "code"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused_in_little_time(text: str, code: str) -> None:
    start = time.process_time()
    faults = faults_of(text)
    assert code in [fault for fault, _ in faults]
    assert len(faults) <= 100
    assert time.process_time() - start < 10


def test_the_alias_bomb_is_small_and_a_merge_key_never_merges() -> None:
    assert len(bomb("[x]", "[{}]")) < 600
    assert {code for code, _ in faults_of("a: &a {x: 1}\nb: {<<: *a}\nc: {<<: [*a, *a]}")} == {"CN105"}


def test_the_bounds_themselves_are_allowed() -> None:
    deep = read_text("a: " + "[" * (MOST_LEVELS - 1) + "]" * (MOST_LEVELS - 1))
    assert deep.place(("a", *[0] * (MOST_LEVELS - 2))).column == MOST_LEVELS + 2
    wide = read_text("a: [" + "x," * (MOST_VALUES - 2) + "]")
    assert len(wide.value["a"]) == MOST_VALUES - 2


def refusal(path: str | Path) -> str:
    with pytest.raises(DeclarationError) as caught:
        read_file(path)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_is_read_under_the_name_that_was_given(folder: Path) -> None:
    (folder / "film.yaml").write_bytes(b"\xef\xbb\xbfa: \xf0\x9f\x98\x80\r\nb: 2\r\n")
    document = read_file("film.yaml")
    assert document.value == {"a": "😀", "b": 2}
    assert document.file == "film.yaml"
    assert document.text == "a: 😀\r\nb: 2\r\n"
    assert document.place(("b",)) == Place("film.yaml", 2, 4, 2, 5)
    assert read_file(folder / "film.yaml").place(("b",)).file == str(folder / "film.yaml")


def test_a_missing_file_gets_the_nearest_name(folder: Path) -> None:
    (folder / "film.yaml").write_text("a: 1")
    expected = """\
error CN601 at the file (flim.yaml:1)
  found     flim.yaml: no such file
  expected  a file
  fix       film.yaml"""
    assert refusal("flim.yaml") == expected
    assert refusal(folder / "flim.yaml").endswith(f"fix       {folder / 'film.yaml'}")
    assert refusal("music.txt").endswith("fix       # give the path of a file that can be read")


def test_a_directory_is_no_file(folder: Path) -> None:
    (folder / "films").mkdir()
    assert "found     films: a directory\n" in refusal("films")
    assert refusal("films").endswith("fix       # give the path of a file that can be read")
    (folder / "films" / "fusion.yaml").write_text("a: 1")
    assert refusal("films").endswith("fix       films/fusion.yaml")


@pytest.mark.parametrize("name", ["a\x00b", "x" * 5000, "no/such/folder.yaml", "\udcff.yaml", "\x1b[31m", ""])
def test_a_name_that_no_file_can_have_is_refused_in_printable_text(folder: Path, name: str) -> None:
    text = refusal(name)
    assert text.startswith("error CN601 at the file (")
    assert text.replace("\n", "").isprintable()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_and_a_device_are_not_opened(folder: Path) -> None:
    os.mkfifo("pipe.yaml")
    assert "found     pipe.yaml: not a regular file" in refusal("pipe.yaml")
    assert "found     /dev/zero: not a regular file" in refusal("/dev/zero")


def test_a_file_that_cannot_be_read_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    (folder / "film.yaml").write_text("a: 1")
    monkeypatch.setattr(Path, "open", refuse)
    assert "found     film.yaml: permission denied\n" in refusal("film.yaml")


def test_other_encodings_are_refused_with_the_command_that_mends_them(folder: Path) -> None:
    (folder / "a film.yaml").write_bytes("a: 1\r\nname: Am\xe9lie".encode("latin-1"))
    assert (
        refusal("a film.yaml")
        == """\
error CN109 at the file (a film.yaml:2)
  found     the byte 0xe9, which is not UTF-8
  expected  text in UTF-8
  fix       iconv -f ISO-8859-1 -t UTF-8 'a film.yaml' > utf8.yaml && mv utf8.yaml 'a film.yaml'"""
    )
    (folder / "wide.yaml").write_text("a: 1", encoding="utf-16")
    assert "iconv -f UTF-16 -t UTF-8 wide.yaml" in refusal("wide.yaml")
    (folder / "surrogate.yaml").write_bytes(b"a: \xed\xa0\x80")
    assert "found     the byte 0xed" in refusal("surrogate.yaml")


def test_a_file_of_more_than_a_mebibyte_is_refused(folder: Path) -> None:
    (folder / "film.yaml").write_bytes(b"a: " + b"\xc3\xa9" * (1 << 19))
    assert "found     more than 1 MiB" in refusal("film.yaml")


# NUL is refused, surrogates are no text; keys hold no control characters and, as YAML has it, at most 1,024 characters.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
keys = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=30)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
trees = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4))
mappings = st.dictionaries(keys, trees, max_size=4)
quick = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(mappings, st.sampled_from([None, 2]))
def test_json_reads_back_as_it_was(value: dict[str, Any], indent: int | None) -> None:
    document = read_text(json.dumps(value, indent=indent))
    assert json.dumps(document.value) == json.dumps(value)
    assert document.faults == ()


@quick
@given(mappings)
def test_what_pyyaml_writes_with_quotes_reads_back_as_it_was(value: dict[str, Any]) -> None:
    def quoted(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    Dumper.add_representer(str, quoted)
    document = read_text(yaml.dump(value, Dumper=Dumper, sort_keys=False))
    assert json.dumps(document.value) == json.dumps(value)


@quick
@given(
    st.lists(st.sampled_from([*"ab:-?[]{},&*!|>'\"%@#~<.1 \n\t\\\r", "\n  ", ": ", "- ", "<<: ", "&a ", "*a", "---"]))
)
def test_any_text_gives_a_document_or_diagnostics(parts: list[str]) -> None:
    check_any_text("".join(parts))


@quick
@given(st.text())
def test_any_unicode_gives_a_document_or_diagnostics(text: str) -> None:
    check_any_text(text)
    check_any_text(f'a: "{text}"')


def check_any_text(text: str) -> None:
    for fault in told(text, "f.yaml"):
        assert fault.place is not None
        assert 1 <= fault.place.line <= len(text) + 1
        assert fault.found
        assert fault.expected
        assert fault.fix
        str(fault).encode()
    try:
        document = read_text(text, "f.yaml")
    except DeclarationError:
        return
    assert isinstance(document.value, dict)
    json.dumps(document.value, allow_nan=False).encode()
    assert document.doubtful or not document.faults
