"""The best model: every way to tell it, early stopping, and what keeps a run from telling one."""

from __future__ import annotations

import json
import math
import shutil
import signal
from pathlib import Path

import pytest
import torch
import torchmetrics
from safetensors.torch import load_file
from tests.train.test_resume import signalled
from torch import Tensor, nn

from consilience import ConsilienceError, Fusion, Plan, RunError, check
from consilience.data import prepare
from consilience.declare import Float, Int, Metric, Ports, hookimpl
from consilience.fuse import FusedModel, fuse
from consilience.host import Registry
from consilience.train import Interrupted, Run, train
from consilience.train._best import BestModel, EarlyStopping
from consilience.train._validation import measurer, validation_loader


def changed(fusion: Fusion, **keys: object) -> Fusion:
    written = fusion.to_dict()
    written["train"] |= keys
    return Fusion(base=fusion.base, **written)


def lines(run: Run) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]


def measured(plan: Plan, run: Run) -> dict[str, float]:
    """Measures the run's saved model on the validation rows."""
    loader = validation_loader(plan, prepare(plan))
    model: FusedModel = run.model()
    return measurer(plan, model, loader)()


@pytest.mark.parametrize("name", ["accuracy", "opinion_loss", "loss"])
def test_the_saved_model_is_the_one_that_measured_best(opinions: Fusion, tmp_path: Path, name: str) -> None:
    """Far too fast a rate makes it worse again: the last model is not the best."""
    asked = changed(opinions, learning_rate=0.05, load_best_model_at_end=True, metric_for_best_model=name, epochs=5)
    run = train(asked, tmp_path / "runs", progress=False)
    series = {"accuracy": "accuracy", "opinion_loss": "loss/opinion_loss", "loss": "loss"}[name]
    values = [line[f"eval_{series}"] for line in lines(run) if f"eval_{series}" in line]
    best = max(values) if name == "accuracy" else min(values)
    assert len(values) == 5
    told = run.record["training"]["best"]
    assert told == {"by": series, "value": best, "step": 4 * (1 + values.index(best))}
    assert measured(check(asked), run)[series] == pytest.approx(best, abs=1e-6)
    kept = sorted(path.name for path in (run.path / "best").iterdir())
    assert f"step-{told['step']}" in kept
    assert len(kept) <= 3  # of each of the two checkpoints, and of the end


def test_training_stops_when_nothing_gets_better(opinions: Fusion, tmp_path: Path) -> None:
    asked = changed(opinions, learning_rate=0.0, epochs=10, early_stopping_patience=2)
    said: list[str] = []
    run = train(asked, tmp_path / "runs", announce=said.append, progress=False)
    assert run.record["training"]["steps"] == 12  # one measurement, and two that are no better
    assert "stopped early at step 12 of 40" in said
    assert not (run.path / "best").exists()


def test_a_better_value_counts_only_beyond_the_threshold(opinions: Fusion, tmp_path: Path) -> None:
    asked = changed(opinions, learning_rate=1e-6, epochs=6, early_stopping_patience=1, early_stopping_threshold=0.5)
    run = train(asked, tmp_path / "runs", progress=False)
    assert run.record["training"]["steps"] == 8


def test_the_count_of_patience_is_state_that_a_checkpoint_keeps() -> None:
    stopping = EarlyStopping(3, 0.1)
    stopping.early_stopping_patience_counter = 2
    again = EarlyStopping.from_state(stopping.state())
    assert (again.early_stopping_patience, again.early_stopping_patience_counter) == (3, 2)


def test_validation_every_few_steps(opinions: Fusion, tmp_path: Path) -> None:
    run = train(changed(opinions, eval_strategy="steps", eval_steps=5), tmp_path / "runs", progress=False)
    assert [line["step"] for line in lines(run) if "eval_loss" in line] == [5, 10, 12]  # and at the end
    run = train(changed(opinions, eval_strategy="no", max_steps=2), tmp_path / "runs", progress=False)
    assert not [line for line in lines(run) if "eval_loss" in line]


