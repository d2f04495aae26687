"""Training in several processes: one run, one model, and the steps of one process with the whole batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.train.opinions import two_heads

from consilience import Fusion
from consilience.train import Run, train

SCRIPT = """
import json, sys
from consilience import Fusion
from consilience.train import train

fusion = json.loads(sys.argv[1])
train(Fusion(base=sys.argv[2], **fusion), sys.argv[3], progress=False)
"""


def fusion(checkpoint: Path, batch_size: int, balance: object) -> dict[str, Any]:
    return {
        "name": "several",
        **two_heads(checkpoint),
        "objective": {"balance": balance, "gradients_every": 2},
        "train": {
            "epochs": 1,
            "batch_size": batch_size,
            "learning_rate": 0.01,
            "optim": "sgd",
            "use_cpu": True,
            "train_sampling_strategy": "sequential",
        },
    }


def with_kept_features(written: dict[str, Any]) -> dict[str, Any]:
    """Adds a frozen encoder that runs once, and a head on what it gave."""
    tune = {"use": "frozen", "cache": True}
    written["modules"] |= {
        "known": {"use": "text_encoder", "in": "tokens", "tune": tune},
        "guess": {"use": "regressor", "in": "known.pooled", "dropout": 0.0},
    }
    written["losses"]["guess_loss"] = {"use": "mse", "in": "guess", "target": "stars"}
    return written


def run_two(written: dict[str, object], folder: Path) -> Path:
    runs = folder / "runs-2"
    script = folder / "script.py"
    script.write_text(SCRIPT)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    arguments = [str(script), json.dumps(written), str(folder), str(runs)]
    done = subprocess.run(
        [sys.executable, *launcher, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CONSILIENCE_CACHE": str(folder / "cache-2")},
    )
    assert done.returncode == 0, done.stderr
    assert "Writing model shards" not in done.stderr  # no bar where none is asked for
    [made] = runs.iterdir()  # one run, however many processes
    return made


FSDP = """
distributed_type: FSDP
use_cpu: true
num_processes: 2
num_machines: 1
machine_rank: 0
mixed_precision: 'no'
fsdp_config:
  fsdp_version: 2
  fsdp_auto_wrap_policy: NO_WRAP
  fsdp_state_dict_type: FULL_STATE_DICT
"""

LOOKING = """
import json, os, runpy, sys
from pathlib import Path
from consilience.train._checkpoints._survival import Survival

def on_step_end(self, args, state, control, *, original=Survival.on_step_end, **others):
    parts = {name: [type(value).__name__, value.to_local().numel() if hasattr(value, "to_local") else value.numel(),
                    value.numel(), len(value)] for name, value in others["model"].named_parameters()}
    Path(os.environ["SEEN"], f"parts-{os.environ['RANK']}.json").write_text(json.dumps(parts))
    original(self, args, state, control, **others)

Survival.on_step_end = on_step_end
runpy.run_module("consilience", run_name="__main__")
"""


@pytest.mark.slow
def test_a_sharded_model_takes_the_same_steps_and_is_saved_whole(tmp_path: Path, make_bert: object) -> None:
    """As a user launches it; each process holds a part of every weight, a balancer learns, validation is in between."""
    checkpoint = make_bert("still", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)  # type: ignore[operator]
    rows = [f"a {'fine' if row % 2 else 'dull'} film {row},{'good' if row % 2 else 'bad'},{row}" for row in range(24)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,mark,stars", *rows]))
    (tmp_path / "fsdp.yaml").write_text(FSDP)
    (tmp_path / "looking.py").write_text(LOOKING)
    written = fusion(checkpoint, 8, "uncertainty") | {"objective": {"balance": "uncertainty"}}
    written["sources"]["rows"]["split"] = {"validation": 8}
    written["train"] |= {"load_best_model_at_end": True, "learning_rate": 0.001, "save_steps": 2}
    alone = train(Fusion(base=tmp_path, **written), tmp_path / "runs-1", progress=False)
    written["train"]["batch_size"] = 4
    (tmp_path / "fusion.yaml").write_text(json.dumps(written | {"consilience": 1}))
    command = [str(tmp_path / "looking.py"), "train", str(tmp_path / "fusion.yaml"), "--runs", str(tmp_path / "runs-2")]
    done = subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(tmp_path / "fsdp.yaml"), *command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "SEEN": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    [folder] = (tmp_path / "runs-2").iterdir()
    assert done.stdout.splitlines() == [str(folder)]  # one process of several tells
    assert done.stderr.count("reading rows") == 1
    made = [alone, Run.open(folder)]
    parts = [json.loads((tmp_path / f"parts-{rank}.json").read_text()) for rank in (0, 1)]
    assert parts[0].keys() == {name for name, _ in alone.model().named_parameters()}
    for name, (kind, here, whole, rows_of_it) in parts[0].items():
        assert kind == "DTensor", name
        assert here + parts[1][name][1] == whole, name
        assert here < whole or rows_of_it == 1, name  # by its rows: one cannot be cut
    first, second = (load_file(run.path / "model" / "model.safetensors") for run in made)
    assert first.keys() == second.keys()
    assert max((first[name] - second[name]).abs().max().item() for name in first) < 1e-6
    assert first["balancer.log_variances"].abs().max() > 0
    assert made[1].model().num_parameters() == made[0].model().num_parameters()
    measured = [run.record["validation"][-1]["metrics"]["loss"] for run in made]
    assert measured[0] == pytest.approx(measured[1], abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("balance", ["uncertainty", "gradnorm"])
def test_two_processes_take_the_steps_of_one_with_the_whole_batch(
    tmp_path: Path, make_bert: object, balance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with targets missing unevenly, learned weights, last batches not full, and one cache of features."""
    monkeypatch.setenv("CONSILIENCE_CACHE", str(tmp_path / "cache-1"))
    checkpoint = make_bert("still", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)  # type: ignore[operator]
    rows = [f"a {'fine' if row % 2 else 'dull'} film,{'good' if row % 2 else 'bad'}" for row in range(22)]
    lines = [f"{row},{number / 10 if number % 3 else ''}" for number, row in enumerate(rows)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,mark,stars", *lines]))
    alone = Fusion(base=tmp_path, **with_kept_features(fusion(checkpoint, 8, balance)))
    one = train(alone, tmp_path / "runs-1", progress=False).path
    two = run_two(with_kept_features(fusion(checkpoint, 4, balance)), tmp_path)
    kept = [{path.name for path in (tmp_path / name / "features").iterdir()} for name in ("cache-1", "cache-2")]
    assert kept[0] == kept[1], "both processes use what one of them wrote, and nothing is left beside it"
    assert len(kept[0]) == 1
    first, second = (load_file(made / "model" / "model.safetensors") for made in (one, two))
    assert first.keys() == second.keys()
    for name in first:  # gradnorm marks by NaN what has no first value: a loss that shares nothing
        torch.testing.assert_close(second[name], first[name], rtol=0, atol=1e-6, equal_nan=True)
    lines = [[json.loads(line) for line in (made / "log.jsonl").read_text().splitlines()] for made in (one, two)]
    assert lines[1][0]["gradient_norm/task"] == pytest.approx(lines[0][0]["gradient_norm/task"], rel=1e-4)
    assert lines[1][-1]["train_loss"] == pytest.approx(lines[0][-1]["train_loss"], rel=1e-5)
    record = json.loads((two / "record.json").read_text())
    assert record["training"]["steps"] == 3
