"""Finds what changed since a run was trained: rows that were trained on may then stand among those to measure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from consilience.errors import Diagnostic, RunError
from consilience.fuse import fingerprints
from consilience.train import Run

__all__ = ["ChangedData", "changes_noted"]

ChangedData: TypeAlias = Literal["refuse", "note"]
"""What to do about files that changed since the training: refuse to measure, or measure and note it in the report."""

_EFFECTS = {
    "resources": "the model may read other values than it learnt from",
    "sources": "rows that were trained on may stand in this split",
}


def changes_noted(run: Run, changed_data: ChangedData) -> tuple[str, ...]:
    """Gives a note for each file that changed since the training; raises `RunError` (CN710) unless they may be noted.

    A split is dealt by the number of rows, so one row more or less mixes those of all splits.
    """
    changes = _changes(run)
    if changes and changed_data != "note":
        raise RunError(run.plan.fusion.locate([_fault(*change) for change in changes]))
    return tuple(f"{name}: {what}; {_EFFECTS[section]}" for section, name, what in changes)


def _changes(run: Run) -> list[tuple[str, str, str]]:
    """Lists the section, the name and what happened to a file, for each file that is not what the record says."""
    found = []
    now = fingerprints(run.plan)
    for section in _EFFECTS:
        kept = run.record.get(section, {})
        for name, files in now[section].items():
            is_now, was = _by_name(files), _by_name(kept.get(name, {}))
            for file in sorted({*is_now, *was}):
                if is_now.get(file) != was.get(file):
                    what = "is gone" if file not in is_now else "changed" if file in was else "is new"
                    found.append((section, name, f"{file} {what} since the training"))
    return found


def _by_name(files: Mapping[str, str]) -> dict[str, list[str]]:
    """Gives the fingerprints by file name: the same files in another folder are the same data."""
    found: dict[str, list[str]] = {}
    for path, fingerprint in files.items():
        found.setdefault(Path(path).name, []).append(fingerprint)
    return {name: sorted(several) for name, several in found.items()}


def _fault(section: str, name: str, what: str) -> Diagnostic:
    fix = "consilience train FILE  # or put the data back, or keep a note: --changed-data note"
    expected = f"the data that the run was trained with: {_EFFECTS[section]}"
    return Diagnostic("CN710", (section, name), what, expected, fix)