def test_a_validation_loss_is_the_exact_mean_over_what_counts(opinions: Fusion, tmp_path: Path) -> None:
    """However the rows fall into batches; the rows without a target count for nothing."""
    run = train(changed(opinions, max_steps=2), tmp_path / "runs", progress=False)
    plan = check(opinions)
    prepared, model = prepare(plan), run.model()
    found = measurer(plan, model, validation_loader(plan, prepared))()
    rows = [prepared.validation[index] for index in range(len(prepared.validation))]
    single = check(changed(opinions, batch_size=1))
    each = measurer(single, model, validation_loader(single, prepared))()
    collate = validation_loader(plan, prepared).collate_fn
    batch = collate(rows)
    output = model(batch, outputs=["opinion_loss", "rating_loss"])
    present = batch["stars.present"] & batch["text.present"]
    assert 0 < present.sum() < 8
    assert found["loss/opinion_loss"] == pytest.approx(output.losses["opinion_loss"].mean().item(), rel=1e-6)
    assert found["loss/rating_loss"] == pytest.approx(output.losses["rating_loss"][present].mean().item(), rel=1e-6)
    assert found["loss"] == pytest.approx(found["loss/opinion_loss"] + 0.5 * found["loss/rating_loss"])
    assert each == pytest.approx(found, rel=1e-6)


def test_the_weights_of_the_best_survive_being_killed_while_they_are_written(opinions: Fusion, tmp_path: Path) -> None:
    """A folder that is not whole is never taken for a kept one."""
    run = train(changed(opinions, load_best_model_at_end=True), tmp_path / "runs", progress=False)
    weights = load_file(run.path / "best" / f"step-{run.record['training']['best']['step']}" / "model.safetensors")
    saved = load_file(run.path / "model" / "model.safetensors")
    assert all(torch.equal(saved[name], value) for name, value in weights.items())
    assert not list((run.path / "best").glob(".*"))


@pytest.mark.parametrize("what", ["a byte", "a file"])
def test_best_weights_that_were_damaged_are_not_taken(opinions: Fusion, tmp_path: Path, what: str) -> None:
    run = train(changed(opinions, load_best_model_at_end=True), tmp_path / "runs", progress=False)
    step, model = run.record["training"]["best"]["step"], run.model()
    path = run.path / "best" / f"step-{step}" / "model.safetensors"
    assert BestModel(run.path).restored(step, model)
    if what == "a byte":
        written = bytearray(path.read_bytes())
        written[-1] ^= 1
        path.write_bytes(written)
    else:
        path.unlink()
    with pytest.raises(RunError) as told:
        BestModel(run.path).restored(step, model)
    found = {"a byte": "model.safetensors has other bytes than were written", "a file": "model.safetensors is missing"}
    assert str(told.value).replace(str(run.path), "RUN") == (
        f"error CN731 at the file\n"
        f"  found     RUN/best/step-{step}: {found[what]}\n"
        f"  expected  weights as they were written\n"
        f"  fix       rm -r RUN/best/step-{step} && consilience train --resume RUN"
        "  # what is measured from there on counts"
    )


def test_a_loss_that_weighs_nothing_spoils_no_sum(opinions: Fusion) -> None:
    written = changed(opinions).to_dict()
    written["losses"]["rating_loss"]["weight"] = 0.0
    plan = check(Fusion(base=opinions.base, **written))
    prepared = prepare(plan)
    model = fuse(plan)
    for name, parameter in model.named_parameters():
        if ".rating." in f".{name}":
            nn.init.constant_(parameter, torch.inf)
    found = measurer(plan, model, validation_loader(plan, prepared))()
    assert not math.isfinite(found["loss/rating_loss"])
    assert found["loss"] == found["loss/opinion_loss"]


