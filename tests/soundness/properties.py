"""The properties that hold of every fusion file, each tried on one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

from consilience.declare import Fusion
from consilience.errors import ConsilienceError
from consilience.host import Registry
from consilience.plan import check
from tests.soundness.spelling import shuffled
from tests.soundness.trial import Trial, Verdict, try_fusion

__all__ = ["try_mutant", "try_valid"]


def try_mutant(random: Random, text: str, base: Path, registry: Registry) -> Trial:
    """Tries a mutant: it passes and trains, or is refused in words; and what passes passes in any order of keys."""
    trial = try_fusion(text, base, registry)
    if trial.verdict is Verdict.TRAINED:
        trial = _reordered(random, text, base, registry, trial)
    return trial


def try_valid(random: Random, text: str, base: Path, registry: Registry) -> Trial:
    """Tries a fusion that is valid by construction: it is never refused, nor warned of, and trains."""
    trial = try_mutant(random, text, base, registry)
    if trial.verdict in (Verdict.REFUSED, Verdict.NO_DATA):
        return replace(trial, verdict=Verdict.VALID_REFUSED, found="\n".join(map(str, trial.faults)))
    return trial


def _reordered(random: Random, text: str, base: Path, registry: Registry, trial: Trial) -> Trial:
    """Checks the same fusion with the keys of every mapping in another order."""
    assert trial.plan is not None
    document = Fusion.parse(text, base)._document
    assert document is not None
    other = json.dumps(shuffled(random, document.value), ensure_ascii=False)  # JSON is YAML 1.2
    try:
        plan = check(Fusion.parse(other, base), registry)
    except ConsilienceError as error:
        return replace(trial, verdict=Verdict.ORDER, found=f"refused in another order:\n{error}\n{other}")
    if plan.to_json() != trial.plan.to_json():
        return replace(trial, verdict=Verdict.ORDER, found=f"another plan in another order:\n{other}")
    return trial
