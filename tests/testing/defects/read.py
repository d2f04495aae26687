"""Inputs that misread texts, or read them otherwise elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from consilience.declare import Bool, Dims, Float, Input, Int, Ports, Text
from defects.defect import Defect

Texts = Sequence[str | list[str]]


def words_of(text: str | list[str]) -> list[str]:
    """Splits a text, or takes its words as they are."""
    return text.split() if isinstance(text, str) else text


def lengths(text: Texts) -> Tensor:
    """Counts the words of each text."""
    return torch.tensor([float(len(words_of(one))) for one in text])


class Read(Input):
    """Reads each text by the function of its attribute `call`."""

    call: ClassVar[Callable[..., Any]]
    inputs = Ports(text=Text["batch"])
    outputs = Ports(length=Float["batch"])

    def build(self, dims: Dims) -> Any:
        """Gives the function."""
        return type(self).call


class GoodLength(Read):
    """Counts words."""

    call = staticmethod(lengths)


def drawn(text: Texts, generators: Sequence[torch.Generator]) -> Tensor:
    """Draws a number a text, each from its own generator."""
    return torch.cat([torch.rand(1, generator=generator) for generator in generators])


class GoodNoise(Read):
    """Draws a number a text."""

    is_random = True
    call = staticmethod(drawn)


class Unsendable(Read):
    """Is a function that stands in no module."""

    call = staticmethod(lambda text: lengths(text) * 2)


def of_first_letter(text: Texts) -> Tensor:
    """Reads the first letter of each text."""
    return torch.tensor([float(ord(" ".join(words_of(one))[0]) % 7) for one in text])


class NeedsLetters(Read):
    """Fails for an empty text."""

    call = staticmethod(of_first_letter)


def of_strings(text: Texts) -> Tensor:
    """Counts spaces."""
    return torch.tensor([float(one.count(" ")) if one.strip() else 0.0 for one in text])  # type: ignore[union-attr]


class NeedsStrings(Read):
    """Fails for a list of words."""

    call = staticmethod(of_strings)


def of_global_dice(text: Texts) -> Tensor:
    """Draws from torch's global generator."""
    return torch.rand(len(text))


class GlobalDice(Read):
    """Draws from a global generator."""

    call = staticmethod(of_global_dice)


def of_batch(text: Texts) -> Tensor:
    """Divides by the longest text of the batch."""
    return lengths(text) / lengths(text).max().clamp(min=1)


def of_first_dice(text: Texts, generators: Sequence[torch.Generator]) -> Tensor:
    """Draws for every text from the generator of the first."""
    return torch.rand(len(text), generator=generators[0])


class FirstDice(Read):
    """Draws for all of a batch from the generator of its first text."""

    is_random = True
    call = staticmethod(of_first_dice)


class Relative(Read):
    """Measures a text by the longest beside it."""

    call = staticmethod(of_batch)


def doubled(text: Texts) -> Tensor:
    """Gives 64 bits."""
    return lengths(text).double()


class Double(Read):
    """Gives numbers of 64 bits, which fit no weight."""

    call = staticmethod(doubled)


def hashed(text: Texts) -> Tensor:
    """Hashes each text with the salt of its process."""
    return torch.tensor([float(hash(tuple(words_of(one))) % 1000) for one in text])


class Salted(Read):
    """Hashes words by Python's hash, another one in each process."""

    call = staticmethod(hashed)


def of_blank_ids(ids: Tensor, mask: Tensor) -> Tensor:
    """Writes over the ids."""
    ids.zero_()
    return mask.sum(dim=1).float()


class Blanks(Read):
    """Writes over the ids that others read too."""

    inputs = Ports(ids=Int["batch seq"].below("vocab"), mask=Bool["batch seq"])
    call = staticmethod(of_blank_ids)


def of_last_words(text: Texts) -> Tensor:
    """Takes the last word out of a list of words."""
    return torch.tensor([float(len(one if isinstance(one, str) or not one else one.pop())) for one in text])


class TakesWords(Read):
    """Takes words out of the examples."""

    call = staticmethod(of_last_words)


_READS = ("arguments_left_alone", "odd_texts_honoured", "repeatable", "texts_independent", "works_in_workers")
GOOD = (GoodLength, GoodNoise)
DEFECTS = (
    Defect("a lambda", Unsendable, "works_in_workers"),
    Defect("the first letter of an empty text", NeedsLetters, "odd_texts_honoured"),
    Defect("a list of words taken for a string", NeedsStrings, "odd_texts_honoured", ("arguments_left_alone",)),
    Defect("a global generator", GlobalDice, "repeatable", ("texts_independent", "works_in_workers")),
    Defect("one generator for the whole batch", FirstDice, "texts_independent"),
    Defect("lengths divided by the batch's longest", Relative, "texts_independent"),
    Defect("numbers of 64 bits", Double, "texts_honoured", _READS),
    Defect("ids that are written over", Blanks, "arguments_left_alone"),
    Defect("words that are taken out of an example", TakesWords, "arguments_left_alone"),
    Defect("Python's `hash` of words", Salted, "works_in_workers"),
)
