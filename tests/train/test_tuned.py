"""Each tuner in a training: checked, learnt, saved, loaded again to the last bit, and counted."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel

from consilience.fuse import FusedModel, count_by_discipline, count_parameters, fuse, parameters_of
from consilience.plan import check
from consilience.standard import Adalora
from consilience.train import Interrupted, Run, train

Write = Callable[..., Path]

ENCODER = "encoder: {use: text_encoder, in: tokens}"


@pytest.fixture
def write(small_fusion: Path, tmp_path: Path) -> Write:
    def written(encoder: str, *changes: tuple[str, str]) -> Path:
        shutil.copytree(small_fusion.parent / "checkpoint", tmp_path / "checkpoint", dirs_exist_ok=True)
        shutil.copyfile(small_fusion.parent / "reviews.csv", tmp_path / "reviews.csv")
        text = small_fusion.read_text(encoding="utf-8")
        changed = ((ENCODER, f"encoder: {{use: text_encoder, in: tokens, {encoder}}}"), *changes)
        for old, new in (("seed: 0}", "seed: 0, max_steps: 4, logging_steps: 1, weight_decay: 0.5}"), *changed):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (tmp_path / "fusion.yaml").write_text(text, encoding="utf-8")
        return tmp_path / "fusion.yaml"

    return written


def logged(run: Run) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run.path / "log.jsonl").read_text(encoding="utf-8").splitlines()]


TUNERS = [
    "{use: lora, r: 2}",
    "{use: adalora, r: 1, start_r: 4, cooldown: 0.4}",
    "ia3",
    "{use: bottleneck, places: both}",
    "bitfit",
    "last_n",
    "{use: prefix, tokens: 3}",
    "{use: prompt, tokens: 3}",
]


@pytest.mark.parametrize("tune", TUNERS)
def test_a_tuned_encoder_learns_and_comes_back_to_the_last_bit(tune: str, write: Write, tmp_path: Path) -> None:
    file = write(f"tune: {tune}, learning_rate: 0.05, layer_decay: 0.5")
    start = fuse(check(file)).state_dict()
    run = train(file, tmp_path / "runs", progress=False)
    model, again = run.model(), AutoModel.from_pretrained(run.path / "model")
    assert isinstance(again, FusedModel)
    state = model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in again.state_dict().items())
    moved = {name for name, value in state.items() if not torch.equal(value, start[name])}
    trained = {name for name, value in model.named_parameters() if value.requires_grad}
    assert any(name.startswith("nodes.encoder.") for name in moved & trained)
    assert moved <= trained | {name for name in state if "rank_schedule" in name}
    counted = parameters_of(model)["encoder"]
    assert run.record["training"]["parameters_by_discipline"]["task"]["added"] == counted.added
    if "adalora" in tune:
        values = [value for name, value in state.items() if "lora_E" in name]
        assert sum(int((value != 0).sum()) for value in values) == len(values)  # one a layer is left


def test_each_module_learns_at_its_own_rate_and_the_log_tells(write: Write, tmp_path: Path) -> None:
    file = write(
        "learning_rate: 0.01", ("opinion: {use: classifier,", "opinion: {use: classifier, learning_rate: 0.2,")
    )
    run = train(file, tmp_path / "runs", progress=False)
    first = logged(run)[0]
    assert first["learning_rate"] == pytest.approx(0.001)
    assert first["learning_rate/encoder"] == pytest.approx(0.01)
    assert first["learning_rate/opinion"] == pytest.approx(0.2)
    halfway = logged(run)[2]  # a schedule multiplies every rate alike
    assert halfway["learning_rate/opinion"] / halfway["learning_rate"] == pytest.approx(200)
    assert halfway["learning_rate"] < first["learning_rate"]


def test_a_shared_discipline_is_counted_once(small_fusion: Path) -> None:
    plan = check(small_fusion)
    whole = count_by_discipline(plan, count_parameters(plan))
    model = fuse(plan)
    assert whole == count_by_discipline(plan, parameters_of(model))
    assert whole["task"].trained == model.num_parameters()
    assert whole["task"].added == whole["task"].frozen == 0


def test_a_tuned_run_goes_on_as_if_nothing_had_stopped_it(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tune = "{use: adalora, r: 1, start_r: 4, warmup: 0, cooldown: 0.2, targets: [query, value]}"
    file = write(f"tune: {tune}, learning_rate: 0.05, layer_decay: 0.5", ("epochs: 1,", "epochs: 2,"))
    file.write_text(file.read_text(encoding="utf-8").replace("max_steps: 4, ", ""), encoding="utf-8")
    whole = train(file, tmp_path / "whole", progress=False)
    look = Adalora.after_step

    def stop_after_four(self: Adalora, module: Any, step: int, steps: int) -> None:
        look(self, module, step, steps)
        if step == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(Adalora, "after_step", stop_after_four)
        with pytest.raises(Interrupted) as told:
            train(file, tmp_path / "runs", progress=False)
    again = train(file, resume=told.value.run, progress=False)
    one, two = whole.model().state_dict(), again.model().state_dict()
    assert any("rank_schedule" in name for name in one)
    assert all(torch.equal(value, two[name]) for name, value in one.items())
