"""The pictures of a plan: Mermaid to the letter, SVG by its structure."""

import re
import subprocess
import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.declare import (
    Balancer,
    Bool,
    Dims,
    Float,
    Fusion,
    Input,
    Int,
    LabelSpace,
    Loss,
    Many,
    Metric,
    Module,
    Ports,
    Source,
    Text,
    Tuner,
    Use,
    hookimpl,
)
from consilience.host import Registry
from consilience.plan import Plan, check, to_mermaid, to_svg
from consilience.plan.drawing._layout import Box, Link, Spot, lay_out
from consilience.plan.drawing._order import crossings, order_rows

SVG = "{http://www.w3.org/2000/svg}"


class Table(Source):
    path: str = "a.csv"


class Tokens(Input):
    inputs = Ports(text=Text["batch"])
    outputs = Ports(
        ids=Int["batch seq"].below("vocab"),
        mask=Bool["batch seq"],
        special=Bool["batch seq"],
        words=Int["batch seq"],
        spans=Int["batch seq 2"],
    )

    def dims(self, known: Dims) -> Mapping[str, int]:
        return {"vocab": 30522}


class TextEncoder(Module):
    inputs = Ports(ids=Int["batch seq"].below("vocab"), mask=Bool["batch seq"] | None)
    outputs = Ports(hidden=Float["batch seq hidden"], pooled=Float["batch hidden"])

    def dims(self, known: Dims) -> Mapping[str, int]:
        return {"hidden": 384}


class Classifier(Module):
    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(logits=Float["batch class"])


class Gated(Module):
    inputs = Ports(parts=Many(Float["batch part"], each=("part",)))
    outputs = Ports(fused=Float["batch width"])

    def dims(self, known: Dims) -> Mapping[str, int]:
        return {"width": known.each("part")[0]}


class CrossEntropy(Loss):
    inputs = Ports(logits=Float["batch class"])
    target = Int["batch"].below("class")


class Accuracy(Metric):
    inputs = Ports(logits=Float["batch class"])
    target = Int["batch"].below("class")


class Full(Tuner):
    pass


class Frozen(Tuner):
    trains = False


class Lora(Tuner):
    r: int = 8


class Fixed(Balancer):
    pass


class Mask(Input):
    inputs = Ports(ids=Int["batch seq"].below("vocab"), mask=Bool["batch seq"], special=Bool["batch seq"])
    outputs = Ports(ids=Int["batch seq"].below("vocab"), mask=Bool["batch seq"], labels=Int["batch seq"].below("vocab"))


class MaskedLMHead(Module):
    tie: Use[Module]
    inputs = Ports(hidden=Float["batch seq hidden"])
    outputs = Ports(logits=Float["batch seq vocab"])


class MaskedLMLoss(Loss):
    inputs = Ports(logits=Float["batch seq vocab"])
    target = Int["batch seq"].below("vocab")


class EmotionHead(Module):
    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(logits=Float["batch emotion"])


class EmotionLoss(Loss):
    inputs = Ports(logits=Float["batch emotion"])
    target = Bool["batch emotion"]


class LexiconAffect(Input):
    inputs = Ports(text=Text["batch"])
    outputs = Ports(valence=Float["batch"])


class AffectHead(Module):
    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(valence=Float["batch"])


class AffectLoss(Loss):
    inputs = Ports(valence=Float["batch"])
    target = Float["batch"]


class Mentions(Input):
    inputs = Ports(text=Text["batch"])
    outputs = Ports(entities=Int["batch mention"].below("entity"), entity_spans=Int["batch mention 2"])

    def dims(self, known: Dims) -> Mapping[str, int]:
        return {"entity": 240}


class RGCN(Module, name="rgcn"):
    inputs = Ports(entities=Int["batch mention"].below("entity"))
    outputs = Ports(pooled=Float["batch width"], mentions=Float["batch mention width"])

    def dims(self, known: Dims) -> Mapping[str, int]:
        return {"width": 64}