def test_what_was_best_at_a_checkpoint_is_there_for_who_goes_on_from_it(opinions: Fusion, tmp_path: Path) -> None:
    asked = changed(opinions, load_best_model_at_end=True, eval_strategy="steps", eval_steps=1)
    asked = changed(asked, save_steps=5, save_total_limit=3)
    run = train(asked, tmp_path / "runs", progress=False)
    states = sorted((run.path / "checkpoints").glob("*/trainer_state.json"))
    steps = [json.loads(state.read_text())["best_global_step"] for state in states]
    assert len(steps) == 3
    values = [line["eval_loss"] for line in lines(run) if "eval_loss" in line]
    best = [value for at, value in enumerate(values) if value < min(values[:at], default=value + 1)]
    kept = sorted(int(path.name.removeprefix("step-")) for path in (run.path / "best").iterdir())
    assert kept == sorted({*steps, run.record["training"]["best"]["step"]})
    assert len(best) > len(kept)  # others were best in between, and are gone


def test_what_was_best_after_the_checkpoint_is_forgotten(opinions: Fusion, tmp_path: Path) -> None:
    """The run that goes on learns at another rate: what the first life measured later is not its own."""
    asked = changed(opinions, load_best_model_at_end=True, save_strategy="epoch", learning_rate=0.0)
    first = train(asked, tmp_path / "runs", progress=False)
    shutil.rmtree(first.path / "checkpoints" / "step-00000012")
    for step in (12, 13):
        shutil.copytree(first.path / "best" / "step-4", first.path / "best" / f"step-{step}")
    first.write_json("record.json", {**first.record, "status": "running"})
    again = changed(asked, learning_rate=0.003)
    run = train(again, resume=first.path, accept=["learning_rate"], progress=False)
    assert run.record["training"]["best"]["step"] == 12
    weights = load_file(run.path / "best" / "step-12" / "model.safetensors")
    start = load_file(run.path / "best" / "step-4" / "model.safetensors")
    saved = load_file(run.path / "model" / "model.safetensors")
    assert all(torch.equal(saved[name], value) for name, value in weights.items())
    assert any(not torch.equal(saved[name], value) for name, value in start.items())
    assert not (run.path / "best" / "step-13").exists()
    assert [one["step"] for one in run.record["validation"]] == [4, 8, 12]  # those of the first life too
    seconds = run.record["timings"]["seconds"]
    alone = seconds["training"] - seconds["validating"]
    assert run.record["timings"]["rows_per_second"] == pytest.approx(4 * 8 / alone, rel=0.05)  # the rows of this life


class Score(Metric):
    """Is one number, of which nobody knows the direction, or several."""

    several: bool = False
    inputs = Ports(preds=Float["batch classes"])
    target = Int["batch"].below("classes")

    def build(self, dims: object) -> torchmetrics.Metric:
        return Summed(self.several)


