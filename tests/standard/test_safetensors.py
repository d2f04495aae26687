"""Headers are read without torch, and nothing in a file makes the reader fail otherwise than by its own words."""

import json
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from consilience.standard._json import MOST_BYTES
from consilience.standard._safetensors import BrokenWeights, read_headers

NAME = "model.safetensors"


def write(folder: Path, header: object, data: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    (folder / NAME).write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return folder


def entry(dtype: str = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_names_and_shapes_are_those_that_were_saved(tmp_path: Path) -> None:
    kinds = [torch.float64, torch.float32, torch.bfloat16, torch.int64, torch.uint8, torch.bool, torch.float8_e4m3fn]
    tensors = {str(kind): torch.ones(number, 3, dtype=kind) for number, kind in enumerate(kinds)}
    save_file(tensors | {"scalar": torch.tensor(1.0)}, tmp_path / NAME, {"format": "pt"})
    save_file({"more": torch.ones(2, 2, 2)}, tmp_path / "other.safetensors")
    expected = {name: tuple(value.shape) for name, value in tensors.items()} | {"scalar": (), "more": (2, 2, 2)}
    assert read_headers(tmp_path, [NAME, "other.safetensors"]) == expected


@pytest.mark.parametrize(
    ("header", "data", "length", "reason"),
    [
        ({}, b"", 2**63, r"cut off: 10 bytes, and a header of 9223372036854775808"),
        ({}, b"x" * (MOST_BYTES + 99), MOST_BYTES + 1, "a header of 16777217 bytes, where 16777216 are many"),
        (b"{", b"", None, "no header of safetensors"),
        (b"[" * 100_000, b"", None, "no header of safetensors"),
        ([], b"", None, "no header of safetensors"),
        (b"\xff\xfe", b"", None, "no header of safetensors"),
        ({"a": 3}, b"", None, "no header of safetensors"),
        ({"a": entry(shape=None)}, bytes(8), None, "no header of safetensors"),
        ({"a": entry(shape=[-2])}, bytes(8), None, "no header of safetensors"),
        ({"a": entry(shape=[True, 2])}, bytes(8), None, "no header of safetensors"),
        ({"a": entry(shape=[10**400])}, bytes(8), None, "no header of safetensors"),
        ({"a": entry(shape=[1] * 99)}, bytes(4), None, "no header of safetensors"),
        ({"a": entry(offsets=[8, 0])}, bytes(8), None, "no header of safetensors"),
        ({"a": entry(offsets=[0])}, bytes(8), None, "no header of safetensors"),
        ({"a": entry(shape=[3])}, bytes(8), None, "no header of safetensors"),
        ({"a": entry(), "b": entry(offsets=[4, 12])}, bytes(12), None, "tensors that overlap, or leave a gap"),
        ({"a": entry(offsets=[4, 12])}, bytes(12), None, "tensors that overlap, or leave a gap"),
        ({"a": entry()}, bytes(7), None, r"cut off: \d+ bytes, and tensors up to byte \d+"),
        ({"a": entry()}, bytes(9), None, r"cut off: \d+ bytes, and tensors up to byte \d+"),
    ],
)
def test_what_is_no_whole_file_is_told(
    tmp_path: Path, header: object, data: bytes, length: int | None, reason: str
) -> None:
    write(tmp_path, header, data, length)
    with pytest.raises(BrokenWeights, match=f"^{NAME}: {reason}$"):
        read_headers(tmp_path, [NAME])


def test_the_headers_of_all_files_together_are_bounded(tmp_path: Path) -> None:
    header = b'{"__metadata__": {"note": "' + b"x" * (MOST_BYTES // 4) + b'"}}'
    names = [f"model-{number}.safetensors" for number in range(4)]
    for name in names:
        write(tmp_path, header).joinpath(NAME).rename(tmp_path / name)
    assert read_headers(tmp_path, names[:3]) == {}
    length = len(header)
    reason = f"a header of {length} bytes after {3 * length} of other files, where {MOST_BYTES} are many"
    with pytest.raises(BrokenWeights, match=f"^{names[3]}: {reason}$"):
        read_headers(tmp_path, names)


def test_a_file_shorter_than_a_length_and_one_that_is_not_there_are_told(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"abc")
    with pytest.raises(BrokenWeights, match="cut off: 3 bytes"):
        read_headers(tmp_path, [NAME])
    with pytest.raises(BrokenWeights, match="gone: No such file or directory"):
        read_headers(tmp_path, ["gone"])


def test_a_pointer_of_git_lfs_is_told_as_one(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 90868376\n")
    with pytest.raises(BrokenWeights, match="a pointer that git-lfs left"):
        read_headers(tmp_path, [NAME])


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("whole")
    save_file({"a": torch.ones(2, 3), "b": torch.zeros(4, dtype=torch.int64)}, folder / NAME, {"format": "pt"})
    return (folder / NAME).read_bytes()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_no_more(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 4)) if damaged else 0):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    (folder / NAME).write_bytes(damaged)
    try:
        shapes = read_headers(folder, [NAME])
    except BrokenWeights:
        return
    assert len(damaged) == len(whole)  # nothing that was cut off passes
    assert all(isinstance(size, int) for shape in shapes.values() for size in shape)
