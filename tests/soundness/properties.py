"""The properties that hold of every fusion file, each tried on one."""

from __future__ import annotations

import gc
import json
import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from random import Random

from click.testing import CliRunner
from tests.soundness.pasting import pasted
from tests.soundness.spelling import shuffled
from tests.soundness.trial import Trial, Verdict, errors_of, plain, try_fusion

from consilience.cli import main
from consilience.declare import Fusion
from consilience.errors import ConsilienceError, Diagnostic
from consilience.host import Registry
from consilience.plan import check

__all__ = ["try_mutant", "try_valid"]

_BY_COMMAND = 0.05
"""The share of the trials that are told by the command too."""


def try_mutant(random: Random, text: str, base: Path, registry: Registry) -> Trial:
    """Tries a mutant: it passes and trains, or is refused in words; and what passes passes in any order of keys."""
    trial = try_fusion(text, base, registry)
    if not trial.verdict.is_finding and random.random() < _BY_COMMAND:
        wrong = _wrong_of_command(random, text, base, trial)
        if wrong:
            return replace(trial, verdict=Verdict.TRACEBACK, found=wrong)
    if trial.verdict is Verdict.TRAINED:
        return _reordered(random, text, base, registry, trial)
    if trial.verdict is Verdict.REFUSED:
        return _mended(random, text, base, registry, trial)
    return trial


def try_valid(random: Random, text: str, base: Path, registry: Registry) -> Trial:
    """Tries a fusion that is valid by construction: it is never refused, nor warned of, and trains."""
    trial = try_mutant(random, text, base, registry)
    if trial.verdict in (Verdict.REFUSED, Verdict.NO_DATA):
        return replace(trial, verdict=Verdict.VALID_REFUSED, found="\n".join(map(str, trial.faults)))
    return trial


def _wrong_of_command(random: Random, text: str, base: Path, trial: Trial) -> str | None:
    """Checks the same text as a file, by the command and in one of its formats; says what is wrong, if anything."""
    file = base / f"tried-{os.getpid()}.yaml"
    file.write_text(text, encoding="utf-8", newline="")
    form = random.choice(["text", "text", "json", "sarif", "github"])
    result = CliRunner().invoke(main, ["check", str(file), "--format", form])
    gc.freeze()  # the command looks at the garbage of a process of its own
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return f"consilience check --format {form}: {result.exception!r}"
    if result.exit_code != (trial.verdict is Verdict.REFUSED):
        return f"consilience check --format {form} ended with {result.exit_code}: {result.output}"
    if form in ("json", "sarif"):
        json.loads(result.stdout)
    lacking = set(trial.codes if trial.verdict is Verdict.REFUSED else ()) - set(re.findall(r"CN\d{3}", result.output))
    return f"consilience check --format {form} did not tell {', '.join(sorted(lacking))}" if lacking else None


def _mended(random: Random, text: str, base: Path, registry: Registry, trial: Trial) -> Trial:
    """Pastes the fix of one of the faults: it is gone; notes whether more faults are left than there were."""
    written = plain(text)
    if written is None:
        return trial
    before = errors_of(json.dumps(written, ensure_ascii=False), base, registry)
    if not before:
        return trial
    fault = random.choice(before)
    other = pasted(written, fault)
    if other is None:
        return trial
    mended = json.dumps(other, ensure_ascii=False)
    try:
        after = errors_of(mended, base, registry)
    except Exception as error:
        return replace(trial, verdict=Verdict.TRACEBACK, found=f"{error!r}, once mended:\n{fault}\n{mended}")
    if _times(fault, after) >= _times(fault, before):
        found = f"it stays, with its fix pasted:\n{fault}\n{mended}"
        return replace(trial, verdict=Verdict.STAYS, found=found)
    return replace(trial, mended=len(before) - len(after))


def _times(fault: Diagnostic, faults: Iterable[Diagnostic]) -> int:
    return sum((other.code, other.path, other.found) == (fault.code, fault.path, fault.found) for other in faults)


def _reordered(random: Random, text: str, base: Path, registry: Registry, trial: Trial) -> Trial:
    """Checks the same fusion with the keys of every mapping in another order."""
    assert trial.plan is not None
    other = json.dumps(shuffled(random, plain(text)), ensure_ascii=False)  # JSON is YAML 1.2
    try:
        plan = check(Fusion.parse(other, base), registry)
    except ConsilienceError as error:
        return replace(trial, verdict=Verdict.ORDER, found=f"refused in another order:\n{error}\n{other}")
    if plan.to_json() != trial.plan.to_json():
        return replace(trial, verdict=Verdict.ORDER, found=f"another plan in another order:\n{other}")
    return trial
