"""The commands of `consilience knowledge`."""

from __future__ import annotations

from pathlib import Path

import click

from consilience.declare import DeclarationError, Location
from consilience_knowledge._declarations import Graph

__all__ = ["mentions"]


@click.command()
@click.argument("graph", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@click.option("--language", default="en", show_default=True, help="The language of the labels.")
@click.option("--inflection", type=click.Choice(["none", "plural"]), default="plural", show_default=True)
def mentions(graph: Path, texts: tuple[str, ...], language: str, inflection: str) -> None:
    """Shows which entities of a GRAPH each TEXT names, and where: what `knowledge.mentions` would link."""
    from consilience_knowledge.dictionary import Dictionary

    resource = Graph(path=Location(str(graph.resolve())), language=language)
    faults = [fault.at() for fault in resource.faults()]
    if faults:
        raise DeclarationError(faults)
    read = resource.load()
    dictionary = Dictionary.of(read, inflection)  # type: ignore[arg-type]  # click has seen to it
    for text in texts:
        found = dictionary.find(text)
        click.echo(text if found else f"{text}\n  names nothing of the graph")
        for entity, start, end in found:
            click.echo(f"  {start}-{end}  {text[start:end]}  {read.names[entity][0]}  <{read.entities[entity]}>")
