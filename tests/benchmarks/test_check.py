"""The benchmark of the check, in a setting so small that it takes seconds; and how the work of a check grows."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from consilience.declare import Fusion
from consilience.plan import survey

FOLDER = Path(__file__).parents[2] / "benchmarks"
MODULES = ("check", "measuring", "thousands")


@pytest.fixture
def thousands(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module("thousands")
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def measured(thousands: Any) -> Any:
    return importlib.import_module("check")


def test_json_gives_one_figure_a_line(thousands: Any, tmp_path: Path) -> None:
    small = ["--rounds", "1", "--large", "60", "--faults", "6", "--nodes", "10", "100", "120", "150"]
    command = [sys.executable, str(FOLDER / "check.py"), "--json", *small]
    command += ["--file", str(thousands.write_fusion(tmp_path, 10))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(list(row) == ["name", "value", "unit", "against"] for row in rows)
    found = {row["name"]: row for row in rows}
    assert len(found) == len(rows)
    assert found["cold check/imports"]["against"] == 'python -c "import pydantic, networkx, pluggy"'
    assert found["cold check/imports (CPU time)"]["value"] > 0
    assert {f"{name} {count} nodes" for name in ("reading", "checking") for count in (10, 100, 120, 150)} <= set(found)
    assert found["diagnostics of 6 at fault"]["value"] >= 6
    assert found["residual, largest"]["against"] == "a line through 100, 120, 150 nodes"
    assert {"cold check of 60 nodes", "cold check of 60 nodes, 6 at fault", "slope", "exponent"} <= set(found)


def test_a_line_is_fitted_by_least_squares(measured: Any) -> None:
    line = measured.fit([(100, 3.0), (200, 5.0), (300, 7.0)])
    assert (line.slope, line.start) == (pytest.approx(0.02), pytest.approx(1.0))
    assert (line.determination, line.largest_residual) == (pytest.approx(1.0), pytest.approx(0.0))
    line = measured.fit([(0, 1.0), (1, 2.0), (2, 1.0)])
    assert (line.slope, line.determination) == (0, 0)
    assert line.largest_residual == pytest.approx(1 / 3)
    assert measured.growth([(10, 3.0), (20, 12.0), (40, 48.0)]) == pytest.approx(2.0)


@pytest.mark.parametrize("count", [10, 17, 100])
def test_a_fusion_has_the_nodes_that_were_asked_for_and_no_fault(thousands: Any, tmp_path: Path, count: int) -> None:
    found = survey(thousands.write_fusion(tmp_path, count))
    assert found.diagnostics == ()
    sections = [found.plan.nodes[name].section for name in found.plan.order]
    assert len([section for section in sections if section != "fields"]) == count


def test_every_kind_of_fault_is_found_where_it_was_put(thousands: Any, tmp_path: Path) -> None:
    found = survey(thousands.write_fusion(tmp_path, 82, faults=len(thousands.FAULTS)))
    blocks = {str(item.path[1]).rpartition("_")[2] for item in found.errors}
    assert {str(number * 10 // len(thousands.FAULTS)) for number in range(len(thousands.FAULTS))} <= blocks
    assert {"CN120", "CN123", "CN201", "CN210", "CN211", "CN301"} <= {item.code for item in found.errors}


def calls_of(work: Callable[[], object]) -> int:
    """Counts the functions that are called: time would tell of the machine too."""
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    work()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("share_at_fault", [0, 0.2])
def test_the_work_of_reading_and_checking_grows_as_the_nodes(
    thousands: Any, tmp_path: Path, share_at_fault: float
) -> None:
    reading, checking = [], []
    for count in (402, 802, 1602):
        file = thousands.write_fusion(tmp_path, count, faults=round(count / 8 * share_at_fault))
        draft = Fusion.draft(file)
        reading.append(calls_of(lambda file=file: Fusion.draft(file)))
        checking.append(calls_of(lambda draft=draft: survey(draft)))
    for calls in reading, checking:
        assert all(later / sooner < 2.2 for sooner, later in pairwise(calls)), calls
