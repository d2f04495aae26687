"""Takes a nested state apart into JSON and tensors, and puts it together again, to the last bit: no pickle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["Packed", "pack", "unpack"]

Packed = tuple[Any, dict[str, Tensor]]
"""What JSON can hold of a state, and its tensors by the names that the JSON calls them."""

_KIND, _VALUE = "$kind", "$value"


def pack(state: Any) -> Packed:
    """Takes apart dicts, lists, tuples, numbers, texts, None, tensors and arrays; raises TypeError for others."""
    tensors: dict[str, Tensor] = {}
    return _pack(state, "", tensors), tensors


def unpack(written: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Puts together what `pack` took apart."""
    if isinstance(written, list):
        return [unpack(item, tensors) for item in written]
    if not isinstance(written, dict):
        return written
    if _KIND not in written:
        return {name: unpack(item, tensors) for name, item in written.items()}
    kind, value = written[_KIND], written[_VALUE]
    if kind == "tensor":
        return tensors[value]
    if kind == "array":
        return tensors[value].numpy()
    if kind == "float":
        return float(value)
    if kind == "tuple":
        return tuple(unpack(item, tensors) for item in value)
    return {unpack(key, tensors): unpack(item, tensors) for key, item in value}


def _pack(state: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if state is None or isinstance(state, bool | str) or type(state) is int:
        return state
    if isinstance(state, Tensor | np.ndarray):
        name = path or "."
        tensors[name] = torch.from_numpy(state) if isinstance(state, np.ndarray) else state.detach()
        return _marked("array" if isinstance(state, np.ndarray) else "tensor", name)
    if isinstance(state, float):  # numpy's float64 is one, and stays the same number
        return float(state) if math.isfinite(state) else _marked("float", str(float(state)))
    if isinstance(state, np.integer):
        return int(state)
    if isinstance(state, tuple):
        return _marked("tuple", [_pack(item, f"{path}.{place}", tensors) for place, item in enumerate(state)])
    if isinstance(state, list):
        return [_pack(item, f"{path}.{place}", tensors) for place, item in enumerate(state)]
    if isinstance(state, Mapping):
        packed = [[key, _pack(item, f"{path}.{key}", tensors)] for key, item in state.items()]
        if all(isinstance(key, str) for key in state) and _KIND not in state:
            return {key: item for key, item in packed}  # noqa: C416  # the keys are texts
        return _marked("dict", [[_pack(key, f"{path}.key", tensors), item] for key, item in packed])
    raise TypeError(f"{path.removeprefix('.') or 'the state'}: a value of type {type(state).__name__}")


def _marked(kind: str, value: Any) -> dict[str, Any]:
    return {_KIND: kind, _VALUE: value}
