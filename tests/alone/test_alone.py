"""Each plugin works from its wheel, with its declared dependencies and nothing else; so do all of them together."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distribution
from pathlib import Path

import pytest
from click.testing import CliRunner
from environments import MissingRequirement, build_wheel, link_files, make_environment, metadata_of, run
from standing import Outcome, list_plugins, stand_alone, undeclared_imports

from consilience.cli import main

ROOT = Path(__file__).parents[2]
DISCIPLINES = sorted(path.parent.name for path in (ROOT / "plugins").glob("*/pyproject.toml"))
CORE = "consilience"

EVERY_MODULE = """
    import importlib, pkgutil, sys
    import consilience

    names = [found.name for found in pkgutil.walk_packages(consilience.__path__, "consilience.")]
    for name in names:
        if not name.endswith("__main__") and not name.startswith("consilience.testing."):  # an extra of its own
            importlib.import_module(name)
    print(consilience.__file__, len(names))
"""

Alone = Callable[[Path, Path], Outcome]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The wheels of the core and of every discipline, by name."""
    folder = tmp_path_factory.mktemp("wheels")
    sources = {CORE: ROOT} | {name: ROOT / "plugins" / name for name in DISCIPLINES}
    with ThreadPoolExecutor(2) as pool:
        built = pool.map(lambda name: build_wheel(sources[name], folder / name), sources)
        return dict(zip(sources, built, strict=True))


@pytest.fixture
def alone(wheels: Mapping[str, Path], tmp_path: Path) -> Alone:
    """Runs the tests of a plugin's wheel, alone: `alone(wheel, folder_of_its_tests)`."""
    return lambda wheel, tests: stand_alone(wheel, tests, wheels[CORE], tmp_path)


def plant(folder: Path, file: str, old: str, new: str) -> Path:
    """Copies the source tree of psychology, with one text of a file changed for another."""
    copied = Path(shutil.copytree(ROOT / "plugins" / "psychology", folder))
    text = (copied / file).read_text(encoding="utf-8")
    assert old in text
    (copied / file).write_text(text.replace(old, new), encoding="utf-8")
    return copied


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, wheels: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Outcome]:
    """What came of the disciplines that are asked for: two are tried at a time."""
    items = [item for item in request.session.items if item.name.startswith("test_a_discipline_stands_alone[")]
    names = [item.callspec.params["name"] for item in items if isinstance(item, pytest.Function)]
    folders = {name: tmp_path_factory.mktemp(name) for name in names}
    with ThreadPoolExecutor(2) as pool:
        tried = pool.map(
            lambda name: stand_alone(wheels[name], ROOT / "plugins" / name / "tests", wheels[CORE], folders[name]),
            names,
        )
        return dict(zip(names, tried, strict=True))


@pytest.mark.parametrize("name", DISCIPLINES)
def test_a_discipline_stands_alone(name: str, outcomes: Mapping[str, Outcome], wheels: Mapping[str, Path]) -> None:
    outcome = outcomes[name]
    assert outcome.exit_code == 0, outcome.told
    assert outcome.passed > 0, outcome.told
    [plugin] = outcome.plugins
    assert (plugin["namespace"], plugin["distribution"], plugin["fault"]) == (name, f"consilience-{name}", None)
    assert plugin["components"]
    assert plugin["version"] == metadata_of(wheels[name])["Version"]


def test_a_discipline_that_is_made_afresh_stands_alone(alone: Alone, tmp_path: Path) -> None:
    made = tmp_path / "made"
    done = CliRunner().invoke(main, ["new", "folklore", "--output", str(made)])
    assert done.exit_code == 0, done.output
    wheel = build_wheel(made, tmp_path / "wheel")
    assert undeclared_imports(wheel) == set()
    outcome = alone(wheel, made / "tests")
    assert (outcome.exit_code, outcome.passed > 0) == (0, True), outcome.told
    assert [(plugin["namespace"], plugin["fault"]) for plugin in outcome.plugins] == [("folklore", None)]


@pytest.mark.parametrize("name", [CORE, *DISCIPLINES])
def test_what_a_wheel_imports_it_requires_itself(name: str, wheels: Mapping[str, Path]) -> None:
    assert undeclared_imports(wheels[name]) == set()


def test_the_core_stands_alone(wheels: Mapping[str, Path], tmp_path: Path) -> None:
    python = make_environment(tmp_path / "environment", [wheels[CORE]])
    assert list_plugins(python, tmp_path) == []
    script = tmp_path / "every_module.py"
    script.write_text(EVERY_MODULE.replace("\n    ", "\n"), encoding="utf-8")
    file, count = run(python, script, folder=tmp_path).stdout.split()
    assert Path(file).is_relative_to(tmp_path / "environment")
    assert int(count) > 100


def test_all_disciplines_together_check_the_film_reviews(wheels: Mapping[str, Path], tmp_path: Path) -> None:
    python = make_environment(tmp_path / "environment", list(wheels.values()), ["consilience[demo]"])
    listed = {plugin["namespace"]: plugin["fault"] for plugin in list_plugins(python, tmp_path)}
    assert listed == dict.fromkeys(DISCIPLINES)
    example = shutil.copytree(ROOT / "examples" / "film-reviews", tmp_path / "film-reviews")
    command = python.with_name("consilience")
    told = run(command, "check", "fusion.yaml", folder=example).stdout
    assert told.startswith("film-reviews: no fault in ")
    assert f"with {', '.join(name for name in DISCIPLINES if name != 'torchjd')}" in told  # the film reviews use fixed
    assert run(command, "--help", folder=example).stdout.startswith("Usage: consilience ")


def test_a_dependency_that_is_not_declared_is_missed(alone: Alone, tmp_path: Path) -> None:
    planted = plant(tmp_path / "planted", "pyproject.toml", '    "vaderSentiment>=3.3.2",\n', "")
    wheel = build_wheel(planted, tmp_path / "wheel")
    outcome = alone(wheel, planted / "tests")
    assert outcome.exit_code != 0
    assert "ModuleNotFoundError: No module named 'vaderSentiment'" in outcome.told
    assert undeclared_imports(wheel) == {"vaderSentiment"}


def test_a_dependency_of_the_core_is_no_dependency_of_the_plugin(tmp_path: Path) -> None:
    planted = plant(
        tmp_path / "planted",
        "src/consilience_psychology/heads.py",
        "from torch import Tensor, nn\n",
        "from pandas import api\nfrom torch import Tensor, nn\n",
    )
    assert undeclared_imports(build_wheel(planted, tmp_path / "wheel")) == {"pandas"}


def test_a_requirement_that_nothing_meets_is_told(tmp_path: Path) -> None:
    planted = plant(tmp_path / "planted", "pyproject.toml", "vaderSentiment>=3.3.2", "no-such-lexicon>=2")
    wheel = build_wheel(planted, tmp_path / "wheel")
    with pytest.raises(MissingRequirement, match=r"no-such-lexicon>=2 is declared, and not installed here"):
        make_environment(tmp_path / "environment", [wheel])


def test_another_disk_is_linked_to_softly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: Path) -> None:
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    link_files(distribution("click"), tmp_path)
    code = f"import sys; sys.path = [{str(tmp_path)!r}, *sys.path]; import click; print(click.__file__)"
    assert run(sys.executable, "-c", code, folder=tmp_path).stdout.strip() == str(tmp_path / "click" / "__init__.py")
    assert (tmp_path / "click" / "__init__.py").is_symlink()
