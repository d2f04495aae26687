"""The commands of psychology: how annotators agree, and how often each emotion was given."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import click

__all__ = ["agreement", "counts", "krippendorff_alpha"]

Level = Literal["nominal", "ordinal", "interval", "ratio"]
LEVELS = ("nominal", "ordinal", "interval", "ratio")


def krippendorff_alpha(
    ratings: Iterable[tuple[str, str, str]], level: str = "nominal", order: Iterable[str] = ()
) -> float | None:
    """Gives Krippendorff's alpha of ratings (item, rater, value), by the package of that name (Krippendorff 2011).

    Numbers are compared as numbers where the level is not nominal, unless `order` lists the values, the lowest first.
    None where nothing varies, or no item has two ratings. Raises ValueError for a value that is none of these.

        >>> krippendorff_alpha([("a", "1", "joy"), ("a", "2", "joy"), ("b", "1", "fear"), ("b", "2", "fear")])
        1.0
    """
    import krippendorff
    import numpy as np

    rows = list(ratings)
    values = _values([value for _, _, value in rows], level, tuple(order))
    raters = {name: place for place, name in enumerate(sorted({rater for _, rater, _ in rows}))}
    items = {name: place for place, name in enumerate(dict.fromkeys(item for item, _, _ in rows))}
    table = np.full((len(raters), len(items)), np.nan)
    for (item, rater, value), number in zip(rows, values, strict=True):
        if not np.isnan(table[raters[rater], items[item]]):
            raise ValueError(f"{rater} rated {item} twice, the second time with {value}")
        table[raters[rater], items[item]] = number
    paired = table[:, (~np.isnan(table)).sum(0) > 1]
    if len(np.unique(paired[~np.isnan(paired)])) < 2:
        return None
    return float(krippendorff.alpha(table, level_of_measurement=cast("Level", level)))


def _values(texts: list[str], level: str, order: tuple[str, ...]) -> list[float]:
    if order or level == "nominal":
        known = {name: float(place) for place, name in enumerate(order or dict.fromkeys(texts))}
        unknown = next((text for text in texts if text not in known), None)
        if unknown is not None:
            raise ValueError(f"{unknown!r}, which --order does not list")
        return [known[text] for text in texts]
    return [float(text) for text in texts]


@click.command()
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--item", default="item", help="The column that names what was rated (item).")
@click.option("--rater", default="rater", help="The column that names who rated it (rater).")
@click.option("--value", default="label", help="The column of what they said (label).")
@click.option("--level", type=click.Choice(LEVELS), default="nominal", help="The level of measurement (nominal).")
@click.option("--order", default="", help="The values from the lowest on, with commas between, for the level ordinal.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def agreement(table: Path, item: str, rater: str, value: str, level: str, order: str, as_json: bool) -> None:
    """Says how far the annotators of a TABLE agree: Krippendorff's alpha. It has a row for each rating (CSV or TSV)."""
    rows = list(_rows(table))
    for name in (item, rater, value):
        if rows and name not in rows[0]:
            raise click.UsageError(f"{table} has no column {name}; it has {', '.join(rows[0])}")
    ratings = [(row[item], row[rater], row[value]) for row in rows if row[value]]
    ordered = [text.strip() for text in order.split(",") if text.strip()]
    try:
        alpha = krippendorff_alpha(ratings, level, ordered)
    except ValueError as error:
        raise click.UsageError(f"{table}: {error}") from None
    found = {
        "alpha": alpha,
        "level": level,
        "ratings": len(ratings),
        "items": len({one[0] for one in ratings}),
        "raters": len({one[1] for one in ratings}),
    }
    if as_json:
        click.echo(json.dumps(found))
        return
    told = "no alpha: no two ratings of one item differ from another" if alpha is None else f"alpha {alpha:.3f}"
    sizes = f"{found['ratings']:,} ratings of {found['items']:,} items by {found['raters']:,} raters"
    click.echo(f"{told} ({level}), {sizes}")


def _rows(path: Path) -> Iterable[Mapping[str, str]]:
    opened: Any = gzip.open if path.suffix == ".gz" else open
    is_tabbed = ".tsv" in path.suffixes
    with opened(path, "rt", encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream, delimiter="\t" if is_tabbed else ",")


@click.command()
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("column")
@click.option("--separator", default=",", help="What stands between several labels of one cell (a comma).")
def counts(table: Path, column: str, separator: str) -> None:
    """Counts the labels of a COLUMN of a TABLE (CSV or TSV), as the key `counts` of a loss takes them."""
    found: Counter[str] = Counter()
    for row in _rows(table):
        if column not in row:
            raise click.UsageError(f"{table} has no column {column}; it has {', '.join(row)}")
        found.update(label.strip() for label in (row[column] or "").split(separator) if label.strip())
    written = ", ".join(f"{json.dumps(label, ensure_ascii=False)}: {number}" for label, number in sorted(found.items()))
    click.echo(f"counts: {{{written}}}")
