"""Reads a taxonomy of the user's: a file of TOML or JSON with labels, and what they are in other taxonomies."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from consilience.declare import LabelSpace, nearest

__all__ = ["TaxonomyFile", "UnreadableTaxonomy", "read_taxonomy"]

_LARGEST = 1_000_000
"""The most bytes of a taxonomy."""
Label = Annotated[str, Field(min_length=1, max_length=200)]


class UnreadableTaxonomy(ValueError):
    """A file is no taxonomy; `fix` says what to write."""

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(found)
        self.found, self.fix = found, fix


class _Written(BaseModel):
    """What the file may hold."""

    model_config = ConfigDict(extra="forbid", strict=True)

    labels: list[Label] = Field(min_length=2, max_length=10_000)
    name: Label = ""
    aliases: dict[Label, list[Label]] = {}
    opposites: list[Annotated[list[Label], Field(min_length=2, max_length=2)]] = []
    maps: dict[Label, dict[Label, Label]] = {}
    onto: dict[Label, dict[Label, Label]] = {}


@dataclass(frozen=True)
class TaxonomyFile:
    """A label space, and the pairs of its labels that are opposite."""

    space: LabelSpace
    opposites: tuple[tuple[str, str], ...]


def read_taxonomy(path: Path) -> TaxonomyFile:
    """Reads the file; raises `UnreadableTaxonomy`."""
    written = _written(path)
    for pair in written.opposites:
        for label in pair:
            if label not in written.labels:
                near = nearest(label, written.labels)
                fix = f'# write "{near}" under opposites' if near else "# let opposites name two of its labels"
                raise UnreadableTaxonomy(f"opposites has {label}, which is no label of it", fix)
    try:
        space = LabelSpace(
            name=written.name or path.name.partition(".")[0],
            labels=tuple(written.labels),
            aliases={label: tuple(names) for label, names in written.aliases.items()},
            maps=_bare(written.maps),
            onto=_bare(written.onto),
        )
    except ValidationError as error:
        raise UnreadableTaxonomy(_first(error), "# let each label stand once, and the mappings name labels") from None
    return TaxonomyFile(space, tuple((one, other) for one, other in written.opposites))


def _bare(maps: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str | None]]:
    """Names each other space without its plugin, as label spaces name one another."""
    return {name.rpartition(".")[2]: dict(mapping) for name, mapping in maps.items()}


def _written(path: Path) -> _Written:
    fix = '# write labels = ["calm", "glad"] and, where there are any, [onto.ekman] with calm = "joy"'
    try:
        if path.stat().st_size > _LARGEST:
            raise UnreadableTaxonomy(f"more than {_LARGEST:,} bytes", fix)
        text = path.read_text(encoding="utf-8")
        held: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        return _Written.model_validate(held)
    except ValidationError as error:
        raise UnreadableTaxonomy(_first(error), fix) from None
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, UnreadableTaxonomy):
            raise
        raise UnreadableTaxonomy(" ".join(str(error).split())[:120], fix) from None


def _first(error: ValidationError) -> str:
    told = error.errors()[0]
    where = ".".join(str(part) for part in told["loc"])
    return f"{where}: {told['msg']}" if where else str(told["msg"])
