"""Runs that go on: after signals, with changes, in one writer's hands; and every refusal by its exact text."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from tests.faults.fusion import hard_fusion

from consilience import Fusion, RunError
from consilience.cli import main
from consilience.declare import Float, Loss, Ports, hookimpl
from consilience.errors import Diagnostic
from consilience.host import Registry
from consilience.plan import check
from consilience.train import Interrupted, Run, _train, train
from consilience.train._checkpoints._survival import Requests
from consilience.train._runs._writer import Writer


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resume") / "data"
    hard_fusion(folder)
    return folder


@pytest.fixture(scope="module")
def stopped(data: Path) -> Path:
    """A run that SIGTERM stopped after step 2; tests copy it."""
    with pytest.raises(Interrupted) as told:
        train(signalled(hard_fusion(data), signal.SIGTERM, 2), data.parent / "runs", progress=False)
    return told.value.run


@pytest.fixture
def run(stopped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stopped, tmp_path / "run"))


class Whistle:
    """A plugin that sends this process a signal at the end of a step, and counts the steps in its own state."""

    def __init__(self, number: int, step: int) -> None:
        self.number, self.step = number, step
        self.seen = 0

    @hookimpl
    def consilience_components(self) -> list[Any]:
        class Nothing(Loss):
            """Is there so that the file names the plugin."""

            inputs = Ports(logits=Float["batch classes"])

            def build(self, dims: object) -> torch.nn.Module:
                class Square(torch.nn.Module):
                    def forward(self, logits: torch.Tensor) -> torch.Tensor:
                        return logits.square().mean(dim=1)

                return Square()

        return [Nothing]

    @hookimpl
    def consilience_step_ended(self, model: object, step: int) -> None:
        self.seen += 1
        if step == self.step:
            os.kill(os.getpid(), self.number)

    @hookimpl
    def consilience_state(self, model: object) -> dict[str, int]:
        return {"seen": self.seen}

    @hookimpl
    def consilience_state_restored(self, model: object, state: dict[str, int]) -> None:
        self.seen = state["seen"]


def signalled(fusion: Fusion, number: int, step: int, whistle: Whistle | None = None) -> Any:
    registry = Registry()
    registry.register(whistle or Whistle(number, step), "whistle")
    written = fusion.to_dict()
    written["losses"]["nothing"] = {"use": "whistle.nothing", "in": "opinion", "weight": 0.01}
    return check(Fusion(base=fusion.base, **written), registry)


def text_of(call: Callable[[], object], run: Path) -> str:
    with pytest.raises(RunError) as told:
        call()
    return str(told.value).replace(str(run), "RUN")


def test_a_run_that_a_signal_stopped_ends_as_if_it_had_not(data: Path, tmp_path: Path) -> None:
    """After SIGINT between two lines of the log, and SIGTERM at an epoch's end; with the plugin's own state."""
    whole = train(signalled(hard_fusion(data), signal.SIGTERM, 99), tmp_path / "whole", progress=False)
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt) as first:
        train(signalled(hard_fusion(data), signal.SIGINT, 5), tmp_path / "runs", progress=False)
    assert isinstance(first.value, Interrupted)
    run = first.value.run
    assert (first.value.step, first.value.exit_code) == (5, 130)
    assert str(first.value) == f"stopped after step 5, and saved; go on with: consilience train --resume {run}"
    with pytest.raises(SystemExit) as second:
        train(signalled(hard_fusion(data), signal.SIGTERM, 6), resume=run, progress=False)
    assert isinstance(second.value, Interrupted)
    assert (second.value.step, second.value.code) == (6, 143)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    whistle = Whistle(signal.SIGTERM, 99)
    train(signalled(hard_fusion(data), 0, 0, whistle), resume=run, progress=False)
    assert whistle.seen == 9  # of all three lives
    one, two = (load_file(made / "model" / "model.safetensors") for made in (whole.path, run))
    assert all(torch.equal(one[name], two[name]) for name in one)
    logs = [(made / "log.jsonl").read_text().splitlines() for made in (whole.path, run)]
    assert logs[0][:-1] == logs[1][:-1]  # to the last letter: the last line has the clock's figures
    last = [json.loads(log[-1]) for log in logs]
    assert last[0]["train_loss"] == last[1]["train_loss"]


def test_a_run_that_was_stopped_at_its_last_step_has_the_loss_of_the_whole(data: Path, tmp_path: Path) -> None:
    whole = train(signalled(hard_fusion(data), signal.SIGTERM, 99), tmp_path / "whole", progress=False)
    with pytest.raises(Interrupted) as stopped:
        train(signalled(hard_fusion(data), signal.SIGTERM, 9), tmp_path / "runs", progress=False)
    run = stopped.value.run
    record = json.loads((run / "record.json").read_text())
    assert record["status"] == "stopped: Interrupted"
    train(signalled(hard_fusion(data), 0, 0), resume=run, progress=False)
    last = [json.loads((made / "log.jsonl").read_text().splitlines()[-1]) for made in (whole.path, run)]
    assert last[0]["train_loss"] == last[1]["train_loss"] > 0


def test_a_second_ctrl_c_stops_at_once() -> None:
    with Requests() as requests:
        os.kill(os.getpid(), signal.SIGINT)
        assert requests.signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_finished_run_is_given_back_and_nothing_changes(small_run: Path, small_fusion: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in small_run.rglob("*")}
    said: list[str] = []
    assert train(resume=small_run, announce=said.append).path == small_run
    assert said == [f"{small_run} is finished: there is nothing to go on with"]
    result = CliRunner().invoke(main, ["train", "--resume", str(small_run)])
    assert (result.exit_code, result.stdout) == (0, f"{small_run}\n")
    arguments = ["train", str(small_fusion), "--resume", str(small_run), "--accept", "seed"]
    result = CliRunner().invoke(main, arguments)
    told = f"{small_run} is finished: there is nothing to go on with; not looked at: the file, what is accepted\n"
    assert (result.exit_code, result.stderr) == (0, told)
    assert {path: path.stat().st_mtime_ns for path in small_run.rglob("*")} == before


def test_accepting_without_a_run_to_go_on_with_is_wrong_usage(small_fusion: Path, tmp_path: Path) -> None:
    arguments = ["train", str(small_fusion), "--runs", str(tmp_path / "runs"), "--accept", "seed"]
    result = CliRunner().invoke(main, arguments)
    told = "Error: --accept goes with --resume RUN: a new run has nothing that it began with.\n"
    assert (result.exit_code, result.stderr.endswith(told)) == (2, True)
    assert not (tmp_path / "runs").exists()


class Failing(Whistle):
    """Raises at the end of a step."""

    @hookimpl
    def consilience_step_ended(self, model: object, step: int) -> None:
        self.seen += 1
        if step == self.step:
            raise ZeroDivisionError


def test_what_stops_a_run_tells_where_it_goes_on(data: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError) as told:
        train(signalled(hard_fusion(data), 0, 0, Failing(0, 5)), resume=run, progress=False)
    line = f"the run is {run}; its last checkpoint is that of step 4: consilience train --resume {run}"
    assert told.value.__notes__[-1] == line  # after the hook's name
    unsaved = hard_fusion(data, save_steps=None, save_strategy="no")
    with pytest.raises(ZeroDivisionError) as told:
        train(signalled(unsaved, 0, 0, Failing(0, 3)), tmp_path / "runs", progress=False)
    [left] = (tmp_path / "runs").iterdir()
    assert told.value.__notes__[-1] == f"the run is {left}; it has no checkpoint to go on from"


def test_the_command_ends_with_the_run_that_is_left(
    small_fusion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise RunError(Diagnostic("CN736", (), "a full disk", "room", "# make room"))

    monkeypatch.setattr(_train, "finish_model", fail)
    result = CliRunner().invoke(main, ["train", str(small_fusion), "--runs", str(tmp_path)])
    [left] = tmp_path.iterdir()
    step = max(int(path.name.removeprefix("step-")) for path in (left / "checkpoints").iterdir())
    line = f"the run is {left}; its last checkpoint is that of step {step}: consilience train --resume {left}"
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith(f"\n\n1 error\n{line}\n")
    assert json.loads((left / "record.json").read_text())["status"] == "stopped: CN736"


def test_all_that_changed_is_told_at_once_and_refused(data: Path, run: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(data, tmp_path / "moved"))  # the same files in another place are no change
    changed = hard_fusion(moved, learning_rate=0.5, seed=3).to_dict()
    changed["modules"]["opinion"]["dropout"] = 0.3
    with (moved / "reviews.csv").open("a") as stream:
        stream.write("one more,positive,3,music,0.5 0.5\n")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    plan = signalled(Fusion(base=moved, **changed), 0, 0)
    torch.set_num_threads(2)
    try:
        with pytest.raises(RunError) as told:
            train(plan, resume=run, progress=False)
    finally:
        torch.set_num_threads(1)
    found = {fault.found.partition(":")[0]: fault for fault in told.value.diagnostics}
    assert sorted(found) == ["learning_rate", "modules.opinion", "seed", "sources.reviews.files", "threads"]
    assert {fault.code for fault in found.values()} == {"CN733"}
    rate = str(found["learning_rate"].at(None))
    assert rate == (
        "error CN733 at train.learning_rate\n"
        "  found     learning_rate: 0.5, where the run began with 0.001\n"
        "  expected  what the run began with\n"
        "  fix       --accept learning_rate  # or put it back"
    )
    assert found["modules.opinion"].found == "modules.opinion: settings.dropout 0.3, where the run began with 0.1"
    assert found["threads"].found == "threads: 2, where the run began with 1"
    hashes = [hashlib.sha256((folder / "reviews.csv").read_bytes()).hexdigest()[:12] for folder in (moved, data)]
    assert found["sources.reviews.files"].found == (
        f'sources.reviews.files: reviews.csv "{hashes[0]}...", where the run began with "{hashes[1]}..."'
    )
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_an_accepted_learning_rate_takes_effect_and_is_remembered(data: Path, run: Path) -> None:
    whole = hard_fusion(data, learning_rate=0.5)
    with pytest.raises(Interrupted):
        train(signalled(whole, signal.SIGTERM, 4), resume=run, accept=["learning_rate"], progress=False)
    rates = {line["step"]: line["learning_rate"] for line in _log(run) if "learning_rate" in line}
    assert rates[2] == pytest.approx(0.001 * (1 - 1 / 9))
    assert rates[4] == pytest.approx(0.5 * (1 - 3 / 9))
    started = json.loads((run / "started.json").read_text())
    assert started["made"]["learning_rate"] == 0.5
    assert [(item["step"], item["names"]) for item in started["accepted"]] == [(2, ["learning_rate"])]
    done = train(signalled(whole, 0, 99), resume=run, progress=False)  # it is what the run has now
    assert done.record["training"]["steps"] == 9


@pytest.mark.parametrize("rate", [0.001, 0.5])
def test_an_accepted_name_that_nothing_has_is_refused(data: Path, run: Path, rate: float) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    plan = signalled(hard_fusion(data, learning_rate=rate), 0, 0)
    accepted = ["learning_rate", "seed", "learning_rat"]  # what is as it was may be accepted
    told = text_of(lambda: train(plan, resume=run, accept=accepted, progress=False), run)
    fix = {0.001: "# remove --accept learning_rat", 0.5: "# remove --accept learning_rat"}[rate]
    expected = "no --accept: nothing changed" if rate == 0.001 else "what changed: learning_rate"
    assert told == (
        "error CN764 at the file\n"
        "  found     learning_rat, accepted, which is no name of anything that a run begins with\n"
        f"  expected  {expected}\n"
        f"  fix       {fix}"
    )
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def _log(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_two_writers_are_told_of_each_other(data: Path, run: Path) -> None:
    with Writer(run):
        owner = json.loads((run / "writer.json").read_text())
        told = text_of(lambda: train(signalled(hard_fusion(data), 0, 0), resume=run, progress=False), run)
    assert told == (
        f"error CN730 at the file\n"
        f"  found     RUN is written by process {os.getpid()} on {socket.gethostname()}, since {owner['since']}\n"
        f"  expected  a run that no other process writes\n"
        f"  fix       # wait until it ends, or end it: kill {os.getpid()}"
    )
    assert not (run / "writer.json").exists()


def test_the_lock_of_the_next_writer_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits gets the lock as soon as the file is closed: what lies there from then on is theirs."""
    close, started = os.close, []

    def close_and_begin(file: int) -> None:
        close(file)
        if not started:
            started.append(None)
            started[0] = Writer(tmp_path)

    first = Writer(tmp_path)
    monkeypatch.setattr("consilience.train._runs._writer.os.close", close_and_begin)
    first.__exit__(None, None, None)
    monkeypatch.undo()
    with started[0], pytest.raises(RunError, match="CN730"):
        Writer(tmp_path)


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        Writer(tmp_path)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert json.loads((tmp_path / "writer.json").read_text())["pid"] == child
    with Writer(tmp_path):
        assert json.loads((tmp_path / "writer.json").read_text())["pid"] == os.getpid()


