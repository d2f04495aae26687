"""A fault of a fusion that Python declared is placed in the author's own code."""

from __future__ import annotations

import copy
import linecache
import pickle
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from consilience import DeclarationError, Fusion
from consilience.errors import Diagnostic, Part, Place

CASES = re.findall(
    r"^=== (.*?):(?: (.*))?\n((?:(?!===).*\n)+)",
    (Path(__file__).parent / "python_places.txt").read_text(encoding="utf-8"),
    re.MULTILINE,
)
HEAD = "import consilience, copy, functools, json\nfrom consilience import Fusion\n"
HEAD += "from consilience.declare import ModuleNode\n\n"
IN = ("modules", "head", "in")
BROKEN = 'Fusion(\n    name="x",\n    losses={"term": {"use": "a", "weight": -1}},\n)\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "settings.py").write_text('MODULES = {"head": {"use": "a", "in": "b"}}\n', encoding="utf-8")
    return tmp_path


def run(code: str, file: str) -> dict[str, Any]:
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code, file, "exec"), scope)  # noqa: S102 - the author's own code
    return scope


def declared(code: str, folder: Path) -> Fusion:
    (folder / "mine.py").write_text(code, encoding="utf-8")
    found = run(code, str(folder / "mine.py"))["fusion"]
    assert isinstance(found, Fusion)
    return found


def placed(fusion: Fusion, path: tuple[str | int, ...], part: Part = Part.VALUE) -> Place:
    [diagnostic] = fusion.locate([Diagnostic("CN399", path, "this", "that", "mend", part=part)])
    assert diagnostic.place is not None
    return diagnostic.place


