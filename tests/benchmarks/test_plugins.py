"""The benchmark of listing plugins, in a setting so small that it takes seconds."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("fifty", "measuring", "plugins"):  # pytest calls the folder of the disciplines `plugins` too
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module("plugins")
    for name in ("fifty", "measuring", "plugins"):
        sys.modules.pop(name, None)


def test_json_gives_one_figure_a_line() -> None:
    command = [sys.executable, str(FOLDER / "plugins.py"), "--json", "--rounds", "1", "--plugins", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(list(row) == ["name", "value", "unit", "against"] for row in rows)
    found = {row["name"]: row for row in rows}
    assert found["3 plugins/0 plugins"]["against"] == "the same command where no plugin is installed"
    assert found["3 plugins/0 plugins (CPU time)"]["value"] > 0
    assert {"listing 3 plugins", "listing 0 plugins", "a plugin more"} <= set(found)
    assert found["modules of torch imported"]["value"] == found["modules of transformers imported"]["value"] == 0


def test_a_plugin_that_imports_torch_is_found_out(benchmark: Any, tmp_path: Path) -> None:
    import fifty

    path = [fifty.write_environment(tmp_path / "environment"), fifty.write_plugins(tmp_path / "plugins", 2)]
    assert benchmark.count_plugins(path) == 2
    assert benchmark.imported(path, "torch") == []
    assert "consilience.host._registry" in benchmark.imported(path, "consilience")
    # A stand-in of torch: to import the real one takes a second.
    (path[0] / "torch").unlink()
    (path[0] / "torch.py").touch()
    fifty.write_plugin(path[1], "heavy", f"import torch\n{fifty.DECLARATIONS}")
    assert benchmark.count_plugins(path) == 3
    assert benchmark.imported(path, "torch") == ["torch"]
