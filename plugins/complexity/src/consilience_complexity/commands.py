"""The commands of `consilience complexity`: compress and profile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from consilience.declare import Diagnostic, RunError

if TYPE_CHECKING:
    from consilience.declare import Workshop

__all__ = ["compress", "profile"]

_MOST = 1_000_000
"""How many training rows are read for their tokens."""


@click.command()
@click.argument("run", type=click.Path())
@click.option("--runs", type=click.Path(), help="The directory that the new run is kept in.  [default: beside RUN]")
@click.option("--node", help="The module to cut; needed where several could be.")
@click.option("--layers", help="The layers to keep, counted from 0, such as 0,2,5.")
@click.option("--neurons", type=click.IntRange(min=1), help="The most feed-forward neurons that a layer keeps.")
@click.option("--heads", type=click.IntRange(min=1), help="The most attention heads that a layer keeps.")
@click.option("--below", type=click.FloatRange(min=0, max=1), help="Cuts units with less of their layer's median norm.")
@click.option("--tokens", type=click.Choice(["seen"]), help="Keeps the embeddings of the tokens of the training rows.")
@click.option("--low-rank", type=click.FloatRange(0, 1, min_open=True), help="Factorises; keeps so much of the energy.")
@click.option("--rank", type=click.IntRange(min=1), help="Factorises each linear layer into two factors of this rank.")
@click.option("--int8", is_flag=True, help="Makes the linear layers 8-bit, and their inputs as they come (torchao).")
@click.option("--split", type=click.Choice(["test", "validation", "train"]), default="test", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Prints the comparison as JSON.")
@click.pass_obj
def compress(workshop: Workshop, /, run: str, as_json: bool, split: str, runs: str | None, **asked: Any) -> None:
    """Makes a physically smaller run of a RUN: without what its gates closed, and without what is asked for.

    Writes a new run, whose encoder stands in it as a checkpoint that plain transformers loads, and compares the two:
    parameters, operations, memory, latency and metrics, as a table and as a picture.
    """
    from consilience_complexity.act import compress_run

    if asked["low_rank"] is not None and asked["rank"] is not None:
        raise click.UsageError("--low-rank and --rank each say how to factorise: give one of them")
    opened = workshop.open(run)
    made, told = compress_run(workshop, opened, runs, split, asked)
    click.echo(json.dumps(told.to_dict(), indent=2, ensure_ascii=False) if as_json else told.to_text())
    click.echo(f"kept in {made.path}", err=True)
    if not as_json:
        click.echo(str(made.path))


@click.command()
@click.argument("checkpoint", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), default=Path("latency.json"))
@click.option("--length", type=click.IntRange(min=1), default=64, show_default=True, help="Tokens of a text.")
@click.option("--batch-size", type=click.IntRange(min=1), default=1, show_default=True, help="Texts at once.")
def profile(checkpoint: Path, output: Path, length: int, batch_size: int) -> None:
    """Measures a layer of a CHECKPOINT by its heads and neurons: the table that a latency budget is told by."""
    from consilience_complexity.profiling import CannotProfile, profile_layer

    try:
        told = profile_layer(checkpoint, length, batch_size)
    except CannotProfile as error:
        fix = "# name the folder of an encoder that transformers loads"
        found = f"{checkpoint}: {error}"
        raise RunError(Diagnostic("CN778", (), found, "an encoder with a stack of layers", fix)) from error
    staged = output.with_name(f".{output.name}.part")
    staged.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    staged.replace(output)
    for kind in ("heads", "neurons"):
        click.echo(f"{kind}: " + ", ".join(f"{units} {milliseconds:.3f} ms" for units, milliseconds in told[kind]))
    click.echo(str(output))
