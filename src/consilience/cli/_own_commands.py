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
    commands: dict[str, click.Command] = {}
    for command in offered:
        if not isinstance(command, click.Command):
            fix = "@click.command()  # above the function"
            raise _wrong(namespace, f"{owner} offers as a command a value of type {type(command).__name__}", fix)
        if str(command.name) in commands:
            fix = '@click.command("another-name")  # above one of the two functions'
            raise _wrong(namespace, f"{owner} offers two commands named {command.name}", fix)
        commands[str(command.name)] = command
    text = f"The commands of {owner}." if offered else f"{owner} offers no commands."
    return click.Group(namespace, commands, help=text)


def _wrong(namespace: str, found: str, fix: str) -> DeclarationError:
    expected = "commands of click, each under its own name"
    return DeclarationError(Diagnostic("CN207", ("plugins", namespace), found, expected, fix))
