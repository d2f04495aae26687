"""The conformance kit on every component of linguistics."""

from __future__ import annotations

import json
from pathlib import Path

from consilience.testing import conformance

SENTENCE = "1\tShe\tshe\tPRON\t_\tCase=Nom\t2\tnsubj\t_\tNER=B-PER\n2\tsleeps\tsleep\tVERB\t_\t_\t0\troot\t_\t_\n"
PAIR = {"sentence_good": "She sleeps.", "sentence_bad": "She sleep.", "UID": "agreement"}


def treebank(folder: Path) -> dict[str, object]:
    (folder / "small.conllu").write_text(f"{SENTENCE}\n{SENTENCE}\n", encoding="utf-8")
    return {"path": str(folder / "small.conllu"), "features": ["Case"], "misc": ["NER"]}


def columns(folder: Path) -> dict[str, object]:
    (folder / "small.tsv").write_text("She\tB-PER\nsleeps\tO\n\nYes\tO\n", encoding="utf-8")
    return {"path": str(folder / "small.tsv")}


def pairs(folder: Path) -> dict[str, object]:
    (folder / "pairs.jsonl").write_text(json.dumps(PAIR) + "\n", encoding="utf-8")
    return {"path": str(folder / "pairs.jsonl"), "part": "test"}


def texts(folder: Path) -> dict[str, object]:
    (folder / "texts.txt").write_text("She sleeps. He wakes.\nThey talk. It rains.\n", encoding="utf-8")
    return {"path": str(folder / "texts.txt")}


test_linguistics = conformance(
    "linguistics",
    examples={
        "linguistics.mask": [{"rate": 0.5, "replaced": 0.3, "random": 0.7}, {"rate": 1.0}],
        "linguistics.mask_spans": [{"unit": "span", "rate": 0.5}, {"unit": "ngram", "longest": 3}],
        "linguistics.conllu": [treebank],
        "linguistics.columns": [columns],
        "linguistics.minimal_pairs": [pairs],
        "linguistics.texts": [texts],
        "linguistics.words": [{"pooling": "first"}],
        "linguistics.pseudo_log_likelihood": [{"hide": "rest_of_word"}],
    },
    build_with={"linguistics.pseudo_log_likelihood": {"head": "linguistics.masked_lm_head"}},
)
