"""Training over several sources: every mix trains, and batches that are filled up change no gradient."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from consilience import Fusion
from consilience.train import train

MIXES: dict[str, dict[str, Any]] = {
    "size": {},
    "proportions": {"by": "proportions", "proportions": {"films": 1, "plots": 3, "texts": 2}, "until": "shortest"},
    "temperature": {"by": "temperature", "batches": "homogeneous", "rows": 20},
    "round robin": {"by": "round_robin", "batches": "homogeneous", "until": "plots"},
}


@pytest.fixture
def fusion(tmp_path: Path, make_bert: Any) -> Fusion:
    """Declares films and plots with marks, and texts with none; nothing in it is drawn at random."""
    still = make_bert("still", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    for name, count in (("films", 13), ("plots", 6), ("texts", 5)):
        rows = [f"a {name[:-1]} {'fine ' * (row % 4)}dull,{'good' if row % 3 else 'bad'}" for row in range(count)]
        (tmp_path / f"{name}.csv").write_text("text,mark\n" + "\n".join(rows))
    columns = {"text": "text", "mark": "mark"}
    return Fusion(
        base=tmp_path,
        name="mixed",
        resources={"tiny": {"use": "checkpoint", "path": str(still)}},
        fields={"text": "text", "mark": {"category": ["bad", "good"]}},
        sources={
            "films": {"use": "table", "path": "films.csv", "map": columns},
            "plots": {"use": "table", "path": "plots.csv", "map": columns},
            "texts": {"use": "table", "path": "texts.csv", "map": {"text": "text"}},
        },
        inputs={"tokens": {"use": "tokens", "in": "text", "checkpoint": "tiny"}},
        modules={
            "encoder": {"use": "text_encoder", "in": "tokens"},
            "opinion": {"use": "classifier", "in": "encoder.pooled", "dropout": 0.0},
        },
        losses={"opinion_loss": {"use": "cross_entropy", "in": "opinion", "target": "mark"}},
        train={
            "epochs": 2,
            "batch_size": 4,
            "learning_rate": 0.01,
            "optim": "sgd",
            "use_cpu": True,
            "logging_steps": 1,
        },
    )


def changed(fusion: Fusion, mixing: dict[str, Any], **keys: Any) -> Fusion:
    written = fusion.to_dict()
    return Fusion(base=fusion.base, **{**written, "mixing": mixing, "train": {**written["train"], **keys}})


@pytest.mark.parametrize("mixing", MIXES.values(), ids=MIXES)
def test_every_mix_trains_also_with_texts_without_labels(fusion: Fusion, tmp_path: Path, mixing: Any) -> None:
    run = train(changed(fusion, mixing), tmp_path / "runs", progress=False)
    told = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    losses = [line["loss/opinion_loss"] for line in told if "loss/opinion_loss" in line]
    # Steps whose batch has no label at all learn nothing, and are no fault.
    assert 0 < sum(loss > 0 for loss in losses) <= len(losses)
    assert json.loads((run.path / "plan.json").read_text()).get("mixing", {}) == mixing


def test_homogeneous_batches_that_are_filled_up_take_the_step_of_one_big_batch(fusion: Fusion, tmp_path: Path) -> None:
    whole = changed(fusion, {}, batch_size=32)
    parts = changed(fusion, {"batches": "homogeneous"}, batch_size=4, gradient_accumulation_steps=9)
    first, second = (train(one, tmp_path / "runs", progress=False).model().state_dict() for one in (whole, parts))
    assert max((first[name] - second[name]).abs().max() for name in first) < 1e-6


def test_a_stream_trains_beside_tables(fusion: Fusion, tmp_path: Path) -> None:
    written = changed(fusion, {"by": "round_robin", "batches": "homogeneous"}, max_steps=4).to_dict()
    written["sources"]["films"] |= {"streaming": True, "buffer": 5}
    run, again = (train(Fusion(base=fusion.base, **written), tmp_path / "runs", progress=False) for _ in range(2))
    told = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    assert len([line for line in told if "loss" in line]) == 4
    assert run.record["training"]["steps"] == 4
    assert run.record["training"]["training_rows"] == {"plots": 6, "texts": 5}
    first, second = run.model().state_dict(), again.model().state_dict()
    assert all(first[name].equal(second[name]) for name in first)
