"""The standard sources: what they read, what they refuse."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
from pathlib import Path

import datasets
import pytest

from consilience.declare import Location
from consilience.errors import DataError, Severity
from consilience.standard._sources import Hub, Table


def table(folder: Path, path: str, **settings: object) -> Table:
    return Table.model_validate({"path": path, **settings}, context={"base": folder})


def hub(folder: Path, path: str, **settings: object) -> Hub:
    return Hub.model_validate({"path": path, **settings}, context={"base": folder})


def rows(source: Table | Hub, split: str = "all") -> dict[str, list[object]]:
    return source.open()[split].to_dict()


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.CSV", "a.data"])
def test_csv_cells_are_texts_and_no_word_is_missing(tmp_path: Path, name: str) -> None:
    text = '\ufefftext,label\n"a, ""b""",007\nNA,null\nNone,\n'.encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    source = table(tmp_path, name, **({"format": "csv"} if name == "a.data" else {}))
    assert list(source.faults()) == []
    assert source.files() == [tmp_path / name]
    assert rows(source) == {"text": ['a, "b"', "NA", "None"], "label": ["007", "null", ""]}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize("stem", ["data[1]", "data*", "data?", "a[b]*[!c]"])
def test_a_name_is_no_pattern(tmp_path: Path, stem: str, suffix: str) -> None:
    for other in (stem, "data1", "data22", "ab1"):
        text = f"text\n{other}\n" if suffix == ".csv" else f'{{"text": "{other}"}}\n'
        (tmp_path / f"{other}{suffix}").write_text(text)
    assert rows(table(tmp_path, f"{stem}{suffix}")) == {"text": [stem]}


def test_tsv_has_no_quoting_and_csv_with_a_tab_has(write, tmp_path: Path) -> None:
    write("a.tsv", "text\tlabel", 'say "no\t1', '"b"\t0')
    assert rows(table(tmp_path, "a.tsv"))["text"] == ['say "no', '"b"']
    write("b.tsv", "text\tlabel", '"a\tb"\t1')
    assert rows(table(tmp_path, "b.tsv", format="csv", delimiter="\t"))["text"] == ["a\tb"]


def test_columns_name_what_has_no_header(write, tmp_path: Path) -> None:
    write("a.tsv", "gj04\t1\t\tOur friends", "gj04\t0\t*\tThey drank")
    read = rows(table(tmp_path, "a.tsv", columns=["source", "label", "mark", "text"]))
    assert read == {
        "source": ["gj04", "gj04"],
        "label": ["1", "0"],
        "mark": ["", "*"],
        "text": ["Our friends", "They drank"],
    }


