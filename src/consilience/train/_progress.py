"""What a person sees of a training, and what its log keeps."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm
from transformers import TrainerCallback
from transformers.utils import logging

__all__ = ["LogFile", "Progress", "without_bars"]

_PAUSE = 10.0
"""How many seconds lie between two lines, where what is written is no terminal."""


class Progress(TrainerCallback):
    """Shows the losses, each discipline's share, rows a second and the time left.

    On a terminal as one bar, elsewhere as a line every few seconds; what validation measured gets a line of its own.
    """

    def __init__(self, pause: float = _PAUSE) -> None:
        self._pause = pause
        self._bar: Any = None
        self._newest: dict[str, str] = {}
        self._started = self._told = 0.0
        self._first = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Starts the clock, and on a terminal the bar."""
        self._started = self._told = time.monotonic()
        self._first = state.global_step
        if state.is_world_process_zero and sys.stderr.isatty():
            self._bar = tqdm(total=state.max_steps, initial=state.global_step, unit="step", dynamic_ncols=True)

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Moves the bar, or writes a line when the last one is old."""
        if self._bar is not None:
            self._bar.update(state.global_step - self._bar.n)
        elif state.is_world_process_zero and self._is_due(state):
            self._told = time.monotonic()
            speed, left = self._speed(args, state)
            parts = [f"step {state.global_step:,} of {state.max_steps:,}", *self._shown(), speed, f"{left} left"]
            _write(", ".join(parts))

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **others: Any) -> None:
        """Keeps the newest losses and shares, and writes what validation measured."""
        if not state.is_world_process_zero or not logs:
            return
        shown = {name.removeprefix("loss/"): f"{value:.3g}" for name, value in logs.items() if name.startswith("loss/")}
        shown |= {
            name.removeprefix("share/"): f"{value:.0%}" for name, value in logs.items() if name.startswith("share/")
        }
        self._newest |= shown
        if self._bar is not None and shown:
            self._bar.set_postfix({**self._newest, "rows/s": self._speed(args, state)[0].split()[0]})
        measured = {name: value for name, value in logs.items() if name.startswith("eval_")}
        if measured:
            text = ", ".join(f"{name.removeprefix('eval_')} {_short(value)}" for name, value in measured.items())
            self._say(f"epoch {state.epoch:.3g}, step {state.global_step:,}: validation {text}")

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Ends the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _is_due(self, state: Any) -> bool:
        is_last = state.global_step >= state.max_steps
        return is_last or time.monotonic() - self._told >= self._pause

    def _shown(self) -> list[str]:
        return [f"{name} {value}" for name, value in self._newest.items()]

    def _speed(self, args: Any, state: Any) -> tuple[str, str]:
        """Gives the rows a second since the start, and the time left at this speed."""
        passed = max(time.monotonic() - self._started, 1e-9)
        steps = max(state.global_step - self._first, 0)
        rows = steps * args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        left = (state.max_steps - state.global_step) * passed / max(steps, 1)
        return f"{rows / passed:,.3g} rows/s", _duration(left)

    def _say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            _write(text)


class LogFile(TrainerCallback):
    """Appends every log to `log.jsonl`, one object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **others: Any) -> None:
        """Appends one line."""
        if state.is_world_process_zero and logs:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"step": state.global_step, **_as_json(logs)}, allow_nan=False) + "\n")


@contextmanager
def without_bars() -> Iterator[None]:
    """Hides the bars of transformers, which it shows of every file that it reads or writes."""
    was_shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_shown:
            logging.enable_progress_bar()


def _as_json(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Writes null for what is not finite: JSON has no word for it."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in logs.items()
    }


def _short(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _write(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - what a person reads, as the bar is