class Sparsity(Loss):
    of: Use[Module]
    value = Float[""]


def unbuilt(component: Any) -> Any:
    """Gives a component that is checked and never built the method that its kind must have."""
    method = {"source": "open", "tuner": "apply"}.get(component.kind, "build")
    if getattr(component, method, None) is getattr(component.__mro__[1], method, None):
        setattr(component, method, lambda *_: None)
    return component


def plugin(*components: type, spaces: tuple[LabelSpace, ...] = ()) -> Any:
    @hookimpl
    def consilience_components() -> list[type]:
        return [unbuilt(one) for one in components]

    @hookimpl
    def consilience_label_spaces() -> list[LabelSpace]:
        return list(spaces)

    return SimpleNamespace(
        consilience_components=consilience_components, consilience_label_spaces=consilience_label_spaces
    )


def registry() -> Registry:
    made = Registry(found=[])
    ekman = LabelSpace(name="ekman", labels=("anger", "disgust", "fear", "joy", "sadness", "surprise"))
    standard = (Table, Tokens, TextEncoder, Classifier, Gated, CrossEntropy, Accuracy, Full, Frozen, Lora, Fixed)
    made.register(plugin(*standard), "standard")
    made.register(plugin(Mask, MaskedLMHead, MaskedLMLoss), "linguistics")
    psychology = (EmotionHead, EmotionLoss, LexiconAffect, AffectHead, AffectLoss)
    made.register(plugin(*psychology, spaces=(ekman,)), "psychology")
    made.register(plugin(Mentions, RGCN), "knowledge")
    made.register(plugin(Sparsity), "complexity")
    return made


SMALL = """
consilience: 1
name: small
fields:
  text: text
  sentiment: {category: [negative, positive]}
sources:
  reviews: {use: table, map: {text: text, sentiment: label}}
inputs:
  tokens: {use: tokens, in: text}
modules:
  encoder: {use: text_encoder, in: tokens, tune: frozen}
  opinion: {use: classifier, in: encoder.pooled}
losses:
  opinion_loss: {use: cross_entropy, in: opinion, target: sentiment, weight: 0.5}
"""

FILM = """
consilience: 1
name: film-reviews
fields:
  text:      text
  sentiment: {category: [negative, positive]}
  emotions:  {categories: psychology.ekman}
sources:
  reviews:  {use: table, map: {text: text, sentiment: label}}
  comments: {use: table, map: {text: text, emotions: ekman}}
inputs:
  tokens:   {use: tokens, in: text}
  masked:   {use: linguistics.mask, in: tokens}
  mentions: {use: knowledge.mentions, in: text}
  valence:  {use: psychology.lexicon_affect, in: text}
modules:
  encoder:    {use: text_encoder, in: tokens, tune: {use: lora, r: 4}}
  reread:     {share: encoder, in: masked}
  concepts:   {use: knowledge.rgcn, in: mentions, tune: frozen}
  fused:      {use: gated, in: [encoder.pooled, concepts.pooled]}
  opinion:    {use: classifier, in: fused}
  feeling:    {use: psychology.emotion_head, in: fused}
  affect:     {use: psychology.affect_head, in: encoder.pooled}
  words:      {use: linguistics.masked_lm_head, in: reread.hidden, tie: encoder}
losses:
  opinion_loss:  {use: cross_entropy, in: opinion, target: sentiment}
  feeling_loss:  {use: psychology.emotion_loss, in: feeling, target: emotions, weight: 0.5}
  affect_loss:   {use: psychology.affect_loss, in: affect, target: valence.valence, weight: 0.2}
  language_loss: {use: linguistics.masked_lm_loss, in: words, target: masked.labels, weight: 0.1}
  size_loss:     {use: complexity.sparsity, of: encoder, weight: 0.01}
objective: {balance: fixed, weights: {psychology: 0.5}}
metrics:
  accuracy: {use: accuracy, in: opinion, target: sentiment}
"""