class Summed(torchmetrics.Metric):
    def __init__(self, several: bool) -> None:
        super().__init__()
        self.several = several
        self.add_state("total", torch.zeros(2), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        self.total += preds.sum(0)

    def compute(self) -> Tensor:
        return self.total if self.several else self.total[0]


def scored(fusion: Fusion, **keys: object) -> Plan:
    class Plugin:
        @hookimpl
        def consilience_components(self) -> list[type[Metric]]:
            return [Score]

    registry = Registry()
    registry.register(Plugin(), "lab")
    written = changed(fusion, load_best_model_at_end=True, metric_for_best_model="score", **keys).to_dict()
    several = bool(written["train"].pop("several", False))
    written["metrics"]["score"] = {"use": "lab.score", "in": "opinion", "target": "mark", "several": several}
    return check(Fusion(base=fusion.base, **written), registry)


def test_a_metric_without_a_direction_is_told_before_the_training(opinions: Fusion, tmp_path: Path) -> None:
    with pytest.raises(RunError) as told:
        train(scored(opinions), tmp_path / "runs", progress=False)
    [fault] = told.value.diagnostics
    assert str(fault.at(None)) == (
        "error CN750 at train.metric_for_best_model\n"
        "  found     score, and lab.score does not say whether a larger value is a better one\n"
        "  expected  the key greater_is_better beside it\n"
        "  fix       greater_is_better: true"
    )
    assert not list((tmp_path / "runs").iterdir())
    run = train(scored(opinions, greater_is_better=True, max_steps=4), tmp_path / "runs", progress=False)
    assert run.record["training"]["best"]["by"] == "score"


def test_a_metric_of_several_numbers_is_told_before_the_training(opinions: Fusion, tmp_path: Path) -> None:
    with pytest.raises(RunError) as told:
        train(scored(opinions, several=True, greater_is_better=True), tmp_path / "runs", progress=False)
    [fault] = told.value.diagnostics
    assert str(fault.at(None)) == (
        "error CN751 at train.metric_for_best_model\n"
        "  found     score, and lab.score gives 2 values of the validation rows\n"
        "  expected  a metric of one number, or a loss\n"
        "  fix       metric_for_best_model: loss"
    )


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (
            {"metric_for_best_model": "acuracy", "load_best_model_at_end": True},
            "error CN471 at train.metric_for_best_model\n"
            "  found     the unknown metric or loss acuracy\n"
            "  expected  one of accuracy, opinion_loss, rating_loss, table, loss\n"
            "  fix       metric_for_best_model: accuracy",
        ),
        (
            {"metric_for_best_model": "eval_loss/opinion_loss", "load_best_model_at_end": True},
            "error CN471 at train.metric_for_best_model\n"
            "  found     the unknown metric or loss eval_loss/opinion_loss\n"
            "  expected  one of accuracy, opinion_loss, rating_loss, table, loss\n"
            "  fix       metric_for_best_model: opinion_loss",
        ),
        (
            {"greater_is_better": True, "metric_for_best_model": "loss", "load_best_model_at_end": True},
            "error CN471 at train.greater_is_better\n"
            "  found     true, for the loss loss\n"
            "  expected  a loss that is better when it is less\n"
            "  fix       greater_is_better: false",
        ),
        (
            {"metric_for_best_model": "table", "early_stopping_patience": 2},
            "error CN472 at train.metric_for_best_model\n"
            "  found     table, and confusion gives no single number\n"
            "  expected  a metric of one number, or a loss\n"
            "  fix       metric_for_best_model: loss",
        ),
        (
            {"early_stopping_patience": 2, "eval_strategy": "no"},
            "error CN473 at train.eval_strategy\n"
            "  found     early_stopping_patience, and eval_strategy: no\n"
            "  expected  validation while the model is trained\n"
            "  fix       eval_strategy: epoch",
        ),
        (
            {"lr_scheduler_type": "warmup_stable_decay"},
            "error CN470 at train.lr_scheduler_type\n"
            "  found     warmup_stable_decay without num_decay_steps\n"
            "  expected  the key num_decay_steps\n"
            "  fix       lr_scheduler_kwargs: {num_decay_steps: 100}",
        ),
        (
            {"lr_scheduler_type": "cosine", "lr_scheduler_kwargs": {"power": 2.0}},
            "error CN470 at train.lr_scheduler_kwargs.power\n"
            "  found     the key power\n"
            "  expected  what cosine takes: num_cycles\n"
            "  fix       # remove the key power",
        ),
    ],
)
def test_the_check_tells_what_cannot_be(opinions: Fusion, keys: dict[str, object], told: str) -> None:
    with pytest.raises(ConsilienceError) as found:
        check(changed(opinions, **keys))
    [fault] = found.value.diagnostics
    assert str(fault.at(None)) == told


