"""Whatever lies at a path, or does not, is told, and nothing escapes as an exception."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from consilience.declare import Fault, Location


def fault_of(text: str, base: Path, form: str | None = "file") -> tuple[str, str, str]:
    fault = Location(text, base).fault(wanted="a table", form=form)  # type: ignore[arg-type]
    assert fault is not None
    assert (fault.key, fault.expected) == ("path", "a table")
    return fault.code, fault.found.replace(f"{base}/", ""), fault.fix.replace(f"{base}/", "")


def test_what_lies_there_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").touch()
    assert Location("rows.csv", tmp_path).fault(form="file") is None
    assert Location(".", tmp_path).fault(form="folder") is None
    assert Location(str(tmp_path / "rows.csv")).fault() is None
    assert Location("pkg:consilience/py.typed").fault(form="file") is None


def test_a_missing_file_gets_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").touch()
    assert fault_of("row.csv", tmp_path) == ("CN601", "row.csv: nothing lies at row.csv", "path: rows.csv")
    assert fault_of("./row.csv/", tmp_path)[2] == "path: ./rows.csv"
    assert fault_of("else.parquet", tmp_path)[2] == "# put a table at else.parquet, or correct path"


def test_a_folder_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "rows.csv").touch()
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "a.csv").touch()
    (tmp_path / "two" / "b.csv").touch()
    assert fault_of("one", tmp_path) == ("CN613", "one: a folder", "path: one/rows.csv")
    assert fault_of("one/", tmp_path)[2] == "path: one/rows.csv"
    assert fault_of("two", tmp_path) == ("CN613", "two: a folder", "# name under path a file inside two")


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").touch()
    assert fault_of("model/config.json", tmp_path, "folder") == ("CN613", "model/config.json: a file", "path: model")


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rows.csv")
    assert fault_of("rows.csv", tmp_path)[:2] == ("CN613", "rows.csv: a device, a socket or a pipe")


def test_links_that_lead_nowhere_are_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "lost.csv").symlink_to("gone.csv")
    (tmp_path / "round.csv").symlink_to("round.csv")
    (tmp_path / "here.csv").symlink_to("there.csv")
    (tmp_path / "there.csv").symlink_to("here.csv")
    for name, target in (("lost", "gone"), ("round", "round"), ("here", "there")):
        code, found, fix = fault_of(f"{name}.csv", tmp_path)
        assert (code, found) == ("CN601", f"{name}.csv: {name}.csv is a link to {target}.csv, which leads nowhere")
        assert fix != f"path: {name}.csv"


def test_a_closed_file_and_a_closed_folder_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows.csv").touch()
    (tmp_path / "model").mkdir()
    # To root nothing is closed: what the system would answer is put in its mouth.
    monkeypatch.setattr("consilience.declare._location.os.access", lambda path, mode: False)
    for text, form in (("rows.csv", "file"), ("model", "folder"), ("model", None)):
        found = f"{text}: closed to this user"
        assert fault_of(text, tmp_path, form) == (
            "CN613",
            found,
            f"# let {text} be read, or name another under path",
        )


def test_a_folder_that_cannot_be_looked_into_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "exists", refuse)
    found = ("CN601", "vault/rows.csv: Permission denied", "# write under path where a table lies")
    assert fault_of("vault/rows.csv", tmp_path) == found


@pytest.mark.parametrize("text", ["~nobody-by-this-name/rows.csv", "x" * 5000, "a\0b.csv", "rows.csv/inside", "\udcff"])
def test_a_path_that_no_system_takes_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "rows.csv").touch()
    code, _, fix = fault_of(text, tmp_path)
    assert code == "CN601"
    assert fix.startswith(("#", "path: "))


def test_a_name_that_looks_alike_is_told_and_given(tmp_path: Path) -> None:
    (tmp_path / "fäden.csv").touch()  # one letter
    decomposed = "fa\u0308den.csv"  # two
    if (tmp_path / decomposed).exists():
        pytest.skip("this file system takes both forms for one name")
    code, found, fix = fault_of(decomposed, tmp_path)
    assert (code, fix) == ("CN601", "path: fäden.csv")
    assert found.endswith("; a name that looks alike has its accents in another form")


def test_names_that_no_fusion_file_can_hold_are_not_suggested(tmp_path: Path) -> None:
    for name in (b"rows\xff.csv", b"rows\n.csv"):
        (Path(os.fsdecode(bytes(tmp_path) + b"/" + name))).touch()
    fix = fault_of("rows.csv", tmp_path)[2]
    assert fix == "# put a table at rows.csv, or correct path"
    fix.encode()


def test_a_full_folder_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(40):
        (tmp_path / f"part{number}.csv").touch()
    monkeypatch.setattr("consilience.declare._location._MOST_NAMES", 5)
    compared: list[int] = []
    monkeypatch.setattr("consilience.declare._location.nearest", lambda name, known: compared.append(len(list(known))))
    fault_of("rows.csv", tmp_path)
    assert compared == [5]


def test_packages_that_are_missing_or_none_are_told(tmp_path: Path) -> None:
    assert fault_of("pkg:no_such_package/rows.csv", tmp_path) == (
        "CN602",
        "pkg:no_such_package, and no package no_such_package is installed",
        "pip install no-such-package",
    )
    assert fault_of("pkg:colorsys/rows.csv", tmp_path) == (
        "CN602",
        "pkg:colorsys, which is a module without files",
        "# name under path a table",
    )
    assert fault_of("pkg:os.path/rows.csv", tmp_path)[0] == "CN602"
    assert fault_of("pkg:/rows.csv", tmp_path)[0] == "CN602"
    assert fault_of("pkg:consilience", tmp_path) == (
        "CN613",
        "pkg:consilience: a folder",
        "# name under path a file inside pkg:consilience",
    )


def test_a_namespace_package_is_searched_in_all_its_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for portion in ("first", "second"):
        (tmp_path / portion / "shared_rows").mkdir(parents=True)
        (tmp_path / portion / "shared_rows" / f"{portion}.csv").touch()
        monkeypatch.syspath_prepend(str(tmp_path / portion))
    monkeypatch.delitem(sys.modules, "shared_rows", raising=False)
    for portion in ("first", "second"):
        place = Location(f"pkg:shared_rows/{portion}.csv")
        assert place.fault(form="file") is None
        assert place.path == tmp_path / portion / "shared_rows" / f"{portion}.csv"
    fault = Location("pkg:shared_rows/frist.csv").fault()
    assert isinstance(fault, Fault)
    assert fault.code == "CN601"
