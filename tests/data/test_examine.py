"""Examining: what is opened, what is told of plugins that fail, what is imported, and how much memory it takes."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import datasets
import pytest

from consilience.data import _examine, examine, prepare
from consilience.data._overlap import Index
from consilience.data._slices import LENGTH
from consilience.declare import Fusion
from consilience.errors import DataError, Diagnostic
from consilience.plan import check

sys.path.insert(0, str(Path(__file__).parent))  # the tests here share a plugin
from toy_examined import SHAPE, TABLE, registry

Examine = Callable[..., list[Diagnostic]]


@pytest.fixture
def examined(tmp_path: Path) -> Examine:
    def run(text: str) -> list[Diagnostic]:
        return list(examine(check(Fusion.parse(SHAPE + dedent(text), base=tmp_path), registry())))

    return run


def test_what_is_well_is_told_nothing_of(write, examined: Examine) -> None:
    write("a.csv", "text,label", "one,bad", "two,good")
    assert examined(f"sources: {{a: {{path: a.csv, {TABLE}}}}}") == []


def test_a_resource_tells_what_is_wrong_inside_it(write, examined: Examine) -> None:
    write("a.csv", "text,label", "one,bad", "two,good")
    [fault] = examined(f"resources: {{shelf: {{use: toy.shelf}}}}\nsources: {{a: {{path: a.csv, {TABLE}}}}}")
    assert (fault.code, fault.path, fault.found) == ("TOY1", ("resources", "shelf", "path"), "a hole")
    assert fault.place is not None
    assert fault.place.line == 8


def test_what_a_plugin_raises_is_told_as_its_own_and_hides_nothing(write, examined: Examine) -> None:
    write("a.csv", "text,label", "one,bad", "two,godo")
    found = examined(
        f"""
        resources: {{broken: {{use: toy.broken}}}}
        sources:
          shut: {{use: toy.shut, map: {{text: text, mood: label}}}}
          a: {{path: a.csv, {TABLE}}}
        """
    )
    assert [(fault.code, fault.where) for fault in found] == [
        ("CN207", "resources.broken"),
        ("CN207", "sources.shut"),
        ("CN502", "sources.a.map.mood"),
    ]
    assert "fails to look inside toy.broken: ZeroDivisionError: nobody knows" in found[0].found
    assert "fails to open toy.shut: SystemExit: no network here" in found[1].found


@pytest.mark.parametrize(
    ("keys", "code", "found"),
    [
        ("map: {text: said, mood: heard}, where: {kind: 1}, distinct: said", "TOY2", "no said and heard and kind"),
        ("map: {text: riddle, mood: heard}", "CN207", "explain the columns of toy.odd: ZeroDivisionError"),
        ("map: {text: text, mood: heard}", "CN501", "the unknown column heard"),
    ],
)
def test_a_source_explains_that_none_of_the_columns_is_there(
    examined: Examine, keys: str, code: str, found: str
) -> None:
    [fault] = examined(f"sources: {{a: {{use: toy.odd, {keys}}}}}")
    assert fault.code == code
    assert found in fault.found
    assert fault.path[:2] == ("sources", "a")


def test_a_source_is_looked_into_once_it_is_open(write, examined: Examine) -> None:
    write("a.csv", "text,label", "one,bad", "two,good", "three")
    keys = "map: {text: text, mood: label}"
    found = examined(f"sources: {{a: {{path: a.csv, {TABLE}}}, b: {{use: toy.sealed, {keys}}}}}")
    told = [(fault.code, fault.where) for fault in found if fault.code != "CN511"]
    assert told == [("CN514", "sources.a.path"), ("CN207", "sources.b")]
    assert "fails to look inside toy.sealed: ZeroDivisionError: nobody knows" in found[1].found + found[2].found


def test_what_an_unread_source_may_have_is_not_missed(write, examined: Examine) -> None:
    write("a.csv", "text,label", "one,", "two,")
    alone = examined(f"sources: {{a: {{path: a.csv, {TABLE}}}}}")
    assert [fault.code for fault in alone] == ["CN407"]
    beside = examined(
        f"sources: {{a: {{path: a.csv, {TABLE}}}, b: {{use: toy.shut, map: {{text: text, mood: label}}}}}}"
    )
    assert [fault.code for fault in beside] == ["CN207"]


def test_a_faulty_column_hides_nothing_of_the_others(write, examined: Examine) -> None:
    write("train.csv", "text,label,n", "one,0,1", "two,1,x")
    write("test.csv", "text,label,n", "One,1,2")
    text = SHAPE.replace("mood: {category: [bad, good]}", "mood: {category: [bad, good]}, n: number")
    fusion = Fusion.parse(
        text + "sources: {a: {use: table, path: '{split}.csv', map: {text: text, mood: label, n: n}}}",
        base=Path(write("none.csv")).parent,
    )
    found = examine(check(fusion, registry()))
    assert sorted(fault.code for fault in found) == ["CN503", "CN504", "CN511"]


def test_a_text_in_two_sources_is_told_with_both(write, examined: Examine) -> None:
    write("a.csv", "text,label", "one,bad", "two,good", "three,good")
    write("b.csv", "text,label", *(f"{word} ,good" for word in ("One", "TWO", "Three", "four")))
    [fault] = examined(
        f"sources: {{a: {{path: a.csv, {TABLE}, split: {{test: 1, train: 2}}}}, b: {{path: b.csv, {TABLE}}}}}"
    )
    assert (fault.code, fault.where) == ("CN504", "sources.b")
    assert fault.found.startswith("1 of 1 test texts of a stand in train of b too, 1 but for case and white space:")
    assert [related.where for related in fault.related] == ["sources.a"]


def test_each_split_that_is_compared_with_is_sorted_once(write, examined: Examine, monkeypatch) -> None:
    made: list[int] = []
    making = Index.__init__
    monkeypatch.setattr(Index, "__init__", lambda self, hashes: made.append(len(hashes)) or making(self, hashes))
    split = "split: {validation: 2, test: 2}"
    names = "abcd"
    for name in names:
        write(f"{name}.csv", "text,label", *(f"{name} {row},good" for row in range(9)), f"{name} of bad,bad")
    examined(f"sources: {{{', '.join(f'{name}: {{path: {name}.csv, {TABLE}, {split}}}' for name in names)}}}")
    assert sorted(made) == [2, 2, 2, 2, 6, 6, 6, 6]


def test_what_the_check_told_is_not_told_again(write, examined: Examine) -> None:
    write("a.csv", "text,label", "one,bad", "two,good")
    text = f"metrics: {{right: {{use: toy.right, in: head, target: mood}}}}\nsources: {{a: {{path: a.csv, {TABLE}}}}}"
    fusion = Fusion.parse(SHAPE + text, base=Path(write("none.csv")).parent)
    plan = check(fusion, registry())
    assert [warning.code for warning in plan.warnings] == ["CN408"]
    assert examine(plan) == ()


def test_prepare_refuses_and_warns_of_the_same(write, tmp_path: Path) -> None:
    write("a.csv", "text,label", "one,0", "two,1", ",1")
    text = f"{SHAPE}sources: {{a: {{path: a.csv, {TABLE}}}}}"
    plan = check(Fusion.parse(text, base=tmp_path), registry())
    assert {warning.code for warning in prepare(plan).warnings} == {fault.code for fault in examine(plan)}
    write("a.csv", "text,label", "one,", "two,")
    with pytest.raises(DataError) as caught:
        prepare(check(Fusion.parse(text, base=tmp_path), registry()))
    assert [fault.code for fault in caught.value.diagnostics] == ["CN407"]


def test_a_hub_data_set_is_read_by_its_names_in_whatever_order(tmp_path: Path, examined: Examine) -> None:
    folder = tmp_path / "set" / "data"
    folder.mkdir(parents=True)

    def save(*names: str) -> None:
        features = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=list(names)))
        table = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}, features)
        table.to_parquet(folder / "train-00000-of-00001.parquet")

    source = "sources: {a: {use: hub, path: set, map: {text: text, mood: label}}}"
    save("good", "bad")
    assert examined(source) == []
    save("positive", "negative")
    [fault] = examined(source)
    assert (fault.code, fault.found) == (
        "CN502",
        'column label: "positive" in row 1 of train, "negative" in row 2 of train',
    )
    save("0", "1")  # names that are none: what 0 means, nobody says
    assert [fault.code for fault in examined(source)] == ["CN511"]


def test_codes_of_a_space_that_the_file_names_have_a_meaning(write, tmp_path: Path) -> None:
    write("a.csv", "text,label", "one,0", "two,1", "three,2", "four,3", "five,4", "six,5", "seven,6")
    text = SHAPE.replace("[bad, good]", "psychology.ekman") + "sources: {a: {use: table, path: a.csv, map: MAP}}"
    for column, codes in (("label", ["CN511"]), ("{column: label, space: psychology.ekman}", [])):
        fusion = Fusion.parse(text.replace("MAP", f"{{text: text, mood: {column}}}"), base=tmp_path)
        assert [fault.code for fault in examine(check(fusion, registry()))] == codes


def test_the_fix_of_codes_writes_them_as_they_are_written(write, tmp_path: Path) -> None:
    rows = [f'{{"text": "{word}", "label": "{code}"}}' for word, code in (("one", "00"), ("two", "01"))]
    write("a.jsonl", *rows)
    text = SHAPE + "sources: {a: {use: table, path: a.jsonl, map: {text: text, mood: label}}}"
    [fault] = examine(check(Fusion.parse(text, base=tmp_path), registry()))
    assert (fault.code, fault.fix) == ("CN511", 'mood: {column: label, values: {"00": bad, "01": good}}')
    mended = text.replace("mood: label", fault.fix)
    assert examine(check(Fusion.parse(mended, base=tmp_path), registry())) == ()


def test_numbers_that_are_not_finite_are_told_of_a_binary_file_too(tmp_path: Path) -> None:
    rows = {
        "text": ["a", "b", "c", "d"],
        "label": ["bad", "good", "bad", "good"],
        "n": [1.0, float("inf"), float("nan"), None],
    }
    datasets.Dataset.from_dict(rows).to_parquet(tmp_path / "a.parquet")
    text = SHAPE.replace("mood: {category: [bad, good]}", "mood: {category: [bad, good]}, n: number")
    text += "sources: {a: {use: table, path: a.parquet, map: {text: text, mood: label, n: n}}}"
    [fault] = examine(check(Fusion.parse(text, base=tmp_path), registry()))
    assert (fault.code, fault.found) == ("CN503", 'column n: "inf" in row 2, "nan" in row 3')


def test_rows_are_counted_over_slices(write, examined: Examine) -> None:
    rows = [f"text {number},{'good' if number % 3 else 'bad'}" for number in range(LENGTH + 5)]
    rows[LENGTH + 2] = "text 7,godo"
    rows[3] = ",good"
    write("a.csv", "text,label", *rows)
    found = {fault.code: fault for fault in examined(f"sources: {{a: {{path: a.csv, {TABLE}, split: {{test: 5}}}}}}")}
    assert f'"godo" in row {LENGTH + 3}' in found["CN502"].found
    assert found["CN513"].found.endswith("rows have no text: row 4")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("patience", "stream", "shown"), [(0.0, Terminal, True), (99.0, Terminal, False), (0.0, io.StringIO, False)]
)
def test_a_bar_is_shown_on_a_terminal_when_it_takes_long(
    patience: float, stream: type[io.StringIO], shown: bool, write, examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("a.csv", "text,label", *(f"text {number},{'good' if number % 3 else 'bad'}" for number in range(100)))
    error = stream()
    monkeypatch.setattr(sys, "stderr", error)
    monkeypatch.setattr(_examine, "_PATIENCE", patience)
    assert examined(f"sources: {{a: {{path: a.csv, {TABLE}}}}}") == []
    assert ("examining" in error.getvalue()) == shown


PROCESS = """
import sys
from pathlib import Path

