"""What a machine can prove of a plugin by looking at its tree: each proof gives what is wanting, one line each."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from consilience.declare import Component, DeclarationError
from consilience.plan import survey
from consilience.testing._project import Project
from consilience.testing._promises import promises

__all__ = [
    "bounded",
    "changelog",
    "codes",
    "conformance",
    "described",
    "documented",
    "example",
    "excused",
    "kept_promises",
    "licence",
    "ranges",
    "readme",
    "results",
    "strict",
    "typed",
]

_FEW_WORDS = 20
_CODE = re.compile(r"[A-Z]{2,}\d{3}")
_BOUNDS = ("ge", "gt", "le", "lt")
_MARKS = ("skip", "skipif", "xfail")
_NO_PACKAGE = "no package that an entry point names"
_NO_VERSION = "the version is not known: install the project"


def readme(project: Project) -> Iterator[str]:
    """Sees that the README has a paragraph on what it brings, and the command that installs it."""
    paragraphs = [part for part in re.split(r"\n\s*\n", project.prose) if not part.lstrip().startswith(("#", "|"))]
    if not paragraphs or len(paragraphs[0].split()) < _FEW_WORDS:
        yield f"README.md begins with no paragraph of {_FEW_WORDS} words or more"
    if not re.search(rf"pip install [^\n`]*{re.escape(project.distribution)}\b", project.readme):
        yield f"README.md has no `pip install {project.distribution}`"


def licence(project: Project) -> Iterator[str]:
    """Sees a licence in the project file, and its text beside it."""
    if not project.project.get("license"):
        yield "pyproject.toml has no license under [project]"
    if not any(project.path.glob("LICEN[CS]E*")):
        yield "no file LICENSE beside pyproject.toml"


def typed(project: Project) -> Iterator[str]:
    """Sees the marker of types in each package."""
    if not project.packages:
        yield _NO_PACKAGE
    yield from (f"no py.typed in {place.name}" for place in project.packages if not (place / "py.typed").is_file())


def bounded(project: Project) -> Iterator[str]:
    """Sees a requirement on Consilience with a lower and an upper bound."""
    for text in project.project.get("dependencies", ()):
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            continue
        if canonicalize_name(wanted.name) == "consilience":
            operators = {item.operator for item in wanted.specifier}
            if not (operators & {"~=", "=="} or (operators & {">", ">="} and operators & {"<", "<="})):
                yield f"{text} has not both bounds, as in consilience>=0.1,<0.2"
            return
    yield "the dependencies have no consilience"


def conformance(project: Project) -> Iterator[str]:
    """Sees a call of the conformance kit for each namespace among the tests."""
    texts = [_string(call.args[0]) for call in _calls(project, "conformance") if call.args]
    yield from (f'no conformance("{name}") in tests' for name in project.namespaces if name not in texts)


def documented(project: Project) -> Iterator[str]:
    """Sees a docstring of each component's own, and the help of each of its keys."""
    yield from project.faults
    for offer in project.offers:
        if not (offer.component.__doc__ or "").strip():
            yield f"{offer.name} has no docstring"
        told = offer.component.descriptions()
        for key, info in offer.component.model_fields.items():
            if not told.get(key, "").strip():
                yield f"{offer.name} has no literal below its key {info.alias or key}"


def described(project: Project) -> Iterator[str]:
    """Sees the name of each component, port, key and label space as code in the README."""
    yield from project.faults
    for name in [*(offer.name for offer in project.offers), *project.label_spaces]:
        if name not in project.code_words:
            yield f"README.md does not name `{name}`"
    for offer in project.offers:
        ports = [*getattr(offer.component, "inputs", ()), *getattr(offer.component, "outputs", ())]
        keys = [info.alias or key for key, info in offer.component.model_fields.items()]
        for what, names in (("port", ports), ("key", keys)):
            missing = [name for name in dict.fromkeys(names) if name not in project.code_words]
            yield from (f"README.md does not name the {what} `{name}` of {offer.name}" for name in missing)


def example(project: Project) -> Iterator[str]:
    """Sees a fusion that names the plugin, and that every fusion passes the check."""
    if not any(
        f"{name}." in file.read_text(encoding="utf-8") for file in project.examples() for name in project.namespaces
    ):
        yield f"no fusion in examples/ uses {' or '.join(project.namespaces)}"
    for file in project.examples():
        try:
            found = survey(str(file), project.registry).errors
        except DeclarationError as error:
            found = error.diagnostics
        yield from (f"{file.name}: {fault.code} at {fault.where}: {fault.found}" for fault in found)


