"""States are put together as they were, to the last bit."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from safetensors.torch import load_file

from consilience.train._checkpoints._packing import pack, unpack
from consilience.train._checkpoints._staging import Staged

KEYS = some.text() | some.integers()
LEAVES = some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text()
STATES = some.recursive(
    LEAVES,
    lambda inner: some.lists(inner) | some.tuples(inner, inner) | some.dictionaries(KEYS, inner),
    max_leaves=20,
)


@given(state=STATES)
def test_what_is_packed_comes_back_of_the_same_value_and_type(state: Any) -> None:
    written, tensors = pack(state)
    back = unpack(json.loads(json.dumps(written)), tensors)
    assert repr(back) == repr(state)


def test_generators_and_their_states_come_back() -> None:
    states = {"python": random.getstate(), "numpy": np.random.get_state(), "nan": float("nan"), "$kind": 1}
    written, tensors = pack(states)
    back = unpack(json.loads(json.dumps(written)), tensors)
    assert back["python"] == states["python"]
    random.setstate(back["python"])
    np.random.set_state(back["numpy"])
    assert str(back["nan"]) == "nan"


def test_what_is_neither_is_told_by_its_place() -> None:
    with pytest.raises(TypeError, match=r"^groups\.0\.hook: a value of type function$"):
        pack({"groups": [{"hook": lambda: None}]})


def test_safetensors_reads_every_type_that_is_written(tmp_path: Path) -> None:
    kinds = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16]
    kinds += [torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.bool, torch.float8_e4m3fn]
    tensors = {str(kind): torch.tensor([[0, 1], [1, 0], [1, 1]]).to(kind) for kind in kinds}
    tensors |= {"turned": torch.arange(6.0).reshape(2, 3).T, "number": torch.tensor(3.5), "none": torch.zeros(0, 4)}
    with Staged(tmp_path / "there") as staged:
        staged.tensors("some.safetensors", tensors)
    back = load_file(tmp_path / "there" / "some.safetensors")
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert back[name].dtype is tensor.dtype
        assert back[name].shape == tensor.shape
        assert bytes(back[name].contiguous().view(torch.uint8).numpy().data if tensor.dim() else b"") == bytes(
            tensor.contiguous().view(torch.uint8).numpy().data if tensor.dim() else b""
        ), name
