"""Label spaces: the ordered names behind a dim of classes, and the declared mappings between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator

from consilience.declare._paste import paste
from consilience.declare._validation import refuse
from consilience.errors import nearest

__all__ = ["LabelSpace"]


def distinct(labels: tuple[str, ...], word: str = "") -> tuple[str, ...]:
    """Refuses a list of labels that is too short, has an empty label, or has one twice.

    `word` is the key under which the labels stand, where the fix must write it too.
    """

    def fix(better: list[str]) -> str:
        return "{key}: " + paste({word: better} if word else better)

    kept = list(dict.fromkeys(label for label in labels if label.strip()))
    if len(kept) < 2:
        raise refuse("a label space of at least two labels", fix(["first", "second"]))
    if len(kept) < len(labels):
        raise refuse("labels that are not empty, each once", fix(kept))
    return labels


def _ordered(labels: object) -> object:
    if not isinstance(labels, list | tuple):
        raise ValueError(f"labels in a fixed order, a list or a tuple of them, and no {type(labels).__name__}")
    return labels


class LabelSpace(BaseModel):
    """Names, in order, the classes behind a dim.

    `maps` gives, for another space of the same plugin, the label here of each label there (or None: it has none here),
    so that data labelled in that space can fill a field of this one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    labels: Annotated[tuple[str, ...], BeforeValidator(_ordered), AfterValidator(distinct)]
    maps: Mapping[str, Mapping[str, str | None]] = {}

    @model_validator(mode="after")
    def _maps_onto_own_labels(self) -> Self:
        for other, mapping in self.maps.items():
            for theirs, ours in mapping.items():
                if ours is not None and ours not in self.labels:
                    meant = nearest(ours, self.labels)
                    hint = f", perhaps {meant!r}" if meant else ""
                    raise ValueError(f"maps[{other!r}][{theirs!r}] is {ours!r}, which is no label of {self.name}{hint}")
        return self

    def __len__(self) -> int:
        return len(self.labels)

    def __str__(self) -> str:
        shown = ", ".join(self.labels if len(self.labels) <= 8 else (*self.labels[:7], "..."))
        return f"[{shown}]"
