"""What the plan solved for a node, as its declaration is told of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from consilience.declare._labels import LabelSpace

if TYPE_CHECKING:
    from consilience.declare._component import Use

__all__ = ["Dims", "UnknownDimError", "Unsolved"]


class Unsolved(KeyError):
    """A dim is asked for whose size is not known: not yet while the plan is being solved, or only in a batch."""

    def __str__(self) -> str:
        return str(self.args[0])


class UnknownDimError(KeyError):
    """A component asks for a dim that none of its ports speaks of: a slip of the pen, and nothing that gets known."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no dim {name!r}: the ports speak of {', '.join(known) or 'none'}")
        self.name = name
        self.known = known

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Dims(Mapping[str, int]):
    """What the plan solved for one node: `dims["hidden"]` is a size; asking for an unknown one raises `Unsolved`.

    `names` are the dims that the node's ports speak of, where they are known: asking for any other raises
    `UnknownDimError`.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    spaces: Mapping[str, LabelSpace] = field(default_factory=dict)
    parts: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)
    nodes: Mapping[str, Any] = field(default_factory=dict)
    used: Mapping[str, Dims] = field(default_factory=dict)
    names: tuple[str, ...] | None = None

    def __getitem__(self, name: str) -> int:
        if name not in self.sizes:
            self._expect(name)
            raise Unsolved(f"the size of dim {name!r} is not known here; known are {sorted(self.sizes)}")
        return self.sizes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    def labels(self, name: str) -> LabelSpace:
        """Gives the label space behind a dim; raises `Unsolved` when it has none."""
        if name not in self.spaces:
            self._expect(name)
            raise Unsolved(f"dim {name!r} has no label space")
        return self.spaces[name]

    def each(self, name: str) -> tuple[int, ...]:
        """Gives the size of a variadic port's dim in every tensor, in order; raises `Unsolved` when one is unknown."""
        sizes = self.parts.get(name, (None,))
        if any(size is None for size in sizes):
            self._expect(name)
            raise Unsolved(f"the size of dim {name!r} is not known in every tensor")
        return cast("tuple[int, ...]", sizes)

    def of(self, use: Use[Any]) -> Dims:
        """Gives what was solved for the node that a key of this declaration names; raises `Unsolved` elsewhere."""
        if use.name is None or use.name not in self.used:
            raise Unsolved(f"what was solved for {use.name!r} is not known here")
        return self.used[use.name]

    def built(self, use: Use[Any]) -> Any:
        """Gives the built node that a `Use[Module]` or `Use[Input]` of this declaration points at."""
        if use.name is None or use.name not in self.nodes:
            raise Unsolved(
                f"{use.name!r} is not built here: resources are read by `.declared`, modules and inputs are built"
            )
        return self.nodes[use.name]

    def _expect(self, name: str) -> None:
        if self.names is not None and name not in self.names:
            raise UnknownDimError(name, self.names)
