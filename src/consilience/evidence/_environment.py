"""Finds what differs between the environments of two runs: machine, versions, data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from consilience.evidence._reproduction import Change

__all__ = ["environment_changes"]

_MACHINE = ("device", "python", "platform", "processor", "environment")
_NOTHING = "none"


def environment_changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    """Lists what the records of two runs say differently of machine, plugins, distributions, resources and sources.

    A distribution counts that both used; a file counts by its name: in another folder it is the same.
    """
    for key in _MACHINE:
        yield from _differing(key, was.get(key), now.get(key))
    for section in ("plugins", "distributions"):
        before, after = was.get(section, {}), now.get(section, {})
        for name in sorted({*before, *after}):
            if name in before and name in after and before[name] != after[name]:
                yield Change(f"{section[:-1]} {name}", *_versions(before[name], after[name]))
    for section in ("resources", "sources"):
        before, after = was.get(section, {}), now.get(section, {})
        for name in sorted({*before, *after}):
            first, second = _by_name(before.get(name, {})), _by_name(after.get(name, {}))
            for file in sorted({*first, *second}):
                if first.get(file) != second.get(file):
                    yield Change(f"{section[:-1]} {name}, {file}", _short(first.get(file)), _short(second.get(file)))
    if was.get("plan", now.get("plan")) != now.get("plan"):
        yield Change("plan", "as in plan.json of the run", "another: a plugin or a file decides otherwise")


def _differing(key: str, was: Any, now: Any) -> Iterator[Change]:
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for inner in sorted({*was, *now}):
            yield from _differing(f"{key} {inner}", was.get(inner), now.get(inner))
    elif was != now:
        yield Change(key, _NOTHING if was is None else str(was), _NOTHING if now is None else str(now))


def _versions(was: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, str]:
    if was.get("version") != now.get("version"):
        return str(was.get("version")), str(now.get("version"))
    return f"{was['version']}, files {_short(was.get('sha256'))}", f"files {_short(now.get('sha256'))}"


def _by_name(files: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path, fingerprint in sorted(files.items()):
        name = Path(path).name
        found[name] = f"{found[name]} {fingerprint}" if name in found else fingerprint
    return found


def _short(fingerprint: str | None) -> str:
    return fingerprint[:12] if fingerprint else _NOTHING
