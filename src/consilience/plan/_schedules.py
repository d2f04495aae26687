"""Judges the schedules of a fusion's losses, as far as it is known how many steps a training has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from consilience.declare import Fusion, Schedule
from consilience.errors import Diagnostic, Part, Path
from consilience.plan._names import discipline_of
from consilience.plan._needs import listed
from consilience.plan._weighing import schedules_of

__all__ = ["schedule_faults"]

_SHARED = 1_000_000
"""Of how many steps shares are taken where nobody says how many there are."""
_ENDLESS = 2_000_000_000
"""How many steps there are for what is told in steps, where nobody says it."""


def schedule_faults(fusion: Fusion, losses: Iterable[str], steps: int | None) -> list[Diagnostic]:
    """Tells schedules that contradict themselves or the training, else the first step in which no loss is on.

    `losses` are those with a weight above 0; `steps` is how many there are, None where only the training will know.
    """
    written = list(_written(fusion))
    faults = [fault for path, schedule in written for fault in _of_one(path, schedule, steps)]
    return faults or list(_of_all(fusion, list(losses), steps))


def _written(fusion: Fusion) -> Iterator[tuple[Path, Schedule]]:
    for name, node in fusion.losses.items():
        if node.schedule is not None:
            yield ("losses", name, "schedule"), node.schedule
    for discipline, schedule in fusion.objective.schedules.items():
        yield ("objective", "schedules", discipline), schedule


def _horizon(schedules: Sequence[Schedule], steps: int | None) -> int | None:
    """Gives of how many steps schedules can be judged; None where shares meet steps, and nobody says how many."""
    if steps is not None:
        return steps
    given = [value for one in schedules for value in (one.start, one.stop, one.rise, one.fall) if value]
    shares = [value for value in given if value < 1]
    if shares and len(shares) < len(given):
        return None
    return _SHARED if shares else _ENDLESS


def _of_one(path: Path, schedule: Schedule, steps: int | None) -> Iterator[Diagnostic]:
    """Tells where a schedule leaves the training, stops before it starts, or has no time to rise and to fall."""
    whole = _horizon([schedule], steps)
    if whole is None:
        return
    if steps is not None:
        for key, most in (("start", steps - 1), ("stop", steps)):
            at = getattr(schedule, key)
            if at is not None and at > most:
                fix = "start: 0" if key == "start" else "# remove the key stop"
                found = f"{at:g}, and the training ends after {steps} steps"
                yield Diagnostic("CN430", (*path, key), found, f"a step up to {most}", fix)
                return
    start, end = schedule.count("start", whole), schedule.end(whole)
    if start >= end:
        found = f"stop {schedule.stop:g}, and start {schedule.start:g}: the loss would never be on"
        yield Diagnostic("CN430", (*path, "stop"), found, "a stop after the start", "# remove the key stop")
        return
    rise, fall = schedule.count("rise", whole), schedule.count("fall", whole)
    if rise + fall > end - start:
        key = "rise" if rise >= fall else "fall"
        found = f"rise {schedule.rise:g} and fall {schedule.fall:g}, and from start to stop there are fewer steps"
        room = (end - start) - min(rise, fall)
        value = f"{room / whole:g}" if whole == _SHARED and steps is None else str(max(room, 0))
        yield Diagnostic("CN430", (*path, key), found, "a rise and a fall that have room", f"{key}: {value}")


def _of_all(fusion: Fusion, losses: list[str], steps: int | None) -> Iterator[Diagnostic]:
    """Tells the first step in which every loss is off: there is nothing to learn from in it."""
    followed = {name: schedules_of(fusion, name) for name in losses}
    if not losses or not all(followed.values()):
        return
    schedules = [schedule for own in followed.values() for schedule in own]
    whole = _horizon(schedules, steps)
    off = _first_off(followed, whole) if whole is not None else None
    if off is None or whole is None:
        return
    at = f"from {off / _SHARED:g} of all steps on" if whole == _SHARED and steps is None else f"in step {off}"
    found = f"{listed(losses)}, off {at}" + (", as every other loss is" if len(losses) == 1 else "")
    fix = f"# remove the key {'start' if off == 0 else 'stop'}"
    yield Diagnostic(
        "CN431", _path(fusion, losses, off, whole), found, "a loss that is on in each step", fix, part=Part.KEY
    )


def _first_off(followed: dict[str, list[Schedule]], steps: int) -> int | None:
    off = {name: [span for schedule in own for span in schedule.off(steps)] for name, own in followed.items()}
    for step in sorted({first for spans in off.values() for first, _ in spans}):
        if all(any(first <= step < last for first, last in spans) for spans in off.values()):
            return step
    return None


def _path(fusion: Fusion, losses: list[str], off: int, steps: int) -> Path:
    """Finds the key that puts the last of the losses off at a step: of its own schedule, or of its discipline's."""
    for name in losses:
        node, discipline = fusion.losses[name], discipline_of(fusion.losses[name])
        both = (
            (("losses", name, "schedule"), node.schedule),
            (
                ("objective", "schedules", discipline),
                fusion.objective.schedules.get(discipline),
            ),
        )
        for path, schedule in both:
            if schedule is not None and off in [first for first, _ in schedule.off(steps)]:
                return (*path, "start" if off == 0 else "stop")
    raise AssertionError("some schedule puts a loss off")
