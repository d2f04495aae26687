"""Checks of what a built component remembers: its weights, the same ones anywhere, and nothing beside them."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from consilience.testing._check import Broken, Ledger
from consilience.testing._draw import Shape
from consilience.testing._subject import Built, Feed, Subject

LEDGER = Ledger()
_BUILT = ("module", "loss")
_OWN = frozenset(vars(nn.Module())) | {"_non_persistent_buffers_set"}
_DEEP = 3


@LEDGER.component(*_BUILT)
def seeded(subject: Subject) -> None:
    """Two builds under one seed are equal to the last bit, and so are two forwards in evaluation."""
    first, second = subject.build(1), subject.build(1)
    for name, one in first.module.state_dict().items():
        if not torch.equal(one, second.module.state_dict()[name]):
            raise Broken(f"{name} differs between two builds under one seed", "one start", "draw from torch alone")
    values = subject.feed(first, Shape(seed=1))
    torch_state = torch.random.get_rng_state()
    once = _call(subject, first, values)
    torch.manual_seed(1)
    again = _call(subject, first, values)
    torch.random.set_rng_state(torch_state)
    _same(once, again, "two forwards in evaluation differ", "draw nothing outside training: ask self.training")
    _same(once, _call(subject, second, values), "two builds under one seed give other values", "draw from torch alone")


@LEDGER.component(*_BUILT)
def state_whole(subject: Subject) -> None:
    """The state_dict holds all that it learnt: loaded into another build, it gives the same to the last bit."""
    first, second = subject.build(1), subject.build(2)
    values = subject.feed(first, Shape(seed=2))
    _train(subject, first, values, steps=1)
    second.module.load_state_dict(first.module.state_dict())
    for key, used in first.used.items():  # a loss may have changed what it measures, which saves its own state
        if isinstance(used, nn.Module):
            second.used[key].load_state_dict(used.state_dict())
    fix = "keep what is drawn or learnt in parameters or buffers"
    first.module.eval()
    _same(_call(subject, first, values), _call(subject, second, values), "another build with its state differs", fix)


@LEDGER.component(*_BUILT)
def copied(subject: Subject) -> None:
    """A deep copy gives the same, and shares no memory: changing it leaves the original as it is."""
    built = subject.build(1)
    values = subject.feed(built, Shape(seed=3))
    twin = Built(copy.deepcopy(built.made), built.solved, built.asked, built.used)
    before = _call(subject, built, values)
    _same(before, _call(subject, twin, values), "a deep copy differs", "mend __deepcopy__")
    with torch.no_grad():
        for one in twin.module.state_dict().values():
            one.add_(1) if one.is_floating_point() else None
    _same(before, _call(subject, built, values), "the original changes with its copy", "share no tensor")


@LEDGER.component(*_BUILT)
def no_hidden_state(subject: Subject) -> None:
    """Training changes nothing of it but what its state_dict holds, and no dict or counter of Python's beside it."""
    built = subject.build(1)
    values = subject.feed(built, Shape(4, seed=4))
    before = dict(_outside(built.module))
    _train(subject, built, values, steps=2)
    after = dict(_outside(built.module))
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if changed:
        fix = "make it a buffer, or compute it anew: what is no state is lost when a model is saved"
        raise Broken(f"{changed[0]} changes while it is trained", "state in parameters and buffers alone", fix)


def _call(subject: Subject, built: Built, values: Feed) -> dict[str, Tensor]:
    with torch.no_grad():
        return subject.call(built.module, values)


def _same(first: Mapping[str, Tensor], second: Mapping[str, Tensor], found: str, fix: str) -> None:
    for name, one in first.items():
        if not torch.equal(one.nan_to_num(), second[name].nan_to_num()):
            raise Broken(f"{name}: {found}", "the same to the last bit", fix)


def _train(subject: Subject, built: Built, values: Feed, steps: int) -> None:
    """Takes some steps that lower what it gives, in training mode, and leaves it in evaluation mode."""
    module = built.module.train()
    trained = [one for one in module.parameters() if one.requires_grad]
    optimizer = torch.optim.SGD([*trained, nn.Parameter(torch.zeros(()))], lr=0.01)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(steps):
            optimizer.zero_grad()
            given = [one.sum() for one in subject.call(module, values).values() if one.is_floating_point()]
            total = torch.stack(given).sum() if given else torch.zeros(())
            if total.requires_grad:
                total.backward()
            optimizer.step()
    module.eval()


def _outside(module: nn.Module) -> Iterator[tuple[str, object]]:
    """Gives what its modules hold beside their state, in a form that can be compared."""
    for path, part in module.named_modules():
        for name, value in vars(part).items():
            if name not in _OWN:
                yield f"{path}.{name}".lstrip("."), _frozen(value, _DEEP)
        for name in part._non_persistent_buffers_set:
            yield f"{path}.{name}".lstrip("."), _frozen(part._buffers.get(name), _DEEP)


def _frozen(value: Any, deep: int) -> object:
    if isinstance(value, nn.Parameter | nn.Module):
        return type(value).__name__
    if isinstance(value, Tensor):
        raw = value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes() if value.numel() else b""
        return value.dtype, tuple(value.shape), hashlib.sha256(raw).hexdigest()
    if isinstance(value, torch.Generator):
        return _frozen(value.get_state(), deep)
    if value is None or isinstance(value, str | int | float | bool | bytes | complex):
        return value
    if deep == 0:
        return type(value).__name__
    if isinstance(value, Mapping):
        return {str(key): _frozen(one, deep - 1) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_frozen(one, deep - 1) for one in value]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    return type(value).__name__, _frozen(getattr(value, "__dict__", {}), deep - 1)
