"""Makes the directory of a run: one for all processes, under a name that no other run has."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from accelerate.utils import broadcast_object_list

from consilience.errors import Diagnostic, RunError

__all__ = ["new_folder", "shared_folder"]


def shared_folder(runs: Path, name: str, processes: Any) -> Path:
    """Names one new directory for all processes: the main one makes it."""
    folders = [str(new_folder(runs, name)) if processes.is_main_process else ""]
    if processes.num_processes > 1:
        broadcast_object_list(folders)
    return Path(folders[0])


def new_folder(runs: Path, name: str) -> Path:
    """Names a new directory after the fusion and the time; a second run in one second gets a number."""
    stem = f"{name.replace(' ', '-')}-{datetime.now():%Y%m%d-%H%M%S}"
    for number in range(1, 10_000):
        folder = runs / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            found = f"{folder}: {error.strerror or error}"
            raise RunError(Diagnostic("CN706", (), found, "a place to keep the run", "--runs PATH")) from None
        return folder
    raise AssertionError("ten thousand runs in one second")
