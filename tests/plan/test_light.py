"""A check brings nothing heavy, so that it answers at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ["torch", "transformers", "datasets", "numpy", "scipy", "pandas", "rdflib", "peft", "torchmetrics", "sklearn"]
HEAVY += ["networkx", "packaging"]  # for a drawing, a cycle, an odd requirement: each takes long to import


@pytest.mark.parametrize("what", ["from consilience import check; check({file!r})", "import consilience"])
def test_a_check_imports_nothing_heavy(what: str, demo_file: Path) -> None:
    code = f"import sys\n{what.format(file=str(demo_file))}\nprint([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
