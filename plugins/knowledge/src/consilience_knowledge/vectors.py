"""Vectors of entities in a file: safetensors with the IRIs beside them, so that any graph can look its own up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["UnreadableVectors", "read_vectors", "width_of", "write_vectors"]

_LARGEST_HEADER = 2**20


class UnreadableVectors(ValueError):
    """A file that holds no vectors of entities."""


def width_of(path: Path) -> int:
    """Reads the width of the vectors from the first bytes, without a library; raises `UnreadableVectors`."""
    try:
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(size)) if size <= _LARGEST_HEADER else None
    except (OSError, ValueError) as error:
        raise UnreadableVectors("no safetensors, by its beginning") from error
    if header is None:
        raise UnreadableVectors("no safetensors, by its beginning")
    if not isinstance(header, dict) or not {"vectors", "entities"} <= set(header):
        raise UnreadableVectors("no tensors named vectors and entities, as consilience knowledge pretrain writes them")
    shape = header["vectors"].get("shape") if isinstance(header["vectors"], dict) else None
    if not (isinstance(shape, list) and len(shape) == 2 and isinstance(shape[1], int) and shape[1] > 0):
        raise UnreadableVectors(f"vectors of the shape {shape}")
    return int(shape[1])


def write_vectors(path: Path, entities: Sequence[str], vectors: Any, **more: Any) -> None:
    """Writes a vector (entity width) for each IRI, and further tensors by name."""
    import torch
    from safetensors.torch import save_file

    lines = torch.tensor(list("\n".join(entities).encode()), dtype=torch.uint8)
    kept = {"vectors": vectors, **more}
    save_file({name: tensor.detach().contiguous().cpu() for name, tensor in kept.items()} | {"entities": lines}, path)


def read_vectors(path: Path, entities: Sequence[str]) -> tuple[Any, Any]:
    """Gives the vectors of those entities that the file knows, and their places in `entities`.

    known width, and known of whole numbers; the rest of the entities has none.
    """
    from safetensors.torch import load_file

    tensors: Mapping[str, Any] = load_file(path)
    kept = bytes(tensors["entities"].tolist()).decode().split("\n")
    row_of = {entity: row for row, entity in enumerate(kept)}
    places = [place for place, entity in enumerate(entities) if entity and entity in row_of]
    import torch

    rows = torch.tensor([row_of[entities[place]] for place in places], dtype=torch.long)
    return tensors["vectors"][rows], torch.tensor(places, dtype=torch.long)
