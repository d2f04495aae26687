"""The table of fault classes says what the broken files say of themselves; CONSILIENCE_GOLDEN=1 writes it anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "fault-classes.md"
HEADER = re.compile(r"# expect: (CN\d{3}) line (\d+) column (\d+)\n# fix: (.*)\n")
FOLDERS = {
    "Of the file alone: `consilience check`": "tests/plan/broken",
    "Of the data: `consilience check --data`": "tests/data/broken",
}
BEGINNING = """\
# Fault classes

A broken file for each class of fault, under `tests/`, with the diagnostics that it must get: code, place and fix, all
in one run. The tests hold each file to them exactly, and paste every fix that is text to paste: it must mend the file.
"""


def page() -> str:
    parts = [BEGINNING]
    for title, folder in FOLDERS.items():
        parts += ["", f"## {title}", "", "| file | code | line:column | fix |", "|---|---|---|---|"]
        for file in sorted((ROOT / folder).glob("*.yaml")):
            for code, line, column, fix in HEADER.findall(file.read_text(encoding="utf-8")):
                shown = fix.replace("|", "\\|").replace("`", "'")
                shown = shown if len(shown) <= 90 else shown[:87] + "..."
                parts.append(f"| {file.stem.replace('_', ' ')} | {code} | {line}:{column} | `{shown}` |")
    return "\n".join(parts) + "\n"


def test_the_table_is_that_of_the_files() -> None:
    if os.environ.get("CONSILIENCE_GOLDEN"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page()


def test_there_are_sixty_classes_and_more() -> None:
    files = [file for folder in FOLDERS.values() for file in (ROOT / folder).glob("*.yaml")]
    assert len(files) >= 100
    assert len({code for file in files for code, *_ in HEADER.findall(file.read_text(encoding="utf-8"))}) >= 60
