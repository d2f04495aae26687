"""The rows that losses learn from and metrics are measured on, as far as the file tells."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consilience.declare import Fusion
from consilience.errors import Diagnostic, Severity
from consilience.host import Registry
from consilience.plan import survey

sys.path.insert(0, str(Path(__file__).parent))  # the tests of learning share a plugin
from toy_learning import ALL, HEAD, KINDS, LOSS, METRIC, TEXTS, Unsure, codes, declared

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


@pytest.mark.parametrize(
    ("has", "split", "expected"),
    [
        (["all"], {}, []),
        (["train", "test"], {}, []),
        (["train"], {"test": 1.0}, [("CN506", "sources.rows.split")]),
        (["test"], {}, [("CN506", "sources")]),
        (["test", "validation"], {"train": 100}, [("CN506", "sources")]),
        (["all"], {"test": 0.5, "validation": 0.5}, [("CN506", "sources.rows.split")]),
        (["all"], {"test": 0.5, "validation": 0.5, "train": 10}, []),
        (["all"], {"test": 0.7, "aside": 0.3}, [("CN506", "sources.rows.split")]),
        (["all"], {"test": 0.7, "validation": 0.2, "train": 0.1}, []),
        (["all"], {"test": 1000}, []),
        (None, {}, []),
        (None, {"test": 1000}, []),
        (None, {"test": 1.0}, [("CN506", "sources.rows.split")]),
    ],
)
def test_training_needs_rows(tell: Tell, has: Any, split: Any, expected: Any) -> None:
    assert codes(tell(sources={"rows": {**ALL, "has": has, "split": split}})) == expected


@pytest.mark.parametrize(
    ("has", "split", "expected"),
    [
        (["all"], {}, [("CN408", "metrics")]),
        (["train"], {}, [("CN408", "metrics")]),
        (["train", "test"], {}, []),
        (["train", "test"], {"test": 0.5}, []),
        (["all"], {"validation": 10}, []),
        (["all"], {"aside": 10}, [("CN408", "metrics")]),
        (None, {}, []),
    ],
)
def test_a_metric_needs_rows_to_measure_on(tell: Tell, has: Any, split: Any, expected: Any) -> None:
    found = tell(sources={"rows": {**ALL, "has": has, "split": split}}, metrics=METRIC)
    assert codes(found) == expected
    assert all(fault.severity is Severity.WARNING for fault in found)


def test_a_source_that_may_have_rows_is_not_told_to_lack_them(tell: Tell) -> None:
    """Whether 1000 rows are all that a source has, nobody can say: then it would be one for measuring alone."""
    held = {**TEXTS, "split": {"test": 1000}}
    assert tell(sources={"rows": ALL, "held": held}) == []
    assert tell(sources={"rows": ALL, "held": {**TEXTS, "has": None}}) == []
    assert tell(sources={"rows": ALL, "held": {**TEXTS, "split": {"test": 1.0}}}) == []
    assert codes(tell(sources={"rows": ALL, "held": {**TEXTS, "split": {"test": 0.5}}})) == [("CN409", "sources.held")]
    assert codes(tell(sources={"rows": ALL, "held": {**TEXTS, "split": {"train": 5}}})) == [("CN409", "sources.held")]


def test_a_loss_that_reads_no_row_needs_none(tell: Tell) -> None:
    size = {"size": {"use": "toy.small", "of": "encoder"}}
    assert tell(losses={**LOSS, **size}) == []
    # It cannot use rows without a label either.
    found = tell(losses={**LOSS, **size}, sources={"rows": ALL, "texts": TEXTS})
    assert codes(found) == [("CN409", "sources.texts")]
    # With it alone, any rows make the steps.
    frozen = {"encoder": {**HEAD["encoder"], "tune": "frozen"}}
    assert tell(losses=size, modules=frozen, sources={"texts": TEXTS}) == []


def test_a_source_that_fails_to_tell_its_splits_is_its_plugin_s_fault(tell: Tell) -> None:
    [fault] = tell(sources={"rows": {"use": "toy.unsure", "map": ALL["map"]}})
    assert (fault.code, fault.where) == ("CN207", "sources.rows")
    assert "fails to tell the splits of toy.unsure: ZeroDivisionError: nobody knows" in fault.found


def test_splits_that_are_one_text_are_not_taken_letter_by_letter(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Unsure, "splits", lambda self: "train")
    [fault] = tell(sources={"rows": {"use": "toy.unsure", "map": ALL["map"]}})
    assert (fault.code, fault.where) == ("CN207", "sources.rows")
    assert fault.found.endswith('of toy.unsure: TypeError: splits gives the text "train": return frozenset({"train"})')


def test_what_could_not_be_understood_is_not_missed(kinds: Registry) -> None:
    text = """
consilience: 1
name: small
fields: {text: text, mood: {category: [dull, fine]}}
sources:
  texts: {use: toy.rows, has: [all], map: {text: text}}
  rows: {use: toy.rows, has: [test], map: {text: text, mood: mood}, split: {test: many}}
inputs: {words: {use: toy.words, in: text}}
modules: {encoder: {use: toy.encoder, in: words}, head: {use: toy.head, in: encoder}}
losses: {loss: {use: toy.entropy, in: head, target: mood}}
"""
    found = survey(Fusion.draft_text(text), kinds).diagnostics
    assert "CN407" not in {fault.code for fault in found}  # the rows may well be split into some to train on
    assert {fault.where for fault in found} == {"sources.rows.split.test", "sources.texts"}


def test_one_column_for_text_and_target_is_told_where_the_model_reads_it(tell: Tell) -> None:
    twice = {**ALL, "map": {"text": "label", "mood": {"column": "label", "values": {"0": "dull"}}}}
    [fault] = tell(sources={"rows": twice})
    assert (fault.code, fault.where, fault.severity) == ("CN410", "sources.rows.map.mood", Severity.WARNING)
    assert [related.where for related in fault.related] == ["sources.rows.map.text"]
    # Two labels of one column are two readings of it, and no model sees either.
    fields = {"text": "text", "mood": {"category": ["dull", "fine"]}, "other": {"category": ["a", "b"]}}
    heads = {**HEAD, "more": {"use": "toy.head", "in": "encoder"}}
    losses = {**LOSS, "more_loss": {"use": "toy.entropy", "in": "more", "target": "other"}}
    both = {**ALL, "map": {"text": "text", "mood": "label", "other": "label"}}
    assert tell(fields=fields, sources={"rows": both}, modules=heads, losses=losses) == []
