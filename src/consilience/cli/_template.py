"""The template of a discipline's repository: which files it has, and what stands in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from packaging.version import Version

from consilience.cli._kinds import KINDS, Kind

__all__ = ["COMPLETE", "Discipline", "rendered"]

COMPLETE = ("module", "loss", "input", "metric")
"""The kinds that a repository has when none is asked for: together they make an example that trains."""


@dataclass(frozen=True)
class Discipline:
    """A repository to be made: its namespace, the kinds of its components, and the running Consilience's version."""

    namespace: str
    kinds: Sequence[str]
    consilience: str

    @property
    def package(self) -> str:
        """The package that is imported: `consilience_folk_tales`."""
        return f"consilience_{self.namespace}"

    @property
    def distribution(self) -> str:
        """The distribution that is installed, and the directory that it lies in: `consilience-folk-tales`."""
        return self.package.replace("_", "-")

    @property
    def title(self) -> str:
        """The name in a sentence's beginning: `Folk tales`."""
        return self.namespace.replace("_", " ").capitalize()

    @property
    def requirement(self) -> str:
        """What it requires of Consilience: this version, and none that may break the contract."""
        version = Version(self.consilience)
        release = (*version.release, 0)[:2]
        least = version.public if version.is_prerelease else ".".join(map(str, release))
        below = f"0.{release[1] + 1}" if release[0] == 0 else f"{release[0] + 1}"
        return f">={least},<{below}"


def rendered(discipline: Discipline) -> Mapping[PurePosixPath, str]:
    """Gives the text of every file of a repository, by its path there."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("consilience.cli", "templates/plugin"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    values = _values(discipline)
    return {
        PurePosixPath(path): environment.get_template(f"{template}.jinja").render(values) if template else ""
        for path, template in _files(discipline).items()
    }


def _files(discipline: Discipline) -> Mapping[str, str]:
    """Names the template of every file; an empty one has none."""
    namespace, source = discipline.namespace, f"src/{discipline.package}"
    files = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        "CHANGELOG.md": "CHANGELOG.md",
        "LICENSE": "LICENSE",
        ".gitignore": "gitignore",
        ".github/workflows/ci.yml": "ci.yml",
        f"{source}/__init__.py": "init.py",
        f"{source}/py.typed": "",
        f"tests/test_{namespace}.py": "test.py",
        f"tests/test_{namespace}_conformance.py": "test_conformance.py",
    }
    files |= {f"{source}/{KINDS[kind].file}": f"built/{kind}.py" for kind in discipline.kinds}
    if _has_example(discipline):
        files |= {f"examples/{namespace}.yaml": "example.yaml", f"examples/{namespace}.csv": "example.csv"}
    return files


def _has_example(discipline: Discipline) -> bool:
    return set(discipline.kinds) >= set(COMPLETE)


def _values(discipline: Discipline) -> Mapping[str, Any]:
    """Gives what the templates speak of."""
    kinds = [KINDS[kind] for kind in discipline.kinds]
    return {
        "namespace": discipline.namespace,
        "package": discipline.package,
        "distribution": discipline.distribution,
        "title": discipline.title,
        "requirement": discipline.requirement,
        "kinds": kinds,
        "has": {kind: kind in discipline.kinds for kind in KINDS},
        "has_example": _has_example(discipline),
        "needs_torch": any("nn" in kind.typing for kind in kinds),
        "packages": _ordered(package for kind in kinds for package in kind.packages),
        "declare_imports": [
            *_ordered(["Component", *(name for kind in kinds for name in kind.imports)]),
            "hookimpl",
        ],
        "standard_imports": _standard_imports(kinds),
        "test_imports": _test_imports(discipline, kinds),
    }


def _ordered(names: Iterable[str]) -> list[str]:
    return sorted(set(names))


def _standard_imports(kinds: Sequence[Kind]) -> str:
    """Writes what the declarations import of the standard library."""
    used = {name for kind in kinds for name in kind.typing}
    wanted = {
        "collections.abc": _ordered(used & {"Callable", "Iterable", "Mapping"}),
        "functools": _ordered(used & {"partial"}),
        "pathlib": _ordered(used & {"Path"}),
        "typing": [*(["TYPE_CHECKING"] if "nn" in used else []), *_ordered(used & {"Any"})],
    }
    return "\n".join(f"from {module} import {', '.join(names)}" for module, names in wanted.items() if names)


def _test_imports(discipline: Discipline, kinds: Sequence[Kind]) -> Sequence[str]:
    """Writes what the tests import, in the order that the linter wants."""
    used = {name for kind in kinds for name in kind.tested_with}
    names = {kind.name for kind in kinds}
    lines = [f"import {name}" for name in ("pytest", "torch") if name in used]
    lines += ["from consilience import Fusion, check"]
    lines += ["from consilience.data import examine"] if _has_example(discipline) else []
    lines += ["from consilience.evidence import evaluate"] if "metric" in names else []
    lines += ["from consilience.train import train"]
    lines += ["from torch import nn"] if "nn" in used else []
    own = sorted((kind.file.removesuffix(".py"), kind.built) for kind in kinds)
    return [*lines, "", *(f"from {discipline.package}.{module} import {built}" for module, built in own)]
