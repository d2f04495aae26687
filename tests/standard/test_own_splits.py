"""What a source says of its splits before it is opened agrees with what it opens to."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest

from consilience.standard._sources import Hub, Table


def made(kind: type, folder: Path, path: str, **settings: object) -> Table | Hub:
    return kind.model_validate({"path": path, **settings}, context={"base": folder})


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.parametrize(
    ("files", "path", "splits"),
    [
        (["rows.csv"], "rows.csv", {"all"}),
        (["train.csv", "dev.csv", "test.csv"], "{split}.csv", {"train", "validation", "test"}),
        (["test.csv"], "{split}.csv", {"test"}),
    ],
)
def test_a_table_has_the_splits_whose_files_exist(
    tmp_path: Path, files: list[str], path: str, splits: set[str]
) -> None:
    for name in files:
        (tmp_path / name).write_text("text\na film\n")
    source = made(Table, tmp_path, path)
    assert source.splits() == splits == set(source.open())


def test_a_table_without_files_knows_nothing(tmp_path: Path) -> None:
    assert made(Table, tmp_path, "{split}.csv").splits() is None


@pytest.mark.parametrize(
    ("files", "splits"),
    [
        (["train.csv", "test.csv", "README.md"], {"train", "test"}),
        (["data/train-00000-of-00001.csv", "data/test-00000-of-00001.csv"], {"train", "test"}),
        (["data/my_eval_1.csv"], {"test"}),
        (["dev.csv", "training.csv"], {"train", "validation"}),
    ],
)
def test_a_local_data_set_has_the_splits_that_its_files_are_named_after(
    tmp_path: Path, files: list[str], splits: set[str]
) -> None:
    for name in files:
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text\na film\n")
    source = made(Hub, tmp_path, "set")
    assert source.splits() == splits == set(source.open())


@pytest.mark.parametrize(
    ("files", "settings"),
    [
        (["rows.csv"], {}),  # all of it becomes train, but so it does not say
        (["train_test.csv"], {}),
        (["deep/er/train.csv"], {}),
        (["train.csv"], {"name": "one"}),
        ([], {}),
    ],
)
def test_where_names_do_not_tell_nothing_is_said(tmp_path: Path, files: list[str], settings: dict[str, object]) -> None:
    (tmp_path / "set").mkdir()
    for name in files:
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text\na film\n")
    assert made(Hub, tmp_path, "set", **settings).splits() is None


def test_a_card_may_say_otherwise(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("text\na film\n")
    (tmp_path / "README.md").write_text("---\nconfigs: [{config_name: default, data_files: '*.csv'}]\n---\n")
    assert made(Hub, tmp_path, ".").splits() is None


def test_what_the_hub_has_is_not_looked_up(tmp_path: Path) -> None:
    assert made(Hub, tmp_path, "owner/name").splits() is None
