"""Kills trainings with -9 at random moments, resumes them, and compares how they end, to the last bit.

A server that has imported all forks a child a training: to import torch and transformers takes longer than to train.
The server itself never trains: torch's threads do not survive a fork.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.faults.fusion import STEPS, hard_fusion

from consilience import Plan, check
from consilience.cli._quiet import quiet
from consilience.data import prepare
from consilience.fuse import fuse
from consilience.train import train


def forked(work: Callable[[], object], told: Path) -> int:
    """Starts a child that does some work and ends; what it says goes into a file."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        file = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        work()
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def ended(child: int) -> int:
    """Waits for a child; gives its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def ending(run: Path) -> dict[str, str]:
    """Gives the hashes of the last checkpoint, weights and optimizer and all, and of the model that was saved."""
    import hashlib

    manifest = json.loads((run / "checkpoints" / f"step-{STEPS:08d}" / "manifest.json").read_text())
    files = {name: told["sha256"] for name, told in manifest["files"].items()}
    model = (run / "model" / "model.safetensors").read_bytes()
    return files | {"the model": hashlib.sha256(model).hexdigest()}


def first_checkpoint(runs: Path, child: int) -> Path:
    """Waits for a run that has a checkpoint."""
    while True:
        for found in runs.glob("*/checkpoints/step-*"):
            return found.parents[1]
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            raise AssertionError("it ended before its first checkpoint")
        time.sleep(0.002)


def phase(run: Path) -> str:
    """Tells what a process was doing when it was killed, by what it left."""
    if list(run.glob("checkpoints/.*.part")):
        return "saving a checkpoint"
    if (run / ".model.part").exists() or (run / "model").exists():
        return "saving the model"
    return "training"


def trial(plan: Plan, folder: Path, delay: float) -> tuple[str, int, dict[str, str]]:
    """Kills one training a while after its first checkpoint, and resumes it; gives phase, exit code and ending."""
    told = folder / "told"
    child = forked(lambda: train(plan, folder / "runs", progress=False), told)
    run = first_checkpoint(folder / "runs", child)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    was_killed = ended(child) == -signal.SIGKILL
    doing = phase(run) if was_killed else "over"
    code = ended(forked(lambda: train(plan, resume=run, progress=False), told))
    if code:
        sys.stderr.write(told.read_text())
    return doing, code, ending(run) if not code else {}


def kill(kills: int, seed: int, folder: Path) -> Iterable[tuple[str, int, bool]]:
    """Gives phase, exit code, and whether the end was that of an uninterrupted training, for each kill."""
    plan = check(hard_fusion(folder / "data"))
    prepare(plan)  # so that the children find imported what is imported only then
    fuse(plan)
    gc.collect()
    gc.freeze()  # a child that collects garbage would copy all that it looks through
    began = folder / "whole"
    child = forked(lambda: train(plan, began, progress=False), folder / "told")
    first_checkpoint(began, child)
    started = time.monotonic()
    assert ended(child) == 0, (folder / "told").read_text()
    longest = time.monotonic() - started
    [whole] = began.iterdir()
    expected = ending(whole)
    dice = random.Random(seed)
    done = 0
    while done < kills:
        place = Path(tempfile.mkdtemp(dir=folder))
        doing, code, found = trial(plan, place, dice.uniform(0, longest))
        shutil.rmtree(place)
        if doing == "over":  # the child was faster than the dice
            continue
        done += 1
        yield doing, code, found == expected


def main() -> None:
    """Prints the tally; ends with 1 when one ending differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    quiet()
    import torch._dynamo  # noqa: F401  # transformers asks for it in each child otherwise

    started = time.monotonic()
    phases: Counter[str] = Counter()
    resumes = identical = 0
    with tempfile.TemporaryDirectory() as name:
        for doing, code, same in kill(options.kills, options.seed, Path(name)):
            phases[doing] += 1
            resumes += code == 0
            identical += same
            told = f"{sum(phases.values())} kills, {resumes} resumes, {identical} identical"
            print(told, file=sys.stderr, flush=True)  # noqa: T201
    tally = {"kills": sum(phases.values()), **dict(sorted(phases.items())), "resumes": resumes, "identical": identical}
    print(json.dumps(tally | {"seconds": round(time.monotonic() - started, 1)}))  # noqa: T201
    sys.exit(not sum(phases.values()) == resumes == identical)


if __name__ == "__main__":
    main()
