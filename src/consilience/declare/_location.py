"""Locations: where a resource or a table lies, relative to the fusion file or inside an installed package."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import core_schema

from consilience.declare._component import Fault
from consilience.declare._paste import paste
from consilience.errors import nearest

__all__ = ["Location"]

_PACKAGE = "pkg:"


@dataclass(frozen=True)
class Location:
    """A path as the file writes it.

    It is absolute, relative to the fusion file, or `pkg:package/path` inside an installed package.
    """

    text: str
    base: Path | None = None

    @property
    def package(self) -> str | None:
        """The package that a `pkg:` location names, or None."""
        if not self.text.startswith(_PACKAGE):
            return None
        return self.text.removeprefix(_PACKAGE).partition("/")[0]

    @property
    def path(self) -> Path:
        """Where it lies; raises FileNotFoundError when its package is not installed. The path itself may not exist."""
        if self.package is None:
            return (self.base or Path()) / Path(self.text).expanduser()
        folder = _package_folder(self.package)
        if folder is None:
            raise FileNotFoundError(f"no installed package {self.package!r}")
        return folder / self.text.removeprefix(_PACKAGE).partition("/")[2]

    def fault(self, key: str = "path", wanted: str = "a file") -> Fault | None:
        """Tells what is wrong with the place, or None when something lies there."""
        if self.package is not None and _package_folder(self.package) is None:
            found = f"pkg:{self.package}, and no package {self.package} is installed"
            return Fault("CN602", key, found, wanted, f"pip install {self.package.replace('_', '-')}")
        try:
            path = self.path
            if path.exists():
                return None
            siblings = sorted(entry.name for entry in path.parent.iterdir()) if path.parent.is_dir() else []
        except (OSError, RuntimeError, ValueError) as error:  # a name too long, a folder closed to us, ~nobody
            return Fault("CN601", key, f"{self.text}: {error}", wanted, f"# write under {key} where {wanted} lies")
        near = nearest(path.name, siblings)
        written = self.text[: len(self.text) - len(path.name)] + near if near else None
        fix = f"{key}: {paste(written)}" if written else f"# put {wanted} at {path}, or correct {key}"
        return Fault("CN601", key, f"{self.text}: nothing lies at {path}", wanted, fix)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def read(value: str, info: ValidationInfo) -> Location:
            base = (info.context or {}).get("base")
            return cls(value, Path(base) if base is not None else None)

        written = core_schema.with_info_after_validator_function(read, core_schema.str_schema(min_length=1))
        return core_schema.json_or_python_schema(
            json_schema=written,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), written]),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda location: location.text),
        )


def _package_folder(package: str) -> Path | None:
    if not package.isidentifier():
        return None  # to find a package inside another, Python would run the outer one's code
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return None
    folders = list(spec.submodule_search_locations or []) if spec else []
    return Path(folders[0]) if folders else None
