"""What pytest gets of the kit: ids, counts at the end of a run, reports, and fixtures that need no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from consilience import Fusion, check
from consilience.host import Registry
from consilience.testing import Outcome, Status, __main__
from consilience.testing._run import Result

SUITE = '''\
from defects.defect import Offers
from defects.learning import Unused
from defects.shaped import GoodHead, Made, Layer, Positions

from consilience.testing import conformance


class Breaks(Made):
    """Looks at a value in its forward."""

    class layer(Layer):
        def forward(self, features):
            scores = super().forward(features)
            return scores if features.sum() < 1e9 else scores + 1


test_good = conformance(
    Offers(GoodHead, Breaks, Positions),
    "lab",
    expected_failures={"lab.positions": {"lengths_honoured": "it has sixteen places"}},
)
test_bad = conformance(Offers(Unused), "bad")
test_lost = conformance("folklroe")
'''


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = [str(Path(__file__).parent), *filter(None, sys.path)]
    command = [sys.executable, "-m", "pytest", "-p", "consilience.testing._pytest_plugin", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_run_ends_with_its_counts_and_what_was_reported(tmp_path: Path) -> None:
    (tmp_path / "test_lab.py").write_text(SUITE, encoding="utf-8")
    wanted = "learn or lengths or compiles or loads"
    told = run(tmp_path, "-q", "-k", wanted, "test_lab.py").stdout
    assert "bad: 2 ran, 0 skipped, 0 expected failures, 1 failed" in told
    assert "lab: 6 ran, 0 skipped, 1 expected failures, 0 failed" in told
    assert "folklroe: 1 ran, 0 skipped, 0 expected failures, 1 failed" in told
    assert "  reported  lab.breaks compiles: 1 graph breaks, the first: " in told
    assert "reported  lab.good_head" not in told
    assert "found     no gradient reaches spare.weight" in told
    assert "test_bad[bad.unused-parameters_learn]" in told
    assert "2 failed" in told


def test_every_run_of_pytest_stays_light(tmp_path: Path) -> None:
    (tmp_path / "test_light.py").write_text(
        "import sys\n\n\ndef test_light():\n    assert not {'torch', 'transformers', 'pydantic'} & set(sys.modules)\n"
    )
    done = run(tmp_path, "-q", "test_light.py")
    assert done.returncode == 0, done.stdout


def test_a_shell_runs_the_kit_too() -> None:
    command = [sys.executable, "-m", "consilience.testing", "folklroe", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    [outcome] = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1
    assert (outcome["namespace"], outcome["check"], outcome["status"]) == ("folklroe", "loads", "failed")


def test_a_shell_tells_what_was_skipped_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = (
        Outcome("wheel_whole", "", Status.SKIPPED, "it is no package"),
        Outcome("gradients_right", "lab.head", Status.SKIPPED, "it gives no Float"),
        Outcome("documented", "lab.head", Status.PASSED),
    )
    monkeypatch.setattr(__main__, "run_conformance", lambda namespace: Result(namespace, outcomes))
    done = CliRunner().invoke(__main__.main, ["lab"])
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "lab: 1 ran, 2 skipped, 0 expected failures, 0 failed",
        "  skipped   lab wheel_whole: it is no package",
        "  skipped   lab.head gradients_right: it gives no Float",
    ]


def test_the_tiny_encoder_is_a_checkpoint_of_a_few_kilobytes(tiny_encoder: Path) -> None:
    assert sum(file.stat().st_size for file in tiny_encoder.iterdir()) < 64_000
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {file.name for file in tiny_encoder.iterdir()}


def test_the_fusion_is_sound_and_its_batch_has_every_field(
    fusion: Fusion, registry: Registry, tiny_batch: dict[str, Any]
) -> None:
    plan = check(fusion, registry)
    assert plan.warnings == ()
    assert {"tokens.ids", "tokens.mask", "label", "number"} <= tiny_batch.keys()
    assert len(tiny_batch["tokens.ids"]) == 4
