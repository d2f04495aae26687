"""A reader of the pages, with a folder of their own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from consilience.host import _registry

sys.path.insert(0, str(Path(__file__).parent))  # the tests here share docs_pages
from docs_pages import READER, ROOT, Reader


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """A reader with a folder, a registry and an import path of their own."""
    shutil.copytree(READER, tmp_path / "page")
    shutil.copyfile(ROOT / "examples/film-reviews/film.ttl", tmp_path / "page/film.ttl")
    monkeypatch.setattr(_registry, "_default", None)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    before = set(sys.modules)
    yield Reader(tmp_path / "page")
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(tmp_path)):
            del sys.modules[name]
