"""The commands that plugins offer, under their namespaces."""

from __future__ import annotations

import click

from consilience.errors import DeclarationError, Diagnostic
from consilience.host import STANDARD, default_registry

__all__ = ["commands_of"]


def commands_of(namespace: str) -> click.Command | None:
    """Imports the plugin of a namespace, and gives its commands as a group; None where no such plugin is installed.

    Raises `DeclarationError` for a plugin that cannot be loaded, or that offers what is no command.
    """
    registry = default_registry()
    if namespace == STANDARD or namespace not in registry.namespaces():
        return None
    offered = registry.commands(namespace)
    owner = registry.installed(namespace).distribution
    wrong = next((command for command in offered if not isinstance(command, click.Command)), None)
    if wrong is not None:
        found = f"{owner} offers as a command a value of type {type(wrong).__name__}"
        raise DeclarationError(
            Diagnostic("CN207", (), found, "commands of click", "@click.command()  # above the function")
        )
    text = f"The commands of {owner}." if offered else f"{owner} offers no commands."
    return click.Group(namespace, {str(command.name): command for command in offered}, help=text)