def stretch(marked: str) -> tuple[str, Place]:
    """Gives code without its marks, and the place that they stand around."""
    before, start, rest = marked.partition("«")
    inside, end, after = rest.partition("»")
    assert start
    assert end
    first, last = before.split("\n"), (before + inside).split("\n")
    place = Place("mine.py", len(first), len(first[-1]) + 1, len(last), len(last[-1]) + 1)
    return before + inside + after, place


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize(("path", "marked"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_place_is_that_of_the_code_that_gave_the_value(path: str, marked: str, folder: Path) -> None:
    code, place = stretch(HEAD + marked)
    parts = tuple(int(part) if part.isdigit() else part for part in path.split(".") if part)
    assert placed(declared(code, folder), parts) == place


def test_there_are_cases_of_every_form() -> None:
    assert len(CASES) >= 60
    assert len({title for title, *_ in CASES}) == len(CASES)


PATHS: list[tuple[str | int, ...]] = [
    (),
    ("name",),
    ("modules",),
    ("modules", "head"),
    ("modules", "gone", "in"),
    (*IN, 0),
    (*IN, 99),
    (*IN, -1),
    (*IN, "port", "deeper"),
    ("modules", 3, "head"),
    ("losses", "term", "weight"),
    ("metrics",),
    ("", 0, ""),
]


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("marked", [case[2] for case in CASES], ids=[case[0] for case in CASES])
def test_every_path_has_a_place_in_the_code(marked: str, folder: Path) -> None:
    code, _ = stretch(HEAD + marked)
    lines = code.split("\n")
    fusion = declared(code, folder)
    for path in PATHS:
        for part in Part:
            place = placed(fusion, path, part)
            assert place.file in ("mine.py", "settings.py")
            assert (1, 1) <= (place.line, place.column) < (place.end_line, place.end_column)
            assert place.end_line <= len(lines)
            assert place.end_column <= len(lines[place.end_line - 1]) + 1


@pytest.mark.parametrize(
    ("path", "written"),
    [
        (IN, '"in"'),
        (("modules", "head"), '"head"'),
        (("modules", "tail", "in"), "in_"),
        (("modules",), "modules"),
        (("name",), "name"),
    ],
)
def test_a_key_at_fault_has_the_place_of_the_key(path: tuple[str, ...], written: str, folder: Path) -> None:
    code = 'fusion = Fusion(name="x", modules={"head": {"use": "a", "in": "b"}, "tail": ModuleNode(use="a", in_="b")})'
    place = placed(declared(HEAD + code, folder), path, Part.KEY)
    assert place.line == place.end_line == HEAD.count("\n") + 1
    assert code[place.column - 1 : place.end_column - 1] == written


def test_the_constructor_itself_tells_the_place(folder: Path) -> None:
    (folder / "mine.py").write_text(BROKEN, encoding="utf-8")
    with pytest.raises(DeclarationError) as caught:
        run("from consilience import Fusion; " + BROKEN, "mine.py")
    [fault] = caught.value.diagnostics
    assert (fault.code, fault.place) == ("CN123", Place("mine.py", 3, 44, 3, 46))


def test_the_constructor_tells_the_place_in_a_file_that_is_read(folder: Path) -> None:
    code = "from consilience import Fusion\n" + BROKEN
    (folder / "mine.py").write_text(code, encoding="utf-8")
    with pytest.raises(DeclarationError) as caught:
        run(code, str(folder / "mine.py"))
    assert str(caught.value) == (
        "error CN123 at losses.term.weight (mine.py:4)\n"
        "  found     -1\n"
        "  expected  a number greater than or equal to 0\n"
        "  fix       weight: 1.0"
    )
    assert caught.value.diagnostics[0].place == Place("mine.py", 4, 44, 4, 46)


def test_a_cell_of_a_notebook_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    code, place = stretch(HEAD + 'fusion = Fusion(name="x", modules={"head": {"use": "a", "in": «"b"»}})\n')
    name = "<ipython-input-3-0123456789ab>"
    monkeypatch.setitem(linecache.cache, name, (len(code), None, code.splitlines(keepends=True), name))
    found = placed(run(code, name)["fusion"], IN)
    assert (found.file, found.line, found.column) == (name, place.line, place.column)


def test_code_without_a_file_gives_the_stretch_of_the_call() -> None:
    code = 'from consilience import Fusion\nfusion = Fusion(\n    name="x")\n'
    assert placed(run(code, "<string>")["fusion"], ("name",)) == Place("<string>", 2, 10, 3, 14)


def test_a_file_that_changed_or_is_no_python_gives_the_stretch_of_the_call(folder: Path) -> None:
    code = 'from consilience import Fusion\nfusion = Fusion(name="x")\n'
    fusion = declared(code, folder)
    for text in (
        "",
        "# nothing is here any more\n" * 9,
        "no python at all\n\n(",
        "\0",
        "x = [" * 5000,
        "é" * 2_000_000,
    ):
        (folder / "mine.py").write_text(text, encoding="utf-8")
        found = placed(fusion.model_copy(), ("name",))
        assert (found.line, found.end_line) == (2, 2)
        fusion = run(code, str(folder / "mine.py"))["fusion"]


def test_a_file_that_was_deleted_gives_the_stretch_of_the_call(folder: Path) -> None:
    fusion = declared('from consilience import Fusion\nfusion = Fusion(name="x")\n', folder)
    (folder / "mine.py").unlink()
    assert placed(fusion, ("name",)) == Place("mine.py", 2, 10, 2, 26)


def test_names_that_are_bound_by_each_other_end_the_search(folder: Path) -> None:
    lines = ["first = second = {}", "for _ in range(2):"]
    lines += ["    first = second | first | second", "    second = first | second | first"] * 20
    code = "from consilience import Fusion\n" + "\n".join([*lines, 'fusion = Fusion(name="x", modules=first)\n'])
    assert placed(declared(code, folder), IN).line == len(lines) + 2


def test_a_fusion_of_consilience_itself_has_no_place_of_python() -> None:
    fusion = Fusion.parse("consilience: 1\nname: x\n")
    assert placed(fusion, ("name",)).file == "<text>"


def test_places_are_relative_below_the_working_directory_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fusion = declared('from consilience import Fusion\nfusion = Fusion(name="x")\n', folder)
    (folder / "other").mkdir()
    monkeypatch.chdir(folder / "other")
    assert placed(fusion, ("name",)).file == str(folder / "mine.py")


def test_where_a_fusion_was_declared_makes_no_difference_to_what_it_is(folder: Path) -> None:
    first = Fusion(name="x", modules={"head": {"use": "a"}})
    second = Fusion(name="x", modules={"head": {"use": "a"}})
    assert first == second
    for copied in (
        copy.deepcopy(first),
        pickle.loads(pickle.dumps(first)),
        first.model_copy(),
        first.without("losses"),
    ):
        assert placed(copied, ("name",)) == placed(first, ("name",))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="needs the positions of code")
def test_a_program_without_positions_tells_the_line(folder: Path) -> None:
    import subprocess

    code = "from consilience import Fusion\n" + BROKEN
    (folder / "mine.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-X", "no_debug_ranges", "mine.py"]
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert "error CN123 at losses.term.weight (mine.py:2)" in told.stderr
