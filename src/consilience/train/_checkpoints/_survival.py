"""When a training saves and when it stops: at whole steps, the same in all processes."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

import torch
from torch import Tensor
from transformers import TrainerCallback

from consilience.train._runs._interrupted import interrupted
from consilience.train._runs._run import Run

__all__ = ["Requests", "Survival"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Requests:
    """Notes SIGINT and SIGTERM instead of dying of them; a SIGINT after either stops at once."""

    def __init__(self) -> None:
        self.signal = 0
        """The first that came; 0 while none did."""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # no other may
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = self.signal or number


class Survival(TrainerCallback):
    """Saves after `seconds` without a checkpoint (never, if None), and after a signal, upon which it stops.

    What is due at the last step of an epoch waits for what is measured there: whoever resumes has it behind them.
    """

    def __init__(self, run: Run, requests: Requests, seconds: float | None, processes: Any) -> None:
        self._run = run
        self._requests = requests
        self._seconds = seconds
        self._agreement = _Agreement(processes) if processes.num_processes > 1 else None
        self._saved = time.monotonic()
        self._is_due = False
        self._signal = 0

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Looks whether something asks for a checkpoint."""
        is_late = self._seconds is not None and time.monotonic() - self._saved > self._seconds
        wanted = self._requests.signal, int(is_late)
        self._signal, due = self._agreement(wanted) if self._agreement else wanted
        control.should_save |= bool(self._signal or due)
        is_last = float(state.epoch).is_integer() or control.should_training_stop
        self._is_due = control.should_save and is_last
        control.should_save = control.should_save and not is_last

    def on_epoch_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Asks for what waited."""
        control.should_save |= self._is_due
        self._is_due = False

    def on_save(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Stops, where a signal asked for it: the state is on the disk."""
        self._saved = time.monotonic()
        if self._signal:
            raise interrupted(self._run.path, state.global_step, self._signal)


class _Agreement:
    """Gives all processes the largest of what each wants, a step later: nothing waits for the device."""

    def __init__(self, processes: Any) -> None:
        self._device = processes.device
        self._read: Callable[[], tuple[int, int]] = lambda: (0, 0)

    def __call__(self, wanted: tuple[int, int]) -> tuple[int, int]:
        found = self._read()
        tensor = torch.tensor(wanted, dtype=torch.int64).to(self._device, non_blocking=True)
        torch.distributed.all_reduce(tensor, op=torch.distributed.ReduceOp.MAX)
        self._read = _reader(tensor)
        return found


def _reader(tensor: Tensor) -> Callable[[], tuple[int, int]]:
    on_host = tensor.to("cpu", non_blocking=True)
    event = torch.cuda.Event() if tensor.is_cuda else None
    if event is not None:
        event.record()

    def read() -> tuple[int, int]:
        if event is not None:
            event.synchronize()
        first, second = on_host.tolist()
        return int(first), int(second)

    return read
