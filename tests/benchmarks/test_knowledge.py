"""The benchmark of knowledge, in a setting so small that it takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "benchmarks"


def test_every_part_gives_its_figures() -> None:
    command = [sys.executable, str(FOLDER / "knowledge.py"), "--quick", "--json", "--sides", "complex"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {row["name"]: row["value"] for row in map(json.loads, done.stdout.splitlines())}
    assert found["2,000 triples to a graph, first"] > 0
    assert found["linking"] > 1
    assert found.get("links umls") == "skipped" or 0 < found["umls complex mrr"] <= 1
