"""A run that is run again: the same, within a tolerance, different, or not possible any more."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from consilience import ConsilienceError, Fusion
from consilience.cli import main
from consilience.evidence import Verdict, reproduce
from consilience.train import Run, train
from consilience.train._progress import LogFile


@pytest.fixture(scope="module")
def finished(small_fusion: Path) -> Path:
    written = Fusion.load(small_fusion).to_dict()
    written["train"] |= {"logging_steps": 2, "use_cpu": True}
    return train(Fusion(base=small_fusion.parent, **written), small_fusion.parent / "finished", progress=False).path


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_a_run_on_the_same_machine_is_reproduced_to_the_last_bit(finished: Path, tmp_path: Path) -> None:
    found = reproduce(finished, tmp_path, progress=False)
    assert found.environment == ()
    assert found.verdict is Verdict.IDENTICAL
    assert found.is_reproduced
    assert {"loss/opinion_loss", "eval_accuracy", "grad_norm"} <= {one.name for one in found.series}
    assert {one.name for one in found.weights} == {"encoder", "opinion", "rating", "about", "feeling"}
    assert "the environment is the same" in found.to_text()
    assert Path(found.again).parent == tmp_path


def test_a_signal_ends_it_and_names_the_half_run(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = LogFile.on_log

    def end(self: LogFile, *arguments: Any, **options: Any) -> None:
        write(self, *arguments, **options)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(LogFile, "on_log", end)
    result = CliRunner().invoke(main, ["reproduce", str(finished), "--runs", str(tmp_path)])
    [half] = tmp_path.iterdir()
    assert (result.exit_code, result.stdout) == (143, "")
    [saved] = (half / "checkpoints").iterdir()
    step = int(saved.name.removeprefix("step-"))
    told = f"stopped after step {step}, and saved; go on with: consilience train --resume {half}\n"
    assert result.stderr.endswith(told)


def test_what_differs_is_told_the_environment_first(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = load_file(copied / "model" / "model.safetensors")
    name = next(name for name in weights if name.startswith("nodes.opinion."))
    weights[name] = weights[name] + 0.25
    save_file(weights, copied / "model" / "model.safetensors", {"format": "pt"})
    record = json.loads((copied / "record.json").read_text())
    record["processor"]["model"] = "an abacus"
    record["distributions"]["torch"]["version"] = "1.0"
    (copied / "record.json").write_text(json.dumps(record))
    with pytest.raises(SystemExit) as ended:
        main(["reproduce", str(copied), "--runs", str(tmp_path / "runs"), "--tolerance", "0.1"])
    assert ended.value.code == 1
    told = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in told.splitlines()]
    assert f"distribution torch: 1.0 -> {torch.__version__}" in lines
    assert any(line.startswith("processor model: an abacus -> ") for line in lines)
    assert any(line.startswith("opinion different 0.25") for line in lines)
    assert lines.index("the environment is not the same") < lines.index("weights largest difference values")


def test_a_tolerance_lets_small_differences_pass(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = copied / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines[0]["loss"] += 0.001
    log.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(SystemExit) as ended:
        main(["reproduce", str(copied), "--runs", str(tmp_path / "runs"), "--tolerance", "0.01", "--json"])
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "within tolerance"
    [loss] = [one for one in told["series"] if one["name"] == "loss"]
    assert (loss["step"], loss["verdict"]) == (2, "within tolerance")
    assert loss["difference"] == pytest.approx(0.001)


def test_a_series_that_one_log_lacks_is_a_difference(copied: Path, tmp_path: Path) -> None:
    log = copied / "log.jsonl"
    log.write_text("\n".join(log.read_text().splitlines()[:-2]))
    found = reproduce(copied, tmp_path / "runs", tolerance=1e9, progress=False)
    assert not found.is_reproduced
    assert "lacking" in found.to_text()


def test_data_that_are_gone_are_told(copied: Path, tmp_path: Path) -> None:
    record = json.loads((copied / "record.json").read_text())
    record["base"] = str(tmp_path / "elsewhere")
    (copied / "record.json").write_text(json.dumps(record))
    with pytest.raises(ConsilienceError) as told:
        reproduce(copied, tmp_path / "runs", progress=False)
    assert {fault.code for fault in told.value.diagnostics} == {"CN601", "CN605"}  # the table, and the checkpoint
    assert not (tmp_path / "runs").exists()


def test_the_record_tells_what_the_run_was(finished: Path) -> None:
    record = Run.open(finished).record
    assert record["status"] == "finished"
    assert record["fusion"]["name"] == "small"
    assert [node["name"] for node in record["plan"]["nodes"]]
    assert record["distributions"]["torch"]["version"].startswith(torch.__version__.split("+")[0])
    assert len(record["distributions"]["torch"]["sha256"]) == 64
    assert record["processor"]["threads"] == torch.get_num_threads()
    assert record["timings"]["seconds"].keys() == {"reading", "building", "training", "validating"}
    assert record["timings"]["rows_per_second"] > 0
    assert record["peak_memory_bytes"]["process"] > 10**7
    assert record["validation"][-1]["metrics"].keys() >= {"accuracy", "loss", "loss/opinion_loss"}
