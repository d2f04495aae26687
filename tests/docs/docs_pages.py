"""Pages: the fenced blocks of the README and of docs/, and a reader who tries them in a folder of their own."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consilience import ConsilienceError, Fusion, check
from consilience.data import examine, prepare
from consilience.host import Registry

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md"),
    *sorted((ROOT / "docs").glob("[!_]*.md")),
    *sorted((ROOT / "docs").glob("[!_]*/*.md")),
]
"""The pages that people write: what begins with `_` below docs/ is built."""

READER = Path(__file__).parent / "reader"
"""The files that a reader of the pages has: small tables, and the fusion that fragments add to."""

MARKS = {"file", "change", "hand", "fragment", "after", "output", "commands", "slow", "sketch"}
"""What a comment above a block can say.

`file: name` writes the block into the reader's folder; `change: name` changes a file there by the lines of a diff;
`hand: purpose` says that the block is written by hand for that purpose, and its lines are counted; `fragment: base`
adds it to another fusion; `after: folder` installs the plugin there first; `output` is what the Python above prints;
`commands` are not run, since they install or build; `slow` is tried in another test; a `sketch` is for the eye.
"""

_MARK = re.compile(r"<!-- *(\w+)(?:: *(.*?))? *-->")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the marks in the comments above it."""

    page: str
    line: int
    language: str
    text: str
    marks: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """Reads the fenced blocks of a page."""
    found: list[Block] = []
    marks: dict[str, str] = {}
    language, start = "", 0
    inside: list[str] | None = None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if inside is not None and line == "```":
            found.append(Block(page.name, start, language, "\n".join(inside) + "\n", marks))
            marks, inside = {}, None
        elif inside is not None:
            inside.append(line)
        elif line.startswith("```"):
            language, start, inside = line.removeprefix("```").strip(), number, []
        elif marked := _MARK.fullmatch(line):
            marks[marked[1]] = marked[2] or ""
        elif line.strip():
            marks = {}
    assert inside is None, f"{page.name}:{start} is not closed"
    unknown = {mark for block in found for mark in block.marks} - MARKS
    assert not unknown, f"{page.name}: the unknown marks {unknown}"
    return found


def plain(text: str) -> str:
    """Drops trailing spaces and blank lines at the ends."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Adds the nodes of a fragment to a fusion; a node that both have is the fragment's."""
    sections = {
        name: {**base[name], **value} if isinstance(value, dict) and name in base else value
        for name, value in more.items()
    }
    return {**base, **sections}


@dataclass
class Reader:
    """Tries the blocks of one page, in order, in one folder."""

    folder: Path
    scope: dict[str, Any] = field(default_factory=dict)
    printed: str = ""

    def try_block(self, block: Block) -> None:
        """Runs or checks a block."""
        if "file" in block.marks:
            path = self.folder / block.marks["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        if {"slow", "commands", "sketch"} & set(block.marks):
            return
        if "after" in block.marks:
            install(self.folder / block.marks["after"], self.folder.parent / "site")
        attempt: Callable[[Block], None] | None = getattr(self, f"try_{block.language}", None)
        assert attempt is not None, f"{block}: a block of {block.language or 'no language'}, which no test can try"
        attempt(block)

    def try_yaml(self, block: Block) -> None:
        """Checks a whole fusion, or a fragment on another, and its data; a file called `broken` must be at fault."""
        told = ""
        try:
            plan = check(self.fusion(block), Registry())
            prepare(plan)
            # A fragment is no whole: what it adds may well be used by nothing in the page's small fusion.
            if block.text.startswith("consilience: 1"):
                told = "\n".join(map(str, (*plan.warnings, *examine(plan))))
        except ConsilienceError as error:
            told = str(error)
        is_broken = block.marks.get("file", "").startswith("broken")
        assert bool(told) == is_broken, f"{block}: {told or 'said to be broken, and is not'}"

    def fusion(self, block: Block) -> Fusion:
        """Reads a whole fusion, or a fragment on another."""
        if block.text.startswith("consilience: 1"):
            return Fusion.parse(block.text, base=self.folder)
        assert "fragment" in block.marks, f"{block}: neither a whole fusion nor marked as a fragment"
        base = Fusion.load(self.folder / (block.marks["fragment"] or "base.yaml")).to_dict()
        more = Fusion.parse("consilience: 1\nname: fragment\n" + block.text).to_dict()
        return Fusion(base=self.folder, **merged(base, more))

    def try_toml(self, block: Block) -> None:
        """Reads TOML, the project of a plugin."""
        assert "project" in tomllib.loads(block.text), f"{block}: no [project]"

    def try_python(self, block: Block) -> None:
        """Runs Python in one scope for the whole page; a module that stands in a file is only compiled here."""
        code = compile("\n" * block.line + block.text, str(ROOT / block.page), "exec", dont_inherit=True)
        if "file" in block.marks:
            return
        told = io.StringIO()
        with contextlib.redirect_stdout(told), contextlib.chdir(self.folder):
            exec(code, self.scope)  # noqa: S102 - the page's own snippet
        self.printed = told.getvalue()

    def try_diff(self, block: Block) -> None:
        """Changes a file by the lines of a diff."""
        path = self.folder / block.marks["change"]
        path.write_text(changed(path.read_text(encoding="utf-8"), block), encoding="utf-8")

    def try_csv(self, block: Block) -> None:
        """Leaves a table to the fusion that reads it."""
        assert "file" in block.marks, f"{block}: a table that nothing reads"

    try_turtle = try_csv

    def try_text(self, block: Block) -> None:
        """Compares what the page says that the Python above it prints."""
        assert "output" in block.marks, f"{block}: text that no test compares"
        assert plain(self.printed) == plain(block.text), f"{block}: this is printed:\n{self.printed}"

    def try_console(self, block: Block) -> None:
        """Runs each command, and compares what the page shows below it."""
        for command, shown in commands_of(block):
            told = run(command, self.folder, self.folder.parent / "site")
            assert plain(told) == plain(shown), f"{block}: $ {command}\n{told}"


def changed(text: str, block: Block) -> str:
    """Gives a text as the hunks of a diff change it; a line `@@` stands between two hunks."""
    for hunk in re.split(r"^@@.*\n", block.text, flags=re.MULTILINE):
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        after = "".join(line[1:] for line in lines if line[0] in " +")
        assert text.count(before) == 1, f"{block}: {text.count(before)} times in the file:\n{before}"
        text = text.replace(before, after)
    return text


def by_hand(block: Block) -> int:
    """Counts the lines that somebody writes: those that are not blank, of a diff those that it adds."""
    lines = block.text.splitlines()
    if "change" in block.marks:
        lines = [line[1:] for line in lines if line.startswith("+")]
    return sum(bool(line.strip()) for line in lines)


def commands_of(block: Block) -> list[tuple[str, str]]:
    """Gives each command of a console block, with what is shown below it."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert not parts[0].strip(), f"{block}: output before the first command"
    return [(command, shown) for command, _, shown in (part.partition("\n") for part in parts[1:])]


def run(command: str, folder: Path, *paths: Path) -> str:
    """Runs a command as a reader's shell would, and gives what it tells on both streams."""
    searched = [*map(str, paths), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(searched)}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def install(project: Path, folder: Path) -> None:
    """Builds a plugin, and installs it into a folder that is then on the path."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index"]
    if not folder.exists():
        command = [*pip, *offline, "--target", str(folder), str(project)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        importlib.invalidate_caches()
