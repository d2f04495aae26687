"""Dims: the words of a port's type, in jaxtyping's grammar with an axis that may be left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Self

__all__ = ["Dim", "Size"]

_NAME, _NUMBER = r"[A-Za-z_][A-Za-z0-9_]*", r"[1-9][0-9]*"
_DIM = re.compile(
    rf"(?P<mark>[*?])?(?P<name>{_NAME})|(?P<sized>\??{_NAME})=(?P<size>{_NUMBER})|(?P<fixed>{_NUMBER})|(?P<any>\.\.\.)"
)
_SUM = re.compile(rf"(?:{_NAME}|{_NUMBER})(?:[+*](?:{_NAME}|{_NUMBER}))+")


class Size(int):
    """A size that says where it comes from, in words that follow "from": `Size(384, "minilm's config.json")`."""

    source: str

    def __new__(cls, size: int, source: str) -> Self:
        """Makes the size, which is a whole number like any other."""
        made = super().__new__(cls, size)
        made.source = source
        return made


@dataclass(frozen=True)
class Dim:
    """One dim of a port: what it is called, and how many axes it stands for.

    | written | means |
    |---|---|
    | `hidden` | an axis; equal names in one component are equal sizes |
    | `3`, `classes=3` | an axis of that size |
    | `left+right`, `2*seq+1` | an axis whose size follows: a sum of products of numbers, dims and whole-number keys |
    | `?seq` | an axis that may be left out; the same choice wherever the name stands in one component |
    | `*lead` | any number of axes, none included; the same ones wherever the name stands |
    | `_`, `...` | an axis, or any number of them, that nothing else speaks of |
    """

    name: str | None = None
    """The name, or the text of a sum or product: a size has it too, `dims["left+right"]`."""
    size: int | None = None
    variadic: bool = False
    optional: bool = False
    terms: tuple[tuple[int | str, ...], ...] = ()
    """Of a sum, the products that it adds: `2*seq+1` is `((2, "seq"), (1,))`."""

    @classmethod
    def parse(cls, text: str) -> Dim:
        """Reads one word of a dim string; raises ValueError when it has none of the forms."""
        if _SUM.fullmatch(text):
            terms = tuple(tuple(_factors(product)) for product in text.split("+"))
            if any(isinstance(factor, str) for product in terms for factor in product):
                return cls(text, terms=terms)
        match = _DIM.fullmatch(text)
        if match is None:
            forms = "a name, a number, a sum or product such as left+right, ?name, *name, _ or ..."
            raise ValueError(f"{text!r} is not a dim: write {forms}")
        if match["any"]:
            return cls(variadic=True)
        if match["fixed"]:
            return cls(size=int(match["fixed"]))
        if match["sized"]:
            return cls(match["sized"].lstrip("?"), int(match["size"]), optional=text.startswith("?"))
        name = None if match["name"] == "_" else match["name"]
        if name is None and match["mark"] == "?":
            raise ValueError("an axis that may be left out needs a name: ?seq")
        return cls(name, variadic=match["mark"] == "*", optional=match["mark"] == "?")

    @property
    def is_open(self) -> bool:
        """Whether it stands for a number of axes that only a tensor tells."""
        return self.variadic or self.optional

    @property
    def operands(self) -> tuple[str, ...]:
        """The names in a sum or product, each once."""
        return tuple(dict.fromkeys(factor for product in self.terms for factor in product if isinstance(factor, str)))

    def value(self, sizes: Mapping[str, Any]) -> Any:
        """Computes a sum or product; raises KeyError when the size of an operand is not known."""
        return sum(prod(sizes[one] if isinstance(one, str) else one for one in product) for product in self.terms)

    def spelt(self, write: Callable[[str], str]) -> str:
        """Writes a sum or product with what `write` makes of each name: `left 384 + right 384`."""
        products = (
            " * ".join(write(factor) if isinstance(factor, str) else str(factor) for factor in product)
            for product in self.terms
        )
        return " + ".join(products)

    def __str__(self) -> str:
        if self.name is None:
            return str(self.size) if self.size is not None else "..." if self.variadic else "_"
        text = ("*" if self.variadic else "?" if self.optional else "") + self.name
        return text if self.size is None else f"{text}={self.size}"


def _factors(product: str) -> Iterator[int | str]:
    for factor in product.split("*"):
        yield int(factor) if factor.isdigit() else factor
