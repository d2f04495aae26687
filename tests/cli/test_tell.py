"""The exact text in which people are told a diagnostic, for each form of a place."""

from __future__ import annotations

import io
import textwrap
from pathlib import Path

import click
import pytest

from consilience import DeclarationError, Fusion
from consilience.cli._tell import count, has_colours, render
from consilience.declare._reader import read_file
from consilience.errors import Diagnostic, Part, Place, Related, Severity
from consilience.errors import Path as KeyPath

FILE = """\
consilience: 1
name: small
modules:
  head: {use: classifier, in: encoder.poled, rate: [0.1, 0.2]}
  tail:
    use: gated
    in:
      - head
      - encoder.hiden
    text: "one
      two"
    wide: [映画の感想, "e\u0301t\u00e9", x, last]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fault(path: KeyPath, file: str = "film.yaml", part: Part = Part.VALUE, **more: object) -> Diagnostic:
    place = read_file(file).place(path, part)
    return Diagnostic("CN399", path, "this", "that", "mend: it", place, part=part, **more)  # type: ignore[arg-type]


def told(*diagnostics: Diagnostic, texts: dict[str, str] | None = None) -> str:
    return render(diagnostics, texts, has_colours=False) + "\n"


def block(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


PARTS = "  found     this\n  expected  that\n  fix       mend: it\n"

FORMS = {
    "a scalar": (
        ("name",),
        Part.VALUE,
        """
        error CN399 at name (film.yaml:2:7)
            2 | name: small
              |       ^^^^^
        """,
    ),
    "a key": (
        ("modules", "head", "in"),
        Part.KEY,
        """
        error CN399 at modules.head.in (film.yaml:4:27)
            4 |   head: {use: classifier, in: encoder.poled, rate: [0.1, 0.2]}
              |                           ^^
        """,
    ),
    "a value in a flow mapping": (
        ("modules", "head", "in"),
        Part.VALUE,
        """
        error CN399 at modules.head.in (film.yaml:4:31)
            4 |   head: {use: classifier, in: encoder.poled, rate: [0.1, 0.2]}
              |                               ^^^^^^^^^^^^^
        """,
    ),
    "a flow list": (
        ("modules", "head", "rate"),
        Part.VALUE,
        """
        error CN399 at modules.head.rate (film.yaml:4:52)
            4 |   head: {use: classifier, in: encoder.poled, rate: [0.1, 0.2]}
              |                                                    ^^^^^^^^^^
        """,
    ),
    "a mapping, by its key": (
        ("modules", "head"),
        Part.VALUE,
        """
        error CN399 at modules.head (film.yaml:4:3)
            4 |   head: {use: classifier, in: encoder.poled, rate: [0.1, 0.2]}
              |   ^^^^
        """,
    ),
    "an item of a block list": (
        ("modules", "tail", "in", 1),
        Part.VALUE,
        """
        error CN399 at modules.tail.in.1 (film.yaml:9:9)
            9 |       - encoder.hiden
              |         ^^^^^^^^^^^^^
        """,
    ),
    "a value of several lines": (
        ("modules", "tail", "text"),
        Part.VALUE,
        """
        error CN399 at modules.tail.text (film.yaml:10:11)
           10 |     text: "one
              |           ^^^^ to line 11
        """,
    ),
    "wide characters": (
        ("modules", "tail", "wide", 0),
        Part.VALUE,
        """
        error CN399 at modules.tail.wide.0 (film.yaml:12:12)
           12 |     wide: [映画の感想, "e\u0301té", x, last]
              |            ^^^^^^^^^^
        """,
    ),
    "combining characters": (
        ("modules", "tail", "wide", 1),
        Part.VALUE,
        """
        error CN399 at modules.tail.wide.1 (film.yaml:12:19)
           12 |     wide: [映画の感想, "e\u0301té", x, last]
              |                        ^^^^^
        """,
    ),
    "what stands behind both": (
        ("modules", "tail", "wide", 2),
        Part.VALUE,
        """
        error CN399 at modules.tail.wide.2 (film.yaml:12:27)
           12 |     wide: [映画の感想, "e\u0301té", x, last]
              |                               ^
        """,
    ),
    "the file": (
        (),
        Part.VALUE,
        """
        error CN399 at the file (film.yaml:1:1)
        """,
    ),
}


@pytest.mark.parametrize(("path", "part", "text"), FORMS.values(), ids=FORMS)
def test_an_excerpt_shows_the_place(path: KeyPath, part: Part, text: str, folder: Path) -> None:
    (folder / "film.yaml").write_text(FILE, encoding="utf-8")
    assert told(fault(path, part=part)) == block(text) + PARTS


def test_tabs_are_blanks(folder: Path) -> None:
    (folder / "film.yaml").write_text('a: {b: "x\ty\t\tz", rate: 1}\n', encoding="utf-8")
    assert (
        told(fault(("a", "rate")))
        == block(
            """
        error CN399 at a.rate (film.yaml:1:24)
            1 | a: {b: "x   y       z", rate: 1}
              |                               ^
        """
        )
        + PARTS
    )


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_other_ends_of_lines(end: str, folder: Path) -> None:
    (folder / "film.yaml").write_bytes(f"\ufeffname: small{end}rate: 1{end}".encode())
    assert told(fault(("rate",))).splitlines()[1:3] == ["    2 | rate: 1", "      |       ^"]
    assert told(fault(("name",))).splitlines()[1:3] == ["    1 | name: small", "      |       ^^^^^"]


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [(300, "value", 300), (300, "value", 0), (0, "value", 300), (300, "v" * 300, 300), (0, "v" * 300, 0)],
)
def test_a_long_line_is_cut_around_the_place(before: int, value: str, after: int, folder: Path) -> None:
    line = "a: [" + "b, " * (before // 3) + value + ", c" * (after // 3) + "]"
    (folder / "film.yaml").write_text(line + "\n", encoding="utf-8")
    _, excerpt, marks, *_ = told(fault(("a", before // 3))).splitlines()
    assert 100 < len(excerpt) <= 120
    start, wide = marks.index("^"), marks.count("^")
    assert excerpt[start : start + wide] == value[:wide]
    assert wide == len(value) or excerpt[start + wide :] == "..."
    assert excerpt[8:].startswith("...") == (before > 0)
    assert excerpt.endswith("...") == (after > 0 or len(value) > 100)


def test_a_long_line_shows_what_is_near_the_place(folder: Path) -> None:
    line = "a: [" + ", ".join(f"name_{number}" for number in range(100)) + "]"
    (folder / "film.yaml").write_text(line + "\n", encoding="utf-8")
    shown = "44, name_45, name_46, name_47, name_48, name_49, name_50, name_51, name_52, name_53, name_54, name_55, nam"
    assert told(fault(("a", 50))).splitlines()[1:3] == [f"    1 | ...{shown}...", "      |" + " " * 53 + "^^^^^^^"]


def test_a_warning_and_what_it_speaks_of(folder: Path) -> None:
    (folder / "film.yaml").write_text(FILE, encoding="utf-8")
    places = read_file("film.yaml").place
    related = (
        Related(("modules", "tail", "use"), "declared here", places(("modules", "tail", "use"))),
        Related(("modules", "gone"), "and elsewhere"),
        Related((), "in this file", places(("name",))),
    )
    item = fault(("modules", "head", "use"), severity=Severity.WARNING, related=related)
    assert told(item) == block(
        """
        warning CN399 at modules.head.use (film.yaml:4:15)
            4 |   head: {use: classifier, in: encoder.poled, rate: [0.1, 0.2]}
              |               ^^^^^^^^^^
          found     this
          expected  that
          fix       mend: it
          declared here: modules.tail.use (film.yaml:6:10)
            6 |     use: gated
              |          ^^^^^
          and elsewhere: modules.gone
          in this file (film.yaml:2:7)
            2 | name: small
              |       ^^^^^
        """
    )


def test_a_fusion_of_python_has_its_code_as_excerpt(folder: Path) -> None:
    code = (
        'from consilience import Fusion\n\nFusion(\n    name="x",\n\tlosses={"a": {"use": "mse", "weight": -1}},\n)\n'
    )
    (folder / "mine.py").write_text(code, encoding="utf-8")
    with pytest.raises(DeclarationError) as caught:
        exec(compile(code, str(folder / "mine.py"), "exec"), {})  # noqa: S102 - the author's own code
    assert told(*caught.value.diagnostics) == block(
        """
        error CN123 at losses.a.weight (mine.py:5:40)
            5 |     losses={"a": {"use": "mse", "weight": -1}},
              |                                           ^^
          found     -1
          expected  a number greater than or equal to 0
          fix       weight: 1.0
        """
    )


def test_a_text_without_a_file_has_an_excerpt_when_it_is_given() -> None:
    text = "consilience: 1\nname: x\nlosses: {a: {use: mse, weight: -1}}\n"
    with pytest.raises(DeclarationError) as caught:
        Fusion.parse(text)
    head, found, *_ = told(*caught.value.diagnostics).splitlines()
    assert (head, found) == ("error CN123 at losses.a.weight (<text>:3:32)", "  found     -1")
    lines = told(*caught.value.diagnostics, texts={"<text>": text}).splitlines()
    assert lines[1:3] == ["    3 | losses: {a: {use: mse, weight: -1}}", "      |                                ^^"]


def test_no_place_no_excerpt(folder: Path) -> None:
    bare = Diagnostic("CN399", ("name",), "this", "that", "mend: it")
    assert told(bare) == "error CN399 at name\n" + PARTS
    for file, line in (("gone.yaml", 1), (str(folder), 1), ("/dev/zero", 1), ("", 1), ("a\0b", 1), ("short.yaml", 9)):
        (folder / "short.yaml").write_text("name: x\n", encoding="utf-8")
        head, second, *_ = told(bare.at(Place(file, line, 1))).splitlines()
        assert head.startswith("error CN399 at name (")
        assert second == "  found     this"


def test_a_place_behind_the_end_of_its_line_has_one_caret(folder: Path) -> None:
    (folder / "film.yaml").write_text("in: [a\n", encoding="utf-8")
    item = Diagnostic("CN101", ("in",), "this", "that", "mend: it", Place("film.yaml", 1, 40))
    assert told(item).splitlines()[1:3] == ["    1 | in: [a", "      |       ^"]


def test_no_more_than_a_mebibyte_is_read(folder: Path) -> None:
    (folder / "film.yaml").write_text("name: x\n" + "#" * (1 << 20) + "\nname: y\n", encoding="utf-8")
    item = Diagnostic("CN102", ("name",), "this", "that", "mend: it")
    assert len(told(item.at(Place("film.yaml", 1, 1))).splitlines()) == 6
    assert len(told(item.at(Place("film.yaml", 3, 1))).splitlines()) == 4


def test_nothing_that_a_file_says_moves_the_cursor(folder: Path) -> None:
    (folder / "film.yaml").write_text("name: \x1b[2Jx\u202ey\n", encoding="utf-8")
    item = Diagnostic("CN109", ("name\x07",), "the\x9b", "that\u200b", "mend:\n\tit", Place("film.yaml", 1, 7, 1, 13))
    assert told(item) == (
        "error CN109 at name\\x07 (film.yaml:1:7)\n"
        "    1 | name: \\x1b[2Jx\\u202ey\n"
        "      |       ^^^^^^^^^^^^^^\n"
        "  found     the\\x9b\n"
        "  expected  that\\u200b\n"
        "  fix       mend:\n"
        "            \\tit\n"
    )


def test_a_count_names_what_there_is() -> None:
    error = Diagnostic("CN399", (), "this", "that", "mend: it")
    warning = Diagnostic("CN398", (), "this", "that", "mend: it", severity=Severity.WARNING)
    assert count([error, error, warning]) == "2 errors, 1 warning"
    assert count([warning, warning]) == "2 warnings"
    assert count([error]) == "1 error"


def test_colours_change_nothing_but_colours(folder: Path) -> None:
    (folder / "film.yaml").write_text(FILE, encoding="utf-8")
    items = [fault(("name",)), fault(("modules", "tail", "text"), severity=Severity.WARNING)]
    coloured = render(items, has_colours=True)
    assert click.unstyle(coloured) + "\n" == told(*items)
    assert coloured.splitlines()[:3] == [
        "\x1b[31m\x1b[1merror CN399\x1b[0m at \x1b[1mname\x1b[0m (film.yaml:2:7)",
        "\x1b[34m    2 | \x1b[0mname: \x1b[31m\x1b[1msmall\x1b[0m",
        "\x1b[34m      | \x1b[0m      \x1b[31m\x1b[1m^^^^^\x1b[0m",
    ]
    assert "\x1b[33m\x1b[1mwarning CN399\x1b[0m" in coloured


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        (io.StringIO(), {}, False),
        (Terminal(), {}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True),
        (io.StringIO(), {"FORCE_COLOR": "0"}, False),
        (io.StringIO(), {"FORCE_COLOR": ""}, False),
        (Terminal(), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_who_gets_colours(
    stream: io.StringIO, environment: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert has_colours(stream) is expected