@pytest.fixture(scope="module")
def film() -> Plan:
    return check(Fusion.parse(FILM), registry())


@pytest.fixture(scope="module")
def picture(film: Plan) -> ElementTree.Element:
    return ElementTree.fromstring(to_svg(film))


def titles(picture: ElementTree.Element, kind: str) -> list[str]:
    groups = [group for group in picture.iter(f"{SVG}g") if kind in group.get("class", "").split()]
    return [group.findtext(f"{SVG}title", "") for group in groups if "sample" not in group.get("class", "")]


def spot_of(rect: ElementTree.Element) -> Spot:
    x, y, wide, high = (float(rect.get(key, "nan")) for key in ("x", "y", "width", "height"))
    return Spot(x + wide / 2, y + high / 2, wide, high)


def overlap(one: Spot, other: Spot) -> bool:
    is_beside = abs(one.x - other.x) >= (one.width + other.width) / 2 - 0.2
    return not (is_beside or abs(one.y - other.y) >= (one.height + other.height) / 2 - 0.2)


def collisions(spots: list[Spot]) -> list[tuple[Spot, Spot]]:
    return [(one, other) for index, one in enumerate(spots) for other in spots[:index] if overlap(one, other)]


def test_mermaid_of_a_small_fusion() -> None:
    assert (
        to_mermaid(check(Fusion.parse(SMALL), registry()))
        == """\
flowchart TB
  subgraph sources_band["sources"]
    n0[("<b>reviews</b><br/><i>table</i>")]
  end
  subgraph fields_band["fields"]
    n1(["<b>sentiment</b><br/><i>category · 2 labels</i>"])
    n2(["<b>text</b><br/><i>text</i>"])
  end
  subgraph inputs_band["inputs"]
    n3[/"<b>tokens</b><br/><i>tokens</i>"/]
  end
  subgraph modules_band["modules"]
    n4["<b>encoder</b><br/><i>text_encoder</i><br/>❄ frozen"]
    n5["<b>opinion</b><br/><i>classifier</i>"]
  end
  subgraph losses_band["losses"]
    n6{{"<b>opinion_loss</b><br/><i>cross_entropy</i><br/>× 0.5"}}
  end
  subgraph objective_band["objective"]
    n7["<b>θ#42; = argmin Σ λ_d · L_d(M_θ)</b><br/>λ 1 · L task<br/><i>balance: fixed</i>"]
  end
  n0 --> n2
  n0 -->|"label"| n1
  n2 -->|"Text[batch]"| n3
  n3 -->|"ids Int[batch seq]<br/>mask Bool[batch seq]"| n4
  n4 -->|"pooled Float[batch hidden=384]"| n5
  n5 -->|"Float[batch class=2]"| n6
  n1 --o|"Int[batch]"| n6
  n6 ==> n7
  classDef task fill:#f3f5f8,stroke:#8a94a3,color:#3d4654
  class n0,n1,n2,n3,n4,n5,n6,n7 task
  classDef frozen stroke-dasharray:5 4
  class n4 frozen
"""
    )


def test_mermaid_gives_each_discipline_its_class_and_references_a_dashed_arrow(film: Plan) -> None:
    text = to_mermaid(film)
    named = dict(re.findall(r'(n\d+)\S*?"<b>([^<]+)</b>', text))
    classes = re.findall(r"classDef (d\d) fill", text)
    assert classes == ["d0", "d1", "d2", "d3"]
    members = {name: [named[key] for key in keys.split(",")] for keys, name in re.findall(r"  class (\S+) (\w+)", text)}
    assert members["d0"] == ["size_loss"]
    assert members["d2"] == ["masked", "words", "language_loss"]
    dashed = {(named[a], label, named[b]) for a, label, b in re.findall(r'(n\d+) -\.->\|"(\w+)"\| (n\d+)', text)}
    assert dashed == {("encoder", "share", "reread"), ("encoder", "tie", "words"), ("encoder", "of", "size_loss")}


