"""Where the Hugging Face hub's local cache keeps a checkpoint, read without importing its library."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

__all__ = ["cache_folder", "find_snapshot", "has_data_set", "is_hub_id", "snapshot_in"]

_HUB_ID = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)?")
_REVISION = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)*")


def is_hub_id(text: str) -> bool:
    """Tells whether a text has the form of a hub id, `name` or `organisation/name`."""
    return _HUB_ID.fullmatch(text) is not None and ".." not in text and "--" not in text


def cache_folder() -> Path:
    """Finds the hub's cache by the same environment variables as `huggingface_hub`, in the same order."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(variable):
            return _expand(os.environ[variable])
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface")  # noqa: PTH118
    return _expand(home) / "hub"


def find_snapshot(hub_id: str, revision: str) -> Path | None:
    """Finds the folder of a cached revision (a branch, a tag or a commit), or None when it is not cached."""
    return snapshot_in(cache_folder() / f"models--{hub_id.replace('/', '--')}", revision)


def has_data_set(hub_id: str) -> bool:
    """Tells whether a data set of the hub was loaded here before: its files, or what `datasets` prepared of them."""
    if (cache_folder() / f"datasets--{hub_id.replace('/', '--')}").is_dir():
        return True
    prepared = _expand(os.environ.get("HF_DATASETS_CACHE") or str(cache_folder().parent / "datasets"))
    return (prepared / hub_id.replace("/", "___")).is_dir() or (prepared / hub_id.replace("/", "___").lower()).is_dir()


def snapshot_in(repository: Path, revision: str) -> Path | None:
    """Finds a revision in one repository's folder of the cache: `snapshots/<commit>`, by way of `refs/<revision>`."""
    if not _REVISION.fullmatch(revision):
        return None
    commit = revision
    with suppress(OSError, UnicodeDecodeError):
        commit = (repository / "refs" / revision).read_text(encoding="utf-8").strip()
    folder = repository / "snapshots" / commit
    return folder if _REVISION.fullmatch(commit) and folder.is_dir() else None


def _expand(path: str) -> Path:
    return Path(os.path.expandvars(path)).expanduser()
