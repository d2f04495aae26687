"""What `consilience predict` does: texts or lines in, JSON lines out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, TypeAlias

import click

from consilience.cli._quiet import quiet
from consilience.errors import Diagnostic, Place, RunError

Given: TypeAlias = tuple[Place, str | Mapping[str, Any] | RunError]

__all__ = ["predict_with"]

_INPUT = "standard input"


def predict_with(path: str, texts: Sequence[str], plain: bool, outputs: Sequence[str], batch_size: int) -> None:
    """Prints a JSON object for each text or line; exits with 1 when one of them could not be read."""
    if texts and plain:
        raise click.UsageError("--text is for lines on standard input; leave it out, or the texts.")
    if not texts and sys.stdin.isatty():
        raise click.UsageError("give a TEXT, or JSON lines on standard input.")
    quiet()
    from consilience.serve import Predictor

    predictor = Predictor(path, outputs or None, batch_size)
    given = _arguments(texts) if texts else _lines(sys.stdin.buffer, plain)
    read = failed = 0
    for batch in predictor.predict_placed(given):
        for result in batch:
            read += 1
            failed += isinstance(result, RunError)
            click.echo(_written(result))
        sys.stdout.flush()
    if failed:
        what = "texts" if texts else "lines"
        click.echo(f'{failed} of {read} {what} could not be read: see "error" in their place', err=True)
        click.get_current_context().exit(1)


def _arguments(texts: Sequence[str]) -> Iterator[Given]:
    for number, text in enumerate(texts, start=1):
        yield Place("argument", number, 1), text


def _lines(stream: BinaryIO, plain: bool) -> Iterator[Given]:
    """Reads lines; a blank one between JSON objects is none."""
    from consilience.serve import read_line

    for number, line in enumerate(stream, start=1):
        place = Place(_INPUT, number, 1)
        try:
            text = _decoded(line, number, place)
            if plain or text.strip():
                yield place, text if plain else read_line(text, place)
        except RunError as error:
            yield place, error


def _decoded(line: bytes, number: int, place: Place) -> str:
    try:
        text = line.rstrip(b"\r\n").decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"the byte 0x{line[error.start]:02x}, which is not UTF-8"
        fix = "iconv -f ISO-8859-1 -t UTF-8 FILE | consilience predict RUN"
        raise RunError(Diagnostic("CN811", ("example",), found, "text in UTF-8", fix, place)) from None
    return text.removeprefix("\ufeff") if number == 1 else text


def _written(result: dict[str, Any] | RunError) -> str:
    if not isinstance(result, RunError):
        return json.dumps(result, ensure_ascii=False)
    first, *others = (_fault(item) for item in result.diagnostics)
    return json.dumps({"error": first} | ({"also": others} if others else {}), ensure_ascii=False)


def _fault(item: Diagnostic) -> dict[str, Any]:
    place = {"line": item.place.line} if item.place else {}
    return {
        "code": item.code,
        "at": item.where,
        **place,
        "found": item.found,
        "expected": item.expected,
        "fix": item.fix,
    }
