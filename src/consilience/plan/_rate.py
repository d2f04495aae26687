"""Checks what a schedule of the learning rate takes beside its name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from consilience.declare import TrainingKeys, paste
from consilience.errors import Part, Path, nearest
from consilience.plan._resolved import Resolved

__all__ = ["check_schedule"]

_TAKEN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "linear": (),
        "cosine": ("num_cycles",),
        "cosine_with_restarts": ("num_cycles",),
        "cosine_with_min_lr": ("min_lr_rate", "min_lr", "num_cycles"),
        "polynomial": ("lr_end", "power"),
        "constant": (),
        "constant_with_warmup": (),
        "inverse_sqrt": ("timescale",),
        "warmup_stable_decay": ("num_decay_steps", "min_lr_ratio", "num_cycles"),
    }
)
_NEEDED = {"cosine_with_min_lr": ("min_lr_rate", 0.1), "warmup_stable_decay": ("num_decay_steps", 100)}
"""What a schedule does not start without, with a value that will do."""
_SHARES = ("min_lr_rate", "min_lr_ratio")
_ABOVE_ZERO = ("num_decay_steps", "timescale")
_LEAST_RATE = 1e-7
"""Where transformers' polynomial schedule ends, when nothing else is said."""
_PATH: Path = ("train", "lr_scheduler_kwargs")


def check_schedule(resolved: Resolved, keys: TrainingKeys) -> None:
    """Notes keys that the schedule lacks or does not take, and values with which it would fail or never fall."""
    schedule = keys.lr_scheduler_type or "linear"
    given = {str(key): value for key, value in (keys.lr_scheduler_kwargs or {}).items()}
    taken = _TAKEN[schedule]
    unknown = next((key for key in given if key not in taken), None)
    if unknown is not None:
        near = nearest(unknown, taken)
        expected = f"what {schedule} takes: {', '.join(taken)}" if taken else f"nothing: {schedule} takes no keys"
        fix = f"{near}: {given[unknown]:g}" if near else f"# remove the key {unknown}"
        resolved.fault("CN470", (*_PATH, unknown), f"the key {unknown}", expected, fix, Part.KEY)
        return
    if schedule in _NEEDED:
        key, value = _NEEDED[schedule]
        if key not in given and not (key == "min_lr_rate" and "min_lr" in given):
            path = _PATH if given else ("train", "lr_scheduler_type")
            fix = f"lr_scheduler_kwargs: {paste({**given, key: value})}"
            resolved.fault("CN470", path, f"{schedule} without {key}", f"the key {key}", fix)
            return
    _check_values(resolved, keys, schedule, given)


def _check_values(resolved: Resolved, keys: TrainingKeys, schedule: str, given: Mapping[str, float]) -> None:
    if "min_lr" in given and "min_lr_rate" in given:
        found = "both min_lr and min_lr_rate"
        fix = "# remove the key min_lr_rate"
        resolved.fault("CN470", (*_PATH, "min_lr_rate"), found, "one of min_lr and min_lr_rate", fix, Part.KEY)
    for key, value in given.items():
        if key in _SHARES and value > 1:
            resolved.fault(
                "CN470", (*_PATH, key), f"{value:g}", "a share of the learning rate, at most 1", f"{key}: 0.1"
            )
        if key in _ABOVE_ZERO and value <= 0:
            resolved.fault("CN470", (*_PATH, key), f"{value:g}", "a number of steps above 0", f"{key}: 100")
    key, default = {"polynomial": ("lr_end", _LEAST_RATE), "cosine_with_min_lr": ("min_lr", 0.0)}.get(
        schedule, ("", 0.0)
    )
    end = given.get(key, default)
    if key and keys.learning_rate <= end and (key in given or schedule == "polynomial"):
        found = f"{keys.learning_rate:g}, where the {schedule.partition('_')[0]} schedule ends at {end:g}"
        fix = f"learning_rate: {_above(end)}"
        resolved.fault("CN130", ("train", "learning_rate"), found, f"above {end:g}", fix)


def _above(end: float) -> str:
    """Writes a learning rate above the end of a schedule: the usual one, or ten times the end."""
    return "5.0e-5" if end < 5e-5 else f"{10 * end:g}"
