"""Label spaces: the ordered names behind a dim of classes, and the declared mappings between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from consilience.declare._paste import paste
from consilience.declare._validation import refuse

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


class LabelSpace(BaseModel):
    """Names, in order, the classes behind a dim.

    `maps` gives, for another space of the same plugin, the label here of each label there (or None: it has none here),
    so that data labelled in that space can fill a field of this one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    labels: Annotated[tuple[str, ...], AfterValidator(distinct)]
    maps: Mapping[str, Mapping[str, str | None]] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def __str__(self) -> str:
        shown = ", ".join(self.labels if len(self.labels) <= 8 else (*self.labels[:7], "..."))
        return f"[{shown}]"
