"""Writes what a plugin's code did that it must not, with the line of its own that did it."""

from __future__ import annotations

import importlib
import os
import traceback
from pathlib import Path as File

import pluggy
import pydantic
from pydantic import PydanticUserError, ValidationError

from consilience.declare import UnfitFaultError, UnknownDimError
from consilience.errors import Diagnostic, Path, nearest

__all__ = ["failure", "innermost", "unknown_dim"]

_CORE = File(__file__).parents[1]
_STANDARD = f"{_CORE / 'standard'}{os.sep}"
"""The built-in components are what a plugin is: a line of theirs is told."""
_PASSED_OVER = tuple(
    f"{folder}{os.sep}"
    for folder in (_CORE, *(File(str(module.__file__)).parent for module in (pydantic, importlib, pluggy)))
)
"""The folders of what calls a plugin, or is called by it: that a line there raised it tells its author nothing."""


def failure(distribution: str, doing: str, component: str, error: BaseException) -> str:
    """Writes in one line what a plugin did that it must not, while it was asked to do something."""
    if isinstance(error, UnfitFaultError):
        return f"{distribution} gives {error}, of {component}"
    return f"{distribution} fails to {doing} {component}: {innermost(error)}"


def unknown_dim(distribution: str, asked: str, error: UnknownDimError, path: Path) -> Diagnostic:
    """Tells that a plugin's component asks for, or states, a dim that none of its ports speaks of."""
    near = nearest(error.name, error.known)
    fix = f"# mend {distribution}" + (f': "{near}"' if near else f", or let a port of it speak of {error.name}")
    expected = f"one of its dims: {', '.join(error.known) or 'it has none'}"
    return Diagnostic("CN207", path, f"{distribution} {asked}, which has no such dim", expected, fix)


def innermost(error: BaseException) -> str:
    """Writes an exception in one line, with the file and line of the plugin, or of what it called, that raised it."""
    text = " ".join(_says(error).split()) or "no message"
    place = _place(error)
    return f"{text} ({place})" if place else text


def _says(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(
            ".".join(map(str, (error.title, *detail["loc"]))) + f": {detail['msg'].removeprefix('Value error, ')}"
            for detail in error.errors(include_url=False, include_context=False, include_input=False)
        )
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    text = str(error.message if isinstance(error, PydanticUserError) else error)  # without the address of its page
    return f"{type(error).__name__}: {text or 'no message'}"


def _place(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename and not error.filename.startswith("<"):
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_told(frame.filename)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _is_told(file: str) -> bool:
    return not file.startswith("<") and (file.startswith(_STANDARD) or not file.startswith(_PASSED_OVER))
