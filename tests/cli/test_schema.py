"""The command `schema`: what it writes, and where, and what it says of plugins at fault."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from consilience.cli import main
from consilience.host import Registry, _registry, schema


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["schema", *map(str, arguments)])


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """One plugin beside the installed ones, which fails to import."""
    found = [EntryPoint("broken", "nothing_of_this_name", "consilience.plugins")]
    monkeypatch.setattr(_registry, "_default", Registry([*entry_points(group="consilience.plugins"), *found]))


def test_it_prints_the_schema() -> None:
    result = call()
    assert result.exit_code == 0
    assert result.stderr == ""
    assert json.loads(result.stdout) == schema(Registry())


def test_it_writes_the_same_into_a_file(tmp_path: Path) -> None:
    result = call("--output", tmp_path / "fusion.schema.json")
    assert (result.exit_code, result.output) == (0, "")
    assert (tmp_path / "fusion.schema.json").read_text(encoding="utf-8") == call().stdout


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    result = call("--output", tmp_path / "no" / "fusion.schema.json")
    assert result.exit_code == 1
    assert "error CN709 at output" in result.stderr
    assert "fix       --output fusion.schema.json" in result.stderr


@pytest.mark.usefixtures("broken")
def test_a_plugin_at_fault_is_told_and_the_rest_is_written(tmp_path: Path) -> None:
    result = call("-o", tmp_path / "fusion.schema.json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("the schema lacks what these plugins at fault would offer: broken\nerror CN204 at ")
    assert "an unknown distribution  fails to import: ModuleNotFoundError" in result.stderr
    assert json.loads((tmp_path / "fusion.schema.json").read_text(encoding="utf-8")) == schema(Registry())
