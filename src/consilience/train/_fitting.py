"""Fits, after the training, the modules that ask for it to the validation rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from consilience.errors import Diagnostic, RunError
from consilience.fuse import FusedModel, attribute
from consilience.plan import TARGET, Plan, fitted_of
from consilience.train._measure import to_device

__all__ = ["Fitting"]

Batches = Iterable[Mapping[str, Tensor]]


class Fitting:
    """Calls `fit` of every module with a `fit_target`, each after those that feed it.

    It is given what its ports read of every validation row that has what its loss needs, and the target of that loss.
    Those that no other one feeds are fitted from one pass over the rows; those that these feed from a second one.
    """

    def __init__(self, plan: Plan, batches: Batches) -> None:
        self._plan, self._batches = plan, batches
        self._losses = fitted_of(plan)

    def check_rows(self, model: FusedModel) -> None:
        """Raises `RunError`, before anything is learnt, where no validation row has what a fit needs (CN439).

        Or where what was built has no method `fit` (CN312).
        """
        if unfit := [name for name in self._losses if not callable(getattr(model.nodes[name], "fit", None))]:
            raise RunError(self._plan.fusion.locate([self._without_method(name) for name in unfit]))
        waiting = dict(self._losses)
        for batch in self._batches:
            waiting = {name: loss for name, loss in waiting.items() if not model.present(loss, batch).any()}
            if not waiting:
                return
        faults = [self._without_rows(name, loss) for name, loss in waiting.items()]
        raise RunError(self._plan.fusion.locate(faults))

    def _without_method(self, name: str) -> Diagnostic:
        node = self._plan.nodes[name]
        ports = ", ".join((*self._plan.wiring(name), TARGET))
        found = f"what {node.component} builds has no method fit, and it declares a fit_target"
        return Diagnostic("CN312", ("modules", name), found, f"its ports: ({ports})", f"# def fit(self, {ports})")

    def _without_rows(self, name: str, loss: str) -> Diagnostic:
        found = f"{name}, and no validation row has all that {loss} needs"
        fix = f"split: {{validation: 0.1}}  # under a source whose rows have the target of {loss}"
        return Diagnostic("CN439", ("modules", name), found, "validation rows that it can be fitted to", fix)

    def __call__(self, model: FusedModel) -> dict[str, dict[str, float]]:
        """Fits them in place; gives, by module, the numbers that its fit tells."""
        was_training = model.training
        model.train(False)
        told: dict[str, dict[str, float]] = {}
        for names in self._waves():
            given = self._collected(model, names)
            told |= {name: self._fit(model, name, given.pop(name)) for name in names}
        model.train(was_training)
        return {name: told[name] for name in self._losses}

    def _waves(self) -> list[list[str]]:
        """Groups the modules by how many others, one after the other, have to be fitted before them."""
        needed: dict[str, list[str]] = {}
        for source, target, _ in self._plan.links:
            needed.setdefault(target, []).append(source)
        before: dict[str, int] = {}
        for name in self._plan.order:
            depths = (before[source] + (source in self._losses) for source in needed.get(name, ()) if source in before)
            before[name] = max(depths, default=0)
        waves: dict[int, list[str]] = {}
        for name in self._losses:
            waves.setdefault(before[name], []).append(name)
        return [waves[depth] for depth in sorted(waves)]

    def _fit(self, model: FusedModel, name: str, given: Mapping[str, Tensor]) -> dict[str, float]:
        try:
            with torch.no_grad():
                numbers = model.nodes[name].fit(**given)  # type: ignore[operator]
        except Exception as error:
            attribute(error, self._plan, self._plan.nodes[name], "fit")
            raise
        return {key: float(value) for key, value in dict(numbers or {}).items()}

    @torch.no_grad()
    def _collected(self, model: FusedModel, names: Iterable[str]) -> dict[str, dict[str, Tensor]]:
        """Gives, by module, its values of every validation row that counts for its loss, on the device of the model."""
        read = {name: self._read(name) for name in names}
        nodes = [value.partition(".")[0] for values in read.values() for value in values.values()]
        asked = tuple(dict.fromkeys(name for name in nodes if name in self._plan.fusion.modules))
        parts: dict[str, dict[str, list[Tensor]]] = {name: {port: [] for port in ports} for name, ports in read.items()}
        for batch in self._batches:
            moved = to_device(batch, model.device)
            values: dict[str, Any] = {**moved, **(model(moved, outputs=asked).tensors or {})}
            for name, ports in read.items():
                present = model.present(self._losses[name], moved)
                for port, value in ports.items():
                    parts[name][port].append(values[value][present])
        return {name: {port: torch.cat(found) for port, found in ports.items()} for name, ports in parts.items()}

    def _read(self, name: str) -> dict[str, str]:
        """Names what each port of a module reads, and the target that it is fitted to."""
        read = {port: str(refs[0]) for port, refs in self._plan.wiring(name).items()}
        return read | {TARGET: str(self._plan.target_of(self._losses[name]))}
