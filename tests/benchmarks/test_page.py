"""The benchmark of the page, in a setting so small that it takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "benchmarks"


def test_json_gives_one_figure_a_line() -> None:
    command = [sys.executable, str(FOLDER / "page.py"), "--json", "--rounds", "1", "--nodes", "10", "40"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert found["page/check of 40 nodes"]["against"] == "the check of 40 nodes"
    assert found["size of the page of 40 nodes"]["value"] > found["size of the page of 10 nodes"]["value"] > 0