def test_a_foreign_directory_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    fix = "consilience train FILE  # prints the directory of its run, and keeps what is needed to go on"
    expected = "the directory of a run of consilience train"
    for name, what in (("photos", "no started.json in it"), ("nowhere", "no such directory")):
        told = text_of(lambda name=name: train(resume=tmp_path / name, progress=False), tmp_path / name)  # type: ignore[misc]
        assert told == f"error CN737 at the file\n  found     RUN: {what}\n  expected  {expected}\n  fix       {fix}"
    assert list((tmp_path / "photos").iterdir()) == []


def test_a_change_that_makes_another_model_is_refused_when_it_is_loaded(data: Path, run: Path) -> None:
    written = hard_fusion(data).to_dict()
    written["modules"]["more"] = {"use": "classifier", "in": "encoder.pooled"}
    written["losses"]["more_loss"] = {"use": "cross_entropy", "in": "more", "target": "sentiment"}
    plan = signalled(Fusion(base=data, **written), 0, 0)
    accept = ["modules.more", "losses.more_loss"]
    told = text_of(lambda: train(plan, resume=run, accept=accept, progress=False), run)
    assert told.startswith("error CN735 at the file\n  found     RUN/checkpoints/step-00000002: ")
    assert told.endswith(
        "\n  expected  the state of the model and optimizer of this fusion\n"
        "  fix       consilience train --resume RUN  # with the fusion and the plugins that it began with"
    )


