"""The commands that plugins offer, under their namespaces."""

from __future__ import annotations

from typing import Any

import click

from consilience.errors import DeclarationError, Diagnostic
from consilience.host import STANDARD, default_registry

__all__ = ["RunsAtHand", "command_named", "commands_of"]


class RunsAtHand:
    """Is the workshop that `@click.pass_obj` hands to a command: the rooms are imported when it is first asked."""

    def __getattr__(self, name: str) -> Any:
        from consilience.cli._learn import say
        from consilience.cli._quiet import quiet
        from consilience.evidence import Workshop

        quiet()
        return getattr(Workshop(say), name)


def command_named(name: str) -> click.Command | None:
    """Imports the plugins, and gives the command of that name; None where none has it, or one cannot be loaded.

    Raises `DeclarationError` where several have it: who means which says the namespace, `consilience NAMESPACE NAME`.
    """
    found: dict[str, click.Command] = {}
    for namespace in default_registry().namespaces():
        try:
            group = commands_of(namespace)
        except DeclarationError:  # told where somebody asks for that plugin
            continue
        if isinstance(group, click.Group) and name in group.commands:
            found[namespace] = group.commands[name]
    if len(found) > 1:
        first = next(iter(found))
        said = f"the command {name}, which {' and '.join(found)} have"
        fix = f"consilience {first} {name}"
        raise DeclarationError(Diagnostic("CN207", ("plugins", name), said, "the namespace of the one meant", fix))
    return next(iter(found.values()), None)


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