def test_json_lines_and_parquet_keep_their_types(write, tmp_path: Path) -> None:
    write("a.jsonl", '{"words": ["a", "b"], "score": 1.5}', '{"words": [], "score": null}')
    expected = {"words": [["a", "b"], []], "score": [1.5, None]}
    assert rows(table(tmp_path, "a.jsonl")) == expected
    datasets.Dataset.from_dict(expected).to_parquet(tmp_path / "a.parquet")
    assert rows(table(tmp_path, "a.parquet")) == expected


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_changed_file_is_read_anew(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.csv{suffix}"
    for second, cell in enumerate("xyz"):
        text = f"a,b\n{cell},1\n".encode()
        path.write_bytes(gzip.compress(text) if suffix else text)
        os.utime(path, (second, second))
        assert rows(table(tmp_path, path.name))["a"] == [cell]


def test_a_table_with_a_header_alone_has_columns_and_no_rows(write, tmp_path: Path) -> None:
    write("a.csv", "text,label")
    assert rows(table(tmp_path, "a.csv")) == {"text": [], "label": []}


@pytest.mark.parametrize("name", ["validation", "valid", "val", "dev"])
def test_split_finds_each_file_by_its_name(write, tmp_path: Path, name: str) -> None:
    write("train.csv", "a,b", "1,2")
    write(f"{name}.csv", "a,b", "3,4")
    source = table(tmp_path, "{split}.csv")
    assert {split: len(rows) for split, rows in source.open().items()} == {"train": 1, "validation": 1}
    assert [path.name for path in source.files()] == ["train.csv", f"{name}.csv"]


def test_faults_of_a_table(write, tmp_path: Path) -> None:
    write("reviews.csv", "a,b")
    write("reviews.data", "a,b")
    write("reviews.jsonl", "{}")

    def told(*arguments: object, **settings: object) -> list[tuple[str, str, str, str]]:
        faults = table(tmp_path, *arguments, **settings).faults()  # type: ignore[arg-type]
        return [(fault.code, fault.key, fault.found, fault.fix) for fault in faults]

    missing = f"review.csv: nothing lies at {tmp_path}/review.csv"
    assert told("review.csv") == [("CN601", "path", missing, "path: reviews.csv")]
    names = "train, validation, valid, val, dev, test"
    missing = f"{{split}}.csv, and no file by that name for any of {names}"
    assert told("{split}.csv") == [("CN601", "path", missing, "path: train.csv")]
    unknown = "reviews.data, whose suffix names no known format"
    assert told("reviews.data") == [("CN607", "path", unknown, "format: csv")]
    surplus = [("CN607", "delimiter", "delimiter for jsonl", "# remove the key delimiter")]
    assert told("reviews.jsonl", delimiter=";") == surplus


def unreadable(source: Table | Hub) -> str:
    with pytest.raises(DataError) as caught:
        source.open()
    return str(caught.value)


def test_a_byte_that_is_not_utf8_is_told_with_its_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_bytes("text,label\nfine,1\ncafé,1\n".encode("latin1"))
    assert unreadable(table(tmp_path, "a.csv")) == (
        "error CN507 at path\n"
        "  found     a.csv: byte 0xe9 is not UTF-8 (line 3)\n"
        "  expected  a file in UTF-8\n"
        "  fix       iconv -f latin1 -t utf-8 a.csv > utf8_a.csv"
    )
    assert capfd.readouterr() == ("", "")


QUOTES = ": close its quotation, or put what holds the delimiter in quotes"


@pytest.mark.parametrize(
    ("lines", "key", "found", "fix"),
    [
        (["a,b", "1,2", "3,4,5"], "path", "3 cells in line 3, and 2 columns named", f"# correct line 3{QUOTES}"),
        (
            ['a,b"', '"x', 'y",2', "3,4,5"],
            "path",
            "3 cells in line 4, and 2 columns named",
            f"# correct line 4{QUOTES}",
        ),
        (
            ["a,b", "1,2,3", "4,5,6"],
            "path",
            "3 cells in line 2, and 2 columns named",
            f"# name all 3 columns in the first line, or correct line 2{QUOTES}",
        ),
        (
            ["a;b", "1;2, or 3"],
            "path",
            "2 cells in line 2, and 1 column named",
            'delimiter: ";"',
        ),
        (["a\tb", "1\t2, or 3"], "path", "2 cells in line 2, and 1 column named", r'delimiter: "\t"'),
        (
            ['a,b"', '"1,2'],
            "path",
            "EOF inside string starting at row 1",
            'format: tsv\ndelimiter: ","  # reads quotation marks as they stand; or close the quotation',
        ),
        ([], "path", "the file is empty", "# write the table into it, or name another file under path"),
        (["", "  "], "path", "the file is empty", "# write the table into it, or name another file under path"),
        (
            ["a,b,a,c,c", "1,2,3,4,5"],
            "path",
            "a, c as the name of several columns",
            "# give each column a name of its own: a stands there more than once",
        ),
    ],
)
def test_broken_rows_are_told(write, tmp_path: Path, lines: list[str], key: str, found: str, fix: str) -> None:
    write("a.csv", *lines)
    told = unreadable(table(tmp_path, "a.csv"))
    assert told.startswith(f"error CN507 at {key}\n  found     a.csv: {found}\n")
    assert told.replace("\n            ", "\n").endswith(f"\n  fix       {fix}")


def test_columns_that_are_too_few_or_named_twice_are_told_at_their_key(write, tmp_path: Path) -> None:
    write("a.csv", "x,1,2", "y,3,4")
    assert unreadable(table(tmp_path, "a.csv", columns=["text", "mark"])) == (
        "error CN507 at columns\n"
        "  found     a.csv: 3 cells in line 1, and 2 columns named\n"
        "  expected  a csv file that can be read to its end\n"
        "  fix       # name all 3 columns under columns"
    )
    assert "a.csv: b as the name of several columns" in unreadable(table(tmp_path, "a.csv", columns=["a", "b", "b"]))
    assert list(table(tmp_path, "a.csv").examine()) == []


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_rows_with_too_few_cells_are_counted(tmp_path: Path, suffix: str) -> None:
    text = b'a,b,c\n"x\ny",2,3\n\n1,2\n1,2,3\n1\n1,2,\n   \n1,2\n1\n'
    (tmp_path / f"a.csv{suffix}").write_bytes(gzip.compress(text) if suffix else text)
    [fault] = table(tmp_path, f"a.csv{suffix}").examine()
    assert (fault.code, fault.key, fault.severity) == ("CN514", "path", Severity.WARNING)
    assert fault.found == (
        f"a.csv{suffix}: rows 2, 4, 6 and 1 more have fewer than 3 cells; those that are missing are read as empty"
    )
    (tmp_path / f"a.csv{suffix}").write_bytes(gzip.compress(b"a,b\n1\n2,\n") if suffix else b"a,b\n1\n2,\n")
    [fault] = table(tmp_path, f"a.csv{suffix}").examine()
    assert f"a.csv{suffix}: row 1 has fewer than 2 cells" in fault.found


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("a.csv", ["a,b,", '"x, ""y""",2,', ",,"]),
        ("a.csv", ["a", "x", "", "y"]),
        ("a.tsv", ["a\tb", '"x\t2', 'y"\t']),
        ("a.jsonl", ['{"a": 1, "b": 2}', '{"a": 1}']),
    ],
)
def test_rows_with_a_cell_for_each_column_are_well(write, tmp_path: Path, name: str, lines: list[str]) -> None:
    write(name, *lines)
    assert list(table(tmp_path, name).examine()) == []


