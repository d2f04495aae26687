"""What goes: since when, until when, and what to use instead; whoever still uses it is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import typing_extensions

__all__ = ["ConsilienceDeprecationWarning", "Deprecation", "deprecated"]

_WRITTEN = re.compile(r"since (?P<since>\d+\.\d+), until (?P<until>\d+\.\d+): use (?P<use>\S.*)", re.DOTALL)
_NOTICE = 2
"""How many minor releases something stays after the one that deprecates it was made: that one, and the next."""

CallableT = TypeVar("CallableT", bound=Callable[..., object])


class ConsilienceDeprecationWarning(DeprecationWarning):
    """Tells at the caller's line of something that goes: since when, until when, and what to use instead."""


@dataclass(frozen=True)
class Deprecation:
    """When something was deprecated, the first release without it, and what to use instead.

    Versions are those of the distribution that has it, as `minor` releases: `0.2`.

    Example:
        >>> str(Deprecation("0.2", "0.4", "widths"))
        'since 0.2, until 0.4: use widths'
    """

    since: str
    until: str
    use: str

    @classmethod
    def parse(cls, text: str) -> Deprecation:
        """Reads `since 0.2, until 0.4: use widths`; raises ValueError for any other form."""
        match = _WRITTEN.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not of the form 'since 0.2, until 0.4: use widths'")
        return cls(match["since"], match["until"], match["use"])

    def __str__(self) -> str:
        return f"since {self.since}, until {self.until}: use {self.use}"

    def broken_promise(self, version: str) -> str | None:
        """Tells in one line how it breaks what is promised, in a distribution of this version; None if it does not.

        Raises ValueError for a version without a number.
        """
        since, until = _release(self.since), _release(self.until)
        releases = until[1] - since[1] if until[0] == since[0] else until[0] - since[0] + until[1]
        if until < since or releases < _NOTICE:
            return f"from {self.since} until {self.until} are fewer than {_NOTICE} minor releases"
        if _release(version) >= until:
            return f"it should be gone since {self.until}, and this is {version}"
        return None


def deprecated(*, since: str, until: str, use: str) -> Callable[[CallableT], CallableT]:
    """Marks a function or class that goes: a call, or a subclass, warns with `ConsilienceDeprecationWarning`.

    Example:
        >>> @deprecated(since="0.2", until="0.4", use="area")
        ... def surface(side: float) -> float:
        ...     return side**2
    """
    told = Deprecation.parse(str(Deprecation(since, until, use)))

    def mark(thing: CallableT) -> CallableT:
        module = ".".join(part for part in thing.__module__.split(".") if not part.startswith("_"))
        text = f"{module}.{thing.__qualname__}, deprecated {told}"
        marked: CallableT = typing_extensions.deprecated(text, category=ConsilienceDeprecationWarning)(thing)
        return marked

    return mark


def _release(version: str) -> tuple[int, int]:
    """Gives the first two numbers of a version: what comes after them is no minor release of its own."""
    numbers = [int(number) for number in re.findall(r"\d+", version)[:2]]
    if not numbers:
        raise ValueError(f"{version!r} is no version, as 0.2 is one")
    return numbers[0], numbers[1] if len(numbers) > 1 else 0
