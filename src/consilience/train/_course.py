"""The course of a training: a run that begins, or one that goes on from its newest checkpoint."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate.utils import broadcast_object_list

from consilience.declare import Fusion
from consilience.errors import ConsilienceError, Diagnostic, RunError
from consilience.fuse import sync
from consilience.plan import Plan, check
from consilience.train._best import BestModel
from consilience.train._checkpoints._store import Checkpoint, Checkpoints
from consilience.train._runs._folders import shared_folder
from consilience.train._runs._interrupted import Interrupted
from consilience.train._runs._log import LOG, logged
from consilience.train._runs._run import Run
from consilience.train._runs._started import STARTED, Started, made_with, read_started
from consilience.train._runs._writer import Writer

__all__ = ["Course", "begun", "finished", "plan_of", "resumed"]

CHECKPOINTS = "checkpoints"
_SAVE_KEYS = ("save_steps", "save_strategy", "save_total_limit")


@dataclass(frozen=True)
class Course:
    """A run, where its checkpoints lie, the one to go on from, and the names of the changes that were accepted."""

    run: Run
    checkpoints: Checkpoints
    checkpoint: Checkpoint | None = None
    accepted: frozenset[str] = frozenset()

    @property
    def first_step(self) -> int:
        """How many steps lie before those that this process takes."""
        return self.checkpoint.step if self.checkpoint is not None else 0

    def finish(self, plan: Plan) -> None:
        """Removes the checkpoints of a run that has its model, unless the file asked for them."""
        if any(plan.fusion.train.arguments.get(key) is not None for key in _SAVE_KEYS):
            return
        for folder, _, names in os.walk(self.run.path / "model"):
            for path in (*(Path(folder, name) for name in names), Path(folder)):
                sync(path)
        sync(self.run.path / "record.json")
        sync(self.run.path)
        shutil.rmtree(self.checkpoints.folder, ignore_errors=True)


def finished(path: Path) -> Run | None:
    """Gives the run, if it is finished."""
    if not ((path / "record.json").is_file() and (path / "model" / "config.json").is_file()):
        return None
    run = Run.open(path)
    return run if run.record.get("status", "finished") == "finished" else None


def plan_of(path: Path) -> Plan:
    """Checks the fusion that a run began with, its paths relative to where the file lay."""
    started = read_started(path)
    return check(Fusion.load(path / "fusion.yaml", base=started.base))


@contextmanager
def begun(plan: Plan, runs: Path, arguments: Any) -> Iterator[Course]:
    """Makes the directory of a new run, and owns it; leaves none behind where nothing was learnt."""
    processes = arguments.distributed_state
    run = Run(shared_folder(runs, plan.fusion.name, processes), plan.registry)
    started = Started.now(plan, made_with(plan, arguments.device, processes.num_processes))
    checkpoints = Checkpoints(run.path / CHECKPOINTS, started.run, started.plans)
    try:
        with ExitStack() as held:
            if processes.is_main_process:
                held.enter_context(Writer(run.path))
                run.start(plan)
                run.write_json(STARTED, started.to_dict())
            yield Course(run, checkpoints)
    except BaseException as error:
        is_empty = not checkpoints.steps() and not (run.path / LOG).exists()
        if processes.is_main_process and is_empty:
            shutil.rmtree(run.path, ignore_errors=True)
        if not is_empty:
            _note_left(error, checkpoints)
        raise


@contextmanager
def resumed(
    plan: Plan, path: Path, accept: Collection[str], arguments: Any, say: Callable[[str], None]
) -> Iterator[Course]:
    """Owns a run again, and gives its newest whole checkpoint.

    Raises `RunError` where another process writes it, where something changed that is not accepted, and where no
    checkpoint is whole: the same in all processes.
    """
    processes = arguments.distributed_state
    with ExitStack() as held:
        found: list[Any] = [None]
        if processes.is_main_process:
            try:
                found = [_opened(plan, path, frozenset(accept), arguments, held, say)]
            except ConsilienceError as error:
                found = [error]
            except OSError as error:  # told, and to the other processes too: they wait for what is found
                found = [_not_written(path, error)]
        if processes.num_processes > 1:
            broadcast_object_list(found)
        if isinstance(found[0], ConsilienceError):
            raise found[0]
        checkpoints, checkpoint, accepted = found[0]
        try:
            yield Course(Run(path, plan.registry), checkpoints, checkpoint, accepted)
        except BaseException as error:
            _note_left(error, checkpoints)
            raise


def _note_left(error: BaseException, checkpoints: Checkpoints) -> None:
    """Notes which run an exception leaves, and from where it goes on; what a signal raises says so itself."""
    if isinstance(error, Interrupted):
        return
    run, steps = checkpoints.folder.parent, []
    with suppress(OSError):  # what stopped the training is told, not what stops this
        steps = checkpoints.steps()
    if steps:
        last = f"its last checkpoint is that of step {steps[0]}: consilience train --resume {run}"
    elif (run / "model").is_dir():
        last = "its model is saved"
    else:
        last = "it has no checkpoint to go on from"
    error.add_note(f"the run is {run}; {last}")


def _opened(
    plan: Plan, path: Path, accept: frozenset[str], arguments: Any, held: ExitStack, say: Callable[[str], None]
) -> tuple[Checkpoints, Checkpoint, frozenset[str]]:
    started = read_started(path)  # before the lock: nothing is written into a directory that is none of a run
    held.enter_context(Writer(path))
    made = made_with(plan, arguments.device, arguments.distributed_state.num_processes)
    changes = started.changes(plan, made)
    refused = [fault for name, fault in changes.items() if name not in accept]
    unknown = list(started.unknown(accept, made, changes))  # of the command line, and not of the file
    if refused or unknown:
        raise RunError([*plan.fusion.locate(refused), *unknown])
    checkpoints = Checkpoints(path / CHECKPOINTS, started.run, started.plans)
    checkpoints.clean()
    checkpoint, passed_over = checkpoints.newest()
    for warning in passed_over:
        say(str(warning))
    if checkpoint is None:
        raise RunError(_none_whole(path, len(passed_over)))
    run = Run(path, plan.registry)
    accepted = frozenset(changes)
    if changes:
        started = started.with_changes(plan, made, accepted, checkpoint.step)
        run.start(plan)
        run.write_json(STARTED, started.to_dict())
        checkpoints = Checkpoints(checkpoints.folder, started.run, started.plans)
    _cut_log(path, checkpoint.step)
    BestModel(path).forget_after(checkpoint.step)
    told = f", with {', '.join(sorted(accepted))} changed" if accepted else ""
    say(f"going on from step {checkpoint.step} of {path}{told}")
    return checkpoints, checkpoint, accepted


def _cut_log(run: Path, step: int) -> None:
    """Leaves out what was logged after the checkpoint, and a line that was not written to its end."""
    kept = [json.dumps(line) + "\n" for line in logged(run) if line["step"] <= step]
    staged = run / f".{LOG}.part"
    staged.write_text("".join(kept), encoding="utf-8")
    staged.replace(run / LOG)


def _not_written(path: Path, error: OSError) -> RunError:
    found = f"{error.filename or path}: {error.strerror or error}"
    return RunError(Diagnostic("CN706", (), found, "a run that can be written", f"# let {path} be written"))


def _none_whole(path: Path, damaged: int) -> Diagnostic:
    found = f"{path}: {f'none of its {damaged} checkpoints is whole' if damaged else 'no checkpoint in it'}"
    fix = f"consilience train {path / 'fusion.yaml'}  # from the beginning"
    return Diagnostic("CN732", (), found, "a run with a checkpoint that is whole", fix)
