"""Honour: at build, the real modules run once without memory or compute, and must give what they declared."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeCopyMode,
    FakeTensorMode,
    UnsupportedOperatorException,
)

from consilience.declare import Dtype, Loss, Port
from consilience.errors import DeclarationError, Diagnostic
from consilience.fuse._build import WrongOutputs, attribute
from consilience.plan import Plan, PlanNode, Ref

if TYPE_CHECKING:
    from consilience.fuse._model import FusedModel

__all__ = ["check_honour"]

_UNTRACEABLE = (DataDependentOutputException, DynamicOutputShapeException, UnsupportedOperatorException)


def check_honour(model: FusedModel, plan: Plan) -> None:
    """Runs every module and loss under FakeTensorMode; raises `DeclarationError` where one gives not what it declared.

    A module whose shapes depend on its data cannot be run so, and is passed over, with what reads it.
    """
    sizes = _Sizes(plan)
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    with torch.random.fork_rng(devices=[]), torch.no_grad(), fake:
        with FakeCopyMode(fake):  # a copy: what a forward keeps must not stay in the model
            twin = copy.deepcopy(model)
        twin.train(False)
        values = {str(ref): _fake(port, sizes, ref.node) for ref, port in _given(plan)}
        faults = list(_run(twin, plan, values, sizes))
        faults += _balance(twin, plan)
    if faults:
        raise DeclarationError(plan.fusion.locate(faults))


class _Sizes:
    """A size for every dim: the solved one, or a prime of its own for each that varies."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._primes: dict[str, int] = {}
        self._fresh = (number for number in count(3) if all(number % divisor for divisor in range(2, number)))

    def of(self, node: str, name: str | None) -> int | None:
        """Gives the size that a named dim of a node has in this run, or None when nothing says it."""
        solved, varying = self._plan.solved[node], self._plan.varying.get(node, {})
        if name is None:
            return None
        if name in solved:
            return solved[name]
        if name not in varying:
            return None
        if varying[name] not in self._primes:
            self._primes[varying[name]] = next(self._fresh)
        return self._primes[varying[name]]


def _given(plan: Plan) -> Iterator[tuple[Ref, Port]]:
    """Lists the ports that a batch brings: those of inputs, and of fields that hold tensors."""
    for section in ("fields", "inputs"):
        for node in plan.of(section):
            for name, port in node.outputs.items():
                if isinstance(port, Port) and port.dtype.is_tensor:
                    yield Ref(node.name, name), port


def _fake(port: Port, sizes: _Sizes, node: str) -> Tensor:
    shape = [dim.size or sizes.of(node, dim.name) or 2 for dim in port.dims]
    dtype = {Dtype.FLOAT: torch.float32, Dtype.INT: torch.int64, Dtype.BOOL: torch.bool}[port.dtype]
    return torch.zeros(shape, dtype=dtype)


def _run(model: FusedModel, plan: Plan, values: dict[str, Tensor], sizes: _Sizes) -> Iterator[Diagnostic]:
    for step in model.steps(tuple(node.name for section in ("modules", "losses") for node in plan.of(section))):
        if any(name not in values for name in step.reads):
            continue
        node = plan.nodes[step.name]
        try:
            given = model.run_step(step, values)
        except _UNTRACEABLE:
            continue
        except WrongOutputs as error:
            yield _wrong_outputs(node, str(error))
            continue
        faults = list(_compare(plan, node, given, sizes))
        if node.section == "losses" and not faults:
            faults += _count(model, node, values, sizes)
        if not faults:  # what reads a wrong value would fail for that reason alone
            values.update(given)
        yield from faults


def _wrong_outputs(node: PlanNode, found: str) -> Diagnostic:
    expected = f"a tensor for each of {', '.join(node.outputs) or 'value'}"
    fix = f"# mend the forward of {node.component}, or its ports"
    return Diagnostic("CN312", (node.section, node.name), f"{found} from {node.component}", expected, fix)


def _balance(model: FusedModel, plan: Plan) -> Iterator[Diagnostic]:
    """Sees that the balancer gives a factor for every loss, and its penalties apart."""
    names = [node.name for node in plan.of("losses")]
    name = plan.fusion.objective.balance["use"]
    try:
        given = model.balancer({loss: torch.ones(()) for loss in names})
    except Exception as error:
        error.add_note(f"in the forward of the balancer {name}")
        raise
    is_pair = isinstance(given, tuple) and len(given) == 2 and all(isinstance(part, Mapping) for part in given)
    if not is_pair or set(given[0]) != set(names) or not set(given[1]) <= set(names):
        found = f"{type(given).__name__} from {name}"
        expected = "({loss: factor}, {loss: penalty}), with a factor for every loss"
        fix = f"# mend the forward of {name}"
        yield Diagnostic("CN312", ("objective", "balance"), found, expected, fix)


def _count(model: FusedModel, node: PlanNode, values: Mapping[str, Tensor], sizes: _Sizes) -> Iterator[Diagnostic]:
    """Sees that the `count` of a loss gives one number an example."""
    target = model.plan.target_of(node.name)
    counter = getattr(model.nodes[node.name], "count", None)
    if counter is None or target is None:
        return
    try:
        counted = counter(values[str(target)])
    except _UNTRACEABLE:
        return
    except Exception as error:
        attribute(error, model.plan, node, "count")
        raise
    batch = len(values[str(target)])
    if not isinstance(counted, Tensor) or counted.shape != (batch,):
        found = f"{_shown(counted)} from the count of {node.component}"
        fix = f"# mend count of {node.component}: one number an example"
        yield Diagnostic("CN312", (node.section, node.name), found, f"Float[batch={batch}]", fix)


def _shown(value: Any) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{_kind(value)}[{' '.join(map(str, value.shape))}]"


def _compare(plan: Plan, node: PlanNode, given: Mapping[str, Any], sizes: _Sizes) -> Iterator[Diagnostic]:
    ports = {"value": node.declaration.value} if isinstance(node.declaration, Loss) else node.outputs
    for name, port in ports.items():
        key = node.name if isinstance(node.declaration, Loss) else str(Ref(node.name, name))
        tensor = given[key]
        if isinstance(port, Port) and not _fits(node.name, port, tensor, sizes, plan):
            found = f"{name}: {_shown(tensor)} from {node.component}"
            fix = f"# mend the forward of {node.component}, or its ports"
            yield Diagnostic(
                "CN312", (node.section, node.name), found, f"{name}: {_sized(node.name, port, sizes)}", fix
            )


def _fits(node: str, port: Port, tensor: Tensor, sizes: _Sizes, plan: Plan) -> bool:
    if _kind(tensor) is not port.dtype:
        return False
    if any(dim.variadic for dim in port.dims):
        return tensor.dim() >= len(port.dims) - 1
    if tensor.dim() != len(port.dims):
        return False
    wanted = [dim.size or sizes.of(node, dim.name) for dim in port.dims]
    return all(size in (None, found) for size, found in zip(wanted, tensor.shape, strict=True))


def _kind(tensor: Tensor) -> Dtype:
    if tensor.dtype is torch.bool:
        return Dtype.BOOL
    return Dtype.FLOAT if tensor.is_floating_point() else Dtype.INT


def _sized(node: str, port: Port, sizes: _Sizes) -> str:
    words = []
    for dim in port.dims:
        size = dim.size or sizes.of(node, dim.name)
        words.append(f"{dim.name}={size}" if dim.name and size else str(size or dim))
    return f"{port.dtype}[{' '.join(words)}]"
