"""Keeps what frozen modules give of each example: on disk, whole or not at all, and in batches in their place."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from consilience.data import ROW
from consilience.errors import Diagnostic, RunError
from consilience.fuse._kept import KeptOutputs
from consilience.fuse._sync import sync

__all__ = ["Features", "WithFeatures", "cache_folder", "open_features", "write_features"]

FORMAT = 1
CACHE = "CONSILIENCE_CACHE"
"""The environment variable that names the folder, in place of the user's own."""
_ABANDONED = 24 * 3600
"""The seconds after which what a writer left unfinished is cleared away."""
_DTYPES = {
    torch.float32: "float32",
    torch.float64: "float64",
    torch.float16: "float16",
    torch.bfloat16: "bfloat16",
    torch.int64: "int64",
    torch.int32: "int32",
    torch.bool: "bool",
}
_TORCH = {name: dtype for dtype, name in _DTYPES.items()}
Array = npt.NDArray[Any]


def cache_folder() -> Path:
    """Gives the folder in which features are kept: in the user's cache, unless CONSILIENCE_CACHE names another."""
    chosen = os.environ.get(CACHE)
    home = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "consilience"
    return home.expanduser() / "features"


@dataclass
class Features:
    """What modules gave of rows, by the name of the output; read from disk as it is asked for.

    Every row has a shape of its own: sequences are as long as they were in the batch that they were made in.
    """

    folder: Path
    outputs: tuple[str, ...]
    dtypes: Mapping[str, str]
    _open: dict[str, Any] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Leaves out the open files: a worker process opens its own."""
        return {**self.__dict__, "_open": {}}

    def of(self, output: str, rows: Sequence[int], sizes: Sequence[int | None]) -> Tensor:
        """Gives an output of some rows, (rows ...), each axis of the size that is asked, or of the longest row.

        A row that is longer loses its end, and one that is shorter gets zeros, which is padding both.
        """
        values, starts, shapes = self._arrays(output)
        places = self._places(rows)
        lengths = shapes[places]
        wanted = [int(most) if size is None else size for size, most in zip(sizes, lengths.max(axis=0), strict=True)]
        width = int(np.prod(lengths[0]))
        if (lengths == wanted).all():  # the usual case: vectors, or sequences of the batch that they were made in
            taken = values[starts[places][:, None] + np.arange(width)]
            return _as_tensor(taken.reshape(len(rows), *wanted), self.dtypes[output])
        made = np.zeros((len(rows), *wanted), dtype=values.dtype)
        for number, place in enumerate(places):
            shape = shapes[place]
            one = values[starts[place] : starts[place] + int(np.prod(shape))].reshape(shape)
            kept = tuple(slice(0, min(int(have), want)) for have, want in zip(shape, wanted, strict=True))
            made[number][kept] = one[kept]
        return _as_tensor(made, self.dtypes[output])

    @property
    def first(self) -> int:
        """The number of a row of which something is kept."""
        return int(self._known()[0][0])

    def _places(self, rows: Sequence[int]) -> npt.NDArray[np.int64]:
        known, order = self._known()
        found = np.searchsorted(known, np.asarray(rows, np.int64))
        if len(known) == 0 or (known[np.minimum(found, len(known) - 1)] != rows).any():
            raise KeyError("a row of which nothing was kept")
        places: npt.NDArray[np.int64] = order[found]
        return places

    def _known(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Gives the numbers of the rows, in rising order, and the place of each in the files."""
        if "rows" not in self._open:
            stored = np.load(self.folder / "rows.npy", allow_pickle=False)
            order = np.argsort(stored, kind="stable")
            self._open["rows"] = stored[order], order
        known: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] = self._open["rows"]
        return known

    def _arrays(self, output: str) -> tuple[Array, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        if output not in self._open:
            shapes = np.load(self.folder / f"{output}.shapes.npy", allow_pickle=False)
            sizes = shapes.prod(axis=1) if shapes.shape[1] else np.ones(len(shapes), np.int64)
            dtype = _stored_as(self.dtypes[output])
            values = np.memmap(self.folder / f"{output}.bin", dtype=dtype, mode="r", shape=(int(sizes.sum()),))
            self._open[output] = values, np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64), shapes
        arrays: tuple[Array, npt.NDArray[np.int64], npt.NDArray[np.int64]] = self._open[output]
        return arrays


