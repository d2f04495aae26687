"""Damaged checkpoints: each named, none loaded, the older one taken, and a refusal where none is whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.faults.damages import DAMAGES
from tests.faults.fusion import hard_fusion

from consilience import RunError
from consilience.train import Run, train
from consilience.train._checkpoints._store import Checkpoints
from consilience.train._runs._started import read_started


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed after its second step, as far as a directory can tell."""
    folder = tmp_path_factory.mktemp("stopped")
    run = train(hard_fusion(folder / "data", max_steps=2), folder / "runs", progress=False)
    (run.path / "record.json").unlink()
    shutil.rmtree(run.path / "model")
    return run.path


def copied(run: Path, place: Path) -> tuple[Path, Checkpoints]:
    shutil.copytree(run, place, symlinks=True)
    started = read_started(place)
    return place, Checkpoints(place / "checkpoints", started.run, started.plans)


def test_each_of_thirty_damages_is_named_and_none_is_loaded(stopped: Path, tmp_path: Path) -> None:
    named = 0
    for number, (what, (damage, text)) in enumerate(DAMAGES.items()):
        _, checkpoints = copied(stopped, tmp_path / str(number))
        assert checkpoints.steps() == [2, 1]
        damage(checkpoints.place(2), checkpoints.place(1))
        newest, told = checkpoints.newest()
        assert newest is not None, what
        assert newest.step == 1, what
        [warning] = told
        assert text in warning.found, what
        assert warning.code == ("CN734" if "another" in what else "CN731"), what
        # With nothing older there is nothing to go on with.
        for step in checkpoints.steps():
            if checkpoints.place(step) == newest.path:
                shutil.rmtree(newest.path)
        assert checkpoints.newest()[0] is None, what
        named += 1
    print(f"{named} damages, {named} named, 0 loaded")  # noqa: T201
    assert named >= 30


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="whoever is root may read all")
def test_a_checkpoint_that_may_not_be_read_is_named(stopped: Path, tmp_path: Path) -> None:
    _, checkpoints = copied(stopped, tmp_path / "run")
    (checkpoints.place(2) / "model.safetensors").chmod(0)
    newest, [warning] = checkpoints.newest()
    assert newest is not None
    assert newest.step == 1
    assert "model.safetensors: Permission denied" in warning.found


def test_a_run_goes_on_from_the_older_checkpoint_to_the_same_model(stopped: Path, tmp_path: Path) -> None:
    models = []
    for name in ("whole", "damaged"):
        run, checkpoints = copied(stopped, tmp_path / name)
        if name == "damaged":
            DAMAGES["a bit of the weights"][0](checkpoints.place(2), checkpoints.place(1))
        said: list[str] = []
        done = train(resume=run, announce=said.append, progress=False)
        models.append(load_file(done.path / "model" / "model.safetensors"))
        step = 1 if name == "damaged" else 2
        assert f"going on from step {step} of {run}" in said
    assert all(torch.equal(models[0][key], models[1][key]) for key in models[0])
    assert said[0] == (
        f"warning CN731 at the file\n"
        f"  found     {checkpoints.place(2)}: model.safetensors has other bytes than were written\n"
        f"  expected  a checkpoint of this run, as it was written\n"
        f"  fix       rm -r {checkpoints.place(2)}  # it is passed over, and an older one taken"
    )


def test_a_checkpoint_of_another_run_is_told_as_such(stopped: Path, tmp_path: Path) -> None:
    _, checkpoints = copied(stopped, tmp_path / "run")
    DAMAGES["another run's"][0](checkpoints.place(2), checkpoints.place(1))
    _, [warning] = checkpoints.newest()
    assert str(warning) == (
        f"warning CN734 at the file\n"
        f"  found     {checkpoints.place(2)}: it is of another run, {'f' * 32}\n"
        f"  expected  a checkpoint of this run\n"
        f"  fix       rm -r {checkpoints.place(2)}  # it is passed over, and an older one taken"
    )


def test_a_run_without_a_whole_checkpoint_is_refused(stopped: Path, tmp_path: Path) -> None:
    run, checkpoints = copied(stopped, tmp_path / "run")
    for step in (1, 2):
        (checkpoints.place(step) / "manifest.json").unlink()
    with pytest.raises(RunError) as told:
        train(resume=run, progress=False)
    assert str(told.value) == (
        f"error CN732 at the file\n"
        f"  found     {run}: none of its 2 checkpoints is whole\n"
        f"  expected  a run with a checkpoint that is whole\n"
        f"  fix       consilience train {run / 'fusion.yaml'}  # from the beginning"
    )
    assert isinstance(Run(run), Run)
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["step-00000001", "step-00000002"]
