"""What `consilience new` does: refuses what could not work, and makes a discipline's repository whole or not at all."""

from __future__ import annotations

import keyword
import re
import shutil
import sys
import unicodedata
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import click

from consilience.cli._template import COMPLETE, Discipline, rendered
from consilience.errors import DeclarationError, Diagnostic, RunError
from consilience.host import claims, consilience_version

__all__ = ["make_discipline"]

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 30
"""Letters of a name: the lines of what is made stay within their bounds."""
_TASK = "task"
"""The discipline of the standard losses, which belongs to no plugin."""
_EXPECTED = (
    f"lower-case letters, digits and single underscores, a letter first, at most {_LONGEST}; no word of Python's own"
)


def make_discipline(name: str, kind: str | None, output: str | None) -> None:
    """Makes the repository, and tells what to type next; raises what is wrong with the name or the place."""
    discipline = Discipline(name, (kind,) if kind else COMPLETE, consilience_version())
    folder = Path(output or discipline.distribution)
    if faults := [*_faults_of_name(name), *_faults_of_place(folder)]:
        raise DeclarationError(faults)
    files = rendered(discipline)
    try:
        _write(files, folder)
    except OSError as error:
        found = f"{error.filename or folder}: {error.strerror or error}"
        fix = f"consilience new {name} --output PATH"
        raise RunError(Diagnostic("CN709", ("output",), found, "a directory that can be made", fix)) from None
    click.echo(f"{folder}: {len(files)} files\nnext\n  cd {folder}\n  pip install --editable '.[dev]'\n  pytest")


def _faults_of_name(name: str) -> Iterator[Diagnostic]:
    from consilience.cli._main import main

    if not _NAME.fullmatch(name) or len(name) > _LONGEST or _is_taken_by_python(name):
        found = f"{name}, a word of Python's own" if _is_taken_by_python(name) else name or "an empty name"
        yield Diagnostic("CN240", ("discipline",), found, _EXPECTED, f"consilience new {_suggested(name)}")
    elif name == _TASK:
        found = f"{name}, the discipline of the standard losses"
        yield _taken(name, found)
    elif name in main.commands:
        yield _taken(name, f"{name}, a command of Consilience, before which no plugin's own would be found")
    elif claimed := claims().get(name):
        found = f"{name}, which {claimed[0].distribution} {claimed[0].version}".rstrip() + " offers here"
        yield _taken(name, found)


def _taken(name: str, found: str) -> Diagnostic:
    expected = "a namespace that nobody has: files could not tell two apart"
    return Diagnostic(
        "CN241", ("discipline",), found, expected, f"consilience new my_{name}"[: len("consilience new ") + _LONGEST]
    )


def _is_taken_by_python(name: str) -> bool:
    return keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in sys.stdlib_module_names


def _suggested(name: str) -> str:
    """Makes a name of what somebody wrote: `Folk-Tales` becomes `folk_tales`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain).lower())
    near = "_".join(words).lstrip("0123456789_")[:_LONGEST].rstrip("_")
    if not near:
        return "folklore"
    return f"my_{near}"[:_LONGEST] if _is_taken_by_python(near) else near


def _faults_of_place(folder: Path) -> Iterator[Diagnostic]:
    try:
        inside = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    except OSError:  # closed to this user: writing into it tells the same
        return
    if inside:
        found = f"{folder}, which holds {inside[0]}" + (f" and {len(inside) - 1:,} more" if len(inside) > 1 else "")
    elif folder.is_dir() or not (folder.exists() or folder.is_symlink()):
        return
    else:
        found = f"{folder}, which is no directory"
    expected = "a directory that is empty, or not there yet: nothing is written over"
    yield Diagnostic("CN620", ("output",), found, expected, f"--output {_free(folder)}")


def _free(folder: Path) -> Path:
    numbered = (folder.with_name(f"{folder.resolve().name}-{number}") for number in range(2, 100))
    return next((path for path in numbered if not path.exists()), folder / "new")


def _write(files: Mapping[PurePosixPath, str], folder: Path) -> None:
    """Writes the files beside the place, and moves them there at last; takes all away where something fails."""
    folder = folder.absolute()
    top = folder  # the first directory that is not there yet
    while not top.parent.exists():
        top = top.parent
    made = top.parent / f".consilience-new-{uuid.uuid4().hex}"
    try:
        for path, text in files.items():
            file = made / folder.relative_to(top) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
        _move(made, top)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _move(made: Path, top: Path) -> None:
    if not top.exists():
        made.rename(top)
        return
    moved: list[Path] = []
    try:
        moved.extend(path.rename(top / path.name) for path in list(made.iterdir()))
    except OSError:
        for path in moved:
            path.rename(made / path.name)
        raise