def test_what_no_checkpoint_can_keep_is_named() -> None:
    from consilience.train._checkpoints._state import _pack

    with pytest.raises(RunError) as told:
        _pack("optimizer", {"state": [{1, 2}]})
    assert str(told.value) == (
        "error CN738 at the file\n"
        "  found     optimizer: state.0: a value of type set\n"
        "  expected  tensors, numbers, texts, lists and mappings\n"
        "  fix       # register_buffer what the next step needs, or keep it by consilience_state"
    )


def test_an_unfinished_run_says_how_to_go_on(run: Path) -> None:
    assert text_of(lambda: Run.open(run), run) == (
        "error CN704 at the file\n"
        "  found     RUN: a run that is not finished\n"
        "  expected  the directory of a finished run\n"
        "  fix       consilience train --resume RUN"
    )


def test_a_run_has_no_pickle(run: Path) -> None:
    suffixes = {path.suffix for path in run.rglob("*") if path.is_file()}
    assert suffixes == {".json", ".jsonl", ".yaml", ".safetensors", ".html"}  # the last is the picture of its course


def test_the_command_needs_a_file_or_a_run() -> None:
    result = CliRunner().invoke(main, ["train"])
    assert result.exit_code == 2
    assert "Missing argument 'FILE'; or --resume RUN, which has its own." in result.output
