"""The rules of learning, one by one: what is told, what is not, and how the work grows."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consilience.declare import Fusion
from consilience.errors import Diagnostic, Severity
from consilience.host import Registry
from consilience.plan import reduced, survey

sys.path.insert(0, str(Path(__file__).parent))  # the tests of learning share a plugin
from toy_learning import ALL, HEAD, KINDS, LOSS, METRIC, TEXTS, codes, declared

Tell = Callable[..., list[Diagnostic]]


@pytest.fixture
def kinds(toy: Callable[..., Registry]) -> Registry:
    return toy(*KINDS)


@pytest.fixture
def tell(kinds: Registry) -> Tell:
    """Gives what the check tells of a fusion that is well but for what is changed."""

    def run(**changed: Any) -> list[Diagnostic]:
        return list(survey(declared(**changed), kinds).diagnostics)

    return run


def test_what_is_well_is_told_nothing_of(tell: Tell) -> None:
    assert tell() == []


# Losses that stand beside each other.


def other(**changed: Any) -> dict[str, Any]:
    return {**LOSS, "other": {**LOSS["loss"], **changed}}


def test_a_loss_that_stands_twice_is_told_at_the_second(tell: Tell) -> None:
    [fault] = tell(losses=other(weight=3.0))
    assert (fault.code, fault.where, fault.severity) == ("CN411", "losses.other", Severity.WARNING)
    assert [related.where for related in fault.related] == ["losses.loss"]


def test_two_settings_over_one_prediction_are_told(tell: Tell) -> None:
    [fault] = tell(losses=other(smoothing=0.1))
    assert (fault.code, fault.where, fault.severity) == ("CN412", "losses.other", Severity.WARNING)
    assert "with other smoothing" in fault.found


def test_two_losses_over_two_predictions_or_two_targets_are_none(tell: Tell) -> None:
    fields = {"text": "text", "mood": {"category": ["dull", "fine"]}, "taste": {"category": ["dull", "fine"]}}
    sources = {"rows": {**ALL, "map": {"text": "text", "mood": "mood", "taste": "taste"}}}
    assert tell(fields=fields, sources=sources, losses=other(target="taste")) == []
    heads = {**HEAD, "more": {"use": "toy.head", "in": "encoder"}}
    assert tell(modules=heads, losses=other(**{"in": "more"}, smoothing=0.1)) == []


def test_two_measures_of_one_module_are_told_where_they_are_one(tell: Tell) -> None:
    size = {"use": "toy.small", "of": "encoder"}
    assert codes(tell(losses={**LOSS, "a": size, "b": size})) == [("CN411", "losses.b")]
    # Of two layers, say: what has no target is pulled to no place.
    assert codes(tell(losses={**LOSS, "a": size, "b": {**size, "keep": 0.3}})) == []
    assert codes(tell(losses={**LOSS, "a": size, "b": {**size, "of": "head"}})) == []


@pytest.mark.parametrize("first", ["exclusive", "several"])
def test_scores_of_exclusive_classes_are_not_independent_ones(tell: Tell, first: str) -> None:
    fields = {"text": "text", "mood": {"category": ["dull", "fine"]}, "moods": {"categories": ["dull", "fine"]}}
    sources = {"rows": {**ALL, "map": {"text": "text", "mood": "mood", "moods": "moods"}}}
    pair = {"exclusive": LOSS["loss"], "several": {"use": "toy.several", "in": "head", "target": "moods"}}
    losses = pair if first == "exclusive" else dict(reversed(pair.items()))
    [fault] = tell(fields=fields, sources=sources, losses=losses)
    assert (fault.code, fault.where) == ("CN412", f"losses.{list(losses)[1]}.in")
    heads = {**HEAD, "more": {"use": "toy.head", "in": "encoder"}}
    losses = {**pair, "several": {**pair["several"], "in": "more"}}
    assert tell(fields=fields, sources=sources, losses=losses, modules=heads) == []


# Weights, balancers, tuners.


def test_a_weight_of_0_is_told_only_where_it_leaves_a_module(tell: Tell) -> None:
    heads = {**HEAD, "more": {"use": "toy.head", "in": "encoder"}}
    losses = {**LOSS, "more_loss": {**LOSS["loss"], "in": "more", "weight": 0.0}}
    [fault] = tell(modules=heads, losses=losses)
    assert (fault.code, fault.where, fault.severity) == ("CN414", "losses.more_loss.weight", Severity.WARNING)
    assert "nothing teaches more:" in fault.found
    assert tell(modules={**heads, "more": {**heads["more"], "tune": "frozen"}}, losses=losses) == []
    watched = {**LOSS, "watched": {**LOSS["loss"], "smoothing": 0.2, "weight": 0.0}}
    assert codes(tell(losses=watched)) == [("CN412", "losses.watched")]


def test_a_lambda_of_0_is_told_once_for_all_that_it_leaves(tell: Tell) -> None:
    heads = {**HEAD, **{f"more_{n}": {"use": "toy.head", "in": "encoder"} for n in range(3)}}
    losses = {"loss": {**LOSS["loss"], "discipline": "task"}}
    losses |= {f"loss_{n}": {**LOSS["loss"], "in": f"more_{n}"} for n in range(3)}
    [fault] = tell(modules=heads, losses=losses, objective={"weights": {"toy": 0.0}})
    assert (fault.code, fault.where) == ("CN414", "objective.weights.toy")
    assert "nothing teaches more_0, more_1 and more_2:" in fault.found


def test_a_module_of_which_a_tie_teaches_some_parameters_alone_is_not_taught(tell: Tell) -> None:
    heads = {
        "encoder": HEAD["encoder"],
        "lone": HEAD["encoder"],
        "head": {"use": "toy.head", "in": "encoder", "tie": "lone"},
        "idle": {"use": "toy.head", "in": "lone"},
    }
    losses = {**LOSS, "idle_loss": {**LOSS["loss"], "in": "idle", "weight": 0.0}}
    [fault] = tell(modules=heads, losses=losses)
    assert "nothing teaches idle and lone:" in fault.found


BETWEEN = {"balance": "toy.between"}


def test_a_balancer_of_gradients_needs_parameters_that_two_losses_train(tell: Tell) -> None:
    [fault] = tell(objective=BETWEEN)
    assert (fault.code, fault.where, fault.severity) == ("CN413", "objective.balance", Severity.ERROR)
    apart = {
        f"{name}_{n}": {**node, "in": "words" if name == "encoder" else f"encoder_{n}"}
        for n in range(2)
        for name, node in HEAD.items()
    }
    losses = {f"loss_{n}": {**LOSS["loss"], "in": f"head_{n}"} for n in range(2)}
    assert codes(tell(objective=BETWEEN, modules=apart, losses=losses)) == [("CN413", "objective.balance")]
    tied = {**apart, "head_1": {**apart["head_1"], "tie": "encoder_0"}}
    assert tell(objective=BETWEEN, modules=tied, losses=losses) == []
    shared = {**apart, "encoder_1": {"share": "encoder_0", "in": "words"}}
    assert tell(objective=BETWEEN, modules=shared, losses=losses) == []
    frozen = {
        name: {**node, "tune": "frozen"} if "share" not in node and "head" not in name else node
        for name, node in shared.items()
    }
    assert codes(tell(objective=BETWEEN, modules=frozen, losses=losses)) == [("CN413", "objective.balance")]


def test_a_balancer_over_one_loss_is_a_warning(tell: Tell) -> None:
    [fault] = tell(objective={"balance": "uncertainty"})
    assert (fault.code, fault.severity) == ("CN413", Severity.WARNING)
    assert tell(objective={"balance": "fixed"}) == []
    watched = {**LOSS, "watched": {"use": "toy.small", "of": "encoder", "weight": 0.0}}
    assert codes(tell(objective={"balance": "uncertainty"}, losses=watched)) == [("CN413", "objective.balance")]
    assert (
        tell(objective={"balance": "uncertainty"}, losses={**watched, "watched": {**watched["watched"], "weight": 1.0}})
        == []
    )


def test_a_tuner_needs_parameters(tell: Tell) -> None:
    between = {"same": {"use": "toy.same", "in": "encoder"}, "head": {"use": "toy.head", "in": "same"}}

    def tuned(tune: Any) -> list[Diagnostic]:
        return tell(modules={"encoder": HEAD["encoder"], **between, "same": {**between["same"], "tune": tune}})

    [fault] = tuned("toy.adapter")
    assert (fault.code, fault.where, fault.severity) == ("CN415", "modules.same.tune", Severity.ERROR)
    # What is frozen, or trained as everything is, may say so of a whole branch.
    assert tuned("frozen") == tuned("full") == []
    assert tell(modules={**HEAD, "head": {**HEAD["head"], "tune": "toy.adapter"}}) == []


# Training keys.


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ({"bf16": True, "fp16": False}, []),
        ({"bf16": True, "fp16": True}, [("CN130", "train.fp16")]),
        ({"lr_scheduler_type": "polynomial"}, []),
        ({"lr_scheduler_type": "polynomial", "learning_rate": 1e-8}, [("CN130", "train.learning_rate")]),
        ({"learning_rate": 0.0}, [("CN416", "train.learning_rate")]),
        (
            {"optim": "sgd", "adam_beta1": 0.5, "adam_epsilon": 1e-8},
            [("CN416", "train.adam_beta1"), ("CN416", "train.adam_epsilon")],
        ),
        ({"optim": "adamw_torch", "adam_beta1": 0.5}, []),
        ({"max_steps": 10, "warmup_steps": 10}, [("CN416", "train.warmup_steps")]),
        ({"max_steps": 10, "warmup_steps": 0.5}, []),
        ({"warmup_steps": 1000}, []),
        ({"warmup_steps": 10, "lr_scheduler_type": "constant"}, [("CN416", "train.lr_scheduler_type")]),
        ({"warmup_steps": 10, "lr_scheduler_type": "constant_with_warmup"}, []),
        ({"data_seed": 1, "train_sampling_strategy": "sequential"}, [("CN416", "train.data_seed")]),
        ({"adam_epsilon": 0.0}, [("CN123", "train.adam_epsilon")]),
        ({"adam_beta2": 1.0}, [("CN123", "train.adam_beta2")]),
    ],
)
def test_training_keys_go_together_and_do_something(tell: Tell, train: Any, expected: Any) -> None:
    found = tell(train=train)
    assert codes(found) == expected
    assert all((fault.severity is Severity.WARNING) == (fault.code == "CN416") for fault in found)


def test_an_epsilon_of_0_would_ruin_a_parameter_without_a_gradient() -> None:
    torch = pytest.importorskip("torch")
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.zeros(2)
    torch.optim.AdamW([weight], eps=0.0).step()
    assert not weight.isfinite().any()


# Together.


def test_a_twin_of_some_losses_is_told_nothing_that_its_fusion_was_not(kinds: Registry) -> None:
    heads = {**HEAD, "more": {"use": "toy.head", "in": "encoder"}}
    losses = {**LOSS, "more_loss": {**LOSS["loss"], "in": "more"}, "size": {"use": "toy.small", "of": "encoder"}}
    whole = declared(modules=heads, losses=losses, metrics=METRIC, sources={"rows": {**ALL, "split": {"test": 5}}})
    plan = survey(whole, kinds).plan
    for kept in (["loss"], ["loss", "size"], ["more_loss"]):
        assert survey(reduced(plan, kept), kinds).diagnostics == ()


def test_faults_of_learning_are_told_beside_each_other(tell: Tell) -> None:
    heads = {
        **HEAD,
        "more": {"use": "toy.head", "in": "encoder"},
        "same": {"use": "toy.same", "in": "encoder", "tune": "toy.adapter"},
    }
    losses = {**other(), "more_loss": {**LOSS["loss"], "in": "more", "weight": 0.0}}
    found = tell(
        modules=heads,
        losses=losses,
        metrics=METRIC,
        train={"bf16": True, "fp16": True},
        sources={"rows": ALL, "texts": TEXTS},
    )
    assert sorted({fault.code for fault in found}) == ["CN130", "CN408", "CN409", "CN411", "CN414", "CN415"]


def chain(size: int) -> Fusion:
    """Declares many heads, losses, metrics and sources, over one long chain."""
    modules: dict[str, Any] = {"encoder": HEAD["encoder"]}
    for place in range(size):
        modules[f"step_{place}"] = {"use": "toy.same", "in": f"step_{place - 1}" if place else "encoder"}
        modules[f"head_{place}"] = {"use": "toy.head", "in": f"step_{place}"}
    losses = {
        f"loss_{place}": {**LOSS["loss"], "in": f"head_{place}", "weight": float(place % 2)} for place in range(size)
    }
    metrics = {f"right_{place}": {**METRIC["right"], "in": f"head_{place}"} for place in range(size)}
    return declared(modules=modules, losses=losses, metrics=metrics)


def test_the_work_grows_with_the_nodes_and_no_faster(kinds: Registry) -> None:
    from consilience.plan._learning import check_learning

    seconds = []
    for size in (100, 800):
        best = float("inf")
        for _ in range(3):
            best = min(best, learning_seconds(chain(size), kinds, check_learning))
        seconds.append(best)
    assert seconds[1] < 8 * 3 * seconds[0]  # quadratic work would be 64 times as much


def learning_seconds(fusion: Fusion, kinds: Registry, check_learning: Any) -> float:
    from consilience.plan import _check

    spent = 0.0

    def timed(*arguments: Any) -> None:
        nonlocal spent
        started = time.process_time()
        check_learning(*arguments)
        spent += time.process_time() - started

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_check, "check_learning", timed)
        found = survey(fusion, kinds).diagnostics
    assert {fault.code for fault in found} == {"CN408", "CN414"}
    return spent
