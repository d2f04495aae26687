"""Makes a run out of another one without training: a model that was changed, with a record of what it came from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

from torch import Tensor

from consilience.declare import Derived, Fusion
from consilience.errors import Diagnostic, RunError
from consilience.fuse import FusedModel, fuse
from consilience.plan import check
from consilience.train._runs._folders import new_folder
from consilience.train._runs._record import facts, write_record
from consilience.train._runs._run import Run
from consilience.train._runs._writer import Writer

__all__ = ["derive"]


def derive(
    run: Run, runs: str | os.PathLike[str] | None, word: str, make: Callable[[FusedModel, Path], Derived]
) -> Run:
    """Makes a new run of a run: `make` is handed the trained model and the new directory, and says what to build.

    The directory is named after the fusion and the word. The record is written last, so a directory that lacks one is
    none of a run. Raises what `make` raises, the faults of the new fusion, and `RunError` (CN771) where the old weights
    do not fit it; then no directory is left.
    """
    model = run.model()
    name = f"{run.plan.fusion.name}-{word}"
    folder = new_folder(Path(runs) if runs is not None else run.path.resolve().parent, name).resolve()
    try:
        with Writer(folder):
            return _made(run, model, make(model, folder), Run(folder, run.registry))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _made(run: Run, model: FusedModel, derived: Derived, made: Run) -> Run:
    plan = check(Fusion(base=run.plan.fusion.base, **derived.fusion), run.registry)
    smaller = fuse(plan)
    _fill(smaller, model, derived.remade)
    made.start(plan)
    staged = made.path / ".model.part"
    smaller.save_pretrained(staged)
    staged.replace(made.path / "model")
    origin = {"from": str(run.path.resolve()), **derived.notes}
    write_record(made, {**facts(plan, smaller.device), "derived": origin}, "finished")
    return made


def _fill(model: FusedModel, old: FusedModel, remade: Collection[str]) -> None:
    """Gives every node but the remade ones its old weights; what balances has none to take where losses went."""
    had = old.state_dict()
    taken: dict[str, Tensor] = {}
    lost: list[str] = []
    for name, value in model.state_dict().items():
        part, _, rest = name.partition(".")
        fits = name in had and had[name].shape == value.shape
        if part == "nodes" and rest.partition(".")[0] in remade:
            continue
        if fits:
            taken[name] = had[name]
        elif part == "nodes":
            lost.append(name)
    if lost:
        found = f"{len(lost)} weights that the run has not, or of another shape, such as {lost[0]}"
        fix = f"# name {lost[0].split('.')[1]} among the nodes that are remade"
        raise RunError(Diagnostic("CN771", (), found, "a model whose other nodes are as they were", fix))
    model.load_state_dict(taken, strict=False)
