"""`consilience new`: what it refuses, with which words, and that nothing half-made is left."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from consilience.cli import _new, main
from consilience.cli._kinds import KINDS
from consilience.cli._template import COMPLETE, Discipline, rendered

ROOT = Path(__file__).parents[2]

Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, ["new", *map(str, arguments)])


NAME = (
    "lower-case letters, digits and single underscores, a letter first, at most 30; no word of Python's own\n"
    "  fix       consilience new "
)
FREE = "a namespace that nobody has: files could not tell two apart\n  fix       consilience new "
REFUSED = {
    "Folk-Tales": f"error CN240 at discipline\n  found     Folk-Tales\n  expected  {NAME}folk_tales",
    "märchen": f"error CN240 at discipline\n  found     märchen\n  expected  {NAME}marchen",
    "2nd_world": f"error CN240 at discipline\n  found     2nd_world\n  expected  {NAME}nd_world",
    "_lore": f"error CN240 at discipline\n  found     _lore\n  expected  {NAME}lore",
    "": f"error CN240 at discipline\n  found     an empty name\n  expected  {NAME}folklore",
    "class": f"error CN240 at discipline\n  found     class, a word of Python's own\n  expected  {NAME}my_class",
    "match": f"error CN240 at discipline\n  found     match, a word of Python's own\n  expected  {NAME}my_match",
    "json": f"error CN240 at discipline\n  found     json, a word of Python's own\n  expected  {NAME}my_json",
    "a" * 31: f"error CN240 at discipline\n  found     {'a' * 31}\n  expected  {NAME}{'a' * 30}",
    "task": "error CN241 at discipline\n"
    f"  found     task, the discipline of the standard losses\n  expected  {FREE}my_task",
    "graph": "error CN241 at discipline\n"
    "  found     graph, a command of Consilience, before which no plugin's own would be found\n"
    f"  expected  {FREE}my_graph",
}


@pytest.mark.parametrize(("name", "text"), REFUSED.items(), ids=[name[:12] for name in REFUSED])
def test_a_name_that_no_discipline_can_have(name: str, text: str, call: Call, tmp_path: Path) -> None:
    result = call(name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"{text}\n\n1 error\n"
    assert list(tmp_path.iterdir()) == []
    [suggested] = text.splitlines()[-1].split()[-1:]
    assert call(suggested).exit_code == 0


def test_a_namespace_that_is_installed(call: Call, tmp_path: Path) -> None:
    result = call("standard")
    version = _new.consilience_version()
    assert result.exit_code == 1
    assert result.stderr == (
        "error CN241 at discipline\n"
        f"  found     standard, which consilience {version} offers here\n"
        f"  expected  {FREE}my_standard\n"
        "\n1 error\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_holds_something(call: Call, tmp_path: Path) -> None:
    (tmp_path / "consilience-folklore").mkdir()
    for name in ("notes.txt", "other.txt"):
        (tmp_path / "consilience-folklore" / name).write_text("mine", encoding="utf-8")
    result = call("folklore")
    assert result.exit_code == 1
    assert result.stderr == (
        "error CN620 at output\n"
        "  found     consilience-folklore, which holds notes.txt and 1 more\n"
        "  expected  a directory that is empty, or not there yet: nothing is written over\n"
        "  fix       --output consilience-folklore-2\n"
        "\n1 error\n"
    )
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["consilience-folklore", "notes.txt", "other.txt"]
    (tmp_path / "file").touch()
    assert "found     file, which is no directory\n" in call("folklore", "--output", "file").stderr


def test_all_that_is_wrong_is_told_at_once(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = call("json", "--output", "file").stderr
    assert [line.split()[1] for line in told.splitlines() if line.startswith("error")] == ["CN240", "CN620"]


@pytest.mark.parametrize("place", ["", "new", "new/and/deep"])
def test_a_failure_leaves_nothing(place: str, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Path.write_text

    def fail(path: Path, *arguments: object, **options: object) -> int:
        if path.name == "CHANGELOG.md":
            raise OSError(28, "No space left on device", str(path))
        return written(path, *arguments, **options)  # type: ignore[arg-type]

    (tmp_path / "work").mkdir()
    monkeypatch.setattr(Path, "write_text", fail)
    result = call("folklore", "--output", tmp_path / "work" / place)
    assert result.exit_code == 1
    assert "error CN709 at output" in result.stderr
    assert "CHANGELOG.md: No space left on device\n" in result.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["work"]


def test_a_failure_while_moving_leaves_an_empty_directory_empty(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed, done = Path.rename, []

    def fail(path: Path, target: Path) -> Path:
        done.append(path)
        if len(done) == 4:
            raise PermissionError(13, "Permission denied", str(target))
        return renamed(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    assert call("folklore", "--output", tmp_path).exit_code == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_place_that_is_closed_is_told(call: Call, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    result = call("folklore", "--output", tmp_path / "closed" / "new")
    assert result.exit_code == 1
    assert "error CN709 at output" in result.stderr


def test_it_tells_what_to_type_next(call: Call, tmp_path: Path) -> None:
    result = call("folk_tales")
    assert result.exit_code == 0
    assert result.stdout == (
        "consilience-folk-tales: 16 files\n"
        "next\n"
        "  cd consilience-folk-tales\n"
        "  pip install --editable '.[dev]'\n"
        "  pytest\n"
    )
    made = [
        str(path.relative_to(tmp_path / "consilience-folk-tales")) for path in tmp_path.rglob("*") if path.is_file()
    ]
    assert sorted(made) == [
        ".github/workflows/ci.yml",
        ".gitignore",
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "examples/folk_tales.csv",
        "examples/folk_tales.yaml",
        "pyproject.toml",
        "src/consilience_folk_tales/__init__.py",
        "src/consilience_folk_tales/heads.py",
        "src/consilience_folk_tales/losses.py",
        "src/consilience_folk_tales/metrics.py",
        "src/consilience_folk_tales/py.typed",
        "src/consilience_folk_tales/reading.py",
        "tests/test_folk_tales.py",
        "tests/test_folk_tales_conformance.py",
    ]
    project = tomllib.loads((tmp_path / "consilience-folk-tales" / "pyproject.toml").read_text())["project"]
    assert project["name"] == "consilience-folk-tales"
    assert project["entry-points"]["consilience.plugins"] == {"folk_tales": "consilience_folk_tales"}


def test_an_empty_directory_will_do(call: Call, tmp_path: Path) -> None:
    assert call("folklore", "--output", ".").exit_code == 0
    assert (tmp_path / "pyproject.toml").is_file()
    assert not list(tmp_path.glob(".consilience-new-*"))


def test_it_offers_every_kind() -> None:
    [option] = [parameter for parameter in main.commands["new"].params if parameter.name == "kind"]  # type: ignore[attr-defined]
    assert list(option.type.choices) == list(KINDS)


@pytest.mark.parametrize(
    ("version", "requirement"),
    [
        ("0.1.0", ">=0.1,<0.2"),
        ("0.9.3", ">=0.9,<0.10"),
        ("1.4.2", ">=1.4,<2"),
        ("1", ">=1.0,<2"),
        ("0.2.0.dev1", ">=0.2.0.dev1,<0.3"),
        ("0.1.0+local", ">=0.1,<0.2"),
    ],
)
def test_it_requires_the_version_that_runs(version: str, requirement: str) -> None:
    assert Discipline("folklore", COMPLETE, version).requirement == requirement


def test_the_licence_is_that_of_the_project() -> None:
    made = {str(path): text for path, text in rendered(Discipline("folklore", COMPLETE, "0.1.0")).items()}
    assert made["LICENSE"] == (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_it_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from consilience.cli import main; main(['new', 'folklore'], standalone_mode=False); "
        "print([name for name in ('torch', 'transformers', 'numpy', 'pydantic.main') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "['pydantic.main']"
