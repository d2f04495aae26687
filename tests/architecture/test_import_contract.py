"""Plants one violation of each clause of the import contract in a copy of the tree, and sees it caught."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DISCIPLINES = ("complexity", "knowledge", "linguistics", "psychology", "torchjd")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
NAMES = {contract["id"]: contract["name"] for contract in SETTINGS["contracts"]}
LAYERS = [
    [room for room in layer.split(" | ") if not room.startswith("(")]
    for contract in SETTINGS["contracts"]
    if contract["id"] == "rooms"
    for layer in contract["layers"]
]
ROOMS = [room for layer in LAYERS for room in layer]
UPWARD = [
    *[(lower, upper) for above, below in itertools.pairwise(LAYERS) for upper in above for lower in below],
    ("errors", "cli"),
]
CLOSED = [room for room in ROOMS if room not in {"declare", "errors"}]
LIGHT = ("errors", "declare", "host", "plan")
HEAVY = ("torch", "transformers")


class Tree:
    """Holds a copy of the sources, and runs the contract on them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sources = [root / "src", *(root / "plugins" / name / "src" for name in DISCIPLINES)]
        shutil.copy(ROOT / "pyproject.toml", root)
        for source in self.sources:
            shutil.copytree(
                ROOT / source.relative_to(root), source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
            )

    def plant(self, module: str, line: str) -> None:
        """Adds a line to a module; a module that does not exist is made."""
        source = next(source for source in self.sources if (source / module.split(".")[0]).is_dir())
        stem = source.joinpath(*module.split("."))
        path = stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        path.write_text(f"{before}\n{line}\n", encoding="utf-8")

    def broken(self) -> set[str]:
        """Gives the ids of the contracts that the tree breaks."""
        run = subprocess.run(
            [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, self.sources)), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        verdicts = {
            key: re.search(rf"^{re.escape(name)} (KEPT|BROKEN)", run.stdout, re.M) for key, name in NAMES.items()
        }
        assert all(verdicts.values()), f"no verdict on some contract:\n{run.stdout}{run.stderr}"
        broken = {key for key, verdict in verdicts.items() if verdict and verdict[1] == "BROKEN"}
        assert run.returncode == int(bool(broken)), run.stdout + run.stderr
        return broken


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_the_tree_as_it_is_keeps_every_contract(tree: Tree) -> None:
    assert tree.broken() == set()


@pytest.mark.parametrize(("lower", "upper"), UPWARD)
def test_no_room_imports_one_above_or_beside_it(tree: Tree, lower: str, upper: str) -> None:
    tree.plant(f"consilience.{lower}", f"import consilience.{upper}")
    assert "rooms" in tree.broken()


def test_the_kit_stands_beside_the_command_and_neither_imports_the_other(tree: Tree) -> None:
    tree.plant("consilience.cli", "import consilience.testing")
    assert tree.broken() == {"rooms"}


def test_an_import_for_types_alone_counts(tree: Tree) -> None:
    tree.plant("consilience.plan", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import consilience.fuse")
    assert "rooms" in tree.broken()


def test_an_import_inside_a_function_counts(tree: Tree) -> None:
    tree.plant("consilience.plan", "def planted():\n    import consilience.fuse")
    assert "rooms" in tree.broken()


def test_a_room_without_its_line_in_the_contract_is_refused(tree: Tree) -> None:
    tree.plant("consilience.attic", '"""A room nobody declared."""')
    assert tree.broken() == {"rooms"}


@pytest.mark.parametrize("heavy", HEAVY)
@pytest.mark.parametrize("room", LIGHT)
def test_the_light_rooms_do_not_import_what_is_heavy(tree: Tree, room: str, heavy: str) -> None:
    tree.plant(f"consilience.{room}", f"import {heavy}")
    assert "light" in tree.broken()


def test_the_check_does_not_wait_for_the_drawing(tree: Tree) -> None:
    tree.plant("consilience.plan._learning", "import consilience.plan.drawing")
    assert tree.broken() == {"drawing"}


@pytest.mark.parametrize(
    ("lower", "upper"),
    [("_checkpoints", "_trainer"), ("_gradients", "_checkpoints"), ("_runs", "_objective"), ("_ranks", "_runs")],
)
def test_no_part_of_a_training_imports_one_above_it(tree: Tree, lower: str, upper: str) -> None:
    tree.plant(f"consilience.train.{lower}", f"import consilience.train.{upper}")
    assert tree.broken() == {"training"}


def test_the_light_rooms_do_not_reach_what_is_heavy_through_others(tree: Tree) -> None:
    tree.plant("consilience.standard._planted", "import torch")
    tree.plant("consilience.host", "import consilience.standard._planted")
    assert {"light", "hooks"} <= tree.broken()


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_imports_the_standard_components(tree: Tree, room: str) -> None:
    tree.plant(f"consilience.{room}", "import consilience.standard")
    assert "hooks" in tree.broken()


@pytest.mark.parametrize("room", CLOSED)
def test_the_standard_components_import_no_room_but_declare(tree: Tree, room: str) -> None:
    tree.plant("consilience.standard", f"import consilience.{room}")
    assert tree.broken() == {"standard"}


@pytest.mark.parametrize(("room", "discipline"), list(zip([*ROOMS, "standard"], itertools.cycle(DISCIPLINES))))
def test_the_core_names_no_plugin(tree: Tree, room: str, discipline: str) -> None:
    tree.plant(f"consilience.{room}", f"import consilience_{discipline}")
    assert "core" in tree.broken()


@pytest.mark.parametrize(("room", "discipline"), list(zip([*CLOSED, "standard"], itertools.cycle(DISCIPLINES))))
def test_a_plugin_imports_no_room_but_declare(tree: Tree, discipline: str, room: str) -> None:
    tree.plant(f"consilience_{discipline}", f"import consilience.{room}")
    assert "contract" in tree.broken()


@pytest.mark.parametrize("package", ["consilience.standard", *(f"consilience_{name}" for name in DISCIPLINES)])
def test_what_a_plugin_needs_of_the_errors_comes_from_declare(tree: Tree, package: str) -> None:
    tree.plant(f"{package}._planted", "from consilience.errors import Diagnostic")
    assert tree.broken() == {"front"}


@pytest.mark.parametrize(("one", "other"), [(a, b) for a in DISCIPLINES for b in DISCIPLINES if a != b])
def test_the_disciplines_do_not_import_each_other(tree: Tree, one: str, other: str) -> None:
    tree.plant(f"consilience_{one}", f"import consilience_{other}")
    assert tree.broken() == {"disciplines"}


@pytest.mark.parametrize(
    "module",
    [
        "consilience",
        *(f"consilience.{room}" for room in LIGHT),
        "consilience.cli",
        "consilience.standard",
        *(f"consilience_{discipline}" for discipline in DISCIPLINES),
    ],
)
def test_importing_what_the_check_needs_loads_nothing_heavy(module: str) -> None:
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {module}"], capture_output=True, text=True, check=True
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in run.stderr.splitlines()}
    assert module.partition(".")[0] in loaded
    assert loaded.isdisjoint(HEAVY)
