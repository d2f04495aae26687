"""Checks that what is built can learn, and leaves alone what shall not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from consilience.declare import Component, Dtype, Loss
from consilience.testing._check import Broken, Ledger, NotApplicable
from consilience.testing._draw import Shape, port_of
from consilience.testing._subject import Built, Feed, Subject

LEDGER = Ledger()
_TRIES = 3
_LARGE = 1000.0


def _reads_floats(component: type[Component]) -> bool:
    return any(port_of(kind).dtype in _FLOATS for kind in getattr(component, "inputs", {}).values())


def _scores(component: type[Component]) -> list[str]:
    ranges = {name: port_of(kind).range for name, kind in getattr(component, "inputs", {}).items()}
    return [name for name, one in ranges.items() if one is not None and one.is_logits]


_FLOATS = (Dtype.FLOAT, Dtype.NUMBER)


@LEDGER.component("module", "loss", when=_reads_floats)
def gradients_reach_inputs(subject: Subject) -> None:
    """A gradient that is finite, and somewhere not zero, reaches every Float that it reads."""
    dead: set[str] = set()
    for attempt in range(_TRIES):
        built = subject.build(attempt)
        _disturb(built.module, attempt)
        values = subject.feed(built, Shape(4, seed=attempt))
        leaves = dict(_leaves(subject, values))
        gradients = torch.autograd.grad(_total(subject, built, values), [*leaves.values()], allow_unused=True)
        for name, gradient in zip(leaves, gradients, strict=True):
            if gradient is None:
                raise Broken(f"no gradient reaches {name}", "a way back to it", "detach nothing, and use it")
            if not gradient.isfinite().all():
                raise Broken(f"the gradient of {name} is not finite", "finite ones", "guard roots, logs and divisions")
        zero = {name for name, one in zip(leaves, gradients, strict=True) if one is not None and not one.any()}
        dead = zero if attempt == 0 else dead & zero
    if dead:
        raise Broken(f"the gradient of {min(dead)} is zero", "one that is not", "multiply it by nothing that is zero")


@LEDGER.component("module", "loss")
def parameters_learn(subject: Subject) -> None:
    """It has trained parameters if it says so and none else, and a finite gradient reaches each of them."""
    built = subject.build()
    trained = {name: one for name, one in built.module.named_parameters() if one.requires_grad}
    if bool(trained) != subject.component.has_parameters:  # type: ignore[attr-defined]
        found = f"{len(trained)} trained parameters, and has_parameters = {not trained}"
        raise Broken(found, "the two to agree", f"has_parameters = {bool(trained)}")
    if not trained:
        return
    _disturb(built.module, 0)
    total = _total(subject, built, subject.feed(built, Shape(4, seed=1)))
    gradients = torch.autograd.grad(total, [*trained.values()], allow_unused=True)
    for name, gradient in zip(trained, gradients, strict=True):
        if gradient is None:
            raise Broken(f"no gradient reaches {name}", "one for each trained parameter", f"use {name}, or drop it")
        if not gradient.isfinite().all():
            raise Broken(f"the gradient of {name} is not finite", "finite ones", "guard roots, logs and divisions")


@LEDGER.component("module", "loss", when=_reads_floats)
def gradients_right(subject: Subject) -> None:
    """In float64 its gradients are those that finite differences give."""
    built = subject.build()
    module = built.module.double()
    for used in built.used.values():
        if isinstance(used, nn.Module):
            used.double()
    _disturb(module, 0)
    shape = Shape(2, 3, dtype=torch.float64, seed=2)
    values = subject.feed(built, shape)
    if "target" in values and values["target"].is_floating_point():
        values["target"] = values["target"].double()
    leaves = dict(_leaves(subject, values))

    def call(*tensors: Tensor) -> Tensor:
        given = subject.call(module, _replaced(values, dict(zip(leaves, tensors, strict=True))))
        floats = [one.double().flatten() for one in given.values() if one.is_floating_point()]
        if not floats:
            raise NotApplicable("it gives no Float")
        return torch.cat(floats)

    with _Casts() as casts, torch.no_grad():  # type: ignore[no-untyped-call]
        call(*leaves.values())
    wrong = [_difference(call, tuple(leaves.values()), *one) for one in (_CAST if casts.found else _DOUBLE)]
    if all(wrong):
        raise Broken(wrong[0], "gradients that are right in float64", "mend backward, or keep to one dtype")


_DOUBLE = ((1e-6, 1e-4, 1e-3),)
_CAST = ((1e-2, 1e-2, 1e-2), (1e-3, 1e-2, 1e-2))
"""The step and the tolerances; where it computes in 32 bits, a large step evens their rounding out, and a small one
passes over no kink: a gradient that is right agrees with one of them."""


class _Casts(TorchDispatchMode):
    """Sees whether numbers of 64 bits are rounded to fewer."""

    found = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default and args[0].dtype is torch.float64 and given.is_floating_point():
            self.found |= given.dtype is not torch.float64
        return given


def _difference(call: Callable[..., Tensor], leaves: tuple[Tensor, ...], eps: float, atol: float, rtol: float) -> str:
    """Tells how gradients differ from finite differences; empty where they agree."""
    try:
        torch.autograd.gradcheck(call, leaves, fast_mode=True, eps=eps, atol=atol, rtol=rtol)
    except RuntimeError as error:
        return str(error).strip().partition("\n")[0]
    return ""


@LEDGER.component("loss", when=lambda component: bool(_scores(component)))
def large_scores_finite(subject: Subject) -> None:
    """Scores of a thousand, either way, give finite values and finite gradients."""
    built = subject.build()
    values = subject.feed(built, Shape(4, seed=3))
    for name in _scores(subject.component):
        if isinstance(values[name], Tensor):
            values[name] = values[name].sign() * _LARGE
    leaves = dict(_leaves(subject, values))
    total = _total(subject, built, values)
    gradients = torch.autograd.grad(total, [*leaves.values()], allow_unused=True)
    if not all(one.isfinite().all() for one in (total, *gradients) if one is not None):
        fix = "take torch's functions of logits: log_softmax, binary_cross_entropy_with_logits"
        raise Broken("a value or gradient that is not finite for scores of 1000", "finite ones", fix)


@LEDGER.component("loss", when=lambda component: getattr(component, "target", None) is not None)
def missing_targets_finite(subject: Subject) -> None:
    """For a target of zeros, which is what stands where an example has none, value and gradients are finite."""
    built = subject.build()
    values = subject.feed(built, Shape(4, seed=5))
    values["target"] = torch.zeros_like(values["target"])
    leaves = dict(_leaves(subject, values))
    total = _total(subject, built, values)
    gradients = torch.autograd.grad(total, [*leaves.values()], allow_unused=True) if leaves else ()
    if not all(one.isfinite().all() for one in (total, *gradients) if one is not None):
        fix = "guard divisions and logarithms: what is not finite poisons a sum, even times zero"
        raise Broken("a value or gradient that is not finite for a target of zeros", "finite ones", fix)


@LEDGER.component("module")
def frozen_stays(subject: Subject) -> None:
    """Frozen, it is the same to the last bit after a forward, a backward and an optimizer's step."""
    built = subject.build()
    module = built.module.requires_grad_(False)
    before = {name: one.clone() for name, one in module.state_dict().items()}
    optimizer = torch.optim.SGD([*module.parameters(), nn.Parameter(torch.zeros(()))], lr=1.0)
    values = subject.feed(built, Shape(4, seed=4))
    leaves = dict(_leaves(subject, values))
    total = _total(subject, built, values)
    if leaves and total.requires_grad:
        total.backward()
    optimizer.step()
    for name, one in module.state_dict().items():
        if not torch.equal(before[name], one):
            raise Broken(f"{name} changes while it is frozen", "no change", "write to no parameter or buffer by hand")
    loose = [name for name, one in module.named_parameters() if one.requires_grad]
    if loose:
        raise Broken(
            f"{loose[0]} is trained again after a forward", "what is frozen to stay so", "set no requires_grad"
        )


