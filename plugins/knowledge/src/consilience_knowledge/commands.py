"""The commands of `consilience knowledge`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from consilience.declare import DeclarationError, Location
from consilience_knowledge._resources import Graph

if TYPE_CHECKING:
    from consilience_knowledge.graphs import KnowledgeGraph

__all__ = ["embed", "mentions", "pretrain"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("graph", type=_FILE)
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@click.option("--language", default="en", show_default=True, help="The language of the labels.")
@click.option("--inflection", type=click.Choice(["none", "plural", "english"]), default="plural", show_default=True)
def mentions(graph: Path, texts: tuple[str, ...], language: str, inflection: str) -> None:
    """Shows which entities of a GRAPH each TEXT names, and where: what `knowledge.mentions` would link."""
    from consilience_knowledge.dictionary import Dictionary

    read = _read(graph, language)
    dictionary = Dictionary.of(read, inflection)  # type: ignore[arg-type]  # click has seen to it
    for text in texts:
        found = dictionary.find(text)
        click.echo(text if found else f"{text}\n  names nothing of the graph")
        for entity, start, end in found:
            click.echo(f"  {start}-{end}  {text[start:end]}  {read.names[entity][0]}  <{read.entities[entity]}>")


@click.command()
@click.argument("graph", type=_FILE)
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--encoder", type=click.Choice(["table", "rgcn", "compgcn"]), default="table", show_default=True)
@click.option(
    "--scorer", type=click.Choice(["transe", "distmult", "complex", "rotate"]), default="complex", show_default=True
)
@click.option(
    "--method",
    type=click.Choice(["one_to_n", "negative_sampling", "self_adversarial"]),
    default="one_to_n",
    show_default=True,
)
@click.option("--width", type=click.IntRange(2, 16_384), default=64, show_default=True, help="Numbers of a vector.")
@click.option("--epochs", type=click.IntRange(1), default=50, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=512, show_default=True, help="Edges of a step.")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), default=0.01, show_default=True)
@click.option("--held-out", type=click.FloatRange(0, 0.5), default=0.05, show_default=True, help="Share to measure on.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Prints one object a line.")
def pretrain(graph: Path, out: Path, held_out: float, as_json: bool, **settings: Any) -> None:
    """Learns vectors of a GRAPH's entities from its edges alone, and writes them to OUT for `knowledge.vectors`.

    Some edges are held out; their filtered MRR and Hits@k, of both sides, are told in the end.
    """
    import torch

    from consilience_knowledge.pretraining import LinkPredictor, Settings, pretrain
    from consilience_knowledge.ranking import Known
    from consilience_knowledge.vectors import write_vectors

    if settings["scorer"] in ("complex", "rotate") and settings["width"] % 2:
        raise click.BadParameter(f"{settings['scorer']} wants an even width", param_hint="--width")
    read, chosen = _read(graph, None), Settings(**settings)
    edges = torch.tensor(list(zip(read.heads, read.kinds, read.tails, strict=True)), dtype=torch.long).reshape(-1, 3)
    if len(edges) < 2:
        raise click.BadParameter(f"{graph} has {len(edges)} edges; two are needed to learn from", param_hint="GRAPH")
    order = torch.randperm(len(edges), generator=torch.Generator().manual_seed(chosen.seed))
    count = int(len(edges) * held_out)
    train, test = edges[order[count:]], edges[order[:count]]
    torch.manual_seed(chosen.seed)
    model = LinkPredictor(train, len(read), len(read.relations), chosen)
    for epoch in pretrain(model, train):
        told = {"epoch": epoch.number, "loss": round(epoch.loss, 4), "seconds": round(epoch.seconds, 3)}
        click.echo(
            json.dumps(told) if as_json else f"epoch {epoch.number}: loss {epoch.loss:.4f}, {epoch.seconds:.2f} s"
        )
    model.eval()
    with torch.no_grad():
        vectors = model.encoder.encode()
    write_vectors(out, read.entities[1:], vectors[1:], relations=model.scorer.relations)
    if len(test):
        measured = model.evaluate(test, Known(edges, len(read), len(read.relations))) | {"edges": len(test)}
        click.echo(json.dumps(measured) if as_json else "  ".join(f"{k} {v:.4g}" for k, v in measured.items()))


@click.command()
@click.argument("graph", type=_FILE)
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--checkpoint", required=True, help="A folder of transformers, or pkg:package/path.")
@click.option("--names", type=click.Choice(["preferred", "all"]), default="preferred", show_default=True)
@click.option("--language", default="en", show_default=True, help="The language of the labels.")
@click.option("--batch", type=click.IntRange(1), default=64, show_default=True, help="Names of a step.")
def embed(graph: Path, out: Path, checkpoint: str, names: str, language: str, batch: int) -> None:
    """Encodes the names of a GRAPH's entities by a text encoder, and writes their vectors to OUT.

    `start` of an encoder takes them as it takes those of `consilience knowledge pretrain`; `tune: frozen` keeps them.
    """
    from consilience_knowledge.labels import embed_names
    from consilience_knowledge.similarity import Embedder
    from consilience_knowledge.vectors import write_vectors

    place = Location(checkpoint)
    fault = place.fault(wanted="a checkpoint's folder", form="folder")
    if fault is not None:
        raise click.BadParameter(fault.found, param_hint="--checkpoint")
    read = _read(graph, language)
    try:
        encode = Embedder(place.path).means
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise click.BadParameter(f"{checkpoint}: {reason}", param_hint="--checkpoint") from error
    entities, vectors = embed_names(read.names, encode, names == "all", batch)
    if not entities:
        raise click.BadParameter(f"{graph}: no entity has a name in {language}", param_hint="GRAPH")
    write_vectors(out, [read.entities[entity] for entity in entities], vectors)
    click.echo(
        f"{len(entities)} of {len(read) - 1} entities, {vectors.shape[1]} numbers each: width: {vectors.shape[1]}"
    )


def _read(path: Path, language: str | None) -> KnowledgeGraph:
    resource = Graph(path=Location(str(path.resolve())), language=language)
    faults = [fault.at() for fault in resource.faults()]
    if faults:
        raise DeclarationError(faults)
    return resource.load()
