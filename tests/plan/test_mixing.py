"""The rules of mixing: the exact text of each fault, and what is told of nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consilience.declare import Fusion
from consilience.errors import DeclarationError, Severity
from consilience.host import Registry
from consilience.plan import reduced, survey

sys.path.insert(0, str(Path(__file__).parent))  # the tests of learning share a plugin
from toy_learning import ALL, KINDS, Rows, declared


class Flow(Rows):
    """Gives rows as they come."""

    def stream(self) -> Any:
        """Is never asked by the check."""
        raise AssertionError


SOURCES = {"rows": ALL, "more": ALL, "held": {**ALL, "split": {"test": 1.0}}}
PROPORTIONS = {"by": "proportions", "proportions": {"rows": 3.0, "more": 1.0}}

Tell = Callable[..., list[str]]


@pytest.fixture
def tell(toy: Callable[..., Registry]) -> Tell:
    """Gives the texts of what the check tells of a mix."""
    kinds = toy(*KINDS, Flow)

    def run(mixing: dict[str, Any], sources: Any = SOURCES, **more: Any) -> list[str]:
        said = {"mixing": mixing} if mixing else {}
        found = survey(declared(sources=sources, **said, **more), kinds).diagnostics
        return [str(replace(fault, place=None)) for fault in found]

    return run


WELL = {
    "nothing said": {},
    "the default": {"by": "size"},
    "homogeneous": {"batches": "homogeneous"},
    "proportions": PROPORTIONS,
    "until one": {**PROPORTIONS, "until": "more"},
    "temperature": {"by": "temperature", "temperature": 5.0, "until": "shortest"},
    "round robin": {"by": "round_robin", "rows": 2},
}


@pytest.mark.parametrize("mixing", WELL.values(), ids=WELL)
def test_what_is_well_is_told_nothing_of(tell: Tell, mixing: dict[str, Any]) -> None:
    assert tell(mixing) == []


EXACT = {
    "an unknown source": (
        {"by": "proportions", "proportions": {"rows": 3.0, "moree": 1.0}},
        """error CN418 at mixing.proportions.moree
  found     the unknown source moree
  expected  one of rows, more
  fix       more: 1.0""",
    ),
    "a source for measuring": (
        {"by": "proportions", "proportions": {"rows": 3.0, "more": 1.0, "held": 1.0}},
        """error CN418 at mixing.proportions.held
  found     held, which has no rows to train on
  expected  one of rows, more
  fix       # remove the key held""",
    ),
    "an unknown end": (
        {**PROPORTIONS, "until": "longst"},
        """error CN418 at mixing.until
  found     the unknown source longst
  expected  one of longest, shortest, rows, more
  fix       until: longest""",
    ),
    "a proportion too few": (
        {"by": "proportions", "proportions": {"rows": 3.0}},
        """error CN419 at mixing.proportions
  found     no proportion for more
  expected  a proportion for each source that trains
  fix       proportions: {rows: 3.0, more: 1}""",
    ),
    "no proportions": (
        {"by": "proportions"},
        """error CN419 at mixing.by
  found     no proportion for rows, more
  expected  a proportion for each source that trains
  fix       proportions: {rows: 1, more: 1}""",
    ),
    "proportions that nothing reads": (
        {"proportions": {"rows": 3.0, "more": 1.0}},
        """warning CN420 at mixing.proportions
  found     proportions beside by: size, which does not read it
  expected  a key that does something
  fix       by: proportions""",
    ),
    "a temperature that nothing reads": (
        {"by": "round_robin", "temperature": 2.0},
        """warning CN420 at mixing.temperature
  found     temperature beside by: round_robin, which does not read it
  expected  a key that does something
  fix       by: temperature""",
    ),
    "an end that all have": (
        {"until": "shortest"},
        """warning CN420 at mixing.until
  found     until beside by: size, by which all sources end together
  expected  a key that does something
  fix       # remove the key until""",
    ),
    "fewer rows than sources": (
        {"rows": 1},
        """error CN421 at mixing.rows
  found     1, for 2 sources that train
  expected  a row of each source at least
  fix       # remove the key rows""",
    ),
}


@pytest.mark.parametrize(("mixing", "text"), EXACT.values(), ids=EXACT)
def test_each_fault_is_told_in_these_words(tell: Tell, mixing: dict[str, Any], text: str) -> None:
    assert tell(mixing) == [text]


def test_repeat_beside_shares_does_nothing(tell: Tell) -> None:
    assert tell(PROPORTIONS, {**SOURCES, "rows": {**ALL, "repeat": 2}}) == [
        """warning CN420 at sources.rows.repeat
  found     repeat beside by: proportions, which alone says how often rows comes
  expected  a key that does something
  fix       # remove the key repeat"""
    ]
    assert tell({}, {**SOURCES, "rows": {**ALL, "repeat": 2}}) == []


