"""Runs under each kind of balancer: what the log tells, mixed precision, several processes, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import DistributedType
from safetensors.torch import load_file
from tests.train.opinions import two_heads
from tests.train.weighed import ROWS, batches_of, make_plan, make_step, take

from consilience import Fusion, RunError, check
from consilience.train import Run, train
from consilience.train._checkpoints._sharded import shard
from consilience.train._gradients._steps import check_whole

BY_GRADIENTS = ["gradnorm", {"use": "gradnorm", "over": "parameters"}]


def make_fusion(folder: Path, checkpoint: Path, balance: Any, **keys: Any) -> Fusion:
    rows = [f"a {'fine' if row % 2 else 'dull'} film,{'good' if row % 2 else 'bad'}" for row in range(16)]
    lines = [f"{row},{number / 10 if number % 7 else ''}" for number, row in enumerate(rows)]
    (folder / "rows.csv").write_text("\n".join(["text,mark,stars", *lines]))
    written: dict[str, Any] = {
        "name": "balanced",
        **two_heads(checkpoint),
        "objective": {"balance": balance} if not isinstance(balance, dict) or "use" in balance else balance,
        "train": {"epochs": 1, "batch_size": 4, "learning_rate": 0.01, "use_cpu": True, "logging_steps": 1} | keys,
    }
    written["losses"]["rating_loss"]["discipline"] = "critics"
    return Fusion(base=folder, **written)


def lines(run: Run) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("balance", BY_GRADIENTS)
def test_a_log_line_without_rows_of_a_loss_is_written(tmp_path: Path, tiny: Path, balance: Any) -> None:
    fusion = make_fusion(tmp_path, tiny, balance, max_steps=4, train_sampling_strategy="sequential").to_dict()
    rows = [f"a {'fine' if row % 2 else 'dull'} film,good,{'' if row < 8 else 0.5}" for row in range(16)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,mark,stars", *rows]))
    run = train(Fusion(base=tmp_path, **fusion), tmp_path / "runs", progress=False)
    shares = [line["share/critics"] for line in lines(run) if "share/critics" in line]
    assert shares[:2] == [0.0, 0.0], "two steps have no row of it"
    assert shares[2] > 0


@pytest.mark.parametrize("balance", [*BY_GRADIENTS, "dwa", "random"])
@pytest.mark.parametrize("keys", [{}, {"bf16": True, "gradient_accumulation_steps": 2}])
def test_a_run_learns_under_it(tmp_path: Path, tiny: Path, balance: Any, keys: dict[str, Any]) -> None:
    written = make_fusion(tmp_path, tiny, balance, **keys).to_dict()
    written["losses"]["rating_loss"]["weight"] = 0.5
    run = train(Fusion(base=tmp_path, **written), tmp_path / "runs", progress=False)
    told = [line for line in lines(run) if "loss" in line]
    assert len(told) == (2 if keys else 4)
    assert all(isinstance(value, float | int) for line in told for value in line.values())
    for group in ("weight", "balance"):
        names = {name.partition("/")[2] for name in told[-1] if name.startswith(f"{group}/")}
        assert names == {"opinion_loss", "rating_loss"}
    assert told[-1]["weight/rating_loss"] == pytest.approx(0.5 * told[-1]["balance/rating_loss"])
    space = "representation_" if balance == "gradnorm" else ""
    asked = {f"{space}gradient_norm/task", f"{space}gradient_norm/critics", f"{space}cosine/critics/task"}
    assert asked <= told[-1].keys() or balance not in BY_GRADIENTS
    weights = load_file(run.path / "model" / "model.safetensors")
    kept = {name for name in weights if name.startswith("balancer.")}
    assert kept


def test_dwa_weighs_by_the_last_two_epochs(tmp_path: Path, tiny: Path) -> None:
    run = train(make_fusion(tmp_path, tiny, "dwa", epochs=4, logging_steps=4), tmp_path / "runs", progress=False)
    told = [line for line in lines(run) if "loss/opinion_loss" in line]
    names = ("opinion_loss", "rating_loss")
    before, last = ({name: line[f"loss/{name}"] for name in names} for line in told[1:3])
    ratios = torch.tensor([last[name] / before[name] for name in names])
    expected = dict(zip(names, 2 * torch.softmax(ratios / 2.0, dim=0), strict=True))
    parts = {name: expected[name].item() * told[3][f"loss/{name}"] for name in names}
    share = parts["opinion_loss"] / sum(parts.values())
    assert told[3]["share/task"] == pytest.approx(share, abs=1e-4)
    even = told[1]["loss/opinion_loss"] / sum(before.values())
    assert told[1]["share/task"] == pytest.approx(even, abs=1e-4)  # the first two epochs weigh alike


def scheduled(fusion: Fusion, **schedule: float) -> Fusion:
    written = fusion.to_dict()
    written["losses"]["opinion_loss"]["schedule"] = schedule
    return Fusion(base=fusion.base, **written)


def test_dwa_takes_no_schedule_for_what_is_learnt(tmp_path: Path, make_bert: Any) -> None:
    checkpoint = make_bert("still", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    fusion = make_fusion(tmp_path, checkpoint, "dwa", epochs=3, learning_rate=0.0)
    run = train(scheduled(fusion, rise=11), tmp_path / "runs", progress=False)
    weights = load_file(run.path / "model" / "model.safetensors")
    assert weights["balancer.ratios"][0].item() == pytest.approx(1.0, rel=1e-3)


def test_gradnorm_takes_no_schedule_for_what_is_learnt(tmp_path: Path, tiny: Path) -> None:
    fusion = make_fusion(tmp_path, tiny, "gradnorm", max_steps=2, batch_size=16)
    run = train(scheduled(fusion, rise=1), tmp_path / "runs", progress=False)
    first = load_file(run.path / "model" / "model.safetensors")["balancer.first"]
    [line] = [line for line in lines(run) if line["step"] == 1 and "loss" in line]
    assert first[0].item() == pytest.approx(line["loss/opinion_loss"], rel=1e-4)


@pytest.mark.parametrize("balance", ["fixed", "gradnorm", {"use": "gradnorm", "over": "parameters"}])
def test_gradients_are_measured_every_so_many_steps(tmp_path: Path, tiny: Path, balance: Any) -> None:
    objective = {"balance": balance, "gradients_every": 3}
    fusion = make_fusion(tmp_path, tiny, objective, logging_steps=100, epochs=2, gradient_accumulation_steps=1)
    run = train(fusion, tmp_path / "runs", progress=False)
    names = {"gradient_norm/critics", "gradient_norm/task", "cosine/critics/task"}
    told = [line for line in lines(run) if names <= line.keys()]
    assert [line["step"] for line in told][:2] == [3, 6]
    assert all(-1 <= line["cosine/critics/task"] <= 1 and line["gradient_norm/task"] > 0 for line in told)


def test_what_is_measured_is_the_same_under_every_balancer(tmp_path: Path, make_bert: Any) -> None:
    checkpoint = make_bert("still", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    found = []
    for balance in ("fixed", "gradnorm", {"use": "gradnorm", "over": "parameters"}):
        fusion = make_fusion(tmp_path, checkpoint, {"balance": balance, "gradients_every": 1}, max_steps=1)
        [line] = [one for one in lines(train(fusion, tmp_path / "runs", progress=False)) if "loss" in one]
        found.append([line[name] for name in ("gradient_norm/critics", "gradient_norm/task", "cosine/critics/task")])
    assert found[1] == pytest.approx(found[0], rel=1e-4)
    assert found[2] == pytest.approx(found[0], rel=1e-4)


def test_shards_are_refused(tmp_path: Path, tiny: Path) -> None:
    plan = check(make_fusion(tmp_path, tiny, "gradnorm"))
    with pytest.raises(RunError) as caught:
        check_whole(plan, DistributedType.FSDP)
    [fault] = caught.value.diagnostics
    assert str(replace(fault, place=None)) == (
        "error CN761 at objective.balance\n"
        "  found     gradnorm, in a training that FSDP shards\n"
        "  expected  processes that each hold the model, such as DDP's\n"
        "  fix       balance: fixed"
    )
    check_whole(plan, DistributedType.MULTI_GPU)
    check_whole(check(make_fusion(tmp_path, tiny, "fixed")), DistributedType.FSDP)


def test_what_shards_have_not_whole_is_told_at_once(tmp_path: Path, tiny: Path) -> None:
    written = make_fusion(tmp_path, tiny, {"balance": "fixed", "gradients_every": 2}).to_dict()
    encoder = next(name for name, node in written["modules"].items() if node["use"] == "text_encoder")
    written["modules"][encoder]["tune"] = {"use": "adalora"}
    with pytest.raises(RunError) as caught:
        check_whole(check(Fusion(base=tmp_path, **written)), DistributedType.FSDP)
    assert [str(replace(fault, place=None)) for fault in caught.value.diagnostics] == [
        "error CN761 at objective.gradients_every\n"
        "  found     gradients_every, in a training that FSDP shards\n"
        "  expected  processes that each hold the model, such as DDP's\n"
        "  fix       # remove the key gradients_every",
        f"error CN741 at modules.{encoder}.tune\n"
        "  found     adalora, which acts in the steps, in a training that FSDP shards\n"
        "  expected  processes that each hold the model, such as DDP's\n"
        "  fix       tune: lora",
    ]


def test_wishes_of_shards_that_cannot_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    state = SimpleNamespace(distributed_type=DistributedType.MULTI_CPU, fsdp_plugin=SimpleNamespace(fsdp_version=1))
    with pytest.raises(RunError) as on_cpu:
        shard(SimpleNamespace(state=state), SimpleNamespace())  # type: ignore[arg-type]
    assert str(on_cpu.value) == (
        "error CN739 at train.use_cpu\n"
        "  found     FSDP on CPUs, on a machine with cuda\n"
        "  expected  the accelerator, or a machine that shows none: torch would put the shards there\n"
        "  fix       CUDA_VISIBLE_DEVICES= accelerate launch ..."
    )
    state.distributed_type = DistributedType.FSDP
    with pytest.raises(RunError) as old:
        shard(SimpleNamespace(state=state), SimpleNamespace())  # type: ignore[arg-type]
    assert str(old.value) == (
        "error CN740 at the file\n"
        "  found     FSDP of version 1\n"
        "  expected  version 2: the first flattens the parameters, and no rate, tuner or checkpoint finds its own\n"
        "  fix       fsdp_config: {fsdp_version: 2}  # in the launcher's configuration"
    )


SCRIPT = """
import json, os, sys
from pathlib import Path
import torch
sys.path.insert(0, sys.argv[1])
from tests.train.opinions import two_heads
from tests.train.weighed import batches_of, make_plan, make_step
from consilience.train import Objective, Setting, Window
from consilience.train._ranks import Ranks

torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank()
folder = Path(sys.argv[2]) / str(rank)
folder.mkdir(exist_ok=True)
found = {}
for key, balance in json.loads(sys.argv[3]).items():
    plan = make_plan(folder, balance)
    step = make_step(plan, Setting(Ranks()))
    batches = batches_of(plan, [5, 7, 4, 8])
    mine = batches[:2] if rank == 0 else batches[2:]
    counts = step.objective.counts(batches)
    optimizer = torch.optim.SGD(step.model.parameters(), lr=0.05)
    for number in range(2):
        step.model.zero_grad()
        for batch in mine:
            step(batch, Window(counts, 2, processes=2, step=number))
        if number == 0:
            parts = [torch.zeros_like(one) if one.grad is None else one.grad for one in step.model.parameters()]
            found[key + ".gradient"] = torch.cat([part.flatten() for part in parts]).tolist()
        optimizer.step()
    found[key + ".weights"] = [value for one in step.model.state_dict().values() for value in one.flatten().tolist()]
print("FOUND" + str(rank) + json.dumps(found) + "\\n", end="", flush=True)
"""


@pytest.mark.slow
def test_two_processes_have_the_gradient_of_one_and_end_bit_equal(tmp_path: Path) -> None:
    balances = {
        "parameters": "lab.even",
        "representation": {"use": "lab.even", "over": "representation"},
        "numbers": "lab.agreed",
        "drawn": "lab.drawn",
    }
    (tmp_path / "script.py").write_text(SCRIPT)
    root = str(Path(__file__).parents[2])
    arguments = [str(tmp_path / "script.py"), root, str(tmp_path), json.dumps(balances)]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    ranks = [json.loads(line[6:]) for line in sorted(done.stdout.splitlines()) if line.startswith("FOUND")]
    assert len(ranks) == 2
    assert ranks[0] == ranks[1]
    for key, balance in balances.items():
        plan = make_plan(tmp_path, balance)
        alone = take(make_step(plan), batches_of(plan, [ROWS]))
        together = torch.tensor(ranks[0][f"{key}.gradient"], dtype=torch.float64)
        assert torch.allclose(alone, together, rtol=0, atol=1e-10), key
