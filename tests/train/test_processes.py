"""Training in several processes: one run, one model, and the steps of one process with the whole batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
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


def fusion(checkpoint: Path, batch_size: int, balance: object) -> dict[str, object]:
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
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
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


@pytest.mark.slow
def test_a_sharded_model_takes_the_same_steps_and_is_saved_whole(tmp_path: Path, make_bert: object) -> None:
    """As a user launches it; each process holds a part of every weight, and validation runs in between."""
    checkpoint = make_bert("still", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)  # type: ignore[operator]
    rows = [f"a {'fine' if row % 2 else 'dull'} film {row},{'good' if row % 2 else 'bad'},{row}" for row in range(24)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,mark,stars", *rows]))
    (tmp_path / "fsdp.yaml").write_text(FSDP)
    made = []
    for processes, batch_size in ((1, 8), (2, 4)):
        written = fusion(checkpoint, batch_size, "fixed") | {"consilience": 1, "objective": {"balance": "fixed"}}
        written["sources"]["rows"]["split"] = {"validation": 8}  # type: ignore[index]
        written["train"] |= {"load_best_model_at_end": True, "learning_rate": 0.001}  # type: ignore[operator]
        (tmp_path / "fusion.yaml").write_text(json.dumps(written))
        command = [
            "-m",
            "consilience",
            "train",
            str(tmp_path / "fusion.yaml"),
            "--runs",
            str(tmp_path / f"runs{processes}"),
        ]
        launcher = ["-m", "accelerate.commands.launch", "--config_file", str(tmp_path / "fsdp.yaml")]
        done = subprocess.run(
            [sys.executable, *(launcher if processes > 1 else []), *command],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr
        [run] = (tmp_path / f"runs{processes}").iterdir()
        assert done.stdout.splitlines() == [str(run)]  # one process of several tells
        assert done.stderr.count("reading rows") == 1
        made.append(Run.open(run))
    first, second = (load_file(run.path / "model" / "model.safetensors") for run in made)
    assert first.keys() == second.keys()
    assert max((first[name] - second[name]).abs().max().item() for name in first) < 1e-6
    assert made[1].model().num_parameters() == made[0].model().num_parameters()
    measured = [run.record["validation"][-1]["metrics"]["loss"] for run in made]
    assert measured[0] == pytest.approx(measured[1], abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("balance", ["uncertainty", "gradnorm"])
def test_two_processes_take_the_steps_of_one_with_the_whole_batch(
    tmp_path: Path, make_bert: object, balance: str
) -> None:
    """Also with targets that are missing unevenly, learned weights, and last batches that are not full."""
    checkpoint = make_bert("still", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)  # type: ignore[operator]
    rows = [f"a {'fine' if row % 2 else 'dull'} film,{'good' if row % 2 else 'bad'}" for row in range(22)]
    lines = [f"{row},{number / 10 if number % 3 else ''}" for number, row in enumerate(rows)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,mark,stars", *lines]))
    alone = Fusion(base=tmp_path, **fusion(checkpoint, 8, balance))  # type: ignore[arg-type]
    one = train(alone, tmp_path / "runs-1", progress=False).path
    two = run_two(fusion(checkpoint, 4, balance), tmp_path)
    first, second = (load_file(made / "model" / "model.safetensors") for made in (one, two))
    assert first.keys() == second.keys()
    assert max((first[name] - second[name]).abs().max().item() for name in first) < 1e-6
    lines = [json.loads((made / "log.jsonl").read_text().splitlines()[0]) for made in (one, two)]
    assert lines[1]["gradient_norm/task"] == pytest.approx(lines[0]["gradient_norm/task"], rel=1e-4)
    record = json.loads((two / "record.json").read_text())
    assert record["training"]["steps"] == 3