def ranges(project: Project) -> Iterator[str]:
    """Sees a bound at each key that is a number, or may be one."""
    yield from project.faults
    for offer in project.offers:
        for key in _unbounded(offer.component):
            yield f"{offer.name} takes any number as {key}: Field(ge=..., le=...)"


def _unbounded(component: type[Component]) -> Iterator[str]:
    for key, info in component.model_fields.items():
        if _is_number(info.annotation) and not any(_has_bound(item) for item in (*info.metadata, info.annotation)):
            yield info.alias or key


def _is_number(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, UnionType, Annotated):
        return any(map(_is_number, get_args(annotation)))
    return annotation in (int, float)


def _has_bound(item: Any) -> bool:
    if any(getattr(item, bound, None) is not None for bound in _BOUNDS):
        return True
    inner = [*get_args(item), *getattr(item, "metadata", ())]  # Annotated[int, Field(ge=1)] | None
    return any(map(_has_bound, inner))


def codes(project: Project) -> Iterator[str]:
    """Sees in the README each code that stands in the sources."""
    for code in sorted({text for file in project.sources() for text in _strings(file) if _CODE.fullmatch(text)}):
        if code not in project.readme:
            yield f"README.md does not name {code}"


def excused(project: Project) -> Iterator[str]:
    """Sees a reason at each mark of pytest that keeps a test from counting."""
    for file in project.tests():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in _MARKS and getattr(node.value, "attr", "") == "mark":
                call = calls.get(id(node))
                reasons = [item.value for item in call.keywords if item.arg == "reason"] if call else []
                if not reasons or _string(reasons[0]) == "":
                    yield f"{file.name}:{node.lineno}: {node.attr} without a reason"


def kept_promises(project: Project) -> Iterator[str]:
    """Sees that each deprecation in the sources says what it should, and is not overdue."""
    if not project.packages:
        yield _NO_PACKAGE
    found = [promise for package in project.packages for promise in promises(package)]
    if found and not project.version:
        yield _NO_VERSION
        return
    for promise in found:
        broken = promise.broken(project.version)
        if broken:
            yield f"{promise.file.name}:{promise.line}: {broken}"


def results(project: Project) -> Iterator[str]:
    """Sees a section Results with a command and a figure."""
    section = re.search(r"^## [^\n]*\bresults\b[^\n]*\n(.*?)(?=^## |\Z)", project.readme, re.I | re.M | re.S)
    if section is None:
        yield "README.md has no section Results"
    elif not re.search(r"^```\w*\n[^`]+^```$|`[^`\n]+ [^`\n]+`", section[1], re.M):
        yield "the section Results of README.md has no command"
    elif not re.search(r"\d\.\d", section[1]):
        yield "the section Results of README.md has no figure"


def strict(project: Project) -> Iterator[str]:
    """Sees `strict = true` for mypy in its own project file, or in that of the repository for its package."""
    if not project.packages:
        yield _NO_PACKAGE
        return
    for folder in (project.path, *project.path.resolve().parents):
        file = folder / "pyproject.toml"
        mypy = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("mypy", {}) if file.is_file() else {}
        if mypy.get("strict") is True:
            read = [(folder / entry).resolve() for entry in _listed(mypy.get("files", "."))]
            if all(any(place.resolve().is_relative_to(root) for root in read) for place in project.packages):
                return
    yield "no pyproject.toml here or above has [tool.mypy] with strict = true and files that hold the package"


def _listed(files: Any) -> list[str]:
    return [part.strip() for part in files.split(",")] if isinstance(files, str) else list(files)


def changelog(project: Project) -> Iterator[str]:
    """Sees a section for the version in its own changelog, or in the repository's where that names it."""
    if not project.version:
        yield _NO_VERSION
        return
    for folder in (project.path, *project.path.resolve().parents):
        for file in sorted(folder.glob("CHANGE*.md")):
            text = file.read_text(encoding="utf-8")
            is_its_own = folder == project.path or project.distribution in text
            if is_its_own and re.search(rf"^## .*\b{re.escape(project.version)}\b", text, re.M):
                return
    yield f"no changelog here or above has a section for {project.distribution} {project.version}"


def _calls(project: Project, name: str) -> Iterator[ast.Call]:
    for file in project.tests():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and name in (getattr(node.func, "id", ""), getattr(node.func, "attr", "")):
                yield node


def _strings(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _string(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
