"""The world of the tried fusions, made once a session, and a way to keep what is read of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # the modules here are imported as `tests.soundness`, by a soak too

from tests.soundness.step import keep_what_is_read, registry_of_all
from tests.soundness.world import write_world

from consilience.host import Registry


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def everything() -> Registry:
    """A registry with every installed plugin."""
    for name in ("linguistics", "psychology", "knowledge", "complexity", "torchjd"):
        pytest.importorskip(f"consilience_{name}", reason=f"consilience-{name} is not installed")
    return registry_of_all()


@pytest.fixture(autouse=True, scope="module")
def kept() -> Iterator[None]:
    with keep_what_is_read():
        yield
