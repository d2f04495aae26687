"""Locations: where a resource or a table lies, relative to the fusion file or inside an installed package."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import core_schema

from consilience.declare._fault import Fault
from consilience.declare._paste import paste
from consilience.errors import nearest

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

__all__ = ["Location"]

Form = Literal["file", "folder"]

_PACKAGE = "pkg:"
_ADDRESS = re.compile(r"[A-Za-z][\w+.-]*://")
_MOST_NAMES = 1000
"""The most names of a folder that a misspelt one is compared with."""


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
        folders = _package_folders(self.package)
        if not folders:
            raise FileNotFoundError(f"no installed package {self.package!r}")
        inside = self.text.removeprefix(_PACKAGE).partition("/")[2]
        # A namespace package lies in several folders.
        return next((found for folder in folders if (found := folder / inside).exists()), folders[0] / inside)

    def copy_into(self, folder: Path, name: str | None = None) -> str:
        """Copies the file into a folder, unless it lies there already, and gives its name there: what `save` needs."""
        import shutil  # with its compressors, which the check does without

        source = self.path
        copy = folder / (name or source.name)
        if not (copy.exists() and copy.samefile(source)):
            shutil.copyfile(source, copy)
        return copy.name

    def fault(self, key: str = "path", wanted: str = "a file", form: Form | None = None) -> Fault | None:
        """Tells what is wrong with the place, or None when something of the form lies there and may be read."""
        if self.package is not None and not _package_folders(self.package):
            found = f"pkg:{self.package}, and no package {self.package} is installed"
            fix = f"pip install {self.package.replace('_', '-')}"
            if _spec(self.package):
                found, fix = f"pkg:{self.package}, which is a module without files", f"# name under {key} {wanted}"
            return Fault("CN602", key, found, wanted, fix)
        if _ADDRESS.match(self.text):
            found = f"{self.text}, which is an address: nothing is downloaded"
            return Fault("CN601", key, found, wanted, f"# download it, and write under {key} where the file lies")
        try:
            path = self.path
            if not path.exists():
                return self._missing(path, key, wanted)
            unfit = _unfit(path, form, key, self.text)
        except (OSError, RuntimeError, ValueError) as error:  # a name too long, a folder closed to us, ~nobody
            reason = getattr(error, "strerror", None) or str(error)
            return Fault("CN601", key, f"{self.text}: {reason}", wanted, f"# write under {key} where {wanted} lies")
        return Fault("CN613", key, f"{self.text}: {unfit[0]}", wanted, unfit[1]) if unfit else None

    def _missing(self, path: Path, key: str, wanted: str) -> Fault:
        found = f"{self.text}: nothing lies at {path}"
        if path.is_symlink():
            found = f"{self.text}: {path} is a link to {path.readlink()}, which leads nowhere"
        written, name = self.text.rstrip("/"), path.name
        near = _near(path.parent, name)
        if near and _looks(near) == _looks(name):
            found += "; a name that looks alike has its accents in another form"
        kept = written[: len(written) - len(name)] if written.endswith(name) else ""
        fix = f"{key}: {paste(kept + near)}" if near else f"# put {wanted} at {path}, or correct {key}"
        return Fault("CN601", key, found, wanted, fix)

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


def _unfit(path: Path, form: Form | None, key: str, text: str) -> tuple[str, str] | None:
    """Tells why what lies at a path is not of the wanted form or cannot be read, and the fix."""
    if form == "file" and path.is_dir():
        inside = [entry.name for entry in islice(path.iterdir(), _MOST_NAMES) if entry.is_file()]
        only = f"{text.rstrip('/')}/{inside[0]}" if len(inside) == 1 and inside[0].isprintable() else None
        return "a folder", f"{key}: {paste(only)}" if only else f"# name under {key} a file inside {text}"
    if form == "folder" and not path.is_dir():
        return "a file", f"{key}: {paste(str(Path(text).parent))}"
    if form == "file" and not path.is_file():
        return "a device, a socket or a pipe", f"# name under {key} a file"
    if not os.access(path, os.R_OK | os.X_OK if path.is_dir() else os.R_OK):
        return "closed to this user", f"# let {path} be read, or name another under {key}"
    return None


def _near(folder: Path, name: str) -> str | None:
    """Finds the name in a folder that was likely meant; one that no fusion file can hold is none."""
    names = [entry.name for entry in islice(folder.iterdir(), _MOST_NAMES)] if folder.is_dir() else []
    names = sorted(other for other in names if other.isprintable() and other != name)
    return next((other for other in names if _looks(other) == _looks(name)), None) or nearest(name, names)


def _looks(name: str) -> str:
    """Gives a name in the one form of Unicode in which all names that look alike are equal."""
    from unicodedata import normalize

    return normalize("NFC", name)


def _package_folders(package: str) -> list[Path]:
    spec = _spec(package)
    return [Path(folder) for folder in spec.submodule_search_locations or []] if spec else []


def _spec(package: str) -> ModuleSpec | None:
    if not package.isidentifier():
        return None  # to find a package inside another, Python would run the outer one's code
    try:
        return find_spec(package)
    except (ImportError, ValueError):
        return None
