"""Shapes: the sizes that the dims of a component have in one call, read off its tensors and held against its ports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from consilience.declare._dim import Dim
from consilience.declare._ports import Port

__all__ = ["Shapes"]

Shape = Sequence[int]


class Shapes:
    """What is known of a component's dims in one call: sizes by name, and the axes of dims of an open number.

    Equal names are equal sizes, whichever tensor shows them first.

        >>> shapes = Shapes({"batch": 2})
        >>> shapes.takes(Float["batch seq"], (2, 5)), shapes.takes(Bool["batch seq"], (2, 4))
        (True, False)
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = dict(sizes)
        self.axes: dict[str, tuple[int, ...]] = {}

    def takes(self, port: Port, shape: Shape, each: Sequence[str] = ()) -> bool:
        """Tells whether a tensor's shape is what the port says, and learns what it shows.

        Dims of `each` may differ from one tensor to the next. Sums and products count where their operands are known.
        """
        if port.spare(len(shape)) is None:
            return False
        for dim, sizes in self._paired(port, shape):
            if dim.is_open and dim.name is not None:
                fits = self.axes.setdefault(dim.name, sizes) == sizes and (
                    dim.size is None or sizes in ((), (dim.size,))
                )
            else:
                fits = dim.is_open or self._takes_axis(dim, sizes[0], each)
            if not fits:
                return False  # what comes after it belongs to a tensor that is wrong: nothing is learnt from it
        return True

    def _takes_axis(self, dim: Dim, size: int, each: Sequence[str]) -> bool:
        if dim.terms:
            return self.size(dim) in (None, size)
        if dim.size is not None or dim.name is None or dim.name in each:
            return dim.size in (None, size)
        return self.sizes.setdefault(dim.name, size) == size

    def size(self, dim: Dim) -> int | None:
        """Gives the size of an axis, as far as it is known."""
        if dim.terms:
            try:
                value: int = dim.value(self.sizes)
            except KeyError:
                return None
            return value
        return dim.size if dim.size is not None else self.sizes.get(dim.name or "")

    def _paired(self, port: Port, shape: Shape) -> Iterator[tuple[Dim, tuple[int, ...]]]:
        start = 0
        for dim in port.dims:
            count = (port.spare(len(shape)) or 0) if dim.is_open else 1
            yield dim, tuple(shape[start : start + count])
            start += count

    def written(self, port: Port) -> str:
        """Writes the dims of a port with the sizes that they have here: `3 seq 384`."""
        words: list[str] = []
        for dim in port.dims:
            axes = self.axes.get(dim.name or "") if dim.is_open else None
            if axes is not None:
                words += map(str, axes)
            else:
                size = None if dim.is_open else self.size(dim)
                words.append(str(dim if size is None else size))
        return " ".join(words)
