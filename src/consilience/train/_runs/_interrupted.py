"""What a training raises that was asked to stop: everything is saved, and a line tells how to go on."""

from __future__ import annotations

import signal
from pathlib import Path

__all__ = ["Interrupted", "interrupted"]


class Interrupted(BaseException):
    """A training that a signal stopped after a whole step, with a checkpoint; `run` is the directory to resume.

    After Ctrl-C (SIGINT) it is a KeyboardInterrupt too, after SIGTERM a SystemExit: who does not catch it ends as
    Python programs do, with exit code 130 or 143.
    """

    run: Path
    step: int
    exit_code: int

    def __str__(self) -> str:
        return f"stopped after step {self.step}, and saved; go on with: consilience train --resume {self.run}"


class _ByKeyboard(Interrupted, KeyboardInterrupt):
    pass


class _ByTermination(Interrupted, SystemExit):
    pass


def interrupted(run: Path, step: int, number: int) -> Interrupted:
    """Makes the exception for a signal."""
    made: Interrupted = _ByKeyboard() if number == signal.SIGINT else _ByTermination()
    made.run, made.step, made.exit_code = run, step, 128 + number
    if isinstance(made, _ByTermination):
        made.code = made.exit_code
    return made
