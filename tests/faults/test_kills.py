"""Trainings that are killed end as if they had not been; a save that is killed between any two calls leaves no half."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from consilience.train._checkpoints._staging import Staged
from consilience.train._checkpoints._store import Checkpoints

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_twenty_kills_twenty_resumes_twenty_identical_endings() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-m", "tests.faults.kills", "--kills", "20", "--seed", "1"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    tally = json.loads(done.stdout.splitlines()[-1])
    print(tally)  # noqa: T201
    assert done.returncode == 0, done.stderr
    assert (tally["kills"], tally["resumes"], tally["identical"]) == (20, 20, 20)
    assert tally["training"] >= 3
    assert tally["saving a checkpoint"] >= 3


def save(checkpoints: Checkpoints, step: int) -> None:
    with checkpoints.write(step) as staged:
        staged.tensors("model.safetensors", {"weight": torch.full((100,), float(step))})
        staged.json("rest.json", {"step": step})
    checkpoints.keep(1)


def at_call(number: int, act: Callable[[], None]) -> Callable[[], None]:
    """Makes every call that changes the disk count, and act in the place of one; a writing is halved before it."""
    calls = 0

    def counted() -> None:
        nonlocal calls
        calls += 1
        if calls == number:
            act()

    def before(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            counted()
            return original(*arguments, **options)

        return call

    class Halved(io.FileIO):
        def write(self, data: Any) -> int:
            written = super().write(memoryview(data)[: (len(data) + 1) // 2])
            counted()
            return written

    opened = io.open

    def open_counted(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if mode != "xb":
            return opened(file, mode, *arguments, **options)
        counted()
        return Halved(file, "xb")

    originals = {name: getattr(os, name) for name in ("fsync", "replace", "mkdir", "rmdir", "unlink")}
    for name, original in originals.items():
        setattr(os, name, before(original))
    io.open = open_counted  # type: ignore[assignment]

    def restore() -> None:
        io.open = opened  # type: ignore[assignment]
        for name, original in originals.items():
            setattr(os, name, original)

    return restore


def killed_at(number: int, checkpoints: Checkpoints) -> bool:
    child = os.fork()
    if not child:
        at_call(number, lambda: os.kill(os.getpid(), signal.SIGKILL))
        save(checkpoints, 2)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_save_that_is_killed_at_any_call_leaves_the_last_checkpoint_or_the_new_one(tmp_path: Path) -> None:
    found = []
    number = 1
    while True:
        checkpoints = Checkpoints(tmp_path / str(number) / "checkpoints", "run", ("plan",))
        save(checkpoints, 1)
        if not killed_at(number, checkpoints):
            break
        newest, told = checkpoints.newest()
        assert newest is not None
        assert told == []  # what is half has no name that a reader looks at
        content = json.loads((newest.path / "rest.json").read_text())
        assert content == {"step": newest.step}
        found.append(newest.step)
        checkpoints.clean()
        assert all(not path.name.startswith(".") for path in checkpoints.folder.iterdir())
        save(checkpoints, 2)  # the next life writes it again, over what stands there
        newest, told = checkpoints.newest()
        assert newest is not None
        assert (newest.step, told) == (2, [])
        number += 1
    assert number > 15
    assert found == sorted(found)
    assert set(found) == {1, 2}


def test_a_disk_that_is_full_at_any_call_stops_with_the_last_checkpoint_intact(tmp_path: Path) -> None:
    from consilience import RunError

    def full() -> None:
        raise OSError(28, "No space left on device")

    number, told = 2, ""  # the first makes a directory that is there
    while number < 12:
        checkpoints = Checkpoints(tmp_path / str(number) / "checkpoints", "run", ("plan",))
        save(checkpoints, 1)
        restore = at_call(number, full)
        try:
            with pytest.raises(RunError) as raised:
                save(checkpoints, 2)
        finally:
            restore()
        told = str(raised.value).replace(str(checkpoints.folder.parent), "RUN")
        assert [path.name for path in checkpoints.folder.iterdir()] == ["step-00000001"]
        newest, damaged = checkpoints.newest()
        assert newest is not None
        assert (newest.step, damaged) == (1, [])
        number += 1
    assert told == (
        "error CN736 at the file\n"
        "  found     RUN/checkpoints/step-00000002: No space left on device; the checkpoint of step 1 stands\n"
        "  expected  room on the disk for a checkpoint\n"
        "  fix       consilience train --resume RUN  # when there is room"
    )


def test_retention_goes_by_steps_and_never_by_the_clock(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints", "run", ("plan",))
    for step in (1, 2, 3, 4, 5):
        with checkpoints.write(step) as staged:
            staged.json("rest.json", {})
        # Each is older than the one before, for a clock that was set back.
        os.utime(checkpoints.place(step), (2e9 - 1000 * step,) * 2)
        checkpoints.keep(2)
    assert checkpoints.steps() == [5, 4]
    newest, _ = checkpoints.newest()
    assert newest is not None
    assert newest.step == 5


def test_what_is_staged_has_no_name_until_it_is_whole(tmp_path: Path) -> None:
    with Staged(tmp_path / "place") as staged:
        staged.json("one.json", [1])
        assert not (tmp_path / "place").exists()
    assert json.loads((tmp_path / "place" / "one.json").read_text()) == [1]