def test_mermaid_escapes_what_would_end_a_label() -> None:
    text = to_mermaid(check(Fusion.parse(SMALL.replace("sentiment: label", "sentiment: '\"|</b> #1; é'")), registry()))
    assert '-->|"#34;#124;#60;/b#62; #35;1#59; é"|' in text


def test_the_order_of_the_files_keys_does_not_change_a_picture() -> None:
    fusion = Fusion.parse(FILM).to_dict()
    turned = {key: dict(reversed(value.items())) if isinstance(value, dict) else value for key, value in fusion.items()}
    one, other = check(Fusion(**fusion), registry()), check(Fusion(**turned), registry())
    assert to_svg(one) == to_svg(other)
    assert to_mermaid(one) == to_mermaid(other)


def test_svg_shows_every_node_once(film: Plan, picture: ElementTree.Element) -> None:
    shown = [title.splitlines()[0] for title in titles(picture, "node")]
    assert sorted(shown) == sorted([*film.nodes, *film.sources, "θ* = argmin Σ λ_d · L_d(M_θ)"])


def test_svg_tells_every_edge_once_with_its_solved_type(film: Plan, picture: ElementTree.Element) -> None:
    told = [line for kind in ("tensor", "target") for title in titles(picture, kind) for line in title.splitlines()]
    edges = [edge for _, _, edge in film.graph.edges(data="edge") if edge is not None]
    assert sorted(told) == sorted(f"{edge.source} → {edge.target}: {film.type_of(edge.source)}" for edge in edges)
    assert "encoder.pooled → fused.parts: Float[batch hidden=384]" in told
    assert sorted(titles(picture, "reference")) == [
        "reread.share: encoder",
        "size_loss.of: encoder",
        "words.tie: encoder",
    ]
    assert sorted(titles(picture, "column")) == [
        "comments: ekman → emotions",
        "comments: text → text",
        "reviews: label → sentiment",
        "reviews: text → text",
    ]


def test_svg_tells_weights_and_the_objective(film: Plan, picture: ElementTree.Element) -> None:
    assert sorted(titles(picture, "term"))[0] == "0.01 × size_loss"
    texts = ["".join(text.itertext()) for text in picture.iter(f"{SVG}text")]
    assert "× 0.25" in texts  # psychology's 0.5 times the loss's own 0.5
    assert "θ* = argminθ Σd λd Ld(Mθ)" in texts
    assert [text for text in texts if "· L" in text] == [
        "1 · Lcomplexity",
        "1 · Llinguistics",
        "0.5 · Lpsychology",
        "1 · Ltask",
    ]


def test_svg_marks_what_is_frozen_and_names_the_other_tuners(film: Plan, picture: ElementTree.Element) -> None:
    groups = {group.findtext(f"{SVG}title", "").partition("\n")[0]: group for group in picture.iter(f"{SVG}g")}
    dashed = [name for name, group in groups.items() if any(rect.get("stroke-dasharray") for rect in group)]
    assert dashed == ["concepts"]
    assert "lora" in "".join(groups["encoder"].itertext()).splitlines()[-1]


def test_svg_boxes_and_labels_do_not_collide_and_stay_inside(picture: ElementTree.Element) -> None:
    wide, high = map(float, picture.get("viewBox", "").split()[2:])
    [framed] = [g for g in picture.findall(f"{SVG}g") if g.get("transform", "").startswith("translate") and len(g) > 9]
    [moved] = [g for g in framed.findall(f"{SVG}g") if len(g) > 9]
    shifts = [map(float, re.findall(r"[-\d.]+", g.get("transform", ""))) for g in (framed, moved)]
    across, down = map(sum, zip(*shifts, strict=True))
    boxes = [spot_of(rect) for rect in moved.iter(f"{SVG}rect") if rect.get("class") == "body"]
    labels = [spot_of(group[0]) for group in moved.iter(f"{SVG}g") if group.get("class") == "label"]
    assert len(boxes) == 22  # the two sources are drums
    assert len(labels) == 28
    assert collisions(boxes + labels) == []
    for spot in boxes + labels:
        assert 0 <= spot.x + across - spot.width / 2 < spot.x + across + spot.width / 2 <= wide
        assert 0 <= spot.y + down - spot.height / 2 < spot.y + down + spot.height / 2 <= high


