"""What a person sees of a training, and what its log keeps."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from transformers import ProgressCallback, TrainerCallback

__all__ = ["LogFile", "Progress"]


class Progress(ProgressCallback):
    """Shows one bar with the losses and every discipline's share, in place of a line a log."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **others: Any) -> None:
        """Writes the newest losses beside the bar."""
        if state.is_world_process_zero and self.training_bar is not None and logs:
            shown = {name.removeprefix("loss/"): value for name, value in logs.items() if name.startswith("loss/")}
            shares = {name: f"{value:.0%}" for name, value in logs.items() if name.startswith("share/")}
            if shown:
                self.training_bar.set_postfix(
                    {name: f"{value:.3g}" for name, value in shown.items()}
                    | {name.removeprefix("share/"): share for name, share in shares.items()}
                )
            measured = {name: value for name, value in logs.items() if name.startswith("eval_")}
            if measured:
                text = ", ".join(f"{name.removeprefix('eval_')} {_short(value)}" for name, value in measured.items())
                self.training_bar.write(f"epoch {state.epoch:.3g}: validation {text}", file=sys.stderr)


class LogFile(TrainerCallback):
    """Appends every log to `log.jsonl`, one object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **others: Any) -> None:
        """Appends one line."""
        if state.is_world_process_zero and logs:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"step": state.global_step, **_as_json(logs)}, allow_nan=False) + "\n")


def _as_json(logs: dict[str, Any]) -> dict[str, Any]:
    """Writes null for what is not finite: JSON has no word for it."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in logs.items()
    }


def _short(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
