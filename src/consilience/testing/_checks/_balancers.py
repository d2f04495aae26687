"""Checks of balancers: those that weigh losses by their values, and those that weigh them by their gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from consilience.declare import GradientBalancer, Sees
from consilience.testing._check import Broken, Ledger
from consilience.testing._objectives import OBJECTIVES
from consilience.testing._subject import Subject

LEDGER = Ledger()

Call = Callable[[nn.Module, float, int], list[Tensor]]
"""Asks a balancer about objectives of some size, the first so many of them; gives what it answers."""


@LEDGER.component("balancer")
def factors_finite(subject: Subject) -> None:
    """It gives a finite factor for every loss, or weight for every gradient, for small ones and for large ones."""
    fewest = 1 if isinstance(subject.declaration, GradientBalancer) else len(OBJECTIVES)
    for count in range(fewest, len(OBJECTIVES) + 1):
        for size in (1e-6, 1.0, 1e6):
            balancer = _built(subject)
            for one in _call_of(subject)(balancer, size, count):
                if not one.isfinite().all():
                    found = f"{one.tolist()} for {count} objectives of the size {size:g}"
                    raise Broken(found, "finite numbers", "guard divisions and roots")


@LEDGER.component("balancer")
def balance_resumes(subject: Subject) -> None:
    """Its state_dict holds all that it learnt: another one that loads it gives the same factors."""
    first, call = _built(subject), _call_of(subject)
    optimizer = torch.optim.SGD([*first.parameters(), nn.Parameter(torch.zeros(()))], lr=0.1)
    for step in range(3):
        given = call(first, 1.0 + step, len(OBJECTIVES))
        trained = [one.sum() for one in given if one.requires_grad]
        if trained:
            torch.stack(trained).sum().backward()
        optimizer.step()
        _end(first, 1.0 + step)
    second = _built(subject)
    second.load_state_dict(first.state_dict())
    pairs = zip(*(call(one.eval(), 2.0, len(OBJECTIVES)) for one in (first, second)), strict=True)
    if not all(torch.equal(one, other) for one, other in pairs):
        fix = "keep what it learns in parameters or buffers"
        raise Broken("another one with its state gives other factors", "the same", fix)


def _built(subject: Subject) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        built: nn.Module = subject.declaration.build(OBJECTIVES)
    return built


def _end(balancer: nn.Module, size: float) -> None:
    """Ends a window and an epoch, for a balancer that wants to know."""
    values = {name: torch.tensor(size * (place + 1)) for place, name in enumerate(OBJECTIVES)}
    for name, given in (("window_ended", (values,)), ("epoch_ended", ())):
        told = getattr(balancer, name, None)
        if told is not None:
            told(*given)


def _call_of(subject: Subject) -> Call:
    declared = subject.declaration
    if not isinstance(declared, GradientBalancer):
        return _by_values
    return _by_jacobian if declared.sees is Sees.JACOBIAN else _by_gramian


def _by_values(balancer: nn.Module, size: float, count: int) -> list[Tensor]:
    names = OBJECTIVES[:count]
    shared = torch.full((4,), 0.5, requires_grad=True)
    values = {name: size * (place + 1) * shared.square().mean() for place, name in enumerate(names)}
    given = balancer(values)
    is_pair = isinstance(given, tuple) and len(given) == 2 and all(isinstance(one, Mapping) for one in given)
    if not is_pair or set(given[0]) != set(names) or not set(given[1]) <= set(names):
        expected = "({loss: factor}, {loss: penalty}), with a factor for every loss"
        raise Broken(f"a {type(given).__name__}", expected, "mend what the forward returns")
    for one in (*given[0].values(), *given[1].values()):
        if not isinstance(one, Tensor) or one.dim():
            raise Broken(f"{one} for losses of {size:g}", "one finite number a loss", "mend what the forward returns")
    return [*(given[0][name] * values[name] for name in names), *given[1].values(), *given[0].values()]


def _by_gramian(balancer: nn.Module, size: float, count: int) -> list[Tensor]:
    rows = _rows(size, count).double()
    return _asked(balancer, rows @ rows.T, size, OBJECTIVES[:count], count)


def _by_jacobian(balancer: nn.Module, size: float, count: int) -> list[Tensor]:
    rows = _rows(size, count)
    return _asked(balancer, rows, size, OBJECTIVES[:count], rows.shape[1])


def _rows(size: float, count: int) -> Tensor:
    """Makes gradients that conflict in part: Float[m n]."""
    rows = torch.tensor([[1.0, 2.0, 0.0, 0.5], [-1.5, 1.0, 0.0, 0.5], [0.5, -0.5, 0.0, 3.0]])
    return size * rows[:count]


def _asked(balancer: nn.Module, rows: Tensor, size: float, names: Sequence[str], length: int) -> list[Tensor]:
    values = torch.full((len(names),), size, dtype=torch.float64)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        given = balancer(rows, values, tuple(names))
    if not isinstance(given, Tensor) or given.shape != (length,):
        shown = list(given.shape) if isinstance(given, Tensor) else f"a {type(given).__name__}"
        raise Broken(f"{shown} for {len(names)} gradients", f"Float[{length}]", "mend what the forward returns")
    return [given.clone()]
