"""Follows the tutorial `docs/first-discipline.md` as a newcomer would, in an empty environment, and times each step.

Files and commands are read from the page itself, in its order. The wheels of Consilience and its disciplines are built
here and lie beside the registry; all else comes from where pip takes it. Needs a network, and minutes. Prints a table,
or with `--json` one object a line; `--output` keeps what the commands print.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from measuring import Row, machine, show

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "first-discipline.md"
PLUGINS = ("linguistics", "psychology", "knowledge", "complexity")

sys.path.insert(0, str(ROOT / "tests" / "docs"))
from docs_pages import Block, blocks_of, by_hand, changed, commands_of  # noqa: E402


@dataclass(frozen=True)
class Step:
    """What the page tells to do next: a command to type, or a block to write into a file."""

    command: str = ""
    block: Block | None = None


def steps(page: Path) -> Iterator[Step]:
    """Reads what a page tells to do, in its order."""
    for block in blocks_of(page):
        if {"file", "change"} & set(block.marks):
            yield Step(block=block)
        elif block.language == "console" and "sketch" not in block.marks:
            yield from (Step(command) for command, _ in commands_of(block))


def write(block: Block, folder: Path) -> None:
    """Writes a block into its file, or changes the file by it."""
    file = folder / (block.marks.get("file") or block.marks["change"])
    is_new = "file" in block.marks
    text = block.text if is_new else changed(file.read_text(encoding="utf-8"), block)
    file.write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Newcomer:
    """Somebody with an empty directory, a shell, and wheels that a registry would have."""

    folder: Path
    wheels: Path
    transcript: Path | None = None

    def environment(self) -> Mapping[str, str]:
        """Gives the shell's variables: nothing of this environment, and the newcomer's as if it were activated."""
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        links = " ".join(filter(None, [str(self.wheels), os.environ.get("PIP_FIND_LINKS")]))
        python = self.folder.parent / "python"
        path = [str(self.folder / ".venv/bin"), str(python), "/usr/local/bin", "/usr/bin", "/bin"]
        pip = {"PIP_FIND_LINKS": links, "PIP_CONSTRAINT": str(ROOT / "constraints.txt"), "PIP_NO_INPUT": "1"}
        return kept | pip | {"PATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1"}

    def type(self, command: str) -> Row:
        """Runs a command as the newcomer's shell would; ends where it fails."""
        started = time.perf_counter()
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        seconds = round(time.perf_counter() - started, 1)
        self.keep(f"$ {command}\n{done.stdout}[{seconds} s]\n")
        if done.returncode:
            raise SystemExit(f"$ {command}\n{done.stdout}\nended with {done.returncode}")
        return Row(f"$ {command}", seconds, "s")

    def keep(self, text: str) -> None:
        """Adds to the transcript."""
        if self.transcript is not None:
            with self.transcript.open("a", encoding="utf-8") as file:
                file.write(text)

    def follow(self, page: Path) -> Iterator[Row]:
        """Does what a page tells, and gives what each step took."""
        for step in steps(page):
            if step.block is None:
                yield self.type(step.command)
                continue
            write(step.block, self.folder)
            name = step.block.marks.get("file") or step.block.marks["change"]
            purpose = step.block.marks.get("hand", "")
            self.keep(f"wrote {name}\n")
            yield Row(f"wrote {name.rpartition('/')[2]}", by_hand(step.block), f"lines {purpose}".strip())


def build_wheels(folder: Path) -> Iterator[Row]:
    """Builds the wheels of Consilience and its disciplines."""
    started = time.perf_counter()
    for project in (ROOT, *(ROOT / "plugins" / name for name in PLUGINS)):
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(project)]
        subprocess.run(command, check=True, capture_output=True)
    yield Row("building five wheels", round(time.perf_counter() - started, 1), "s")


def measure(arguments: argparse.Namespace) -> Iterator[Row]:
    """Builds the wheels, follows the page, and sums up."""
    yield from machine()
    with tempfile.TemporaryDirectory(prefix="newcomer-") as top:
        folder, wheels, python = (Path(top) / name for name in ("work", "wheels", "python"))
        for made in (folder, wheels, python):
            made.mkdir()
        (python / "python").symlink_to(sys._base_executable)  # type: ignore[attr-defined]
        yield from build_wheels(wheels)
        started = time.perf_counter()
        yield from Newcomer(folder, wheels, arguments.output).follow(PAGE)
        yield Row("all steps of the page", round(time.perf_counter() - started, 1), "s")
    blocks = blocks_of(PAGE)
    for purpose in dict.fromkeys(block.marks["hand"] for block in blocks if "hand" in block.marks):
        lines = sum(by_hand(block) for block in blocks if block.marks.get("hand") == purpose)
        yield Row(f"lines by hand for the {purpose}", lines, "lines")


def options() -> argparse.ArgumentParser:
    """Declares the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one object a line")
    parser.add_argument("--output", type=Path, help="a file that gets what the commands print")
    return parser


if __name__ == "__main__":
    chosen = options().parse_args()
    show(measure(chosen), chosen.json)
