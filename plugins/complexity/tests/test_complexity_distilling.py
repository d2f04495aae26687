"""Learning from a finished run: what a teacher gives, what the losses are, and what a saved model takes along."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from complexity_runs import whole
from torch.nn import functional

from consilience import FusedModel, Fusion, check
from consilience.errors import DeclarationError
from consilience.fuse import fuse
from consilience.train import Run, train
from consilience_complexity.teaching import AttentionLoss, ScoreLoss, StateLoss
from consilience_complexity.trained import Trained
from consilience_complexity.watching import relations, seen


def learning(folder: Path, teacher: Path, **keys: Any) -> Fusion:
    written = whole(folder).to_dict()
    written["resources"]["trained"] = {"use": "complexity.trained_run", "path": str(teacher)}
    written["modules"]["teacher"] = {"use": "complexity.teacher", "in": "tokens", "run": "trained", **keys}
    inside = {"hidden": "encoder.hidden", "mask": "tokens.mask"}
    written["losses"] |= {
        "scores": {"use": "complexity.distillation", "in": {"logits": "head", "taught": "teacher.logits"}},
        "states": {
            "use": "complexity.state_distillation",
            "of": "encoder",
            "in": {**inside, "taught": "teacher.states"},
        },
        "attention": {
            "use": "complexity.attention_distillation",
            "of": "encoder",
            "in": {**inside, "taught": "teacher.relations"},
        },
    }
    return Fusion(base=folder, **written)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("teacher")
    return train(whole(folder), folder / "runs", progress=False)


@pytest.fixture(scope="module")
def learnt(teacher: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("learnt")
    return train(learning(folder, teacher.path), folder / "runs", progress=False)


def batch() -> dict[str, torch.Tensor]:
    ids = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]])
    return {"tokens.ids": ids, "tokens.mask": ids != 0}


def test_a_teacher_gives_what_its_run_gives(teacher: Run, tmp_path: Path) -> None:
    model = fuse(check(learning(tmp_path, teacher.path))).eval()
    given = model(batch(), outputs=["teacher"]).tensors
    alone = teacher.model()(batch(), outputs=["head", "encoder"]).tensors
    assert torch.equal(given["teacher.logits"], alone["head.logits"])
    assert torch.equal(given["teacher.states"][:, -1], alone["encoder.hidden"])
    assert given["teacher.states"].shape == (2, 2, 5, 16)
    assert not given["teacher.logits"].requires_grad


def test_its_relations_are_the_attention_of_the_layer(teacher: Run, tmp_path: Path) -> None:
    model = fuse(check(learning(tmp_path, teacher.path))).eval()
    related = model(batch(), outputs=["teacher"]).tensors["teacher.relations"]
    encoder = teacher.model().nodes["encoder"].model
    encoder.set_attn_implementation("eager")
    told = encoder(
        input_ids=batch()["tokens.ids"], attention_mask=batch()["tokens.mask"].long(), output_attentions=True
    )
    assert torch.allclose(related[:, 0].exp(), told.attentions[-1], atol=1e-6)


def test_nobody_trains_or_saves_a_teacher(teacher: Run, learnt: Run, tmp_path: Path) -> None:
    model = fuse(check(learning(tmp_path, teacher.path)))
    assert not [name for name, _ in model.named_parameters() if "teacher" in name]
    assert not [name for name in model.state_dict() if "teacher" in name]
    before = teacher.model().state_dict()
    assert all(torch.equal(value, before[name]) for name, value in Run.open(teacher.path).model().state_dict().items())
    logged = (learnt.path / "log.jsonl").read_text()
    assert all(f"loss/{name}" in logged for name in ("scores", "states", "attention"))


def test_a_saved_model_is_loaded_without_its_teacher(learnt: Run, tmp_path: Path) -> None:
    shutil.copytree(learnt.path / "model", tmp_path / "model")
    assert not list((tmp_path / "model" / "resources" / "trained").rglob("*.safetensors"))
    written = (tmp_path / "model" / "config.json").read_text()
    assert "teacher" in written
    model = FusedModel.from_pretrained(tmp_path / "model")
    assert torch.equal(
        model(batch()).tensors["head.logits"],
        learnt.model()(batch()).tensors["head.logits"],
    )
    with pytest.raises(RuntimeError, match="a saved model has no teacher"):
        model(batch(), outputs=["scores"])


def told(fusion: Fusion) -> str:
    with pytest.raises(DeclarationError) as caught:
        fuse(check(fusion))
    return re.sub(r" \(.*\.py:\d+\)", "", str(caught.value))  # the line of this file


def test_a_folder_that_is_missing_or_no_run_is_told(teacher: Run, tmp_path: Path) -> None:
    assert "error CN601 at resources.trained.path" in told(learning(tmp_path, tmp_path / "none"))
    assert told(learning(tmp_path, tmp_path)) == (
        "error CN779 at resources.trained.path\n"
        f"  found     {tmp_path}: neither plan.json nor model/plan.json in it\n"
        "  expected  the folder of a finished run\n"
        "  fix       # name under path the folder that consilience train printed at its end"
    )
    shutil.copytree(teacher.path / "model", tmp_path / "bare", ignore=shutil.ignore_patterns("*.safetensors"))
    assert "error CN779" in told(learning(tmp_path, tmp_path / "bare"))


@pytest.mark.parametrize(("key", "what"), [("answer", "scores classes"), ("encoder", "reads tokens")])
def test_a_module_that_the_run_has_not_is_told(teacher: Run, tmp_path: Path, key: str, what: str) -> None:
    known = {"answer": "head", "encoder": "encoder"}[key]
    assert (
        f"error CN780 at modules.teacher.{key}\n"
        f"  found     trained: nobody, which is no module that {what}\n"
        f"  expected  one of {known}\n"
        f"  fix       {key}: {known}"
    ) in told(learning(tmp_path, teacher.path, **{key: "nobody"}))


def test_a_teacher_that_reads_more_than_tokens_is_told(teacher: Run, tmp_path: Path) -> None:
    copy = tmp_path / "more"
    shutil.copytree(teacher.path / "model", copy)
    plan = (copy / "plan.json").read_text()
    assert '"encoder.pooled"' in plan
    (copy / "plan.json").write_text(plan.replace('"encoder.pooled"', '"tokens.words"', 1))
    assert (
        "error CN781 at modules.teacher.run\n"
        "  found     trained: head reads tokens.words beside the tokens of encoder\n"
        "  expected  a teacher that reads tokens alone\n"
        "  fix       # name under run one that was trained on tokens alone"
    ) in told(learning(tmp_path, copy))


def test_a_module_without_layers_and_layers_that_are_not_there_are_told(teacher: Run, tmp_path: Path) -> None:
    fusion = learning(tmp_path, teacher.path).to_dict()
    fusion["losses"]["states"]["layers"] = {2: 1}
    assert told(Fusion(base=tmp_path, **fusion)) == (
        "error CN783 at losses.states.layers\n"
        "  found     2: 1\n"
        "  expected  layers 0 to 1 of encoder, and 0 to 1 of the teacher\n"
        "  fix       layers: {1: 1}"
    )
    fusion["losses"]["states"] |= {"layers": {1: 1}, "of": "head"}
    assert told(Fusion(base=tmp_path, **fusion)) == (
        "error CN782 at losses.states.of\n"
        "  found     head: Classifier has no layers with attention\n"
        "  expected  a module with a stack of transformer layers, such as a text_encoder\n"
        "  fix       # name under of a module with a stack of transformer layers, such as a text_encoder"
    )


def test_a_teacher_with_other_heads_is_told_before_the_first_step(
    teacher: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = Trained.sizes
    monkeypatch.setattr(Trained, "sizes", lambda self, encoder: {**sizes(self, encoder), "head": 5})
    fusion = learning(tmp_path, teacher.path)
    assert told(fusion) == (
        "error CN788 at losses.attention.of\n"
        "  found     encoder with 2 heads, and a teacher with 5\n"
        "  expected  as many heads as the teacher's last layer has\n"
        "  fix       # leave this loss out, or name under run a teacher with as many heads"
    )


def test_scores_are_compared_as_hinton_does() -> None:
    own, other = torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([[0.0, 3.0, 1.0]])
    soft, given = (other / 4).softmax(-1), (own / 4).log_softmax(-1)
    expected = 16 * (soft * (soft.log() - given)).sum(-1)
    assert torch.allclose(ScoreLoss(4.0, "one")(own, other), expected)
    sure = torch.sigmoid(other)
    several = functional.binary_cross_entropy_with_logits(own, sure, reduction="none")
    entropy = functional.binary_cross_entropy(sure, sure, reduction="none")
    assert torch.allclose(ScoreLoss(1.0, "several")(own, other), (several - entropy).mean(-1), atol=1e-6)
    assert ScoreLoss(2.0, "one")(other, other).abs().max() < 1e-6


def test_states_are_compared_where_the_mask_admits() -> None:
    loss = StateLoss(2, 2, {1: 1}, 1)
    hidden = torch.tensor([[[1.0, 0.0], [9.0, 9.0]]])
    taught = torch.zeros(1, 2, 2, 2)
    mask = torch.tensor([[True, False]])
    assert torch.allclose(loss(hidden, taught, mask), torch.tensor([0.5]))


def test_a_teacher_that_attends_alike_costs_nothing() -> None:
    torch.manual_seed(0)
    states = torch.randn(2, 4, 6)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    same = relations((states, states, states), mask, 1)
    assert same.shape == (2, 2, 1, 4, 4)
    assert torch.allclose(same[1, 0, 0, :, :2].exp().sum(-1), torch.ones(4))
    loss = AttentionLoss(1)
    assert loss(states, same, mask).abs().max() < 1e-6
    even = torch.full_like(same, -math.log(4))
    assert (loss(states, even, mask) > 0.01).all()
    assert seen(states) is None