@pytest.mark.parametrize(
    ("text", "found", "fix"),
    [
        ('{"a": 1}\n\n{"a":\n', "JSON parse error", "# correct line 3"),
        ('{"a": 1}\n[1]\n', "JSON parse error: Column() changed from object to string (line 2)", "# correct line 2"),
        ('[{"a": 1},\n{"a"}]', "", "# correct line 2"),
        ("a,b\n1,2\n", "", "format: csv  # if that is what it is, or tsv; or correct the first line"),
        ("", "the file is empty", "# write the table into it, or name another file under path"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_broken_json_is_told_with_its_line(tmp_path: Path, text: str, found: str, fix: str, suffix: str) -> None:
    (tmp_path / f"a.jsonl{suffix}").write_bytes(gzip.compress(text.encode()) if suffix else text.encode())
    told = unreadable(table(tmp_path, f"a.jsonl{suffix}"))
    assert told.startswith(f"error CN507 at path\n  found     a.jsonl{suffix}: {found}")
    assert told.endswith(f"\n  fix       {fix}")


def test_broken_gzip_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n" * 1000)[:-12])
    assert "CN507 at path\n  found     a.csv.gz: " in unreadable(table(tmp_path, "a.csv.gz"))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'[{"a": 1}]', "jsonl"),
        (b'\xef\xbb\xbf\n {"a": 1}', "jsonl"),
        (b"PAR1...", "parquet"),
        (b"a\tb\n1\t2", "tsv"),
        (b"a\tb,c\n", "csv"),
        (b"a,b\n", "csv"),
        (b"", "csv"),
        (gzip.compress(b'{"a": 1}'), "jsonl"),
    ],
)
def test_an_unknown_suffix_is_mended_by_what_the_file_holds(tmp_path: Path, content: bytes, kind: str) -> None:
    name = "a.data.gz" if content.startswith(b"\x1f") else "a.data"
    (tmp_path / name).write_bytes(content)
    [fault] = table(tmp_path, name).faults()
    assert (fault.code, fault.fix) == ("CN607", f"format: {kind}")