def _leaves(subject: Subject, values: Feed) -> Iterator[tuple[str, Tensor]]:
    """Makes every Float that it reads, but the target, a leaf that takes a gradient."""
    for name, value in values.items():
        if name == "target":
            continue
        for place, one in enumerate(value if isinstance(value, list) else [value]):
            if one.is_floating_point():
                yield f"{name}[{place}]" if isinstance(value, list) else name, one.requires_grad_()


def _replaced(values: Feed, leaves: dict[str, Tensor]) -> Feed:
    return {
        name: [leaves.get(f"{name}[{place}]", one) for place, one in enumerate(value)]
        if isinstance(value, list)
        else leaves.get(name, value)
        for name, value in values.items()
    }


def _total(subject: Subject, built: Built, values: Feed) -> Tensor:
    """Sums what it gives, each number weighed at random so that none cancels another."""
    generator = torch.Generator().manual_seed(0)
    given = subject.call(built.module, values).values()
    floats = [one for one in given if one.is_floating_point()]
    if not floats:
        raise NotApplicable("it gives no Float")
    is_loss = issubclass(subject.component, Loss)
    weights = [torch.ones(one.shape) if is_loss else torch.randn(one.shape, generator=generator) for one in floats]
    return torch.stack([(one * weight).sum() for one, weight in zip(floats, weights, strict=True)]).sum()


def _disturb(module: nn.Module, seed: int) -> None:
    """Moves every parameter a little, so that a gate that starts closed is open."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator).to(parameter.dtype))
