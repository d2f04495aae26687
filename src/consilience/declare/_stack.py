"""Tells from the names of a module's parts which of them are its stack of layers."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["stack_of"]

_NUMBERED = re.compile(r"(?:[A-Za-z_]\w*\.)*?[A-Za-z_]\w*\.\d+(?=\.)")


def stack_of(names: Iterable[str]) -> tuple[str, ...]:
    """Names the layers of the longest stack that the parts stand in: `encoder.layer.0`, `encoder.layer.1`, ...

    A layer is what stands before the first number of a name, where more follows it.
    """
    stacks: dict[str, list[str]] = {}
    for found in map(_NUMBERED.match, names):
        if found:
            stacks.setdefault(found.group().rpartition(".")[0], []).append(found.group())
    distinct = [tuple(dict.fromkeys(stack)) for stack in stacks.values()]
    return max(distinct, key=len, default=())
