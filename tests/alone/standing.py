"""What a plugin's wheel does with nothing but its declared dependencies around it, and what it imports undeclared."""

from __future__ import annotations

import ast
import json
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from environments import TEST_DEPENDENCIES, make_environment, metadata_of, run
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = ["Outcome", "list_plugins", "stand_alone", "undeclared_imports"]

_LEFT_BEHIND = shutil.ignore_patterns("src", "build", "dist", "__pycache__", ".*")
_PASSED = re.compile(r"(\d+) passed")


@dataclass(frozen=True)
class Outcome:
    """What came of a plugin's own tests, and what `consilience plugins` lists beside the standard components."""

    exit_code: int
    passed: int
    told: str
    plugins: list[dict[str, Any]]


def stand_alone(wheel: Path, tests: Path, core: Path, folder: Path) -> Outcome:
    """Builds each component of a plugin, and lists it, with its wheel, the core's, and what both declare installed.

    The tests are copied with what stands beside their folder, such as a README, but without the source.
    """
    python = make_environment(folder / "environment", [core, wheel], TEST_DEPENDENCIES)
    copied = Path(shutil.copytree(tests.parent, folder / "copied", ignore=_LEFT_BEHIND))
    # What builds each component: here a dependency or a file of data is missed, the rest is tried where all is there.
    chosen = ("-k", "buildable")
    command = (python, "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider", *chosen, tests.name)
    done = run(*command, folder=copied, check=False)
    found = _PASSED.search(done.stdout)
    told = done.stdout + done.stderr
    return Outcome(done.returncode, int(found[1]) if found else 0, told, list_plugins(python, folder))


def list_plugins(python: Path, folder: Path) -> list[dict[str, Any]]:
    """Lists what is installed beside the standard components, faults included."""
    done = run(python.with_name("consilience"), "plugins", "--json", folder=folder, check=False)
    listed: list[dict[str, Any]] = json.loads(done.stdout)
    return [plugin for plugin in listed if plugin["namespace"] != "standard"]


def undeclared_imports(wheel: Path) -> set[str]:
    """Names the packages that a wheel's code imports, and that its metadata does not require by itself.

    An environment does not tell: what the core requires is there for every plugin, until the core no longer does.
    """
    required = {canonicalize_name(Requirement(text).name) for text in metadata_of(wheel).get_all("Requires-Dist", [])}
    offered = packages_distributions()
    with zipfile.ZipFile(wheel) as archive:
        code = [name for name in archive.namelist() if name.endswith(".py")]
        own = {name.partition("/")[0].removesuffix(".py") for name in code}
        imported = {top for name in code for top in _imports(archive.read(name))}
    return {
        top
        for top in imported - own - sys.stdlib_module_names
        if not required & {canonicalize_name(name) for name in (top, *offered.get(top, ()))}
    }


def _imports(code: bytes) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]