def test_svg_escapes_markup_and_replaces_control_characters() -> None:
    sources = {"reviews": {"use": "table", "map": {"text": "text", "sentiment": 'a<b> & "ü" \x01'}}}
    fusion = Fusion(**{**Fusion.parse(SMALL).to_dict(), "sources": sources})
    picture = ElementTree.fromstring(to_svg(check(fusion, registry())))
    assert 'reviews: a<b> & "ü" \N{REPLACEMENT CHARACTER} → sentiment' in titles(picture, "column")


def test_svg_cuts_a_long_name_and_tells_it_whole_in_the_title() -> None:
    name = "a_name_that_is_far_too_long_for_any_box_to_hold"
    text = to_svg(check(Fusion.parse(SMALL.replace("opinion_loss", name)), registry()))
    picture = ElementTree.fromstring(text)
    assert name in [title.splitlines()[0] for title in titles(picture, "node")]
    assert "a_name_that_is_far_too_long…" in ["".join(found.itertext()) for found in picture.iter(f"{SVG}text")]


def test_a_picture_needs_nothing_from_elsewhere(film: Plan) -> None:
    text = to_svg(film)
    assert text.count("http") == 1  # the namespace
    assert not re.search(r"<(script|image|foreignObject|use)\b|@import|url\(", text)


@st.composite
def layered(draw: st.DrawFn) -> tuple[list[Box], list[Link]]:
    count = draw(st.integers(1, 24))
    ranks = draw(st.lists(st.integers(0, 6), min_size=count, max_size=count))
    widths = draw(st.lists(st.floats(20, 300), min_size=count, max_size=count))
    boxes = [Box(f"b{index}", rank, width, 46) for index, (rank, width) in enumerate(zip(ranks, widths, strict=True))]
    pairs = [(one, other) for one in boxes for other in boxes if one.rank != other.rank]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=40, unique=True)) if pairs else []
    sizes = draw(st.lists(st.tuples(st.floats(8, 250), st.integers(0, 4)), min_size=len(chosen), max_size=len(chosen)))
    links = [
        Link(one.key, other.key, draw(st.sampled_from("ab")), width, lines)
        for (one, other), (width, lines) in zip(chosen, sizes, strict=True)
    ]
    return boxes, links


def check_layout(boxes: list[Box], links: list[Link]) -> None:
    spots, ways = lay_out(boxes, links)
    assert set(spots) == {box.key for box in boxes}
    assert collisions([*spots.values(), *(way.label for way in ways if way.label)]) == []
    for link, way in zip(links, ways, strict=True):
        assert (way.label is not None) == (link.label_lines > 0)
        for key, (x, y) in ((link.source, way.points[0]), (link.target, way.points[-1])):
            assert abs(x - spots[key].x) <= spots[key].width / 2
            assert abs(y - spots[key].y) == pytest.approx(spots[key].height / 2)


@settings(max_examples=60, deadline=None)
@given(layered())
def test_no_layout_lets_boxes_or_labels_collide(graph: tuple[list[Box], list[Link]]) -> None:
    check_layout(*graph)