def test_hub_reads_a_directory_of_parquet_files(tmp_path: Path) -> None:
    (tmp_path / "set" / "data").mkdir(parents=True)
    features = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=["neg", "pos"]))
    for split, labels in {"train": [0, 1, 1], "test": [1]}.items():
        made = datasets.Dataset.from_dict({"text": ["a"] * len(labels), "label": labels}, features=features)
        made.to_parquet(tmp_path / "set" / "data" / f"{split}-00000-of-00001.parquet")
    opened = hub(tmp_path, "set").open()
    assert {split: len(rows) for split, rows in opened.items()} == {"train": 3, "test": 1}
    assert opened["train"]["label"][:] == [0, 1, 1]
    assert len(list(hub(tmp_path, "set").files())) == 2


def test_hub_reads_a_directory_of_csv_files(write, tmp_path: Path) -> None:
    write("set/train.csv", "text,label", "a,1", "b,0")
    write("set/test.csv", "text,label", "c,1")
    source = hub(tmp_path, "set")
    assert list(source.faults()) == []
    assert {split: len(rows) for split, rows in source.open().items()} == {"train": 2, "test": 1}


def test_hub_never_runs_the_code_of_a_data_set(write, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    write("set/set.py", f"open({str(mark)!r}, 'w')")
    assert "error CN605 at path\n  found     set: " in unreadable(hub(tmp_path, "set"))
    assert not mark.exists()


def test_hub_tells_without_asking_it_that_a_data_set_is_not_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("a check asked the network")

    monkeypatch.setattr(socket, "socket", no_network)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    [fault] = hub(tmp_path, "nyu-mll/glue", name="cola").faults()
    assert (fault.code, fault.key, fault.severity) == ("CN605", "path", Severity.WARNING)
    assert fault.found == f"nyu-mll/glue: no folder of that path, and not cached in {tmp_path / 'hub'}"
    (tmp_path / "datasets" / "nyu-mll___glue").mkdir(parents=True)
    assert not list(hub(tmp_path, "nyu-mll/glue").faults())
    (tmp_path / "hub" / "datasets--nyu-mll--glue").mkdir(parents=True)
    assert not list(hub(tmp_path, "nyu-mll/glue").faults())


def test_hub_tells_of_a_missing_directory(write, tmp_path: Path) -> None:
    write("sets/train.csv", "a")
    [fault] = hub(tmp_path, "./set").faults()
    assert (fault.code, fault.fix) == ("CN601", "path: ./sets")


def test_hub_without_network_tells_what_to_load(tmp_path: Path) -> None:
    program = (
        "from consilience.standard._sources import Hub\nfrom consilience.errors import DataError\n"
        "try: Hub.model_validate({'path': 'nobody/nothing', 'name': 'small'}).open()\n"
        "except DataError as error: print(error)"
    )
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=offline, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == "error CN605 at path"
    assert lines[1].startswith("  found     nobody/nothing: Couldn't reach")
    assert lines[2:] == [
        "  expected  a data set that the hub gives, or that was loaded here before",
        "  fix       python -c 'import datasets; "
        'datasets.load_dataset("nobody/nothing", "small")\'  # once, with a network',
    ]


def test_locations_inside_a_package_are_found() -> None:
    assert Table(path=Location("pkg:json/decoder.csv")).files()[0].parts[-2:] == ("json", "decoder.csv")
