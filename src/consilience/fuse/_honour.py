"""Honour: at build, the real modules run once without memory or compute, and must give what they declared."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeCopyMode,
    FakeTensorMode,
    UnsupportedOperatorException,
)

from consilience.declare import Dim, Dtype, GradientBalancer, Loss, Many, Port, Shapes
from consilience.errors import DeclarationError, Diagnostic
from consilience.fuse._balancer import in_balancer, misweighed
from consilience.fuse._build import WrongOutputs, attribute
from consilience.fuse._honour_balancer import check_gradient_balancer
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
        values = _given(plan, sizes)
        faults = list(_run(twin, plan, values, sizes))
        if not isinstance(plan.balancer, GradientBalancer):
            faults += _balance(twin, plan)
    if isinstance(plan.balancer, GradientBalancer):
        faults += check_gradient_balancer(copy.deepcopy(model.balancer), plan, plan.balancer)
    if faults:
        raise DeclarationError(plan.fusion.locate(faults))


class _Sizes:
    """A size for every dim: the solved one, or a prime of its own for each that varies by itself."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._varied: dict[str, int] = {}
        self._primes = (number for number in count(3) if all(number % divisor for divisor in range(2, number)))
        for name in plan.order:  # sums of what varies are known where they are made, and only then where they are read
            varying = plan.varying.get(name, {})
            for dim in dict.fromkeys(_sums(plan.nodes[name])):
                if str(dim) in varying:
                    sizes = {one: size for one in dim.operands if (size := self.of(name, one)) is not None}
                    if len(sizes) == len(dim.operands):
                        self._varied.setdefault(varying[str(dim)], dim.value(sizes))

    def of(self, node: str, name: str) -> int | None:
        """Gives the size that a named dim of a node has in this run, or None when nothing says it."""
        solved, varying = self._plan.solved[node], self._plan.varying.get(node, {})
        if name in solved:
            return solved[name]
        if name not in varying:
            return None
        if varying[name] not in self._varied:
            self._varied[varying[name]] = next(self._primes)
        return self._varied[varying[name]]

    def shapes(self, node: PlanNode, values: Mapping[str, Tensor]) -> Shapes:
        """Gives what a node's dims are, those of an open number as the tensors have them that it reads."""
        names = {name for kind in (*node.inputs.values(), *node.outputs.values()) for name in kind.names}
        shapes = Shapes({name: size for name in sorted(names) if (size := self.of(node.name, name)) is not None})
        for port, refs in self._plan.wiring(node.name).items():
            kind = node.inputs[port]
            for value in (values[str(ref)] for ref in refs if str(ref) in values):
                if isinstance(kind, Many):
                    shapes.takes(kind.port, value.shape, kind.each)
                else:
                    shapes.takes(kind, value.shape)
        return shapes


def _sums(node: PlanNode) -> Iterator[Dim]:
    for kind in (*node.inputs.values(), *node.outputs.values()):
        yield from (dim for dim in (kind.port if isinstance(kind, Many) else kind).dims if dim.terms)


def _given(plan: Plan, sizes: _Sizes) -> dict[str, Tensor]:
    """Makes, without memory, the tensors that a batch brings: those of inputs, and of fields that hold tensors."""
    values: dict[str, Tensor] = {}
    for section in ("fields", "inputs"):
        for node in plan.of(section):
            shapes = sizes.shapes(node, values)
            for name, port in node.outputs.items():
                if isinstance(port, Port) and port.dtype.is_tensor:
                    values[str(Ref(node.name, name))] = _fake(port, shapes)
    return values


def _fake(port: Port, shapes: Shapes) -> Tensor:
    shape: list[int] = []
    for dim in port.dims:
        shape += shapes.axes.get(dim.name or "", ()) if dim.is_open else (shapes.size(dim) or 2,)
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
        faults = list(_compare(node, given, sizes.shapes(node, values)))
        if node.section == "losses" and not faults:
            faults += _count(model, node, values)
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
    with in_balancer(plan, "forward"):
        given = model.balancer({loss: torch.ones(()) for loss in names})
    wrong = misweighed(given, names, names)
    if wrong is not None:
        expected = "({loss: factor}, {loss: penalty}), with a factor for every loss"
        fix = f"# mend the forward of {name}"
        yield Diagnostic("CN312", ("objective", "balance"), f"{wrong} from {name}", expected, fix)


def _count(model: FusedModel, node: PlanNode, values: Mapping[str, Tensor]) -> Iterator[Diagnostic]:
    """Sees that the `count` of a loss gives one number an example: of two batches, so that none is right by chance."""
    target = model.plan.target_of(node.name)
    counter = getattr(model.nodes[node.name], "count", None)
    if counter is None or target is None:
        return
    asked = values[str(target)]
    for batch in (asked, torch.cat([asked, asked])):
        try:
            counted = counter(batch)
        except _UNTRACEABLE:
            return
        except Exception as error:
            attribute(error, model.plan, node, "count")
            raise
        if not isinstance(counted, Tensor) or counted.shape != (len(batch),):
            found = f"{_shown(counted)} from the count of {node.component}"
            fix = f"# mend count of {node.component}: one number an example"
            yield Diagnostic("CN312", (node.section, node.name), found, f"Float[batch={len(batch)}]", fix)
            return


def _shown(value: Any) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{_kind(value)}[{' '.join(map(str, value.shape))}]"


def _compare(node: PlanNode, given: Mapping[str, Any], shapes: Shapes) -> Iterator[Diagnostic]:
    ports = {"value": node.declaration.value} if isinstance(node.declaration, Loss) else node.outputs
    tensors = {name: given[node.name if name not in node.outputs else str(Ref(node.name, name))] for name in ports}
    wrong = [name for name, port in ports.items() if isinstance(port, Port) and not _fits(port, tensors[name], shapes)]
    if not wrong:  # again: a sum is compared once the dims that it adds are known
        wrong = [
            name for name, port in ports.items() if isinstance(port, Port) and not _fits(port, tensors[name], shapes)
        ]
    for name in wrong:
        found = f"{name}: {_shown(tensors[name])} from {node.component}"
        fix = f"# mend the forward of {node.component}, or its ports"
        expected = f"{name}: {_sized(cast('Port', ports[name]), shapes)}"
        yield Diagnostic("CN312", (node.section, node.name), found, expected, fix)


def _fits(port: Port, tensor: Tensor, shapes: Shapes) -> bool:
    return _kind(tensor) is port.dtype and shapes.takes(port, tensor.shape)


def _kind(tensor: Tensor) -> Dtype:
    if tensor.dtype is torch.bool:
        return Dtype.BOOL
    return Dtype.FLOAT if tensor.is_floating_point() else Dtype.INT


def _sized(port: Port, shapes: Shapes) -> str:
    words = []
    for dim in port.dims:
        axes = shapes.axes.get(dim.name or "") if dim.is_open else None
        size = None if dim.is_open else shapes.size(dim)
        if axes is not None:
            words += [f"{dim}={' '.join(map(str, axes)) or 'no axis'}"]
        else:
            words.append(f"{dim.name}={size}" if dim.name and size else str(size or dim))
    return f"{port.dtype}[{' '.join(words)}]"
