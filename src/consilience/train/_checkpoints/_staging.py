"""Writes files so that a reader sees all of them or none: staged beside their place, hashed, synced, renamed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor

from consilience.fuse import sync

__all__ = ["Staged"]

_TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.uint16: "U16",
    torch.uint32: "U32",
    torch.uint64: "U64",
    torch.bool: "BOOL",
}
"""safetensors' names of types; it writes a file without telling what it wrote, and hashing it again costs a reading."""


class Staged:
    """A directory that is being written; leaving it well gives it its name, leaving it with an error removes it."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._folder = place.with_name(f".{place.name}.part")
        self.files: dict[str, dict[str, Any]] = {}
        """Size and SHA-256 of each file that was written."""

    def __enter__(self) -> Self:
        self._place.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            return
        try:
            sync(self._folder)
            old = self._place.with_name(f".{self._place.name}.old.part")
            shutil.rmtree(old, ignore_errors=True)
            if os.path.lexists(self._place):  # one that was damaged: a valid one would have been resumed
                self._place.replace(old)
            self._folder.replace(self._place)
            sync(self._place.parent)
            shutil.rmtree(old, ignore_errors=True)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def json(self, name: str, value: Any) -> None:
        """Writes a JSON file."""
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, indent=1)
        self._write(name, [text.encode("utf-8")])

    def tensors(self, name: str, tensors: Mapping[str, Tensor], notes: Mapping[str, str] | None = None) -> None:
        """Writes a safetensors file, a tensor at a time."""
        header: dict[str, Any] = {"__metadata__": dict(notes)} if notes else {}
        ordered = sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))  # so all are aligned
        end = 0
        for key, tensor in ordered:
            begin, end = end, end + tensor.numel() * tensor.element_size()
            header[key] = {
                "dtype": _TYPES[tensor.dtype],
                "shape": list(tensor.shape),
                "data_offsets": [begin, end],
            }
        text = json.dumps(header, ensure_ascii=False).encode("utf-8")
        text += b" " * (-len(text) % 8)
        self._write(name, [len(text).to_bytes(8, "little") + text, *(tensor for _, tensor in ordered)])

    def _write(self, name: str, parts: list[bytes | Tensor]) -> None:
        digest = hashlib.sha256()
        size = 0
        with (self._folder / name).open("xb", buffering=0) as stream:
            for part in parts:
                # A tensor is brought from its device when its turn comes: one copy at a time, and none of a CPU's.
                data = memoryview(part if isinstance(part, bytes) else _bytes(part))
                size += len(data)
                digest.update(data)
                while len(data):
                    data = data[stream.write(data) :]
            os.fsync(stream.fileno())
        self.files[name] = {"size": size, "sha256": digest.hexdigest()}


def _bytes(tensor: Tensor) -> memoryview:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return memoryview(flat.view(torch.uint8).numpy().data) if flat.numel() else memoryview(b"")
