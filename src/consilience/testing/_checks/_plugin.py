"""Checks of a plugin as a whole: its import, its wheel, and how it stands beside all others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import torch
from safetensors.torch import load_file
from transformers.utils import logging

from consilience.errors import ConsilienceError
from consilience.fuse import FusedModel, fuse
from consilience.host import STANDARD, Offer, claims
from consilience.plan import Plan, check
from consilience.testing._check import Broken, Ledger, NotApplicable
from consilience.testing._fresh import import_fresh
from consilience.testing._lab import Lab
from consilience.testing._reference import batch_of, fusion_of, step, trained
from consilience.testing._tiny import scratch
from consilience.testing._weave import Weaver, others
from consilience.testing._wheel import package_files, source_tree, unpacked_wheel
from consilience.testing._witness import Unreachable, digests, import_elsewhere, train_elsewhere

LEDGER = Ledger()
_TIMES, _SECONDS = 3, 0.5
"""How much longer than the core's import the plugin's may take, and what is granted on top."""


@LEDGER.plugin
def imports_light(lab: Lab) -> None:
    """Its import is quick, and brings no torch or its like, no network, no process, no thread and no random number."""
    is_module = isinstance(lab.plugin, ModuleType)
    if not is_module and (lab.plugin is not None or lab.namespace not in claims()):
        raise NotApplicable("handed over as an object: a module shows what its import does")
    found = import_fresh(lab.namespace, str(_module_name(lab)) if is_module else "")
    if found.error:
        raise Broken(found.error, "a plugin that imports by itself", "mend its module")
    if found.heavy:
        raise Broken(f"its import brings {', '.join(found.heavy)}", "a light one", "import inside build, open or apply")
    if found.events:
        raise Broken(f"its import does {found.events[0]}", "no network and no process", "do that when it is built")
    if found.threads or found.random or found.environment:
        what = "a thread" if found.threads else "the random state" if found.random else ", ".join(found.environment)
        raise Broken(f"its import starts or changes {what}", "nothing global touched", "do that when it is built")
    if found.own > _TIMES * found.core + _SECONDS:
        known = f"{_TIMES} times the core's {found.core:.1f} s and {_SECONDS} s"
        raise Broken(f"its import takes {found.own:.1f} s", f"at most {known}", "import less")


@LEDGER.plugin
def wheel_whole(lab: Lab) -> None:
    """The wheel of its source tree holds every file of its package, and imports from there."""
    module = _module_name(lab)
    if module is None:
        raise NotApplicable("handed over as an object, which no distribution holds")
    top = import_module(module.partition(".")[0])
    if getattr(top, "__file__", None) is None or Path(str(top.__file__)).name != "__init__.py":
        raise NotApplicable("it is no package")
    package = Path(str(top.__file__)).parent
    with unpacked_wheel(source_tree(package)) as unpacked:
        lost = [name for name in package_files(package) if not (unpacked / name).is_file()]
        if lost:
            raise Broken(f"its wheel lacks {', '.join(lost[:3])}", "every file of the package", "mend what is packed")
        if package.name == __name__.partition(".")[0]:
            return  # the kit itself runs from there
        for name, file in import_elsewhere(package.name, unpacked).items():
            if not file.startswith(str(unpacked)):
                raise Broken(f"{name} from its wheel: {file}", "a module that imports", "mend what is packed")


@LEDGER.plugin
def absent_when_unused(lab: Lab) -> None:
    """A fusion that does not use it is built and trained to the same bits, whether or not it is loaded."""
    if lab.namespace == STANDARD:
        raise NotApplicable("no fusion does without the standard components")
    without = _without()
    try:
        loaded = train_elsewhere(lab.namespace, lab.plugin)
    except Unreachable:
        with _one_thread():  # as the other process computes: the number of threads changes the last bits
            loaded = digests(trained(lab.registry))
    changed = sorted(name for name in without if without[name] != loaded.get(name))
    if changed:
        fix = "let neither the import nor a hook change torch's defaults, generators or classes"
        raise Broken(f"{changed[0]} differs when the plugin is loaded", "the same to the last bit", fix)


@LEDGER.plugin
def composes(lab: Lab) -> None:
    """Its components work with the standard ones, and with those of every other plugin, in one fusion that learns."""
    weaver = _woven(lab)
    for namespace in others(lab.registry, lab.namespace, STANDARD):
        first = [offer for offer in lab.registry.components() if offer.namespace == namespace]
        _weave_one(weaver, first)
    plan = _plan(weaver)
    model, losses = step(plan)
    for name, value in losses.items():
        if not value.isfinite().all():
            raise Broken(f"{name} is not finite", "finite losses", f"mend {plan.nodes[name].component}")
    for name, one in model.named_parameters():
        if not one.isfinite().all():
            raise Broken(f"{name} is not finite after a step", "finite parameters", "mend its gradient")


@LEDGER.plugin
def saved_and_loaded(lab: Lab) -> None:
    """A fusion of its components, trained for a step, saved and loaded again, gives the same to the last bit."""
    weaver = _woven(lab)
    plan = _plan(weaver)
    model, _ = step(plan)
    folder = scratch() / f"saved-{lab.namespace}"
    with _without_bars():
        model.save_pretrained(folder)
        loaded = _load(folder, lab, plan)
    batch = batch_of(plan.fusion, lab.registry)
    names = [*plan.fusion.losses]
    with torch.no_grad():
        first, second = model(batch, outputs=names), loaded(batch, outputs=names)
    pairs = {**first.tensors, **first.losses}, {**second.tensors, **second.losses}
    for name, one in pairs[0].items():
        if not torch.equal(one.nan_to_num(), pairs[1][name].nan_to_num()):
            fix = "keep what is drawn or learnt in parameters and persistent buffers"
            raise Broken(f"{name} differs after it is saved and loaded", "the same to the last bit", fix)


@contextmanager
def _without_bars() -> Iterator[None]:
    """Keeps away the bars of saving and loading, which tell nothing of so small a model."""
    has_bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if has_bars:
            logging.enable_progress_bar()


def _load(folder: Path, lab: Lab, plan: Plan) -> FusedModel:
    """Loads a saved model; where its plugin is handed over, so that no file names it, into a build of another seed."""
    if lab.plugin is None:
        loaded: FusedModel = FusedModel.from_pretrained(folder)
        return loaded
    other = fuse(check(fusion_of({**_sections(plan), "train": {"seed": 1}}), lab.registry))
    lost = other.load_state_dict(load_file(folder / "model.safetensors"), strict=False).missing_keys
    if set(lost) - set(other.tied_names):
        raise Broken(f"{lost[0]} is not in the saved model", "every parameter", "register it as one")
    other.eval()  # type: ignore[no-untyped-call]
    return other


def _sections(plan: Plan) -> dict[str, object]:
    return {key: value for key, value in plan.fusion.to_dict().items() if key not in ("name", "consilience", "train")}


@cache
def _without() -> dict[str, str]:
    return train_elsewhere()


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _module_name(lab: Lab) -> str | None:
    """Gives the name of the module that the plugin is."""
    if isinstance(lab.plugin, ModuleType):
        return lab.plugin.__name__ if lab.plugin.__name__ in sys.modules else None
    if lab.plugin is not None:
        return None
    claimed = claims().get(lab.namespace, [])
    return claimed[0].entry_point.module if claimed else None


def _woven(lab: Lab) -> Weaver:
    if not lab.offers:
        raise NotApplicable("it offers no component")
    weaver = Weaver(lab)
    weaver.weave(lab.offers)
    if not weaver.woven:
        reasons = "; ".join(f"{name}: {why}" for name, why in weaver.left_out.items())
        raise NotApplicable(
            f"none of its components fits the reference fusion: {reasons or 'sources and resources are tried alone'}"
        )
    return weaver


def _weave_one(weaver: Weaver, offers: list[Offer]) -> None:
    before = len(weaver.woven)
    for offer in offers:
        weaver.weave([offer])
        if len(weaver.woven) > before:
            return


def _plan(weaver: Weaver) -> Plan:
    try:
        return check(fusion_of(weaver.settings), weaver.registry)
    except ConsilienceError as error:
        raise Broken(f"the fusion is refused: {error}", "one that learns", "mend its ports") from error
