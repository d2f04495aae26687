"""Every code that can be told has a test of its exact text."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXACT = Path(__file__).with_name("test_exact_texts.py")


def told_in(code: str, file: Path, text: str) -> bool:
    """Tells whether a file of tests holds the exact text of a code."""
    whole = rf'\b(error|warning) {code} at\b|"code": "{code}",\s+"at": '
    return code in text if file == EXACT else re.search(whole, text) is not None


def test_every_code_has_a_test_of_its_exact_text() -> None:
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "plugins").glob("*/src/**/*.py")]
    codes = {code for file in sources for code in re.findall(r"\bCN\d{3}\b", file.read_text(encoding="utf-8"))}
    folders = [ROOT / "tests", *(ROOT / "plugins").glob("*/tests")]
    files = [file for folder in folders for end in ("py", "txt") for file in folder.rglob(f"*.{end}")]
    texts = {file: file.read_text(encoding="utf-8") for file in files}
    untold = {code for code in codes if not any(told_in(code, file, text) for file, text in texts.items())}
    assert sorted(untold) == []
