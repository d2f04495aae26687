"""Guesses what was meant by a value that its key does not take; where nobody can say, there is no guess."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

__all__ = ["NoGuess", "filled_in", "is_taken", "origin_of", "plain", "reshaped", "word_of"]

_FILLED_IN: dict[object, object] = {int: 1, float: 1.0, bool: True}
_WORDS: dict[object, str] = {str: "text", list: "a list", tuple: "a list", dict: "keys and their values"}


class NoGuess(Exception):
    """Nobody can say what was meant."""


def plain(annotation: Any) -> Any:
    """Takes off Annotated and None, where nothing else could be meant."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        if len(members) == 1:
            return plain(members[0])
    return annotation


def origin_of(annotation: Any) -> Any:
    """Gives the class that a value of an annotation is of: `list` for `list[int] | None`."""
    bare = plain(annotation)
    return get_origin(bare) or bare


def word_of(annotation: Any) -> str:
    """Says in a word what an annotation takes."""
    return _WORDS.get(origin_of(annotation), "a value")


def filled_in(annotation: Any) -> object:
    """Gives some value of a type that has usual ones; raises `NoGuess` for text, lists and mappings."""
    bare = plain(annotation)
    if get_origin(bare) is Literal:
        return get_args(bare)[0]
    if get_origin(bare) in (Union, types.UnionType):
        return filled_in(get_args(bare)[0])
    try:
        return _FILLED_IN[bare]
    except (KeyError, TypeError):
        raise NoGuess from None


def reshaped(given: object, annotation: Any, example: object = None) -> Iterator[object]:
    """Gives what is written in the shape that a key takes: a list's only item, a mapping's values, one value listed.

    A value takes the place of the one in an example of a single pair: `{test: 0.2}` for 0.2.
    """
    wanted = origin_of(annotation)
    if isinstance(given, list) and len(given) == 1:
        yield given[0]
    if wanted in (list, tuple):
        yield list(given.values()) if isinstance(given, Mapping) else [given]
    if wanted is dict and isinstance(example, Mapping) and len(example) == 1:
        yield dict.fromkeys(example, given)


def is_taken(value: object, annotation: Any, metadata: list[Any]) -> bool:
    """Tells whether a key of this annotation and metadata takes a value, written in a file."""
    try:
        TypeAdapter(Annotated[annotation, *metadata] if metadata else annotation).validate_json(
            to_json(value), strict=True
        )
    except (ValidationError, TypeError, ValueError):
        return False
    return True
