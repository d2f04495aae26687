"""What a run began with, in names: what of it changed is told by them, and accepted by them."""

from __future__ import annotations

import hashlib
import json
import platform
import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from consilience.declare import show
from consilience.errors import Diagnostic, RunError, nearest, shortlist
from consilience.fuse import provenance
from consilience.plan import Plan
from consilience.train._runs._device import machine

__all__ = ["STARTED", "Started", "made_with", "read_started"]

STARTED = "started.json"
_NODES = ("fields", "inputs", "modules", "losses", "metrics")


@dataclass(frozen=True)
class Started:
    """What `started.json` holds: the run's own name, what it is made with, and the plans that it has had."""

    run: str
    base: str
    began: str
    made: Mapping[str, Any]
    plans: tuple[str, ...]
    accepted: tuple[Mapping[str, Any], ...] = ()
    """Each time that a change was accepted: the names, and the step from which it held."""

    @classmethod
    def now(cls, plan: Plan, made: Mapping[str, Any]) -> Started:
        """Begins a run."""
        return cls(uuid.uuid4().hex, str(plan.fusion.base), _now(), made, (_digest(plan),))

    def with_changes(self, plan: Plan, made: Mapping[str, Any], names: Collection[str], step: int) -> Started:
        """Goes on with changes that were accepted."""
        noted = {"step": step, "names": sorted(names), "at": _now()}
        # The newest plan stands last: it is what checkpoints are written under.
        newest = _digest(plan)
        plans = (*(item for item in self.plans if item != newest), newest)
        return replace(self, base=str(plan.fusion.base), made=made, plans=plans, accepted=(*self.accepted, noted))

    def to_dict(self) -> dict[str, Any]:
        """Gives what JSON holds."""
        told = {name: getattr(self, name) for name in ("run", "base", "began", "made")}
        return told | {"plans": list(self.plans), "accepted": list(self.accepted)}

    def changes(self, plan: Plan, made: Mapping[str, Any]) -> dict[str, Diagnostic]:
        """Tells by name what is not as it was."""
        absent = object()
        names = [name for name in {**self.made, **made} if self.made.get(name, absent) != made.get(name, absent)]
        return {name: _change(plan, name, self.made.get(name), made.get(name)) for name in names}

    def unknown(
        self, accepted: Collection[str], made: Mapping[str, Any], changed: Collection[str]
    ) -> Iterator[Diagnostic]:
        """Tells the accepted names of which a run began with nothing, and has nothing now; one as it was is none."""
        known = {**self.made, **made}
        for name in sorted(set(accepted) - known.keys()):
            others = known.keys() - set(accepted)  # what is accepted already is no fix
            near = nearest(name, [one for one in changed if one in others]) or nearest(name, sorted(others))
            fix = f"--accept {near}" if near else f"# remove --accept {name}"
            found = f"{name}, accepted, which is no name of anything that a run begins with"
            expected = f"what changed: {shortlist(changed)}" if changed else "no --accept: nothing changed"
            yield Diagnostic("CN764", (), found, expected, fix)


def made_with(plan: Plan, device: torch.device, processes: int) -> dict[str, Any]:
    """Gives what decides the steps of a training, by name: file, data, plugins, machine."""
    made: dict[str, Any] = dict(plan.fusion.train.model_dump(mode="json"))
    written = plan.fusion.to_dict()
    for section, value in written.items():
        if section in ("resources", "sources"):
            made |= {f"{section}.{name}": item for name, item in value.items()}
        elif section not in (*_NODES, "train", "consilience", "name"):
            made[section] = value
    made |= {f"{node['section']}.{node['name']}": node for node in plan.to_dict()["nodes"]}
    origin = provenance(plan)
    made |= {f"plugins.{name}": told for name, told in origin["plugins"].items()}
    for section in ("resources", "sources"):
        for name, files in origin[section].items():
            made[f"{section}.{name}.files"] = sorted([Path(path).name, digest] for path, digest in files.items())
    made |= _machine(device, processes)
    plain: dict[str, Any] = json.loads(json.dumps(made))
    return plain


def read_started(run: Path) -> Started:
    """Reads what a run began with; raises `RunError` where the directory is none of a run of Consilience."""
    path = run / STARTED
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        kept = {name: str(told[name]) for name in ("run", "base", "began")}
        plans = tuple(map(str, told["plans"]))
        return Started(**kept, made=dict(told["made"]), plans=plans, accepted=tuple(told["accepted"]))
    except FileNotFoundError:
        found = f"{run}: no such directory" if not run.is_dir() else f"{run}: no {STARTED} in it"
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        found = f"{path}: {error}"
    fix = "consilience train FILE  # prints the directory of its run, and keeps what is needed to go on"
    raise RunError(Diagnostic("CN737", (), found, "the directory of a run of consilience train", fix))


def _machine(device: torch.device, processes: int) -> dict[str, Any]:
    found = machine(device)
    told = {"device": device.type, "threads": torch.get_num_threads(), "processes": processes}
    if device.type == "cuda":
        told["device"] = torch.cuda.get_device_name(device)
    told["cpu"] = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    return told | {"python": found["python"], **found["libraries"]}


def _change(plan: Plan, name: str, was: Any, now: Any) -> Diagnostic:
    path: tuple[str | int, ...] = tuple(name.split("."))
    if len(path) == 1 and name in {**plan.fusion.train.model_dump()}:
        path = ("train", name)
    elif path[0] == "plugins" or len(path) == 1:
        path = (name,) if name in ("objective", "mixing") else ()
    found = f"{name}: {_difference(was, now)}"
    fix = f"--accept {name}  # or put it back"
    return Diagnostic("CN733", path[:2], found, "what the run began with", fix)


def _difference(was: Any, now: Any) -> str:
    """Says what differs: of mappings and lists, the first place that does."""
    path, (was, now) = _first(was, now)
    where = f"{path} " if path else ""
    return f"{where}{_shown(now)}, where the run began with {_shown(was)}"


def _first(was: Any, now: Any) -> tuple[str, tuple[Any, Any]]:
    for key, before, after in _pairs(was, now):
        if before != after:
            inner, pair = _first(before, after)
            return ".".join(filter(None, (str(key), inner))), pair
    return "", (was, now)


def _pairs(was: Any, now: Any) -> Iterator[tuple[Any, Any, Any]]:
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in {**was, **now}:
            yield key, was.get(key), now.get(key)
    elif _is_of_files(was) and _is_of_files(now):
        first, second = dict(was), dict(now)
        for key in {**first, **second}:
            yield key, first.get(key), second.get(key)


def _is_of_files(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, list) and len(item) == 2 for item in value)


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str) and len(value) > 62:
        return show(f"{value[:12]}...")  # a hash, or a text: the quotes stand around what is left
    text = show(value) if isinstance(value, str | int | float | bool | list) else json.dumps(value)
    return text if len(text) <= 64 else text[:12] + "..."


def _digest(plan: Plan) -> str:
    return hashlib.sha256(plan.to_json().encode("utf-8")).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
