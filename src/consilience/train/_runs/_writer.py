"""One writer a run: a lock that the operating system holds, and that says who has it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from consilience.errors import Diagnostic, RunError

__all__ = ["Writer"]

LOCK = "writer.json"
_FAR = 1 << 30
"""Where Windows locks one byte: it keeps others from reading what it locks, and who has the lock shall be read."""

_PATIENCE = 20.0
"""Seconds to wait for a lock whose owner is dead: its loading processes hold it until they notice."""


class Writer:
    """Owns the directory of a run while this process lives; a lock that a dead process left is taken over.

    Raises `RunError` (CN730), which names the process that has it.
    """

    def __init__(self, run: Path) -> None:
        self._path = run / LOCK
        self._file = self._acquired()
        told = {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now().isoformat(timespec="seconds")}
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps(told).encode(), 0) if hasattr(os, "pwrite") else os.write(
            self._file, json.dumps(told).encode()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Removed while the lock is held: whoever opened the file before finds that it is no longer the one in place,
        # and what lies there after the lock is gone may be the next writer's.
        with contextlib.suppress(OSError):
            self._path.unlink()
        os.close(self._file)
        if os.name == "nt":  # which removes no open file
            with contextlib.suppress(OSError):
                self._path.unlink()

    def _acquired(self) -> int:
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as error:
                found = f"{self._path}: {error.strerror or error}"
                fault = Diagnostic("CN706", (), found, "a run that can be written", f"# let {self._path} be written")
                raise RunError(fault) from None
            if _lock(file, self._path):
                if _is(file, self._path):
                    return file
                os.close(file)
                continue
            owner = _owner(self._path)
            os.close(file)
            if not _is_dead(owner) or time.monotonic() > until:
                raise RunError(_taken(self._path.parent, owner))
            time.sleep(0.2)


def _lock(file: int, path: Path) -> bool:
    """Tries to take the lock. Where the file system has none, the process that the file names decides."""
    try:
        if os.name == "nt":
            import msvcrt

            os.lseek(file, _FAR, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
            os.lseek(file, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        owner = _owner(path)
        return not owner or _is_dead(owner)
    return True


def _is(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _owner(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _is_dead(owner: dict[str, Any]) -> bool:
    """Tells whether the process is one of this machine that ended."""
    pid = owner.get("pid")
    if os.name == "nt" or owner.get("host") != socket.gethostname() or type(pid) is not int or pid < 1:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def _taken(run: Path, owner: dict[str, Any]) -> Diagnostic:
    who = f"process {owner.get('pid', '?')} on {owner.get('host', '?')}, since {owner.get('since', '?')}"
    fix = f"# wait until it ends, or end it: kill {owner.get('pid', 'PID')}"
    return Diagnostic("CN730", (), f"{run} is written by {who}", "a run that no other process writes", fix)
