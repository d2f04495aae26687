"""What `consilience new` makes passes the linters, the types, its own tests and the kit, unchanged."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from consilience.cli import main
from consilience.cli._kinds import KINDS

ROOT = Path(__file__).parents[2]
WHOLE = "whole"
"""The repository of `consilience new` without `--kind`."""

Make = Callable[[str, str], Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def invoke(name: str, kind: str) -> Path:
        folder = tmp_path / name
        options = [] if kind == WHOLE else ["--kind", kind]
        result = CliRunner().invoke(main, ["new", name, *options, "--output", str(folder)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return folder

    return invoke


def run(folder: Path, *command: str, site: Path | None = None) -> None:
    """Runs a module of Python in the repository; what it prints is told where it fails."""
    found = [str(site)] if site else []
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([*found, *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("kind", [WHOLE, *KINDS])
@pytest.mark.parametrize("name", ["a", "x" * 30])
def test_the_linters_find_nothing_whatever_its_name(name: str, kind: str, make: Make) -> None:
    folder = make(name, kind)
    run(folder, "ruff", "format", "--check", "--no-cache", ".")
    run(folder, "ruff", "check", "--no-cache", ".")


@pytest.mark.slow
def test_the_types_and_its_own_tests_hold(make: Make, tmp_path: Path) -> None:
    """Tries all at once: mypy reads torch once for them, and the suites of the kinds run in one process."""
    made = {f"folk_{kind}": make(f"folk_{kind}", kind) for kind in (WHOLE, *KINDS)}
    settings = made["folk_source"] / "pyproject.toml"  # which knows of `datasets` too
    checked = [str(folder / "src") for folder in made.values()]
    run(tmp_path, "mypy", "--config-file", str(settings), "--cache-dir", str(tmp_path / "types"), *checked)
    whole = made.pop("folk_whole")
    run(whole, "pytest", "-q", site=install(tmp_path / "whole", whole))
    site = install(tmp_path / "kinds", *made.values())
    run(tmp_path, "pytest", "-q", "-c", str(settings), *map(str, made.values()), site=site)


def install(site: Path, *folders: Path) -> Path:
    offline = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index"]
    run(site.parent, "pip", "install", *offline, "--target", str(site), *map(str, folders))
    return site


@pytest.mark.slow
def test_the_wheel_holds_the_template(tmp_path: Path) -> None:
    run(ROOT, "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), ".")
    [wheel] = tmp_path.glob("*.whl")
    template = ROOT / "src/consilience/cli/templates"
    wanted = {str(file.relative_to(ROOT / "src")) for file in template.rglob("*") if file.is_file()}
    assert wanted
    assert wanted <= set(zipfile.ZipFile(wheel).namelist())
