"""The contract: `__all__`, the table of docs/contract.md and the golden list of signatures say the same."""

from __future__ import annotations

import difflib
import importlib
import os
import re
from pathlib import Path

import pytest
from public_api import HOMES, described, listing

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden" / "public_api.txt"
REWRITE = "CONSILIENCE_GOLDEN"
"""Set to 1, the golden list is written anew."""

ADVICE = f"""
This changes what docs/contract.md promises. If it is meant:
  - of something new: write the line under Added in CHANGELOG.md, and the name into the table of docs/contract.md
  - of something that goes, or whose arguments change: keep the old way for two minor releases, mark it with
    consilience.declare.deprecated, and write the line under Deprecated in CHANGELOG.md and the row in docs/contract.md
  - then: {REWRITE}=1 python -m pytest tests/architecture/test_public_api.py, and read the difference.
"""


def table() -> dict[str, tuple[list[str], list[str]]]:
    """Reads the table of names: by package, those promised and those for the rooms alone."""
    rows = {}
    for line in (ROOT / "docs" / "contract.md").read_text(encoding="utf-8").splitlines():
        cells = [re.findall(r"`([\w.]+)`", cell) for cell in line.strip("|").split(" |")]
        if len(cells) == 3 and len(cells[0]) == 1 and cells[0][0] in HOMES:
            rows[cells[0][0]] = (cells[1], cells[2])
    return rows


TABLE = table()


def test_the_table_has_every_public_package() -> None:
    assert tuple(sorted(TABLE)) == tuple(sorted(HOMES))
    rooms = [path for path in (ROOT / "src" / "consilience").iterdir() if (path / "__init__.py").is_file()]
    assert {f"consilience.{path.name}" for path in rooms} - set(HOMES) == {"consilience.cli", "consilience.standard"}


@pytest.mark.parametrize("package", HOMES)
def test_the_table_has_the_names_of_a_package(package: str) -> None:
    promised, rooms = TABLE[package]
    names = importlib.import_module(package).__all__
    assert len(set(names)) == len(names)
    assert set(promised) & set(rooms) == set()
    assert promised == sorted(promised)
    assert rooms == sorted(rooms)
    missing = sorted(set(names) - {*promised, *rooms})
    gone = sorted({*promised, *rooms} - set(names))
    assert (missing, gone) == ([], []), f"{package}: {missing} stand in no column of docs/contract.md, {gone} are gone"


@pytest.mark.parametrize("package", HOMES)
def test_every_name_is_there_and_every_promised_thing_says_what_it_is(package: str) -> None:
    module = importlib.import_module(package)
    for name in module.__all__:
        value = getattr(module, name)
        own = callable(value) and getattr(value, "__module__", "").startswith("consilience")
        assert not own or (value.__doc__ or "").strip(), f"{package}.{name} has no docstring"


def test_no_promised_signature_changed() -> None:
    told = listing({package: promised for package, (promised, _) in TABLE.items()})
    if os.environ.get(REWRITE) == "1":
        GOLDEN.write_text(told, encoding="utf-8")
    kept = GOLDEN.read_text(encoding="utf-8")
    changes = difflib.unified_diff(kept.splitlines(), told.splitlines(), "promised", "now", lineterm="", n=1)
    assert told == kept, "\n".join([*changes, ADVICE])


class Before:
    """What a class was."""

    __module__ = "consilience.lab"
    size: int = 1

    def area(self, scale: float = 1.0, *, unit: str) -> float:
        """Gives the area."""
        return scale

    @property
    def name(self) -> str:
        """Its name."""
        return ""


class Base:
    """What is below."""


def changed(**members: object) -> type:
    annotations = members.pop("annotations", {"size": "int"})
    kept = {name: value for name, value in vars(Before).items() if name in ("__module__", "size", "area", "name")}
    return type("Before", members.pop("bases", ()), kept | {"__annotations__": annotations} | members)


def other_default(self: Before, scale: float = 2.0, *, unit: str) -> float: ...
def other_argument(self: Before, factor: float = 1.0, *, unit: str) -> float: ...
def other_kind(self: Before, scale: float = 1.0, unit: str = "") -> float: ...
def other_type(self: Before, scale: int = 1.0, *, unit: str) -> float: ...
def other_value(self: Before, scale: float = 1.0, *, unit: str) -> int: ...


@pytest.mark.parametrize(
    "after",
    [
        *(changed(area=function) for function in (other_default, other_argument, other_kind, other_type, other_value)),
        changed(size=2),
        changed(annotations={"size": "float"}),
        changed(annotations={}),
        changed(annotations={"size": "int", "width": "int"}),
        changed(name=None),
        changed(bases=(Base,)),
        changed(more=lambda self: None),
    ],
)
def test_a_change_changes_the_list(after: type) -> None:
    before = list(described("lab.Before", Before))
    assert before == [
        "class lab.Before",
        "    size: int = 1",
        "    def area(self, scale: float = 1.0, *, unit: str) -> float",
        "    property name -> str",
    ]
    assert list(described("lab.Before", changed())) == before
    assert list(described("lab.Before", after)) != before
