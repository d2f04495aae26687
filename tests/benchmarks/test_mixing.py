"""The benchmark of the mix, in a setting so small that it takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "benchmarks"


def test_batches_of_like_length_keep_the_mix_better_than_plain_ones() -> None:
    command = [sys.executable, str(FOLDER / "mixing.py"), "--json", "--epochs", "1", "--rows", "1000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {row["name"]: row["value"] for row in map(json.loads, done.stdout.splitlines())}
    ours, plain = ("far apart: shares kept, of like length", "far apart: plain length grouping")
    assert found[f"{ours}, off the mix in 16 batches"] < found[f"{plain}, off the mix in 16 batches"]
    assert found[f"{ours}, padding"] < 0.5 * found["far apart: random rows, padding"]
