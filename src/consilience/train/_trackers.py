"""Sends the log to trackers: what they write lies in the run, unless the environment says otherwise."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformers.integrations.integration_utils import get_reporting_integration_callbacks

from consilience.errors import Diagnostic, RunError
from consilience.plan import Plan

__all__ = ["check_trackers", "trackers"]

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


def trackers(plan: Plan, run: Path) -> list[Any]:
    """Makes transformers' callbacks of the trackers that the fusion asks for.

    A variable of the environment that says otherwise, such as the address of a server, is left as it is.
    """
    asked = list(dict.fromkeys(plan.fusion.train.arguments.get("report_to") or []))
    for name in asked:
        for variable, folder in _PLACES[name]:
            os.environ.setdefault(variable, plan.fusion.name if folder is None else _place(name, run / folder))
        if name in _OFFLINE:
            os.environ.setdefault(*_OFFLINE[name])
    return [callback() for callback in get_reporting_integration_callbacks(asked)]


def _place(name: str, folder: Path) -> str:
    return f"sqlite:///{folder.absolute()}.db" if name == "mlflow" else str(folder.absolute())
