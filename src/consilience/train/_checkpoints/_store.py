"""The checkpoints of a run: written whole, proved before they are read, and kept by their steps, never by a clock."""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consilience.errors import Diagnostic, RunError, Severity
from consilience.train._checkpoints._staging import Staged

__all__ = ["Checkpoint", "Checkpoints", "Damaged", "add_manifest", "prove", "unwritable"]

MANIFEST = "manifest.json"
FORMAT = 1
_NAME = re.compile(r"step-(\d{8,18})")
_LARGEST_MANIFEST = 1_000_000


class Damaged(Exception):
    """Says what is wrong with a checkpoint."""

    def __init__(self, found: str, code: str = "CN731") -> None:
        super().__init__(found)
        self.code = code


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was proved to be whole, and this run's."""

    path: Path
    step: int


@dataclass(frozen=True)
class Checkpoints:
    """The directory `checkpoints` of a run, for its one writer; `plans` are digests of those that the run had."""

    folder: Path
    run: str
    plans: tuple[str, ...]

    def place(self, step: int) -> Path:
        """Names the directory of a step's checkpoint."""
        return self.folder / f"step-{step:08d}"

    def steps(self) -> list[int]:
        """Lists the steps that have a directory, the newest first; what is in it is not looked at."""
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        return sorted((int(found[1]) for found in map(_NAME.fullmatch, names) if found), reverse=True)

    def clean(self) -> None:
        """Removes what a process that was killed had staged."""
        for path in self.folder.glob(".*.part"):
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def write(self, step: int) -> Iterator[Staged]:
        """Gives the place to write a checkpoint's files into; raises `RunError` where the disk refuses."""
        try:
            with Staged(self.place(step)) as staged:
                yield staged
                add_manifest(staged, {"run": self.run, "step": step, "plan": self.plans[-1]})
        except OSError as error:
            raise RunError(unwritable(self.place(step), error, self.steps())) from error

    def keep(self, most: int | None) -> None:
        """Removes the oldest beyond `most`, but never the newest."""
        for step in self.steps()[max(most, 1) :] if most else ():
            # Renamed first: half of a checkpoint under its own name would be told as damaged.
            gone = self.place(step).with_name(f".{self.place(step).name}.gone.part")
            self.place(step).replace(gone)
            shutil.rmtree(gone, ignore_errors=True)

    def newest(self) -> tuple[Checkpoint | None, list[Diagnostic]]:
        """Gives the newest that is whole and this run's, and a warning for each newer one that is not."""
        told: list[Diagnostic] = []
        for step in self.steps():
            try:
                return self.prove(step), told
            except Damaged as damaged:
                told.append(_damage(self.place(step), damaged))
        return None, told

    def prove(self, step: int) -> Checkpoint:
        """Reads every byte of a checkpoint and compares it with the manifest; raises `Damaged`."""
        path = self.place(step)
        try:
            self._prove(path, step)
        except OSError as error:
            raise Damaged(f"{Path(str(error.filename)).name}: {error.strerror or error}") from None
        except (KeyError, TypeError, AttributeError):  # it proves itself, and yet says other things than we write
            raise Damaged(f"{MANIFEST} is not as it was written") from None
        return Checkpoint(path, step)

    def _prove(self, path: Path, step: int) -> None:
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise Damaged("it is no directory")
        manifest = _read_manifest(path / MANIFEST)
        if manifest["run"] != self.run:
            raise Damaged(f"it is of another run, {str(manifest['run'])[:40]}", "CN734")
        if manifest["step"] != step:
            raise Damaged(f"its manifest is of step {manifest['step']}")
        if manifest["plan"] not in self.plans:
            raise Damaged("it is of another plan than this run had", "CN734")
        _prove_files(path, manifest["files"])


def add_manifest(staged: Staged, what: Mapping[str, Any]) -> None:
    """Writes, as the last file, what the others are and of what bytes."""
    manifest = {"format": FORMAT, **what, "files": dict(staged.files)}
    staged.json(MANIFEST, manifest | {"digest": _digest(manifest)})


def prove(path: Path) -> None:
    """Reads every byte of a model that a run keeps; raises `RunError` (CN731) where it is not as it was written."""
    try:
        _prove_files(path, _read_manifest(path / MANIFEST)["files"])
    except Damaged as damaged:
        found = f"{path}: {damaged}"
    except OSError as error:
        found = f"{path}: {Path(str(error.filename)).name}: {error.strerror or error}"
    else:
        return
    run = path.parents[1]
    fix = f"rm -r {path} && consilience train --resume {run}  # what is measured from there on counts"
    raise RunError(Diagnostic("CN731", (), found, "weights as they were written", fix))


def _prove_files(path: Path, files: dict[str, Any]) -> None:
    there = {entry.name for entry in path.iterdir()} - {MANIFEST}
    if absent := sorted(files.keys() - there):
        raise Damaged(f"{absent[0]} is missing")
    if extra := sorted(there - files.keys()):
        raise Damaged(f"{extra[0]} is not in its manifest")
    for name, told in sorted(files.items()):
        _prove_file(path / name, told)


def _prove_file(path: Path, told: Any) -> None:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise Damaged(f"{path.name} is no file")
    if found.st_size != told["size"]:
        raise Damaged(f"{path.name} has {found.st_size:,} bytes, and had {told['size']:,}")
    with path.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != told["sha256"]:
            raise Damaged(f"{path.name} has other bytes than were written")


def _read_manifest(path: Path) -> dict[str, Any]:
    """Reads a manifest that proves itself; what it says of itself is only then looked at."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise Damaged(f"{path.name} is no file")
    if path.stat().st_size > _LARGEST_MANIFEST:
        raise Damaged(f"{path.name} is of {path.stat().st_size:,} bytes")
    try:
        manifest = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise Damaged(f"{path.name} is no JSON") from None
    if not isinstance(manifest, dict):
        raise Damaged(f"{path.name} is no mapping")
    digest = manifest.pop("digest", None)
    try:
        is_proved = digest == _digest(manifest)
    except (ValueError, RecursionError):  # a number beyond JSON, a lone surrogate
        is_proved = False
    if not is_proved:
        raise Damaged(f"{path.name} is not as it was written")
    if manifest.get("format") != FORMAT:
        raise Damaged(f"{path.name} is of format {manifest.get('format')}; this version reads {FORMAT}")
    return manifest


def _digest(manifest: dict[str, Any]) -> str:
    text = json.dumps(manifest, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _damage(path: Path, damaged: Damaged) -> Diagnostic:
    expected = "a checkpoint of this run, as it was written" if damaged.code == "CN731" else "a checkpoint of this run"
    fix = f"rm -r {path}  # it is passed over, and an older one taken"
    return Diagnostic(damaged.code, (), f"{path}: {damaged}", expected, fix, severity=Severity.WARNING)


def unwritable(path: Path, error: OSError, steps: list[int], what: str = "a checkpoint") -> Diagnostic:
    """Tells that `what` of a run cannot be written at its path; `steps` are those of the checkpoints that stand."""
    left = f"; the checkpoint of step {steps[0]} stands" if steps else "; no checkpoint was written before"
    found = f"{path}: {error.strerror or error}{left}"
    run = path.parents[1]
    room = error.errno in (errno.ENOSPC, errno.EDQUOT)
    expected = f"room on the disk for {what}" if room else "a place that can be written"
    fix = f"consilience train --resume {run}  # when there is " + ("room" if room else "one")
    return Diagnostic("CN736", (), found, expected, fix)
