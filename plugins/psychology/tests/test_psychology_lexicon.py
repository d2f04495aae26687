from __future__ import annotations

import doctest
import pickle
import socket

import pytest
import torch
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from consilience_psychology import lexicon
from consilience_psychology.lexicon import ValenceReader, read_valence

TEXTS = [
    "A wonderful, moving film!",
    "It was not good at all.",
    "utterly dreadful , but the ending is great",
    "VADER is smart, handsome, and funny.",
    "Catch utf-8 emoji such as \U0001f496 and \U0001f60a",
]


@pytest.mark.parametrize("text", TEXTS)
def test_is_vaders_compound_score(text: str) -> None:
    [valence], _ = ValenceReader()([text])
    expected = SentimentIntensityAnalyzer().polarity_scores(text)["compound"]
    assert expected != 0
    assert valence.item() == pytest.approx(expected, abs=1e-6)


def test_reads_tone_as_a_reader_would() -> None:
    good, better, bad, negated = ValenceReader()(
        ["a good film", "a very good film!!!", "a horrible film", "not a good film"]
    )[0].tolist()
    assert bad < negated < 0 < good < better


def test_a_list_of_words_is_their_text() -> None:
    words, text = ValenceReader()([TEXTS[2].split(), TEXTS[2]])[0].tolist()
    assert words == text


def test_what_the_lexicon_does_not_know_is_not_present() -> None:
    valence, present = ValenceReader()(["", "   ", [], "the train leaves at nine", "very", "good"])
    assert present.tolist() == [False, False, False, False, False, True]
    assert valence[:5].tolist() == [0, 0, 0, 0, 0]
    assert valence.dtype is torch.float32
    assert [made.shape for made in ValenceReader()([])] == [(0,), (0,)]


def test_what_cancels_out_is_known() -> None:
    lexicon_of = SentimentIntensityAnalyzer().lexicon
    positive = next(word for word, value in lexicon_of.items() if value == 2.0 and word.isalpha())
    negative = next(word for word, value in lexicon_of.items() if value == -2.0 and word.isalpha())
    assert read_valence(f"{positive} then came {negative}") == 0.0


def test_reads_no_further_than_max_words() -> None:
    text = "dull " * 3 + "plain words " * 2 + "wonderful " * 50
    short, long = ValenceReader(max_words=7)([text])[0].item(), ValenceReader()([text])[0].item()
    assert short < 0 < long
    assert short == pytest.approx(read_valence("dull dull dull plain words plain words"), abs=1e-6)


def test_each_text_is_read_by_itself() -> None:
    together, _ = ValenceReader()(TEXTS)
    assert together.tolist() == [ValenceReader()([text])[0].item() for text in TEXTS]
    assert torch.equal(ValenceReader()(TEXTS[::-1])[0], together.flip(0))


def test_neither_prints_nor_connects_and_loads_once(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    lexicon._analyzer.cache_clear()
    ValenceReader()([*TEXTS, "he lost the upper hand and broke a leg"])
    ValenceReader(100)(TEXTS)
    assert lexicon._analyzer.cache_info().misses == 1
    assert capfd.readouterr() == ("", "")


def test_is_sent_to_worker_processes_without_the_lexicon() -> None:
    reader = ValenceReader(9)
    ValenceReader()(TEXTS)
    sent = pickle.dumps(reader)
    assert pickle.loads(sent) == reader
    assert len(sent) < 500


def test_odd_texts_are_read() -> None:
    valence, present = ValenceReader()(["\x00", "\ud800 good", "!!!???", "x" * 100_000, "\U0001f496"])
    assert present.tolist() == [False, True, False, False, True]
    assert (valence.abs() <= 1).all()


def test_the_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(lexicon) == (0, 2)