@dataclass
class WithFeatures:
    """Makes batches that have the kept outputs too, so that their modules are not run."""

    collate: Callable[[Sequence[Mapping[str, Any]]], dict[str, Tensor]]
    features: Features
    kept: KeptOutputs

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Makes the batch of some examples; sequences get the length that the batch's other tensors have."""
        batch = self.collate(examples)
        # What fills up a batch is no row and counts for nothing: any row's features stand in its place.
        rows = [int(example[ROW]) for example in examples]
        rows = [row if row >= 0 else self.features.first for row in rows]
        for output in self.kept.outputs:
            sizes = [_size_in(batch, candidates) for candidates in self.kept.widths[output][1:]]
            batch[output] = self.features.of(output, rows, sizes)
        return batch


def _size_in(batch: Mapping[str, Tensor], candidates: Iterable[tuple[str, int]]) -> int | None:
    return next((batch[name].shape[axis] for name, axis in candidates if name in batch), None)


def open_features(key: str) -> Features | None:
    """Opens what is kept under a key; None where nothing is, or not all of it."""
    folder = cache_folder() / key
    try:
        told = json.loads((folder / "features.json").read_text(encoding="utf-8"))
        if told["format"] != FORMAT or any(
            (folder / name).stat().st_size != size for name, size in told["files"].items()
        ):
            return None
        return Features(folder, tuple(told["dtypes"]), told["dtypes"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_features(
    key: str, outputs: Sequence[str], batches: Iterable[tuple[Sequence[int], Mapping[str, Tensor]]]
) -> Features:
    """Keeps outputs, batch by batch with the rows they are of, under a key; raises `RunError` where that fails.

    They are written aside and renamed when all is on disk: a writer that is killed leaves nothing that is read.
    """
    place = cache_folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(place)
        staged = Path(tempfile.mkdtemp(prefix=".part-", dir=place))
    except OSError as error:
        raise _unwritable(place, error) from None
    try:
        _write(staged, outputs, batches)
        _rename(staged, place / key)
    except OSError as error:
        raise _unwritable(place, error) from None
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    found = open_features(key)
    if found is None:
        raise _unwritable(place, OSError("what was written cannot be read"))
    return found


def _write(staged: Path, outputs: Sequence[str], batches: Iterable[tuple[Sequence[int], Mapping[str, Tensor]]]) -> None:
    rows: list[int] = []
    shapes: dict[str, list[Array]] = {output: [] for output in outputs}
    dtypes: dict[str, str] = {}
    files: dict[str, IO[bytes]] = {}
    try:
        for output in outputs:
            files[output] = (staged / f"{output}.bin").open("wb")
        for numbers, values in batches:
            rows.extend(numbers)
            for output in outputs:
                array, dtypes[output] = _as_array(values[output])
                shapes[output].append(np.tile(np.asarray(array.shape[1:], np.int64), (len(array), 1)))
                files[output].write(array.tobytes())
    finally:
        for file in files.values():
            file.close()
    np.save(staged / "rows.npy", np.asarray(rows, np.int64), allow_pickle=False)
    for output in outputs:
        np.save(staged / f"{output}.shapes.npy", np.concatenate(shapes[output]), allow_pickle=False)
    sizes = {path.name: path.stat().st_size for path in sorted(staged.iterdir())}
    told = {"format": FORMAT, "dtypes": dtypes, "files": sizes}
    (staged / "features.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    for path in (*staged.iterdir(), staged):
        sync(path)


def _rename(staged: Path, folder: Path) -> None:
    """Puts what is finished in its place; another writer may have been faster, and what lies there may be damaged."""
    for _ in range(2):
        try:
            staged.rename(folder)
        except OSError:
            if not folder.is_dir() or open_features(folder.name) is not None:
                if folder.is_dir():
                    return
                raise
            shutil.rmtree(folder, ignore_errors=True)
        else:
            return


def _clear_abandoned(place: Path) -> None:
    for path in place.glob(".part-*"):
        try:
            is_old = time.time() - path.stat().st_mtime > _ABANDONED
        except OSError:
            continue
        if is_old:
            shutil.rmtree(path, ignore_errors=True)


def _stored_as(dtype: str) -> str:
    return "int16" if dtype == "bfloat16" else dtype  # numpy has no bfloat16


def _as_array(tensor: Tensor) -> tuple[Array, str]:
    plain = tensor.detach().cpu().contiguous()
    name = _DTYPES[plain.dtype]
    array: Array = (plain.view(torch.int16) if name == "bfloat16" else plain).numpy()
    return array, name


def _as_tensor(array: Array, dtype: str) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.view(torch.bfloat16) if dtype == "bfloat16" else tensor


def _unwritable(place: Path, error: OSError) -> RunError:
    found = f"{place}: {error.strerror or error}"
    return RunError(Diagnostic("CN754", (), found, "a place to keep features", f"{CACHE}=PATH consilience train FILE"))