def test_a_best_model_without_validation_rows_is_told(opinions: Fusion) -> None:
    written = changed(opinions, load_best_model_at_end=True).to_dict()
    written["sources"]["rows"]["split"] = {"validation": 0.5, "train": 0.5}
    check(Fusion(base=opinions.base, **written))
    written["sources"]["rows"]["path"] = "{split}.csv"
    del written["sources"]["rows"]["split"]
    (Path(opinions.base) / "train.csv").write_text((Path(opinions.base) / "rows.csv").read_text())
    (Path(opinions.base) / "test.csv").write_text((Path(opinions.base) / "rows.csv").read_text())
    with pytest.raises(ConsilienceError) as found:
        check(Fusion(base=opinions.base, **written))
    [fault] = found.value.diagnostics
    assert str(fault.at(None)) == (
        "error CN473 at train.load_best_model_at_end\n"
        "  found     load_best_model_at_end, and no source has validation rows\n"
        "  expected  validation rows to measure on\n"
        "  fix       split: {validation: 0.1}  # under sources.rows"
    )


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"eval_steps": 5}, "eval_steps"),
        ({"early_stopping_threshold": 0.1}, "early_stopping_threshold"),
        ({"metric_for_best_model": "loss"}, "metric_for_best_model"),
        ({"torch_compile_mode": "default"}, "torch_compile_mode"),
        ({"run_name": "mine"}, "run_name"),
    ],
)
def test_keys_that_do_nothing_are_told(opinions: Fusion, keys: dict[str, object], key: str) -> None:
    [warning] = check(changed(opinions, **keys)).warnings
    assert (warning.code, warning.path) == ("CN416", ("train", key))


SCHEDULES = {
    "cosine_with_min_lr": {"min_lr_rate": 0.1},
    "warmup_stable_decay": {"num_decay_steps": 2},
    "polynomial": {"power": 2.0, "lr_end": 0.001},
    "inverse_sqrt": {"timescale": 10},
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_with_keys_of_their_own_train(opinions: Fusion, tmp_path: Path, name: str) -> None:
    asked = changed(opinions, lr_scheduler_type=name, lr_scheduler_kwargs=SCHEDULES[name], max_steps=4, logging_steps=1)
    rates = [line["learning_rate"] for line in lines(train(asked, tmp_path / "runs", progress=False)) if "loss" in line]
    assert len(set(rates)) > 1


def test_an_encoder_without_kept_activations_takes_the_same_steps(opinions: Fusion, tmp_path: Path) -> None:
    said: list[str] = []
    still = changed(opinions, max_steps=3).to_dict()
    still["modules"]["encoder"]["tune"] = {"use": "lora", "r": 2}
    plain = train(Fusion(base=opinions.base, **still), tmp_path / "runs", progress=False)
    still["train"]["gradient_checkpointing"] = True
    thrifty = train(Fusion(base=opinions.base, **still), tmp_path / "runs", announce=said.append, progress=False)
    first, second = plain.model().state_dict(), thrifty.model().state_dict()
    assert all(torch.allclose(first[name], second[name], atol=1e-6) for name in first)
    told = [text for text in said if text.startswith("gradient_checkpointing")]
    assert [text.split()[1] for text in told] == ["opinion", "rating"]


def test_recomputing_reaches_the_encoder(opinions: Fusion) -> None:
    from consilience.fuse import fuse
    from consilience.train._recompute import recompute_activations

    model = fuse(check(opinions))
    assert recompute_activations(model) == ("opinion", "rating")
    inner: nn.Module = model.nodes["encoder"].model
    assert inner.encoder.layer[0].gradient_checkpointing


@pytest.mark.slow
def test_patience_and_the_best_weights_outlive_an_interruption(opinions: Fusion, tmp_path: Path) -> None:
    """The run goes on with the count of worse values and the best of before, and ends as if nothing had been."""
    asked = changed(opinions, learning_rate=0.05, epochs=8, early_stopping_patience=2, load_best_model_at_end=True)
    whole = train(signalled(asked, signal.SIGTERM, 99), tmp_path / "whole", progress=False)
    steps = whole.record["training"]["steps"]
    assert steps < 32  # it stopped early, so an evaluation before the last was no better
    with pytest.raises(Interrupted) as told:
        train(signalled(asked, signal.SIGTERM, steps - 2), tmp_path / "runs", progress=False)
    again = train(signalled(asked, signal.SIGTERM, 99), resume=told.value.run, progress=False)
    assert again.record["training"]["steps"] == steps
    assert again.record["training"]["best"] == whole.record["training"]["best"]
    first, second = (load_file(run.path / "model" / "model.safetensors") for run in (whole, again))
    assert all(torch.equal(first[name], second[name]) for name in first)
