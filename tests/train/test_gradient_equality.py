"""The gradients of the real trainer, in one process and in two, against those of one big batch written by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "equality.py"


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_every_way_to_cut_the_rows_gives_the_gradient_of_one_batch(processes: int) -> None:
    """23 rows in batches of 5: the last batch is short, and in two processes one of them has none at the end.

    Among the losses are weights of classes, of examples, of words and of nothing; one number for a batch; parameters
    alone; schedules that raise a loss and end one; and five patterns in which targets are missing.
    """
    cut = ["--batch-sizes", "5", "--accumulations", "2", "--processes", str(processes)]
    done = subprocess.run([sys.executable, str(SCRIPT), "--json", *cut], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {row["name"]: row["value"] for row in map(json.loads, done.stdout.splitlines())}
    assert len(found) == 10  # patterns x balancers
    assert {name: value for name, value in found.items() if not value <= 1e-10} == {}
