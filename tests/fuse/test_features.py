"""Features on disk: what was written is read, whole or not at all, and in batches of any length."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from consilience.errors import RunError
from consilience.fuse import Features, KeptOutputs, WithFeatures, open_features, write_features
from consilience.fuse._features import cache_folder

LONG = torch.arange(2 * 4 * 3, dtype=torch.float32).reshape(2, 4, 3)
SHORT = -torch.arange(2 * 3, dtype=torch.float32).reshape(1, 2, 3)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONSILIENCE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def batches() -> Iterator[tuple[list[int], dict[str, Tensor]]]:
    yield [7, 3], {"encoder.hidden": LONG, "encoder.pooled": LONG[:, 0].to(torch.bfloat16)}
    yield [5], {"encoder.hidden": SHORT, "encoder.pooled": SHORT[:, 0].to(torch.bfloat16)}


def write(key: str = "key") -> Features:
    return write_features(key, ("encoder.hidden", "encoder.pooled"), batches())


@pytest.mark.parametrize("is_reopened", [False, True])
def test_rows_are_read_back_to_the_last_bit(is_reopened: bool) -> None:
    features = write()
    if is_reopened:
        found = open_features("key")
        assert found is not None
        features = pickle.loads(pickle.dumps(found))
    assert torch.equal(features.of("encoder.hidden", [3, 7], [None, None]), LONG.flip(0))
    pooled = features.of("encoder.pooled", [5, 3, 7, 5], [None])
    assert pooled.dtype is torch.bfloat16
    assert torch.equal(pooled.float(), torch.stack([SHORT[0, 0], LONG[1, 0], LONG[0, 0], SHORT[0, 0]]))


@pytest.mark.parametrize(("width", "length"), [(None, 4), (2, 2), (6, 6)])
def test_a_sequence_is_as_long_as_its_batch(width: int | None, length: int) -> None:
    made = write().of("encoder.hidden", [5, 7], [width, None])
    assert made.shape == (2, length, 3)
    assert torch.equal(made[0, :2], SHORT[0])
    assert not made[0, 2:].any()
    both = min(length, 4)
    assert torch.equal(made[1, :both], LONG[0, :both])
    assert not made[1, both:].any()


def test_a_row_that_was_not_kept_is_told() -> None:
    with pytest.raises(KeyError, match="nothing was kept"):
        write().of("encoder.pooled", [4], [None])


def test_a_batch_has_the_features_beside_the_rest() -> None:
    kept = KeptOutputs(frozenset(["encoder"]), ("encoder.hidden",), {"encoder.hidden": ((), (("tokens.mask", 1),), ())})

    def collate(examples: object) -> dict[str, Tensor]:
        return {"tokens.mask": torch.ones(1, 3, dtype=torch.bool)}

    batch = WithFeatures(collate, write(), kept)([{"_row": 7}])
    assert set(batch) == {"tokens.mask", "encoder.hidden"}
    assert torch.equal(batch["encoder.hidden"], LONG[:1, :3])
    filled = WithFeatures(collate, write(), kept)([{"_row": 7}, {"_row": -1}])  # what fills up a batch is no row
    assert filled["encoder.hidden"].shape == (2, 3, 3)


def test_nothing_is_read_of_a_writer_that_was_stopped(cache: Path) -> None:
    def stopped() -> Iterator[tuple[list[int], dict[str, Tensor]]]:
        yield from batches()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_features("key", ("encoder.hidden", "encoder.pooled"), stopped())
    assert open_features("key") is None
    assert list((cache / "features").iterdir()) == []


@pytest.mark.parametrize("name", ["encoder.hidden.bin", "rows.npy", "encoder.hidden.shapes.npy", "features.json"])
@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_what_is_damaged_is_made_anew(name: str, harm: str, cache: Path) -> None:
    file = write().folder / name
    if harm == "cut":
        file.write_bytes(file.read_bytes()[:-3])
    else:
        file.unlink()
    assert open_features("key") is None
    assert torch.equal(write().of("encoder.hidden", [7, 3], [None, None]), LONG)


def test_the_faster_of_two_writers_is_taken() -> None:
    def overtaken() -> Iterator[tuple[list[int], dict[str, Tensor]]]:
        yield from batches()
        write()

    write_features("key", ("encoder.hidden", "encoder.pooled"), overtaken())
    assert sorted(path.name for path in cache_folder().iterdir()) == ["key"]


def test_what_a_killed_writer_left_is_cleared_away(cache: Path) -> None:
    left = cache / "features" / ".part-killed"
    fresh = cache / "features" / ".part-at-work"
    for folder in (left, fresh):
        folder.mkdir(parents=True)
    os.utime(left, (time.time() - 2 * 24 * 3600,) * 2)
    write()
    assert not left.exists()
    assert fresh.exists()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("CONSILIENCE_CACHE", str(tmp_path / "file"))
    with pytest.raises(RunError) as told:
        write()
    assert str(told.value) == (
        "error CN754 at the file\n"
        f"  found     {tmp_path / 'file' / 'features'}: Not a directory\n"
        "  expected  a place to keep features\n"
        "  fix       CONSILIENCE_CACHE=PATH consilience train FILE"
    )


def test_the_user_s_cache_is_taken_where_none_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CONSILIENCE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "consilience" / "features"
