"""Builds the wheel of a plugin's source tree, and unpacks it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from consilience.testing._check import Broken, NotApplicable

__all__ = ["package_files", "source_tree", "unpacked_wheel"]

_MADE = ("build", "dist", "node_modules", "runs")
"""What is made beside a package, at the top of its tree; deeper down, a folder of such a name is a part of it."""


def source_tree(package: Path) -> Path:
    """Finds the source tree that a package's folder stands in; raises `NotApplicable` where it was installed whole."""
    for folder in package.parents:
        if folder.name in ("site-packages", "dist-packages"):
            break
        if (folder / "pyproject.toml").is_file():
            return folder
    raise NotApplicable("it is installed, and not from a source tree: its wheel was built before")


def package_files(package: Path) -> list[str]:
    """Lists the files of a package's folder, relative to what holds it."""
    found = (path for path in package.rglob("*") if path.is_file())
    kept = (path for path in found if "__pycache__" not in path.parts and path.suffix != ".pyc")
    return sorted(path.relative_to(package.parent).as_posix() for path in kept)


@contextmanager
def unpacked_wheel(tree: Path) -> Iterator[Path]:
    """Builds the wheel of a copy of a source tree, without a network, and gives the folder it is unpacked into."""
    if find_spec("build") is None:
        raise NotApplicable("the package build is not installed: pip install build")
    with tempfile.TemporaryDirectory(prefix="consilience-wheel-") as place:
        copy, out, unpacked = (Path(place) / name for name in ("tree", "out", "unpacked"))
        shutil.copytree(tree, copy, ignore=partial(_ignored, tree), symlinks=True)
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--skip-dependency-check"]
        done = subprocess.run(
            [*command, "--outdir", str(out), str(copy)], capture_output=True, text=True, check=False, timeout=600
        )
        wheels = list(out.glob("*.whl"))
        if done.returncode or not wheels:
            last = next((line for line in reversed((done.stdout + done.stderr).splitlines()) if line.strip()), "")
            if "BackendUnavailable" in done.stdout + done.stderr:
                raise NotApplicable(f"its build backend is not installed: {last}")
            raise Broken(f"the wheel of {tree} does not build: {last}", "a wheel", "python -m build --wheel")
        with zipfile.ZipFile(wheels[0]) as wheel:
            wheel.extractall(unpacked)
        yield unpacked


def _ignored(tree: Path, folder: str, names: list[str]) -> list[str]:
    left_out = {"__pycache__", *(_MADE if Path(folder) == tree else ())}
    return [name for name in names if name in left_out or (name.startswith(".") and name != ".gitignore")]
