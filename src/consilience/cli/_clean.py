"""Tries a plugin in an environment that has nothing but the plugin and what it requires."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from urllib.parse import unquote, urlparse
from urllib.request import url2pathname
from zipfile import BadZipFile, ZipFile

import click

from consilience.errors import Diagnostic, RunError
from consilience.host import DISABLE, GROUP

__all__ = ["check_clean"]


def check_clean(path: str, keep: str | None) -> None:
    """Builds, installs and tries a plugin; ends with 1 when something is wrong with it."""
    given = Path(path)
    if not (given.is_dir() and (given / "pyproject.toml").is_file()) and given.suffix != ".whl":
        raise RunError(_unfit(path, "neither a wheel nor a folder with a pyproject.toml"))
    with _folder(keep) as name:
        folder = Path(name)
        wheel = given if given.suffix == ".whl" else _built(given, folder / "wheels")
        namespaces = _claimed(wheel)
        _say(f"making an environment in {folder / 'environment'}")
        venv.create(folder / "environment", with_pip=True)
        python = _python(folder / "environment")
        _say(f"installing {wheel.name}, and what it requires")
        _pip(python, "install", str(wheel), *_consilience(folder), *_constraints(folder))
        _say("examining it")
        examined = _run(python, "-m", "consilience", "plugins", "doctor")
        _say(f"running the conformance kit on {', '.join(namespaces)}")
        tried = _run(python, "-m", "consilience.testing", *namespaces)
    if examined or tried:
        click.get_current_context().exit(1)


def _folder(keep: str | None) -> AbstractContextManager[str]:
    if keep is None:
        return tempfile.TemporaryDirectory(prefix="consilience-")
    try:
        Path(keep).mkdir(parents=True)
    except OSError as error:
        found = f"{keep}: {error.strerror or error}"
        raise RunError(
            Diagnostic("CN709", ("keep",), found, "a folder that is not there yet", "--keep FOLDER")
        ) from None
    return nullcontext(keep)


def _built(tree: Path, folder: Path) -> Path:
    """Builds the wheel of a source tree."""
    _say(f"building a wheel of {tree}")
    _pip(Path(sys.executable), "wheel", "--no-deps", "--wheel-dir", str(folder), str(tree))
    [wheel] = folder.glob("*.whl")
    return wheel


def _claimed(wheel: Path) -> list[str]:
    """Reads the namespaces that a wheel claims."""
    from configparser import ConfigParser, Error

    points = ConfigParser(delimiters="=", interpolation=None)
    points.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    try:
        with ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(".dist-info/entry_points.txt"):
                    points.read_string(archive.read(name).decode("utf-8"))
    except (OSError, BadZipFile, UnicodeDecodeError, Error) as error:
        raise RunError(_unfit(str(wheel), " ".join(str(error).split()))) from None
    if not points.has_section(GROUP) or not points.options(GROUP):
        raise RunError(_unfit(str(wheel), f"no entry point in the group {GROUP}"))
    return points.options(GROUP)


def _consilience(folder: Path) -> list[str]:
    """Names this Consilience for pip, with what the kit needs: its release, or a wheel of where it came from."""
    wanted = f"consilience[testing]=={version('consilience')}"
    told = distribution("consilience").read_text("direct_url.json")
    url = urlparse(json.loads(told)["url"]) if told else None
    if url is None or url.scheme != "file":
        return [wanted]
    source = Path(url2pathname(unquote(url.path)))
    wheel = source if source.suffix == ".whl" else _built(source, folder / "core")
    return ["--find-links", str(wheel.parent), wanted]


def _constraints(folder: Path) -> list[str]:
    """Keeps the torch that is here: another one would cost gigabytes, and try something else."""
    try:
        here = version("torch").partition("+")[0]
    except PackageNotFoundError:
        return []
    (folder / "constraints.txt").write_text(f"torch=={here}\n", encoding="utf-8")
    return ["--constraint", str(folder / "constraints.txt")]


def _pip(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments, "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    if done.returncode:
        last = [line for line in done.stderr.splitlines() if "ERROR" in line or "error:" in line] or [
            done.stderr.strip()
        ]
        fix = f"# run {' '.join(command[2:-1])}, and mend what it says"
        expected = "a distribution that pip can build and install"
        raise RunError(Diagnostic("CN219", ("plugins", "check"), last[0].strip() or "pip failed", expected, fix))


def _run(python: Path, *arguments: str) -> int:
    """Runs Python in the environment, isolated from this one; what it says goes through."""
    return subprocess.run([str(python), "-I", *arguments], check=False, env=_environment()).returncode


def _environment() -> dict[str, str]:
    """Gives the variables of this environment without those that would let it into the clean one; pip's own stay."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON") and name != DISABLE}


def _python(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _unfit(path: str, found: str) -> Diagnostic:
    expected = "the source tree of a plugin, or its wheel"
    return Diagnostic("CN219", ("plugins", "check"), f"{path}: {found}", expected, "consilience plugins check PATH")


def _say(text: str) -> None:
    click.echo(text, err=True)
