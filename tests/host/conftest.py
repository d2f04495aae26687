"""Distributions written by hand: a package and its dist-info folder, found as pip's are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import invalidate_caches
from importlib.metadata import distributions
from pathlib import Path
from textwrap import dedent

import pytest

from consilience.host import Registry

Install = Callable[..., None]
OWN = "consilience_own_"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on sys.path; what is imported from it is forgotten after the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith(OWN)]:
        del sys.modules[name]


@pytest.fixture
def install(site: Path) -> Install:
    """Writes a distribution that claims a namespace."""

    def write(
        namespace: str, code: str = "", name: str = "", requires: tuple[str, ...] = (), attribute: str = ""
    ) -> None:
        name = name or f"own-{namespace}"
        module = OWN + name.replace("-", "_")
        (site / f"{module}.py").write_text(dedent(code), encoding="utf-8")
        info = site / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n"
        metadata += "".join(f"Requires-Dist: {text}\n" for text in requires)
        (info / "METADATA").write_text(metadata, encoding="utf-8")
        points = f"[consilience.plugins]\n{namespace} = {module}{attribute}\n"
        (info / "entry_points.txt").write_text(points, encoding="utf-8")
        invalidate_caches()

    return write


@pytest.fixture
def registry(site: Path) -> Callable[[], Registry]:
    """Makes a registry of what was installed into the folder."""

    def make() -> Registry:
        found = [point for found in distributions(path=[str(site)]) for point in found.entry_points]
        return Registry(found=found)

    return make
