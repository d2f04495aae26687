"""Tries one fusion: reads it, checks it, reads its data, builds it, and takes one step of training, as `train` does."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.soundness.step import Unsound, train_one_step

from consilience.declare import Fusion
from consilience.declare._reader import read_text
from consilience.errors import ConsilienceError, DataError, Diagnostic
from consilience.host import Registry
from consilience.plan import Plan, check, survey

__all__ = ["Trial", "Verdict", "errors_of", "ill_formed", "plain", "try_fusion"]

_ROOT = Path(__file__).parents[2]
DOCUMENTED = set(
    re.findall(r"^### (CN\d{3})", (_ROOT / "docs" / "diagnostics.md").read_text(encoding="utf-8"), re.MULTILINE)
)
_OF_STEPS = {"CN430", "CN431"}
"""What the training tells of schedules before its first step: how many steps `epochs` make, no file says."""
_OF_MACHINES = {"bf16", "fp16", "tf32", "torch_compile", "use_cpu"}
_SIGNS = ("Traceback", "object at 0x", "<class ", "ValidationError", "function-", "PydanticUndefined", "<function")


class Verdict(StrEnum):
    """What became of a tried fusion; all but the first four are findings."""

    TRAINED = "passed and trained"
    REFUSED = "refused by the check"
    NO_DATA = "refused with its data"
    NO_MACHINE = "asks for another machine"
    TRACEBACK = "traceback"
    ILL_TOLD = "ill told"
    LATE = "told too late"
    UNSOUND = "unsound"
    VALID_REFUSED = "valid refused"
    ORDER = "depends on the order"
    STAYS = "stays when its fix is pasted"

    @property
    def is_finding(self) -> bool:
        """Whether something must be mended."""
        return self not in (Verdict.TRAINED, Verdict.REFUSED, Verdict.NO_DATA, Verdict.NO_MACHINE)


@dataclass(frozen=True)
class Trial:
    """One tried fusion: its verdict, the codes that it was told, those it was warned of, and what was found."""

    verdict: Verdict
    codes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    found: str = ""
    plan: Plan | None = None
    faults: tuple[Diagnostic, ...] = ()
    mended: int | None = None
    """How many faults fewer there are once a fix is pasted; below 0, more."""


def try_fusion(text: str, base: Path, registry: Registry) -> Trial:
    """Tries the text of a fusion file."""
    try:
        plan = check(Fusion.parse(text, base), registry)
    except ConsilienceError as error:
        return _told(Verdict.REFUSED, error, text)
    except Exception as error:
        return Trial(Verdict.TRACEBACK, found=_shown(error))
    warnings = tuple(warning.code for warning in getattr(plan, "warnings", ()))
    try:
        train_one_step(plan)
    except ConsilienceError as error:
        return _told(_late(error), error, text)
    except Unsound as error:
        return Trial(Verdict.UNSOUND, warnings=warnings, found=str(error), plan=plan)
    except Exception as error:
        return Trial(Verdict.UNSOUND, warnings=warnings, found=_shown(error), plan=plan)
    return Trial(Verdict.TRAINED, warnings=warnings, plan=plan)


def _late(error: ConsilienceError) -> Verdict:
    """Tells apart what only data or the machine can tell, and what the check should have told."""
    if all(fault.path[:1] == ("sources",) for fault in error.diagnostics) or isinstance(error, DataError):
        return Verdict.NO_DATA
    if all(fault.code in _OF_STEPS for fault in error.diagnostics):
        return Verdict.NO_DATA
    if all(fault.code == "CN130" and set(fault.path) & _OF_MACHINES for fault in error.diagnostics):
        return Verdict.NO_MACHINE
    return Verdict.LATE


def _told(verdict: Verdict, error: ConsilienceError, text: str) -> Trial:
    codes = tuple(fault.code for fault in error.diagnostics)
    wrong = next((reason for fault in error.diagnostics for reason in ill_formed(fault, text)), None)
    if wrong or not codes:
        return Trial(Verdict.ILL_TOLD, codes, found=wrong or "no diagnostic", faults=error.diagnostics)
    found = str(error) if verdict is Verdict.LATE else ""
    return Trial(verdict, codes, found=found, faults=error.diagnostics)


def ill_formed(fault: Diagnostic, text: str) -> Iterator[str]:
    """Tells what a diagnostic lacks of its five parts, or says that nobody should read."""
    shown = str(fault)
    if fault.code not in DOCUMENTED:
        yield f"{fault.code} stands in no heading of docs/diagnostics.md"
    for part in ("found", "expected", "fix"):
        if not getattr(fault, part).strip():
            yield f"nothing under {part}: {shown}"
    yield from (f"{sign} in: {shown}" for sign in _SIGNS if sign in shown and sign not in text)
    if fault.code == "CN207":
        yield f"a fault of the file is blamed on a plugin: {shown}"
    if fault.place is None:
        yield f"no place: {shown}"
        return
    lines = re.split("\r\n|\r|\n", text)
    inside = 1 <= fault.place.line <= len(lines) and 1 <= fault.place.column <= len(lines[fault.place.line - 1]) + 1
    if not inside and fault.place.file == "<text>":
        yield f"line {fault.place.line}, column {fault.place.column} lie outside the file: {shown}"


def _shown(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = "".join(f" at {Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in last)
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{where}{notes}"


def errors_of(text: str, base: Path, registry: Registry) -> tuple[Diagnostic, ...]:
    """Gives the errors that the check alone tells of a text."""
    try:
        return survey(Fusion.draft_text(text, base), registry).errors
    except ConsilienceError as error:
        return error.diagnostics


def plain(text: str) -> dict[str, Any] | None:
    """Gives the plain values of a text, or None for one that has none to trust."""
    try:
        document = read_text(text)
    except ConsilienceError:
        return None
    return document.value if not document.faults and isinstance(document.value, dict) else None
