"""How every subcommand is found and run: plugins' commands, what is raised, safe mode, garbage."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from consilience.errors import ConsilienceError

__all__ = ["Commands", "turn_off", "uncollected"]

_GROUP = "consilience.plugins"
"""That of `consilience.host`, which takes longer to import than the whole help."""


@contextmanager
def uncollected() -> Iterator[None]:
    """Leaves garbage alone: looking for it among the many objects of imports takes a fifth of a check's time.

    What was made meanwhile counts as old then, so that nothing looks through it at once; nor when the process ends.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    atexit.register(gc.freeze)
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()
        if was_enabled:
            gc.enable()


class Commands(click.Group):
    """Turns what Consilience raises into diagnostics; a fault of the program keeps its traceback."""

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Finds a command of Consilience, those of the plugin of that namespace, or one that a single plugin offers."""
        own = super().get_command(context, name)
        if own is not None:
            return own
        from consilience.cli._own_commands import RunsAtHand, command_named, commands_of

        context.obj = context.obj or RunsAtHand()
        return commands_of(name) or command_named(name)

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Names the plugins that are installed, which are not imported for it."""
        from importlib.metadata import entry_points

        if names := sorted({point.name for point in entry_points(group=_GROUP)} - {"standard"}):
            with formatter.section("Plugins"):
                formatter.write_text(f"{', '.join(names)}; `consilience NAME --help` lists the commands of one.")
        super().format_epilog(context, formatter)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except ConsilienceError as error:
            from consilience.cli._tell import tell

            tell(error.diagnostics)
            _tell_notes(error)
            context.exit(1)
        except KeyboardInterrupt as error:
            _tell_notes(error)
            context.exit(130)


def _tell_notes(error: BaseException) -> None:
    """Writes what a traceback would end with: what was noted of an exception on its way."""
    for note in getattr(error, "__notes__", ()):
        click.echo(note, err=True)


def turn_off(context: click.Context, option: click.Parameter, is_set: bool) -> None:
    """Turns the plugins off before a command is looked for, which could be one of theirs."""
    if is_set:
        from consilience.host import safe_mode

        context.with_resource(safe_mode())