def test_one_source_alone_is_not_mixed(tell: Tell) -> None:
    sources = {"rows": ALL, "held": SOURCES["held"]}
    assert tell({"by": "round_robin", "batches": "homogeneous"}, sources) == [
        f"""warning CN420 at mixing.{key}
  found     {key}: {value}, and rows alone has rows to train on
  expected  a key that does something
  fix       # remove the key {key}"""
        for key, value in (("batches", "homogeneous"), ("by", "round_robin"))
    ]
    assert tell({"rows": 5}, sources) == []


@pytest.mark.parametrize(
    ("field", "found", "expected", "fix"),
    [
        ("text", "text, a field of text", "a category or categories that rows maps: mood", "balance: mood"),
        ("moood", "moood, which rows does not map", "a category or categories that rows maps: mood", "balance: mood"),
    ],
)
def test_only_classes_are_balanced(tell: Tell, field: str, found: str, expected: str, fix: str) -> None:
    told = tell({}, {**SOURCES, "rows": {**ALL, "balance": field}})
    assert told == [
        f"""error CN422 at sources.rows.balance
  found     {found}
  expected  {expected}
  fix       {fix}"""
    ]
    assert tell({}, {**SOURCES, "rows": {**ALL, "balance": "mood"}}) == []


def test_a_proportion_of_zero_is_refused() -> None:
    with pytest.raises(DeclarationError) as caught:
        declared(sources=SOURCES, mixing={"by": "proportions", "proportions": {"rows": 0.0, "more": 1.0}})
    [fault] = caught.value.diagnostics
    assert (fault.code, fault.where, fault.severity) == ("CN123", "mixing.proportions.rows", Severity.ERROR)


def test_a_twin_keeps_the_mix_of_its_own_sources(toy: Callable[..., Registry]) -> None:
    kinds = toy(*KINDS)
    losses = declared().losses
    sources = {**SOURCES, "texts": {"use": ALL["use"], "map": {"text": "text"}}}
    mixing = {"by": "proportions", "proportions": {"rows": 3.0, "more": 1.0, "texts": 2.0}, "until": "texts"}
    fusion = declared(sources=sources, mixing=mixing)
    twin = reduced(survey(fusion, kinds).plan, list(losses))
    assert "texts" not in twin.sources
    assert twin.mixing == Fusion(name="x", mixing=PROPORTIONS).mixing


STREAM = {"use": "toy.flow", "map": ALL["map"], "streaming": True}
STEPS = {"train": {"max_steps": 5}}
STREAMED = {
    "no stream": (
        {"rows": {**ALL, "streaming": True}},
        {},
        STEPS,
        """error CN423 at sources.rows.streaming
  found     streaming, and toy.rows gives no stream
  expected  a source that streams, such as table and hub
  fix       # remove the key streaming""",
    ),
    "a split": (
        {"rows": {**STREAM, "split": {"test": 5}}},
        {},
        STEPS,
        """error CN424 at sources.rows.split
  found     split beside streaming, which deals out all rows at once
  expected  where, map and buffer beside streaming
  fix       # remove the key split""",
    ),
    "no end": (
        {"rows": STREAM},
        {},
        {},
        """error CN425 at train
  found     no max_steps, and rows is streamed: an epoch has no end
  expected  the number of steps
  fix       max_steps: 1000""",
    ),
    "lengths": (
        {"rows": STREAM},
        {},
        {"train": {"max_steps": 5, "train_sampling_strategy": "group_by_length"}},
        """error CN426 at train.train_sampling_strategy
  found     group_by_length, and rows is streamed: how long its rows are is not known
  expected  random, or sequential
  fix       train_sampling_strategy: random""",
    ),
    "a mix by size": (
        {"rows": STREAM, "more": ALL},
        {},
        STEPS,
        """error CN426 at sources.rows.streaming
  found     a mix by size of rows, more, and rows is streamed: nobody has counted its rows
  expected  a mix by proportions or round_robin
  fix       mixing: {by: proportions, proportions: {rows: 1, more: 1}}""",
    ),
    "an end of an epoch": (
        {"rows": STREAM, "more": ALL},
        {"by": "round_robin", "until": "more"},
        STEPS,
        """warning CN420 at mixing.until
  found     until, and rows is streamed: an epoch has no end
  expected  a key that does something
  fix       # remove the key until""",
    ),
    "a buffer without a stream": (
        {"rows": {**ALL, "buffer": 5}},
        {},
        {},
        """warning CN420 at sources.rows.buffer
  found     buffer, without streaming
  expected  a key that does something
  fix       # remove the key buffer""",
    ),
}


@pytest.mark.parametrize(("sources", "mixing", "train", "text"), STREAMED.values(), ids=STREAMED)
def test_each_fault_of_a_stream_is_told_in_these_words(
    tell: Tell, sources: Any, mixing: Any, train: Any, text: str
) -> None:
    assert tell(mixing, sources, **train) == [text]


def test_a_stream_that_is_well_is_told_nothing_of(tell: Tell) -> None:
    assert tell({}, {"rows": {**STREAM, "buffer": 5}}, **STEPS) == []
    assert tell({"by": "round_robin", "batches": "homogeneous"}, {"rows": STREAM, "more": ALL}, **STEPS) == []
