"""Makes a batch out of examples: the fields as tensors, and what the inputs make of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor

from consilience.data._examples import ROW
from consilience.declare import Dtype, FieldType

__all__ = ["Collator", "InputStep"]


@dataclass(frozen=True)
class InputStep:
    """One built input: what it is called with, and the ports that it gives.

    `wiring` names, for each port, a field or another input's port (`tokens.ids`), or several for a variadic port.
    """

    name: str
    call: Callable[..., Any]
    wiring: Mapping[str, str | tuple[str, ...]]
    outputs: tuple[str, ...]
    component: str = ""
    is_random: bool = False


@dataclass(frozen=True)
class Collator:
    """Makes `{name: tensor}` out of examples; picklable, so it runs in worker processes.

    For each field: `<field>.present` (Bool[batch]) and, if it has a tensor, `<field>` (0 where it is missing); for each
    input: `<input>.<port>`. A random input draws from a generator seeded with the run's seed, its own name and the
    batch's rows: a batch is the same to the last bit wherever, and however often, it is made.
    """

    fields: Mapping[str, FieldType]
    """The fields to give or to read."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """The size of the label space of each field that has one."""
    inputs: tuple[InputStep, ...] = ()
    """The inputs, each after those that feed it."""
    seed: int = 0

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Makes the batch of some examples."""
        values: dict[str, Any] = {}
        batch: dict[str, Tensor] = {}
        for name, kind in self.fields.items():
            cells = [example.get(name) for example in examples]
            values[name] = self._field(name, kind, cells)
            batch[f"{name}.present"] = torch.tensor([cell is not None for cell in cells], dtype=torch.bool)
            if kind.port.dtype.is_tensor:
                batch[name] = values[name]
        rows = [int(example.get(ROW, place)) for place, example in enumerate(examples)]
        for step in self.inputs:
            made = self._run(step, values, rows)
            values |= made
            batch |= made
        return batch

    def _field(self, name: str, kind: FieldType, cells: list[Any]) -> Any:
        if kind.port.dtype is Dtype.TEXT:
            return ["" if cell is None else cell for cell in cells]
        if kind.port.dtype is Dtype.LABELS:
            return [[] if cell is None else cell for cell in cells]
        if kind.port.dtype is Dtype.BOOL:
            hot = torch.zeros(len(cells), self.sizes[name], dtype=torch.bool)
            for row, cell in enumerate(cells):
                hot[row, cell or []] = True
            return hot
        if len(kind.port.dims) > 1:
            empty = [0.0] * self.sizes[name]
            return torch.tensor([empty if cell is None else cell for cell in cells]).reshape(len(cells), -1)
        dtype = torch.int64 if kind.port.dtype is Dtype.INT else torch.float32
        return torch.tensor([0 if cell is None else cell for cell in cells], dtype=dtype)

    def _run(self, step: InputStep, values: Mapping[str, Any], rows: Sequence[int]) -> dict[str, Tensor]:
        arguments = {
            port: values[feed] if isinstance(feed, str) else [values[one] for one in feed]
            for port, feed in step.wiring.items()
        }
        if step.is_random:
            arguments["generator"] = torch.Generator().manual_seed(_seed(self.seed, step.name, rows))
        try:
            given = step.call(**arguments)
            return {f"{step.name}.{port}": tensor for port, tensor in _by_port(given, step.outputs).items()}
        except Exception as error:
            error.add_note(f"in input {step.name} ({step.component or 'no component named'}), rows {list(rows)[:8]}")
            raise


def _by_port(given: Any, outputs: tuple[str, ...]) -> dict[str, Tensor]:
    if isinstance(given, Tensor):
        given = (given,)
    found = dict(given) if isinstance(given, Mapping) else dict(zip(outputs, given, strict=True))
    if set(found) != set(outputs):
        raise ValueError(f"gave the ports {', '.join(found)}, and declares {', '.join(outputs)}")
    return found


def _seed(seed: int, name: str, rows: Sequence[int]) -> int:
    text = f"{seed}/{name}/{','.join(map(str, rows))}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") >> 1
