"""The page on conformance lists the checks and planted defects that there are; CONSILIENCE_GOLDEN=1 writes it anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

from defects import whole
from test_defects import DEFECTS

from consilience.testing import CHECKS

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"


def rows(text: str, title: str) -> str:
    return text.partition(f"## {title}\n")[2].partition("\n## ")[0].partition("|---|")[2].partition("\n")[2]


def checks() -> str:
    return "".join(
        f"| `{check.name}` | {', '.join(check.kinds) or 'the plugin'} | "
        f"{check.promise}{' Reported alone.' if check.is_reported else ''} |\n"
        for check in CHECKS
    )


def defects() -> str:
    found = [*DEFECTS, *whole.COMPONENTS, *whole.PACKAGES]
    return "".join(f"| {defect.says} | `{defect.caught_by}` |\n" for defect in found)


def test_the_tables_are_those_of_the_checks_and_of_the_defects() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for title, wanted in (("The checks", checks()), ("Planted defects", defects())):
        if os.environ.get("CONSILIENCE_GOLDEN"):
            before, header, after = re.split(rf"(## {title}\n.*?\n\|---\|[-|]*\n)", text, maxsplit=1, flags=re.S)
            tail = after.partition("\n## ")
            text = before + header + wanted + ("\n## " + tail[2] if tail[1] else "")
            PAGE.write_text(text, encoding="utf-8")
        assert rows(text, title).rstrip("\n") + "\n" == wanted


def test_there_are_thirty_defects_and_more_and_most_checks_catch_one() -> None:
    found = [*DEFECTS, *whole.COMPONENTS, *whole.PACKAGES]
    assert len(found) >= 60
    assert len({defect.says for defect in found}) == len(found)
    caught = {defect.caught_by for defect in found}
    assert {check.name for check in CHECKS if not check.is_reported} == caught
