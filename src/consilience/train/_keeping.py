"""Computes the features that are kept of frozen modules, once for each example, before a training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor
from tqdm import tqdm
from transformers import TrainingArguments

from consilience.data import ROW, Examples, Prepared
from consilience.errors import Diagnostic, RunError
from consilience.fuse import (
    Features,
    FusedModel,
    KeptOutputs,
    WithFeatures,
    build_collator,
    fingerprints,
    kept_outputs,
    open_features,
    write_features,
)
from consilience.plan import Plan
from consilience.train._measure import to_device

__all__ = ["KeptFeatures", "keep_features"]

_CHUNK = 1024
"""How many rows are read at once."""
_BATCH = 32
"""How many rows the frozen modules are run on at once."""


@dataclass(frozen=True)
class KeptFeatures:
    """The features of each split, and the modules that need not be run."""

    kept: KeptOutputs
    splits: Mapping[str, Features]

    def collator(self, plan: Plan, outputs: Iterable[str], seed: int, split: str) -> Any:
        """Builds what makes batches of a split, with the features in place of what only their modules need."""
        if split not in self.splits:
            return build_collator(plan, outputs, seed)
        return WithFeatures(build_collator(plan, outputs, seed, self.kept.modules), self.splits[split], self.kept)


def keep_features(
    model: FusedModel, prepared: Prepared, arguments: TrainingArguments, say: Callable[[str], None], progress: bool
) -> KeptFeatures | None:
    """Computes what the fusion asks to be kept, or opens what an earlier training kept; None where it asks for none.

    Raises `RunError` where a module does not give the same twice, or something trains what it is made with.
    """
    kept = kept_outputs(model.plan)
    if kept is None:
        return None
    _check_still(model, kept)
    keeper = _Keeper(model, kept, arguments, progress)
    splits = {}
    with arguments.distributed_state.main_process_first():
        for name, rows in (("train", prepared.train), ("validation", prepared.validation)):
            if len(rows):
                splits[name] = keeper.keep(rows, name, say)
    return KeptFeatures(kept, splits)


class _Keeper:
    """Runs the frozen modules of one model over the rows of its splits."""

    def __init__(self, model: FusedModel, kept: KeptOutputs, arguments: TrainingArguments, progress: bool) -> None:
        self._model, self._kept, self._progress = model, kept, progress
        self._device = arguments.device
        self._half = torch.bfloat16 if arguments.bf16 else torch.float16 if arguments.fp16 else None
        self._collate = build_collator(model.plan, sorted(kept.modules), model.plan.fusion.train.seed)

    def keep(self, examples: Examples, split: str, say: Callable[[str], None]) -> Features:
        rows, digest = _read(examples, self._fields())
        key = hashlib.sha256(f"{self._fingerprint}{digest}".encode()).hexdigest()[:40]
        found = open_features(key)
        what = ", ".join(self._kept.outputs)
        if found is not None:
            say(f"taking {what} of {len(rows):,} {split} rows from {found.folder}")
            return found
        torch.nn.Module.to(self._model, self._device)
        made = write_features(key, self._kept.outputs, self._batches(examples, rows, split))
        say(f"kept {what} of {len(rows):,} {split} rows in {made.folder}")
        return made

    def _fields(self) -> list[str]:
        plan = self._model.plan
        return sorted({field for name in self._kept.modules for field in plan.fields_behind(name)})

    def _batches(
        self, examples: Examples, rows: Mapping[int, int], split: str
    ) -> Iterator[tuple[list[int], Mapping[str, Tensor]]]:
        """Gives the outputs of every row, those of like length together."""
        numbers = np.fromiter(rows, np.int64, len(rows))
        places = np.fromiter(rows.values(), np.int64, len(rows))
        order = np.argsort(-np.asarray(examples.lengths)[places], kind="stable")
        was_training = self._model.training
        starts = range(0, len(order), _BATCH)
        try:
            shown = tqdm(starts, f"keeping features of {split}", disable=not self._progress, leave=False)
            for start in shown:
                chosen = order[start : start + _BATCH]
                batch = self._collate(examples.__getitems__(places[chosen].tolist()))
                values = self._run(batch, is_training=False)
                if start == 0:
                    _compare(values, self._run(batch, is_training=True), self._model.plan)
                yield numbers[chosen].tolist(), values
        finally:
            self._model.train(was_training)

    @torch.no_grad()
    def _run(self, batch: Mapping[str, Tensor], *, is_training: bool) -> dict[str, Tensor]:
        self._model.train(is_training)
        with self._precision():
            tensors = self._model(to_device(batch, self._device), outputs=sorted(self._kept.modules)).tensors or {}
        return {name: tensors[name] for name in self._kept.outputs}

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self._device.type, self._half) if self._half else nullcontext()

    @cached_property
    def _fingerprint(self) -> str:
        """Tells apart all that the features depend on beside the rows: weights, settings, code, precision."""
        plan = self._model.plan
        needed = set(plan.needed(tuple(sorted(self._kept.modules))))
        nodes = [node for node in plan.to_dict()["nodes"] if node["name"] in needed]
        resources = {name: sorted(files.values()) for name, files in fingerprints(plan)["resources"].items()}
        plugins = {name: str(plan.registry.installed(name)) for name in sorted({"standard", *plan.namespaces})}
        versions = [torch.__version__, transformers.__version__, self._device.type, str(self._half)]
        told = json.dumps([self._kept.outputs, nodes, resources, plugins, versions], sort_keys=True, default=str)
        digest = hashlib.sha256(told.encode())
        for name in sorted(needed & set(plan.fusion.modules)):
            for part, value in self._model.nodes[plan.nodes[name].share or name].state_dict().items():
                plain = value.detach().cpu().contiguous()
                digest.update(f"{name}.{part} {plain.dtype} {tuple(plain.shape)}".encode())
                digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def _read(examples: Examples, fields: Sequence[str]) -> tuple[dict[int, int], str]:
    """Gives the place of each distinct row, by its number, and a fingerprint of what the features are made from."""
    rows: dict[int, int] = {}
    digest = hashlib.sha256()
    for start in range(0, len(examples), _CHUNK):
        places = range(start, min(start + _CHUNK, len(examples)))
        for place, example in zip(places, examples.__getitems__(places), strict=True):
            if example[ROW] not in rows:
                rows[example[ROW]] = place
                digest.update(json.dumps([example[ROW], *(example[field] for field in fields)]).encode())
    return rows, digest.hexdigest()


def _check_still(model: FusedModel, kept: KeptOutputs) -> None:
    """Sees that nothing trains the parameters of what is kept, as a module does that has some of them in common."""
    plan = model.plan
    for name in plan.needed(tuple(sorted(kept.modules))):
        node = plan.nodes[name]
        if node.section != "modules":
            continue
        for part, parameter in model.nodes[node.share or name].named_parameters():
            if parameter.requires_grad:
                found = f"{name}, to be kept, whose {part} is trained by a module that has it in common"
                raise RunError(plan.fusion.locate([_changing(name, found)]))


def _compare(one: Mapping[str, Tensor], other: Mapping[str, Tensor], plan: Plan) -> None:
    for name, value in one.items():
        if not torch.equal(torch.nan_to_num(value), torch.nan_to_num(other[name])):
            module = name.partition(".")[0]
            found = f"{name}, which differs from one run over the same rows to the next"
            raise RunError(plan.fusion.locate([_changing(module, found)]))


def _changing(module: str, found: str) -> Diagnostic:
    expected = "outputs that are the same in every epoch"
    return Diagnostic("CN753", ("modules", module, "tune"), found, expected, "tune: frozen")
