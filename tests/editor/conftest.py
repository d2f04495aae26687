"""A language server of npm's, installed once into the user's cache, and a client in a folder that has the schema."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the tests here share language_client
from language_client import LanguageClient

PACKAGE = Path(__file__).parent / "package.json"
SCHEMA = "fusion.schema.json"
OLDEST_NODE = 18
PATIENCE = 300
"""Seconds that npm has for the installation, which takes a few."""


@pytest.fixture(scope="session")
def server() -> list[str]:
    """Gives the command that starts the server; the tests are skipped where it cannot be installed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("the language server needs node and npm, and one of them is not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"the language server needs node {OLDEST_NODE} or newer, and this is {version}")
    return [node, str(installed(npm) / "bin" / "yaml-language-server"), "--stdio"]


def installed(npm: str) -> Path:
    """Gives the folder of the package in the version that package.json names, which is installed when it is not."""
    [(name, version)] = json.loads(PACKAGE.read_text(encoding="utf-8"))["dependencies"].items()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "consilience-tests"
    place = caches / f"{name}-{version}"
    if not place.exists():
        caches.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=caches) as folder:
            made = Path(folder, "made")
            made.mkdir()
            shutil.copy(PACKAGE, made)
            install(npm, made, f"{name} {version}")
            try:
                made.rename(place)
            except OSError:
                assert place.exists()  # another run was faster
    return place / "node_modules" / name


def install(npm: str, folder: Path, what: str) -> None:
    """Installs what the folder's package.json names, or skips the tests, and says why."""
    command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install {what} within {PATIENCE} seconds")
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.startswith("npm error")]
        pytest.skip(f"npm could not install {what}: {'; '.join(told[:3])}")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the command has written the schema."""
    made = tmp_path_factory.mktemp("editor")
    command = [sys.executable, "-m", "consilience", "schema", "--output", SCHEMA]
    subprocess.run(command, cwd=made, check=True)
    return made


@pytest.fixture(scope="session")
def editor(server: list[str], folder: Path) -> Iterator[LanguageClient]:
    client = LanguageClient(server, folder)
    yield client
    client.close()