folder, here = sys.argv[1:]
sys.path.insert(0, here)
import datasets
from toy_examined import SHAPE, TABLE, registry

from consilience.data import _fill, examine
from consilience.declare import Fusion
from consilience.plan import check

datasets.config.HF_DATASETS_CACHE = folder
source = "sources: {a: {path: rows.csv, " + TABLE + ", split: {test: 0.1}}}"
plan = check(Fusion.parse(SHAPE + source, base=folder), registry())


def own():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1])


held = [own()]
count = _fill.Filler._count


def watched(*arguments):
    count(*arguments)
    held.append(own())


_fill.Filler._count = watched
assert examine(plan) == ()
assert not {"torch", "transformers"} & set(sys.modules)
print(max(held) - held[0], len(held) - 1)
"""


def held_by(folder: Path, rows: int) -> int:
    """Gives the kilobytes of its own that an examination takes, in a process of its own."""
    with (folder / "rows.csv").open("w") as file:
        file.write("text,label\n")
        file.writelines(f"{'word ' * 40}{number},{'good' if number % 3 else 'bad'}\n" for number in range(rows))
    command = [sys.executable, "-c", PROCESS, str(folder), str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    grown, slices = map(int, done.stdout.split())
    assert slices == rows // LENGTH
    return grown


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here tells what memory is held")
def test_memory_grows_by_some_bytes_a_row_and_torch_is_not_imported(tmp_path: Path) -> None:
    few, many = (held_by(tmp_path, LENGTH * slices) for slices in (5, 20))
    # The texts alone are 200 bytes a row.
    assert (many - few) * 1024 < 100 * LENGTH * 15
