"""The command `consilience`."""

from consilience.cli._main import main

__all__ = ["main"]