@settings(max_examples=60, deadline=None)
@given(layered())
def test_no_link_passes_through_a_box(graph: tuple[list[Box], list[Link]]) -> None:
    boxes, links = graph
    spots, ways = lay_out(boxes, links)
    for link, way in zip(links, ways, strict=True):
        others = [spot for key, spot in spots.items() if key not in (link.source, link.target)]
        # Every second run is a straight line past a row; the curves run where no box stands.
        for (x, start), (_, end) in zip(way.points[::2], way.points[1::2], strict=True):
            line = Spot(x, (start + end) / 2, 1, abs(end - start))
            assert not any(overlap(line, spot) for spot in others)


def test_two_hundred_boxes_are_laid_out() -> None:
    boxes = [Box(f"b{index}", index // 10, 120, 46) for index in range(200)]
    steps = [(index * 7919 % max(1, index - index % 10), index) for index in range(10, 200)]
    check_layout(boxes, [Link(f"b{one}", f"b{other}", "", 150, 1) for one, other in steps])


@settings(max_examples=60, deadline=None)
@given(layered())
def test_ordering_keeps_every_vertex_and_adds_no_crossing(graph: tuple[list[Box], list[Link]]) -> None:
    boxes, links = graph
    rows = [[index for index, box in enumerate(boxes) if box.rank == rank] for rank in range(7)]
    rank_of = {box.key: box.rank for box in boxes}
    below: list[list[int]] = [[] for _ in boxes]
    above: list[list[int]] = [[] for _ in boxes]
    for link in links:
        if rank_of[link.target] == rank_of[link.source] + 1:
            below[int(link.source[1:])].append(int(link.target[1:]))
            above[int(link.target[1:])].append(int(link.source[1:]))
    ordered = order_rows(rows, above, below)
    assert [sorted(row) for row in ordered] == rows
    assert crossings(ordered, below) <= crossings(rows, below)


def test_two_crossed_links_are_uncrossed() -> None:
    below, above = [[3], [2], [], []], [[], [], [1], [0]]
    assert crossings([[0, 1], [2, 3]], below) == 1
    assert crossings(order_rows([[0, 1], [2, 3]], above, below), below) == 0


def test_a_link_within_a_row_is_refused() -> None:
    with pytest.raises(ValueError, match="a and b stand in one row"):
        lay_out([Box("a", 0, 50, 20), Box("b", 0, 50, 20)], [Link("a", "b")])


def test_a_link_that_runs_upwards_keeps_its_direction() -> None:
    spots, [way] = lay_out([Box("high", 0, 50, 20), Box("low", 2, 50, 20)], [Link("low", "high")])
    assert way.points[0][1] == spots["low"].y - 10
    assert way.points[-1][1] == spots["high"].y + 10


def test_a_check_does_not_wait_for_the_drawing() -> None:
    drawn = "[name for name in sys.modules if name.startswith('consilience.plan.drawing')]"
    asked = f"import sys, consilience.plan; print({drawn})"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_where_arrows_would_pass_too_many_rows_the_longest_run_straight(
    film: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consilience.plan.drawing import _picture

    whole = ElementTree.fromstring(to_svg(film))
    monkeypatch.setattr(_picture, "MOST_PASSED", 30)
    picture = ElementTree.fromstring(to_svg(film))
    for kind in ("tensor", "target", "reference", "column", "term"):
        assert sorted(titles(picture, kind)) == sorted(titles(whole, kind))
    labels = [spot_of(group[0]) for group in picture.iter(f"{SVG}g") if group.get("class") == "label"]
    assert 0 < len(labels) < 28
    assert collisions(labels) == []


def test_a_row_that_is_far_too_wide_is_folded() -> None:
    from consilience.plan.drawing import _picture

    boxes = [Box(f"b{index}", index // 50, 120, 46) for index in range(100)]
    folded = _picture._folded(boxes)
    rows: dict[int, list[str]] = {}
    for box in folded:
        rows.setdefault(box.rank, []).append(box.key)
    assert [key for _, row in sorted(rows.items()) for key in row] == [box.key for box in boxes]
    assert max(len(row) for row in rows.values()) * 150 <= 2600
    assert _picture._folded(boxes[:10]) == boxes[:10]
