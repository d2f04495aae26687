"""The newcomer's transcript follows the whole tutorial, and nothing else; the benchmark itself runs it, for minutes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
from newcomer import PAGE, Newcomer, steps, write  # noqa: E402


def test_the_steps_are_those_of_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    told = list(steps(PAGE))
    commands = [step.command for step in told if step.command]
    assert commands == [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
    assert "consilience new folklore" in commands
    assert len([step for step in told if step.block]) == text.count("<!-- file: ") + text.count("<!-- change: ")


def test_a_block_is_written_or_changes_its_file(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- file: a.txt -->\n```text\none\ntwo\n```\n\n<!-- change: a.txt -->\n```diff\n one\n-two\n+three\n```\n"
    )
    for step in steps(page):
        assert step.block is not None
        write(step.block, tmp_path)
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "one\nthree\n"


def test_a_command_that_fails_ends_it(tmp_path: Path) -> None:
    newcomer = Newcomer(tmp_path, tmp_path, tmp_path / "transcript")
    assert newcomer.type("echo well").unit == "s"
    with pytest.raises(SystemExit, match="ended with 3"):
        newcomer.type("exit 3")
    assert (tmp_path / "transcript").read_text(encoding="utf-8").startswith("$ echo well\nwell\n[")
