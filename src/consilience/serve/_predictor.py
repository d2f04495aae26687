"""Predicts with a trained model: loaded once, in batches, in order."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from consilience.declare import Fusion, Port
from consilience.errors import Diagnostic, Place, RunError, nearest
from consilience.evidence import Answer, answers_of, best_device
from consilience.fuse import FusedModel, build_collator
from consilience.host import Registry
from consilience.plan import Plan, Ref
from consilience.serve._examples import ExampleReader
from consilience.train import to_device

__all__ = ["Predictor"]


class Predictor:
    """Answers questions with a trained model: `Predictor("runs/x").predict(["a fine film"])`.

    Loads a run, or a saved model alone, once, and runs only the inputs and modules that the outputs need. `outputs`
    names what is asked: nodes (`opinion`), which answer in labels where they are compared with a field, or ports
    (`encoder.pooled`), which give their values as lists; every answer of the fusion when left out. `registry`
    is that of the plugins, where it is not the default one.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        outputs: Sequence[str] | None = None,
        batch_size: int = 32,
        device: torch.device | None = None,
        registry: Registry | None = None,
    ) -> None:
        folder = _model_folder(Path(path))
        self.model: FusedModel = FusedModel.from_pretrained(folder, registry=registry)
        torch.nn.Module.to(self.model, device or best_device()).eval()
        self.plan: Plan = self.model.plan
        self.batch_size = batch_size
        self._answers = _in_order(answers_of(self.plan), folder / "fusion.yaml")
        self.outputs = tuple(dict.fromkeys(outputs if outputs is not None else self._answers))
        if not self.outputs:
            raise RunError(_nothing_asked(self.plan))
        for name in self.outputs:
            _check_output(name, self.plan, self._answers)
        asked = [self._answers[name] for name in self.outputs if name in self._answers]
        nodes = list(dict.fromkeys([name.partition(".")[0] for name in self.outputs]))
        nodes += [name for answer in asked for name in answer.reads if name not in nodes]
        self._modules = [name for name in nodes if name in self.plan.fusion.modules]
        self._collator = build_collator(self.plan, nodes, self.plan.fusion.train.seed)
        self._reader = ExampleReader.of(self.plan, nodes, [answer.field for answer in asked if answer.words])

    def predict(self, examples: Iterable[str | Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Gives one result an example, in order; raises `RunError` at the first example that cannot be read.

        A text alone fills the fusion's only text field. A result is, by output: `{"label": ..., "probabilities":
        {label: ...}}` for a category, `{"labels": [...], "probabilities": ...}` for categories and labels of words,
        `{"value": ...}` for a number, `{"values": {name: ...}}` for numbers.
        """
        for result in self.predict_each(examples):
            if isinstance(result, RunError):
                raise result
            yield result

    def predict_each(
        self, examples: Iterable[str | Mapping[str, Any]], source: str = "example"
    ) -> Iterator[dict[str, Any] | RunError]:
        """Gives one result an example, in order; an example that cannot be read gives its fault, in its place.

        `source` names where the examples are from, for the places of diagnostics, which count from 1.
        """
        placed = ((Place(source, line, 1), given) for line, given in enumerate(examples, start=1))
        for batch in self.predict_placed(placed):
            yield from batch

    def predict_placed(
        self, examples: Iterable[tuple[Place, str | Mapping[str, Any] | RunError]]
    ) -> Iterator[list[dict[str, Any] | RunError]]:
        """Gives the results of examples whose places are known, a batch at a time; a fault passes through."""
        waiting = iter(examples)
        while several := list(islice(waiting, self.batch_size)):
            read = [self._read(given, place) for place, given in several]
            answered = iter(self._run([item for item in read if not isinstance(item, RunError)]))
            yield [item if isinstance(item, RunError) else next(answered) for item in read]

    def _read(self, given: str | Mapping[str, Any] | RunError, place: Place) -> dict[str, Any] | RunError:
        if isinstance(given, RunError):
            return given
        try:
            return self._reader(given, place)
        except RunError as error:
            return error

    @torch.inference_mode()
    def _run(self, examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if not examples:
            return []
        batch = to_device(self._collator(examples), self.model.device)
        output = self.model(batch, outputs=self._modules)
        values: dict[str, Tensor] = {**batch, **(output.tensors or {})}
        results: list[dict[str, Any]] = [{} for _ in examples]
        for name in self.outputs:
            for result, item in zip(results, self._values(name, values, len(examples)), strict=True):
                result[name] = item
        return results

    def _values(self, name: str, values: Mapping[str, Tensor], count: int) -> list[Any]:
        if name in self._answers:
            return self._answers[name].decode(values)
        node, dot, port = name.partition(".")
        if dot:
            return self._raw(Ref(node, port), values, count)
        ports = [Ref(node, other) for other in self.plan.nodes[node].outputs]
        by_port = {ref.port: self._raw(ref, values, count) for ref in ports}
        return [{other: rows[place] for other, rows in by_port.items()} for place in range(count)]

    def _raw(self, ref: Ref, values: Mapping[str, Tensor], count: int) -> list[Any]:
        """Gives a port's value for each example, as lists; one that is not by example is given with every one."""
        port = self.plan.nodes[ref.node].outputs[ref.port]
        tensor = values[str(ref)]
        tensor = tensor.float() if tensor.is_floating_point() else tensor
        by_example = isinstance(port, Port) and bool(port.dims) and port.dims[0].name == "batch"
        rows: list[Any] = tensor.tolist() if by_example else [tensor.tolist()] * count
        return rows


def _model_folder(path: Path) -> Path:
    """Finds the saved model in a run's directory, or in a model's own."""
    for folder in (path / "model", path):
        config = folder / "config.json"
        if config.is_file():
            return _checked(folder, config)
    what = "no model in it" if path.is_dir() else "no such directory"
    fix = "consilience train FILE  # prints the directory of its run at the end"
    raise RunError(
        Diagnostic("CN704", (), f"{path}: {what}", "the directory of a finished run, or of a saved model", fix)
    )


def _in_order(answers: dict[str, Answer], file: Path) -> dict[str, Answer]:
    """Puts answers in the order of the file's modules: the model's own config.json is sorted by name."""
    if not file.is_file():
        return answers
    order = [name for name in Fusion.load(file).modules if name in answers]
    return {name: answers[name] for name in dict.fromkeys([*order, *answers])}


def _checked(folder: Path, config: Path) -> Path:
    try:
        kind = json.loads(config.read_text(encoding="utf-8")).get("model_type")
    except (ValueError, OSError, AttributeError) as error:
        kind, reason = None, f"{config}: {error}"
    else:
        reason = f"{config}: the model_type {kind}"
    if kind == "consilience":
        return folder
    fix = "# name a directory that consilience train, or FusedModel.save_pretrained, wrote"
    raise RunError(Diagnostic("CN704", (), reason, "a model of consilience", fix))


def _check_output(name: str, plan: Plan, answers: Mapping[str, Answer]) -> None:
    node, dot, port = name.partition(".")
    sections = ("inputs", "modules")
    known = [*answers, *(other.name for section in sections for other in plan.of(section) if other.name not in answers)]
    found = plan.nodes.get(node)
    if found is not None and found.section in sections and (not dot or port in found.outputs):
        return
    if found is not None and found.section in sections:
        known = [f"{node}.{other}" for other in found.outputs]
    near = nearest(name, known) or known[0]
    expected = f"one of {', '.join(known)}"
    raise RunError(Diagnostic("CN809", ("outputs",), f"the unknown output {name}", expected, f"--output {near}"))


def _nothing_asked(plan: Plan) -> Diagnostic:
    modules = ", ".join(node.name for node in plan.of("modules"))
    found, expected = "no module that a loss compares with what a field holds", f"outputs by name, out of {modules}"
    return Diagnostic("CN810", ("outputs",), found, expected, f"--output {modules.partition(',')[0]}")
