"""Every code has its paragraph, and means one thing."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "diagnostics.md").read_text(encoding="utf-8")
HEADING = re.compile(r"^### (CN\d{3}) (.+)$", re.MULTILINE)


def codes_in_code() -> set[str]:
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "plugins").glob("*/src/**/*.py")]
    return {code for file in files for code in re.findall(r"\bCN\d{3}\b", file.read_text(encoding="utf-8"))}


def test_every_code_has_a_heading_and_every_heading_a_code() -> None:
    assert {code for code, _ in HEADING.findall(PAGE)} == codes_in_code()


def test_no_code_has_two_meanings() -> None:
    codes = [code for code, _ in HEADING.findall(PAGE)]
    assert codes == sorted(set(codes))


def test_every_paragraph_tells_how_to_mend() -> None:
    parts = re.split(r"^#+ .*$", PAGE, flags=re.MULTILINE)
    paragraphs = [
        part
        for part, before in zip(parts[1:], re.findall(r"^#+ .*$", PAGE, flags=re.MULTILINE), strict=True)
        if before.startswith("### CN")
    ]
    assert len(paragraphs) == len(HEADING.findall(PAGE))
    for paragraph in paragraphs:
        why, mark, example = paragraph.partition("Mend:")
        assert len(why.split()) >= 5, paragraph
        assert mark, paragraph
        assert example.strip(" .\n"), paragraph
