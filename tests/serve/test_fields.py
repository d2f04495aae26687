"""Fusions that read more than one text: labels of words, and fields beside the text."""

from __future__ import annotations

from pathlib import Path

import pytest

from consilience.declare import Fusion
from consilience.errors import Place, RunError
from consilience.evidence import evaluate
from consilience.plan import check
from consilience.serve import ExampleReader, Predictor, read_line

WORDS = """\
consilience: 1
name: words
resources: {tiny: {use: checkpoint, path: checkpoint}}
fields:
  text: text
  tags: {token_labels: [out, in]}
sources:
  rows: {use: table, path: rows.csv, map: {text: text, tags: {column: tags, separator: " "}}, split: {test: 4}}
inputs:
  tokens: {use: tokens, in: text, checkpoint: tiny, max_length: 16}
  aligned: {use: token_labels, in: {words: tokens.words, labels: tags}}
modules:
  encoder: {use: text_encoder, in: tokens}
  tagger: {use: token_classifier, in: encoder.hidden}
losses:
  tags_loss: {use: cross_entropy, in: tagger, target: aligned.labels}
train: {epochs: 1, batch_size: 4, learning_rate: 1.0e-3, seed: 0}
"""

TEXTS = """\
consilience: 1
name: texts
resources: {tiny: {use: checkpoint, path: checkpoint}}
fields: {title: text, body: text, label: {category: [no, yes]}}
sources: {rows: {use: table, path: rows.csv, map: {title: title, body: text, label: label}}}
inputs:
  titles: {use: tokens, in: title, checkpoint: tiny, max_length: 16}
  bodies: {use: tokens, in: body, checkpoint: tiny, max_length: 16}
modules:
  one: {use: text_encoder, in: titles}
  two: {share: one, in: bodies}
  both: {use: concat, in: [one.pooled, two.pooled]}
  answer: {use: classifier, in: both}
losses: {answer_loss: {use: cross_entropy, in: answer, target: label}}
"""


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    (tmp_path / "checkpoint").symlink_to(tiny)
    rows = "".join(f"a fine film {number},out in out in,yes,t\n" for number in range(12))
    (tmp_path / "rows.csv").write_text(f"text,tags,label,title\n{rows}", encoding="utf-8")
    return tmp_path


def test_labels_of_words_are_evaluated_and_predicted(folder: Path) -> None:
    from consilience.train import train

    run = train(Fusion.parse(WORDS, base=folder), folder / "runs", progress=False)
    report = evaluate(run, progress=False)
    assert report.answers["tagger"].kind == "token_labels"
    assert report.answers["tagger"].count == 16  # four rows of four words
    [found, same] = Predictor(run.path).predict(["films don't", {"text": ["films", "don't"]}])
    assert len(found["tagger"]["labels"]) == 2  # words stand between white space, as in training
    assert found == same


def test_a_text_alone_does_not_say_which_of_two_it_is(folder: Path) -> None:
    reader = ExampleReader.of(check(Fusion.parse(TEXTS, base=folder)), ["answer"])
    with pytest.raises(RunError) as caught:
        reader("a fine film", Place("example", 1, 1))
    assert str(caught.value) == (
        "error CN808 at example (example:1)\n"
        "  found     a text alone, for a fusion that reads 2 text fields: title, body\n"
        "  expected  a value for each by name\n"
        '  fix       {"title": "...", "body": "..."}'
    )
    assert reader({"title": "a", "body": "b"}, Place("example", 1, 1)) == {"title": "a", "body": "b"}


@pytest.mark.parametrize(
    ("line", "found", "fix"),
    [
        ("a film", "a film, which is not JSON: Expecting value: line 1 column 1 (char 0)", '{"text": "a film"}'),
        ('"a film"', '"a film", which is a text', '{"text": "a film"}'),
        ("[1]", "[1], which is a list", '{"text": "..."}'),
        ("null", "null, which is null", '{"text": "..."}'),
    ],
)
def test_a_line_that_is_no_object(line: str, found: str, fix: str) -> None:
    with pytest.raises(RunError) as caught:
        read_line(line, Place("standard input", 7, 1))
    told = str(caught.value).splitlines()
    assert told[0].endswith("at example (standard input:7)")
    assert told[1] == f"  found     {found}"
    assert told[3] == f"  fix       {fix}"
