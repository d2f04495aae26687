"""Label spaces: the ordered names behind a dim of classes, and the declared mappings between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator

from consilience.declare._paste import paste
from consilience.declare._validation import refuse
from consilience.errors import nearest

__all__ = ["LabelSpace", "Relation"]


def distinct(labels: tuple[str, ...], word: str = "") -> tuple[str, ...]:
    """Refuses a list of labels that is too short, has an empty label, or has one twice.

    `word` is the key under which the labels stand, where the fix must write it too.
    """

    def fix(better: list[str]) -> str:
        return "{key}: " + paste({word: better} if word else better)

    kept = list(dict.fromkeys(label for label in labels if label.strip()))
    twice = next((label for index, label in enumerate(labels) if label.strip() and label in labels[:index]), None)
    better = kept if len(kept) > 1 else [*kept, "second"] if kept and kept != ["second"] else ["first", "second"]
    if twice is not None:
        raise refuse(f"each label once: {twice} stands twice", fix(better))
    if len(kept) < len(labels):
        raise refuse("labels that are not empty", fix(better))
    if len(kept) < 2:
        raise refuse("a label space of at least two labels", fix(better))
    return labels


def _ordered(labels: object) -> object:
    if not isinstance(labels, list | tuple):
        raise ValueError(f"labels in a fixed order, a list or a tuple of them, and no {type(labels).__name__}")
    return labels


class Relation(StrEnum):
    """How the labels of one space stand to those of another; the first that holds, in this order."""

    SAME = "same"
    """The same names in the same order."""
    ALIASED = "aliased"
    """The same in the same order, some of them by another name."""
    REORDERED = "reordered"
    """The same, or aliases of them, in another order: class 0 means two things."""
    MAPPED = "mapped"
    """One of the two says which of its labels each label of the other is."""
    SUBSET = "subset"
    """Every label stands in the other space, which has more."""
    SUPERSET = "superset"
    """It has every label of the other space, and more."""
    UNRELATED = "unrelated"

    @property
    def is_one(self) -> bool:
        """Whether the two spaces mean the same by every index."""
        return self in (Relation.SAME, Relation.ALIASED)


class LabelSpace(BaseModel):
    """Names, in order, the classes behind a dim.

    `aliases` gives other names of a label, which data may use for it. `maps` gives, for another space of the same
    plugin, the label here of each label there (or None: it has none here), so that data labelled in that space can fill
    a field of this one, and `regroup` turns scores of that space into scores of this one. `onto` says it from the other
    side, for a space that does not know of this one: its label for each label here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    labels: Annotated[tuple[str, ...], BeforeValidator(_ordered), AfterValidator(distinct)]
    aliases: Mapping[str, tuple[str, ...]] = {}
    maps: Mapping[str, Mapping[str, str | None]] = {}
    onto: Mapping[str, Mapping[str, str | None]] = {}

    @model_validator(mode="after")
    def _maps_onto_own_labels(self) -> Self:
        for other, mapping in self.maps.items():
            for theirs, ours in mapping.items():
                if ours is not None and ours not in self.labels:
                    raise ValueError(f"maps[{other!r}][{theirs!r}] is {ours!r}, {self._no_label(ours)}")
        return self

    @model_validator(mode="after")
    def _leads_from_own_labels(self) -> Self:
        for other, mapping in self.onto.items():
            for ours in mapping:
                if ours not in self.labels:
                    raise ValueError(f"onto[{other!r}] has {ours!r}, {self._no_label(ours)}")
        return self

    @model_validator(mode="after")
    def _aliases_mean_one_label(self) -> Self:
        owners = {label: label for label in self.labels}
        for label, names in self.aliases.items():
            if label not in self.labels:
                raise ValueError(f"aliases has {label!r}, {self._no_label(label)}")
            for name in names:
                if not name.strip():
                    raise ValueError(f"aliases[{label!r}] has an empty name")
                if name in owners:
                    raise ValueError(f"aliases[{label!r}] has {name!r}, which is {owners[name]!r} already")
                owners[name] = label
        return self

    def _no_label(self, name: str) -> str:
        meant = nearest(name, self.labels)
        return f"which is no label of {self.name}" + (f", perhaps {meant!r}" if meant else "")

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: index for index, label in enumerate(self.labels) for name in self.names_of(label)}

    def names_of(self, label: str) -> tuple[str, ...]:
        """Lists the names of a label: its own, then its aliases."""
        return (label, *self.aliases.get(label, ()))

    def position(self, name: str) -> int | None:
        """Gives the index of a label by its name or an alias of it, or None when nothing here has that name."""
        return self._positions.get(name)

    def relation(self, other: LabelSpace) -> Relation:
        """Tells how this space stands to another, each label compared by all of its names.

        The other way round, `SUBSET` and `SUPERSET` change places, and everything else stays what it is.
        """
        if self.labels == other.labels:
            return Relation.SAME
        pairs = self._pairs_with(other)
        is_inside, covers = len(pairs) == len(self), len(pairs) == len(other)
        if is_inside and covers:
            return Relation.ALIASED if all(here == there for here, there in pairs) else Relation.REORDERED
        if self.mapping_from(other) is not None or other.mapping_from(self) is not None:
            return Relation.MAPPED
        if is_inside or covers:
            return Relation.SUBSET if is_inside else Relation.SUPERSET
        return Relation.UNRELATED

    def _pairs_with(self, other: LabelSpace) -> frozenset[tuple[int, int]]:
        """Pairs the labels that have a name in common; none where a label would have two partners."""
        pairs = frozenset(
            (index, place)
            for index, label in enumerate(self.labels)
            for name in self.names_of(label)
            if (place := other.position(name)) is not None
        )
        is_clear = all(len({pair[side] for pair in pairs}) == len(pairs) for side in (0, 1))
        return pairs if is_clear else frozenset()

    def mapping_from(self, other: LabelSpace, name: str = "") -> Mapping[str, str | None] | None:
        """Gives the declared mapping of another space's labels onto labels here, or None when there is none.

        `name` is what a file calls the other space; labels that the mapping does not speak of are left out.
        """
        for known in (name, other.name, other.name.rpartition(".")[2]):
            if known in self.maps:
                written = self.maps[known]
                named = {label: [one for one in other.names_of(label) if one in written] for label in other.labels}
                return {label: written[names[0]] for label, names in named.items() if names} or None
        led = other.onto.get(self.name)
        # A label that this space has not, or no longer, is none.
        return {theirs: ours if ours in self.labels else None for theirs, ours in led.items()} if led else None

    def __len__(self) -> int:
        return len(self.labels)

    def __str__(self) -> str:
        shown = ", ".join(self.labels if len(self.labels) <= 8 else (*self.labels[:7], "..."))
        return f"[{shown}]"
