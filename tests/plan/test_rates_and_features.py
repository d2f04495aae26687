"""What the check tells of modules that learn at rates of their own, and of those whose outputs are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from consilience.declare import Fusion, TrainingKeys
from consilience.plan import Purpose, check, survey

ENCODER = "encoder: {use: text_encoder, in: tokens}"


def told(file: Path, *changes: tuple[str, str]) -> list[str]:
    text = file.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    changed = file.with_name("changed.yaml")
    changed.write_text(text, encoding="utf-8")
    return [str(replace(item, place=None)) for item in survey(changed).diagnostics]


def test_rates_of_their_own_are_taken(small_fusion: Path) -> None:
    keys = "learning_rate: 0.1, weight_decay: 0.2, layer_decay: 0.9"
    assert told(small_fusion, (ENCODER, ENCODER.replace("}", f", {keys}}}"))) == []


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "opinion: {use: classifier,",
            "opinion: {use: classifier, layer_decay: 0.9,",
            "error CN451 at modules.opinion.layer_decay\n"
            "  found     layer_decay of opinion, which has no stack of layers\n"
            "  expected  a module such as text_encoder\n"
            "  fix       # remove the key layer_decay",
        ),
        (
            ENCODER,
            "encoder: {use: text_encoder, in: tokens, tune: frozen, learning_rate: 0.1}",
            "warning CN456 at modules.encoder.learning_rate\n"
            "  found     learning_rate of encoder, which is frozen\n"
            "  expected  a key that does something\n"
            "  fix       # remove the key learning_rate",
        ),
        (
            ENCODER,
            "encoder: {use: text_encoder, in: tokens, learning_rate: 0}",
            "warning CN456 at modules.encoder.learning_rate\n"
            "  found     0, by which encoder learns nothing\n"
            "  expected  a key that does something\n"
            "  fix       # write tune: frozen at encoder, without learning_rate",
        ),
        (
            ENCODER,
            f"{ENCODER}\n  again: {{share: encoder, in: tokens, weight_decay: 0.1}}",
            "error CN120 at modules.again.weight_decay\n"
            "  found     the key weight_decay\n"
            "  expected  share and in alone: the settings are those of encoder\n"
            "  fix       # remove the key weight_decay",
        ),
        (
            ENCODER,
            "encoder: {use: text_encoder, in: tokens, tune: {use: last_n, n: 99}}",
            "error CN451 at modules.encoder.tune.n\n"
            "  found     99, where the module has 2\n"
            "  expected  at most 2 layers\n"
            "  fix       n: 2",
        ),
        (
            "opinion: {use: classifier,",
            "opinion: {use: classifier, tune: {use: prefix},",
            "error CN452 at modules.opinion.tune\n"
            "  found     a module without an encoder that reads tokens\n"
            "  expected  a module that runs an encoder, such as a text_encoder\n"
            "  fix       tune: full",
        ),
        (
            ENCODER,
            "encoder: {use: text_encoder, in: tokens, tune: {use: adalora, r: 8, start_r: 2}}",
            "error CN454 at modules.encoder.tune.start_r\n"
            "  found     2, below r, 8, to which it is to shrink\n"
            "  expected  at least 8\n"
            "  fix       start_r: 12",
        ),
    ],
    ids=["decay of a head", "frozen", "rate of 0", "share", "last_n", "prefix", "adalora"],
)
def test_what_is_told_of_tuners_and_rates(old: str, new: str, text: str, small_fusion: Path) -> None:
    found = [item for item in told(small_fusion, (old, new)) if " CN401 " not in item]
    assert found == [text]


CACHED = ENCODER.replace("}", ", tune: {use: frozen, cache: true}}")
RANDOM = "  tokens: {use: tokens, in: text, checkpoint: tiny, max_length: 16}\n"


def test_a_frozen_module_behind_still_inputs_is_kept(small_fusion: Path) -> None:
    assert told(small_fusion, (ENCODER, CACHED)) == []


def test_chance_before_a_kept_module_is_told(small_fusion: Path) -> None:
    pytest.importorskip("consilience_linguistics", reason="the plugin is not installed")
    masked = (RANDOM, RANDOM + "  masked: {use: linguistics.mask, in: tokens}\n")
    assert told(small_fusion, masked, (ENCODER, CACHED.replace("in: tokens", "in: masked"))) == [
        "error CN455 at modules.encoder.tune\n"
        "  found     encoder, to be kept: masked, which feeds it, draws by chance\n"
        "  expected  encoder and all before it frozen, no chance in them, and rows that are there at once\n"
        "  fix       tune: frozen"
    ]
    shared = (ENCODER, f"{CACHED}\n  reread: {{share: encoder, in: masked}}")
    assert told(small_fusion, masked, shared) == []  # only what is the same in every epoch is kept


def test_a_trained_module_before_a_kept_one_is_told(small_fusion: Path) -> None:
    wired = "in: {queries: encoder.hidden, states: encoder.hidden}"
    reading = f"{{use: cross_attention, {wired}, tune: {{use: frozen, cache: true}}}}"
    rating = ("rating: {use: regressor, in: encoder.pooled}", "rating: {use: regressor, in: read.pooled}")
    assert told(small_fusion, (ENCODER, f"{ENCODER}\n  read: {reading}"), rating) == [
        "error CN455 at modules.read.tune\n"
        "  found     read, to be kept: encoder, which feeds it, is trained\n"
        "  expected  read and all before it frozen, no chance in them, and rows that are there at once\n"
        "  fix       tune: frozen"
    ]


def test_a_loss_with_gates_in_a_kept_module_is_told(small_fusion: Path) -> None:
    pytest.importorskip("consilience_complexity", reason="the plugin is not installed")
    gated = ("metrics:", "  size: {use: complexity.sparsity, of: encoder}\nmetrics:")
    assert told(small_fusion, (ENCODER, CACHED), gated) == [
        "error CN455 at modules.encoder.tune\n"
        "  found     encoder, to be kept: size trains parameters of its own in it\n"
        "  expected  encoder and all before it frozen, no chance in them, and rows that are there at once\n"
        "  fix       tune: frozen"
    ]


def test_rows_that_are_read_as_they_come_are_told(small_fusion: Path) -> None:
    streamed = ("split: {test: 10, validation: 6}", "streaming: true")
    found = told(small_fusion, (ENCODER, CACHED), streamed)
    assert any("reviews is streamed, and nobody has its rows beforehand" in item for item in found if "CN455" in item)


def test_a_model_in_use_keeps_nothing_and_learns_at_no_rate(small_fusion: Path) -> None:
    written = Fusion.load(small_fusion).to_dict()
    written["modules"]["opinion"]["layer_decay"] = 0.5
    check(Fusion(**written, base=small_fusion.parent), purpose=Purpose.USE)


def test_the_plan_says_the_rates_of_those_that_have_some(small_fusion: Path) -> None:
    written = Fusion.load(small_fusion).to_dict()
    written["modules"]["encoder"] |= {"learning_rate": 0.1, "layer_decay": 0.5}
    nodes = {node["name"]: node for node in check(Fusion(**written, base=small_fusion.parent)).to_dict()["nodes"]}
    assert nodes["encoder"]["rates"] == {"learning_rate": 0.1, "layer_decay": 0.5}
    assert "rates" not in nodes["opinion"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("save_every: 3", "save_steps: 3"),
        ("optimizer: sgd", "optim: sgd"),
        ("log_every: 5", "logging_steps: 5"),
        ("weight_decai: 0.1", "weight_decay: 0.1"),
    ],
)
def test_what_other_tools_call_a_key_of_the_training_is_known(small_fusion: Path, written: str, meant: str) -> None:
    name = written.partition(":")[0]
    [fault] = told(small_fusion, ("train: {", f"train: {{{written}, "))
    assert fault.startswith(f"error CN120 at train.{name}\n  found     the unknown key {name}\n")
    assert fault.endswith(f"\n  fix       {meant}")
    assert told(small_fusion, ("train: {", f"train: {{{meant}, ")) == []


def test_lr_is_the_learning_rate_unless_that_is_written_too(small_fusion: Path) -> None:
    [fault] = told(small_fusion, ("learning_rate: 1.0e-3", "lr: 0.1"))
    assert fault.endswith("\n  fix       learning_rate: 0.1")
    [fault] = told(small_fusion, ("train: {", "train: {lr: 0.1, "))
    assert fault.endswith("\n  fix       # remove the key lr, beside learning_rate")


def test_every_word_of_other_tools_stands_for_a_key() -> None:
    assert set(TrainingKeys.synonyms.values()) <= set(TrainingKeys.model_fields)
    assert not set(TrainingKeys.synonyms) & set(TrainingKeys.model_fields)
