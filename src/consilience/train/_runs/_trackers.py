"""Sends the log to trackers: what they write lies in the run, unless the environment says otherwise."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformers.integrations.integration_utils import get_reporting_integration_callbacks

from consilience.errors import Diagnostic, RunError
from consilience.plan import Plan

__all__ = ["check_trackers", "places_told", "trackers"]

_PLACES = {
    "tensorboard": (("TENSORBOARD_LOGGING_DIR", "tensorboard"),),
    "mlflow": (("MLFLOW_TRACKING_URI", "mlflow"), ("MLFLOW_EXPERIMENT_NAME", None)),
    "wandb": (("WANDB_DIR", ""), ("WANDB_PROJECT", None)),
}
"""The variables by which each is told where to write, with the folder of the run; None: the fusion's name."""
_OFFLINE = {"wandb": ("WANDB_MODE", "offline")}


def check_trackers(plan: Plan) -> None:
    """Raises `RunError` (CN752) for a tracker that is not installed, before anything is read or built."""
    asked = plan.fusion.train.arguments.get("report_to") or []
    missing = [name for name in asked if find_spec(name) is None]
    if missing:
        found = f"{', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed"
        fix = f"pip install {' '.join(missing)}"
        fault = Diagnostic("CN752", ("train", "report_to"), found, "trackers that are installed", fix)
        raise RunError(plan.fusion.locate([fault]))


def trackers(plan: Plan) -> list[Any]:
    """Makes transformers' callbacks of the trackers that the fusion asks for."""
    return [callback() for callback in get_reporting_integration_callbacks(_asked(plan))]


@contextmanager
def places_told(plan: Plan, run: Path) -> Iterator[None]:
    """Tells the trackers, by the environment, to write into a run: until its end, for the next one has its own place.

    A variable that says otherwise already, such as the address of a server, is left as it is.
    """
    told = {}
    for name in _asked(plan):
        for variable, folder in _PLACES[name]:
            told[variable] = plan.fusion.name if folder is None else _place(name, run / folder)
        told |= dict([_OFFLINE[name]]) if name in _OFFLINE else {}
    told = {variable: value for variable, value in told.items() if variable not in os.environ}
    os.environ.update(told)
    try:
        yield
    finally:
        for variable in told:
            os.environ.pop(variable, None)


def _asked(plan: Plan) -> list[str]:
    return list(dict.fromkeys(plan.fusion.train.arguments.get("report_to") or []))


def _place(name: str, folder: Path) -> str:
    return f"sqlite:///{folder.absolute()}.db" if name == "mlflow" else str(folder.absolute())
