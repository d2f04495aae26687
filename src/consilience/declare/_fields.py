"""Field types: what one example can carry, and the port that each gives."""

from __future__ import annotations

import json
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, model_serializer, model_validator

from consilience.declare._labels import distinct
from consilience.declare._paste import paste
from consilience.declare._ports import Bool, Float, Int, Labels, Port, Text
from consilience.declare._validation import refuse
from consilience.errors import nearest

__all__ = [
    "FIELD_TYPES",
    "CategoriesField",
    "CategoryField",
    "FieldType",
    "NumberField",
    "NumbersField",
    "TextField",
    "TokenLabelsField",
]


class FieldType(BaseModel):
    """What a field holds, written `text`, or with its labels `{category: [negative, positive]}`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    word: ClassVar[str]
    port: ClassVar[Port]
    """The port that inputs, losses and metrics read the field by."""
    has_labels: ClassVar[bool] = False

    labels: tuple[str, ...] | str | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, value: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(value, FieldType) or cls is not FieldType:
            return handler(value)
        word, labels = _word_and_labels(value)
        kind = FIELD_TYPES.get(word)
        if kind is None:
            raise refuse(f"a field type: {', '.join(FIELD_TYPES)}", _fix(word, labels))
        if not kind.has_labels and labels is not None:
            raise refuse(f"a {word} field, which takes nothing", "{key}: " + word)
        if kind.has_labels and labels is None:
            raise refuse(f"the labels of a {word} field, or a label space's name", _fix(word, None))
        if isinstance(labels, tuple):
            distinct(labels, word)  # here, where the fault has what is written
        return kind(labels=labels)  # type: ignore[return-value]

    @model_validator(mode="after")
    def _check_labels(self) -> Self:
        if isinstance(self.labels, tuple):
            distinct(self.labels, self.word)
        return self

    @model_serializer
    def _write(self) -> object:
        if self.labels is None:
            return self.word
        return {self.word: list(self.labels) if isinstance(self.labels, tuple) else self.labels}


def _word_and_labels(value: object) -> tuple[str, tuple[str, ...] | str | None]:
    if isinstance(value, str):
        return value, None
    if isinstance(value, dict) and len(value) == 1:
        [(word, labels)] = value.items()
        if isinstance(labels, str):
            return str(word), labels
        if isinstance(labels, list | tuple) and all(isinstance(label, str) for label in labels):
            return str(word), tuple(labels)
        listed = _as_text(labels)
        if listed:
            raise refuse("labels that are text, in quotes where they look like something else", _fix(str(word), listed))
        expected = f"a list of {word} labels, or the name of a label space"
        raise refuse(expected, _fix(str(word), _in_order(labels) if isinstance(labels, dict) else None))
    listed = _as_text(value)
    is_category = listed is not None and len(set(listed)) > 1
    fix = _fix("category", listed) if is_category else f"# write for {{key}} one of {', '.join(FIELD_TYPES)}"
    raise refuse("a field type, such as text or {category: [negative, positive]}", fix)


_SYNONYMS = {
    **dict.fromkeys(("float", "int", "real", "integer", "double"), "number"),
    **dict.fromkeys(("string", "str"), "text"),
    **dict.fromkeys(("class", "label", "categorical", "bool", "boolean"), "category"),
    "labels": "categories",
}
"""What a field type is called elsewhere."""


def _as_text(labels: object) -> tuple[str, ...] | None:
    """Gives labels as text, the way the file writes them; None where some of them can be none."""
    if not isinstance(labels, list | tuple):
        return None
    if not all(label is None or isinstance(label, str | int | float) for label in labels):
        return None
    return tuple(label if isinstance(label, str) else json.dumps(label) for label in labels)


def _in_order(numbered: dict[str, object]) -> tuple[str, ...] | None:
    """Gives labels that are numbered, `{0: dull, 1: fine}` or the other way round, in their order."""
    by_number = numbered if all(key.isdecimal() for key in numbered) else None
    if by_number is None and all(type(number) is int for number in numbered.values()):
        by_number = {str(number): label for label, number in numbered.items()}
    if by_number is None or len(by_number) < len(numbered):
        return None
    return _as_text([by_number[number] for number in sorted(by_number, key=int)])


def _fix(word: str, labels: tuple[str, ...] | str | None) -> str:
    """Writes the field type that was most likely meant, with the labels that are written; or says what to write."""
    known = ", ".join(FIELD_TYPES)
    meant = word if word in FIELD_TYPES else _SYNONYMS.get(word.lower()) or nearest(word, FIELD_TYPES)
    if labels is None:
        if meant is None:
            return f"# write for {{key}} one of {known}"
        if FIELD_TYPES[meant].has_labels:
            return f"# write its labels, such as {{key}}: {{{meant}: [negative, positive]}}"
        return f"{{key}}: {meant}"
    meant = meant or "category"
    return f"{{key}}: {paste({meant: labels} if FIELD_TYPES[meant].has_labels else meant)}"


class TextField(FieldType):
    """One text: a string, or a list of words."""

    word = "text"
    port = Text["batch"]


class CategoryField(FieldType):
    """Exactly one label of a label space."""

    word = "category"
    port = Int["batch"].below("labels")
    has_labels = True


class CategoriesField(FieldType):
    """Any number of labels of a label space at once."""

    word = "categories"
    port = Bool["batch labels"]
    has_labels = True


class NumberField(FieldType):
    """One number."""

    word = "number"
    port = Float["batch"]


class NumbersField(FieldType):
    """One number for each of several names, such as valence, arousal and dominance."""

    word = "numbers"
    port = Float["batch labels"]
    has_labels = True


class TokenLabelsField(FieldType):
    """One label a word; an input aligns them to the tokens."""

    word = "token_labels"
    port = Labels["batch"].below("labels")
    has_labels = True


FIELD_TYPES: dict[str, type[FieldType]] = {
    kind.word: kind for kind in (TextField, CategoryField, CategoriesField, NumberField, NumbersField, TokenLabelsField)
}
"""The types of a field, by the word under which a file writes them."""
