"""The benchmark of a training step, in a setting so small that it takes seconds."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

FOLDER = Path(__file__).parents[2] / "benchmarks"
MODULES = ("balanced", "handwritten", "measuring", "overhead", "sides", "step")
SMALL = [
    "--encoder",
    "tiny",
    "--steps",
    "2",
    "--balancer-steps",
    "1",
    "--batch-size",
    "4",
    "--length",
    "12",
    "--threads",
    "1",
]
BALANCED = ("uncertainty", "dwa", "random", "torchjd-hand")
BALANCED += ("gradnorm-representation", "gradnorm-parameters", "upgrad-representation", "upgrad-parameters")
BALANCED += ("pcgrad-parameters", "mgda-parameters", "cagrad-parameters", "aligned_mtl-parameters")
BALANCED += ("imtl_g-parameters", "nash_mtl-parameters")
RATIOS = {"fused/hand", "fused/three-single", "trainer/bare, tiny", "upgrad-parameters/torchjd-hand"}
RATIOS |= {f"{name}/fixed" for name in BALANCED}


@pytest.fixture
def sides(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module("sides")
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def measuring(sides: Any) -> Any:
    return importlib.import_module("measuring")


@pytest.fixture
def pair(sides: Any, tmp_path: Path) -> tuple[Any, Any, list[dict[str, torch.Tensor]]]:
    from consilience.fuse import fuse

    plan = sides.make_plan(sides.write_tiny(tmp_path), "fresh", 12)
    fused = fuse(plan).train()
    return fused, sides.make_hand(plan, fused), sides.make_batches(plan, 4, 12)


def run(*arguments: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(FOLDER / "step.py"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_json_gives_one_figure_a_line() -> None:
    rows = [json.loads(line) for line in run("--json", *SMALL).splitlines()]
    assert all(list(row) == ["name", "value", "unit", "against"] for row in rows)
    found = {row["name"]: row for row in rows}
    assert len(found) == len(rows)
    assert found["threads"]["value"] == 1
    assert found["parity"]["value"] <= 1e-5
    assert found["upgrad parity"]["value"] <= 1e-5
    ratios = {name for name, row in found.items() if row["unit"] == "ratio" and "libmtl" not in name}
    assert ratios == {name + suffix for name in RATIOS for suffix in ("", " (CPU time)")}
    assert all(row["value"] > 0 and row["against"] for row in rows if row["unit"] == "ratio")
    assert {"fused step", "hand step", "three single steps", "fused step, peak memory", "executor"} <= found.keys()


def test_the_table_names_both_sides_of_a_ratio(measuring: Any, capsys: pytest.CaptureFixture[str]) -> None:
    measuring.show(
        [measuring.Row("fused/hand", 1.0123, "ratio", "by hand"), measuring.Row("torch", "2.6", "version")], False
    )
    ratio, version = capsys.readouterr().out.splitlines()
    assert ratio.split() == ["fused/hand", "1.012", "ratio,", "against", "by", "hand"]
    assert version.split() == ["torch", "2.6", "version"]


def test_both_sides_give_the_same_losses_and_gradients(sides: Any, pair: Any) -> None:
    fused, hand, batches = pair
    assert not batches[0]["sentiment.present"].all()
    assert not batches[0]["stars.present"].all()
    for batch in batches:
        assert sides.assert_parity(fused, hand, batch) <= sides.TOLERANCE


def test_they_agree_on_a_batch_without_a_target(sides: Any, pair: Any) -> None:
    fused, hand, batches = pair
    batch = batches[0] | {"sentiment.present": torch.zeros(4, dtype=torch.bool)}
    assert sides.assert_parity(fused, hand, batch) <= sides.TOLERANCE


@pytest.mark.parametrize(
    "name", ["encoder.embeddings.word_embeddings.weight", "opinion.1.bias", "rating.1.weight", "bias"]
)
def test_a_hand_written_model_of_other_weights_is_told(sides: Any, pair: Any, name: str) -> None:
    fused, hand, batches = pair
    with torch.no_grad():
        hand.get_parameter(name).view(-1)[0] += 0.1
    with pytest.raises(AssertionError, match="differs by"):
        sides.assert_parity(fused, hand, batches[0])


def test_both_sides_stay_equal_over_steps(sides: Any, pair: Any) -> None:
    fused, hand, batches = pair
    steps = (sides.fused_step(fused, batches), sides.hand_step(hand, batches))
    before = hand.encoder.embeddings.word_embeddings.weight.detach().clone()
    for step in steps:
        torch.manual_seed(0)
        for number in range(3):
            step(number)
    expected = hand.state_dict()
    assert not torch.equal(expected["encoder.embeddings.word_embeddings.weight"], before)
    for name, value in fused.state_dict().items():
        # The first steps of AdamW are as long as the learning rate, whatever the gradient: where that is nothing but
        # rounding, its sign is chance, and the two sides may walk apart by their whole way.
        torch.testing.assert_close(value, expected[sides.renamed(name)], rtol=0, atol=4e-4)
    words = torch.stack([fused.state_dict()["nodes.words.dense.weight"], expected["dense.weight"]])
    assert (words[0] - words[1]).abs().median() < 1e-6


def test_the_sides_take_turns_and_reverse_them(measuring: Any) -> None:
    seen: list[str] = []
    sides = {name: (lambda number, name=name: seen.append(f"{name}{number}")) for name in "ab"}
    times = measuring.in_turns(sides, rounds=2, warmup=1)
    assert seen == ["a0", "b0", "b1", "a1", "a2", "b2"]
    assert [len(times[name].wall) for name in "ab"] == [2, 2]


def test_a_ratio_is_the_median_of_the_rounds(measuring: Any) -> None:
    above = measuring.Times([2.0, 30.0, 4.0], [1.0, 1.0, 1.0])
    below = measuring.Times([1.0, 10.0, 4.0], [1.0, 2.0, 4.0])
    wall, cpu = measuring.ratio("a/b", above, below, "b")
    assert (wall.name, wall.value, wall.against) == ("a/b", 2.0, "b")
    assert (cpu.name, cpu.value) == ("a/b (CPU time)", 0.5)
