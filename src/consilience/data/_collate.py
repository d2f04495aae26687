"""Makes a batch out of examples: the fields as tensors, and what the inputs make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor

from consilience.data._labels import IGNORED
from consilience.data._parts import DRAW, ROW
from consilience.declare import Dtype, FieldType, Many, Port, Shapes
from consilience.errors import DataError, Diagnostic

__all__ = ["Collator", "InputStep"]

_DTYPES = {
    Dtype.FLOAT: (torch.float32, torch.bfloat16, torch.float16),  # float64 fits no weight of a model
    Dtype.INT: (torch.int64, torch.int32),
    Dtype.BOOL: (torch.bool,),
}


@dataclass(frozen=True)
class InputStep:
    """One built input: what it is called with, and the ports that it gives.

    `wiring` names, for each port, a field or another input's port (`tokens.ids`), or several for a variadic port.
    `ports` are its output ports as it declares them, `reads` its input ports, and `sizes` the sizes of its dims that
    the plan solved: where they are given, every batch is compared with them.
    """

    name: str
    call: Callable[..., Any]
    wiring: Mapping[str, str | tuple[str, ...]]
    outputs: tuple[str, ...]
    component: str = ""
    is_random: bool = False
    ports: Mapping[str, Port] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    reads: Mapping[str, Port | Many] = field(default_factory=dict)


@dataclass(frozen=True)
class Collator:
    """Makes `{name: tensor}` out of examples; picklable, so it runs in worker processes.

    For each field: `<field>.present` (Bool[batch]) and, if it has a tensor, `<field>` (0 where it is missing); for each
    input: `<input>.<port>`. A random input draws for each example from a generator of its own, seeded with the run's
    seed, the input's name, the example's row and how often that was drawn before: an example gets the same to the last
    bit wherever, however often, and beside whatever it is made.
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
        rows = [(int(example.get(ROW, place)), int(example.get(DRAW, 0))) for place, example in enumerate(examples)]
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

    def _run(self, step: InputStep, values: Mapping[str, Any], rows: Sequence[tuple[int, int]]) -> dict[str, Tensor]:
        arguments = {
            port: values[feed] if isinstance(feed, str) else [values[one] for one in feed]
            for port, feed in step.wiring.items()
        }
        if step.is_random:
            seeds = _seeds(self.seed, step.name, rows)
            arguments["generators"] = [torch.Generator().manual_seed(seed) for seed in seeds]
        try:
            given = step.call(**arguments)
            found = _by_port(given, step)
            _compare(found, step, _read(step, arguments, len(rows)))
            return {f"{step.name}.{port}": tensor for port, tensor in found.items()}
        except Exception as error:
            error.add_note(
                f"in input {step.name} ({step.component or 'no component named'}), rows {[row for row, _ in rows[:8]]}"
            )
            raise


def _by_port(given: Any, step: InputStep) -> dict[str, Tensor]:
    if isinstance(given, Tensor):
        given = (given,)
    if isinstance(given, Mapping):
        found = dict(given)
    elif isinstance(given, tuple | list) and len(given) == len(step.outputs):
        found = dict(zip(step.outputs, given, strict=True))
    else:
        count = f"{len(given)} values" if isinstance(given, tuple | list) else f"a value of type {type(given).__name__}"
        raise _dishonoured(step, count, f"a tensor for each of {', '.join(step.outputs)}")
    if found.keys() != set(step.outputs):
        names = ", ".join(map(str, found)) or "none"
        raise _dishonoured(step, f"the ports {names}", f"the ports {', '.join(step.outputs)}")
    return found


def _read(step: InputStep, arguments: Mapping[str, Any], rows: int) -> Shapes:
    """Gives the sizes of an input's dims: those that the plan solved, the rows, and those of the tensors it read."""
    shapes = Shapes({**step.sizes, "batch": rows})
    for name, kind in step.reads.items():
        port, each = (kind.port, kind.each) if isinstance(kind, Many) else (kind, ())
        given = arguments.get(name)
        for tensor in given if isinstance(kind, Many) and isinstance(given, list) else (given,):
            if isinstance(tensor, Tensor):
                shapes.takes(port, tensor.shape, each)
    return shapes


def _compare(found: Mapping[str, Tensor], step: InputStep, shapes: Shapes) -> None:
    """Compares tensors with their ports: type, rank, sizes, and where their values lie.

    Dims that vary are what the tensors that were read make them, or the first port, and the same in the others.
    """
    for name, port in step.ports.items():
        tensor = found[name]
        if not isinstance(tensor, Tensor):
            raise _dishonoured(step, f"{name}: a value of type {type(tensor).__name__}", f"{name}: {port}")
        if not shapes.takes(port, tensor.shape) or tensor.dtype not in _DTYPES[port.dtype]:
            raise _wrong_shape(step, name, port, tensor, shapes)
    for name, port in step.ports.items():
        if any(dim.terms for dim in port.dims) and not shapes.takes(port, found[name].shape):
            raise _wrong_shape(step, name, port, found[name], shapes)
        stray = _stray(port, found[name], shapes, found.get("present"))
        if stray is not None:
            raise _dishonoured(step, f"{name}: a value {stray[0]}", f"{name}: values {stray[1]}")


def _wrong_shape(step: InputStep, name: str, port: Port, tensor: Tensor, shapes: Shapes) -> DataError:
    kind = str(tensor.dtype).removeprefix("torch.")
    allowed = " or ".join(str(dtype).removeprefix("torch.") for dtype in _DTYPES[port.dtype][:2])
    expected = f"{name}: {allowed}[{shapes.written(port)}], as {port.dtype}[{' '.join(map(str, port.dims))}]"
    return _dishonoured(step, f"{name}: {kind}[{' '.join(map(str, tensor.shape))}]", expected)


def _stray(port: Port, tensor: Tensor, shapes: Shapes, present: Tensor | None) -> tuple[str, str] | None:
    """Gives a value that lies not where a port says, and where it should; rows that are not present may hold any."""
    size = shapes.size(port.bound_dim) if port.bound_dim else None
    within = port.range if port.range and not port.range.is_logits else None
    if (size is None and within is None) or not tensor.numel():
        return None
    low, high = tensor.aminmax()
    if size is not None:
        if low >= 0 and high < size:
            return None
        wrong, told = ((tensor < 0) & (tensor != IGNORED)) | (tensor >= size), f"from 0 to {size - 1}, or {IGNORED}"
    else:
        assert within is not None
        # As the tensor's own type holds them: 0.1 is a little more in 32 bits than in 64.
        least, most = torch.tensor([within.low, within.high], dtype=torch.float64).to(tensor.dtype)
        if low >= least and high <= most:
            return None
        wrong, told = ~((tensor >= least) & (tensor <= most)), str(within)
    if present is not None and present.shape == tensor.shape[:1]:
        wrong &= present.reshape(-1, *[1] * (tensor.dim() - 1))
    return (f"of {tensor[wrong][0].item():g}", told) if wrong.any() else None


def _dishonoured(step: InputStep, found: str, expected: str) -> DataError:
    component = step.component or step.name
    fix = f"# mend what {component} builds, or its ports"
    return DataError(Diagnostic("CN312", ("inputs", step.name), f"{found}, from {component}", expected, fix))


def _seeds(seed: int, name: str, rows: Sequence[tuple[int, int]]) -> Iterator[int]:
    begun = blake2b(f"{seed}/{name}/".encode(), digest_size=8)
    for row, draw in rows:
        hashed = begun.copy()
        hashed.update(b"%d/%d" % (row, draw))
        yield int.from_bytes(hashed.digest(), "little") >> 1
