"""The predictor: what it answers, in which order, and what it runs for that."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from consilience.errors import RunError
from consilience.serve import Predictor


@pytest.fixture(scope="module")
def predictor(small_run: Path) -> Predictor:
    return Predictor(small_run, batch_size=4)


@pytest.fixture
def refusal(predictor: Predictor) -> Callable[[object], str]:
    """Gives the text of what an example is refused with."""

    def refuse(example: object) -> str:
        [result] = predictor.predict_each([example])  # type: ignore[list-item]
        assert isinstance(result, RunError)
        return str(result)

    return refuse


def test_answers_are_the_models_own(predictor: Predictor) -> None:
    [found] = predictor.predict(["a fine film"])
    batch = predictor._collator([{"text": "a fine film"}])
    with torch.inference_mode():
        made = predictor.model(batch, outputs=["opinion", "rating", "about", "feeling"]).tensors
    opinion = made["opinion.logits"].softmax(-1)[0].tolist()
    assert found["opinion"]["probabilities"] == dict(zip(("negative", "positive"), opinion, strict=True))
    assert found["opinion"]["label"] == ("negative", "positive")[opinion.index(max(opinion))]
    assert found["rating"] == {"value": made["rating.value"].item()}
    about = made["about.logits"].sigmoid()[0].tolist()
    assert found["about"]["probabilities"] == dict(zip(("plot", "cast", "music"), about, strict=True))
    assert found["feeling"]["values"]["strong"] == made["feeling.value"][0, 1].item()


def test_results_keep_the_order_over_batches(predictor: Predictor) -> None:
    texts = [" ".join(["a fine film"] * (1 + 7 * number % 4)) for number in range(11)]
    together = [result["rating"]["value"] for result in predictor.predict(texts)]
    single = [next(predictor.predict([text]))["rating"]["value"] for text in texts]
    assert together == pytest.approx(single, abs=1e-5)
    assert len(set(texts)) > 1


def test_examples_are_read_as_they_are_needed(predictor: Predictor) -> None:
    def endless():  # type: ignore[no-untyped-def]
        while True:
            yield "a fine film"

    assert "opinion" in next(predictor.predict(endless()))


def test_a_text_may_be_a_mapping_or_words(predictor: Predictor) -> None:
    results = list(predictor.predict(["a fine film", {"text": "a fine film"}, {"text": ["a", "fine", "film"]}]))
    assert results[0] == results[1] == results[2]


def test_fields_that_are_not_needed_may_stand_beside(predictor: Predictor) -> None:
    [found] = predictor.predict([{"text": "a fine film", "sentiment": "whatever", "stars": None}])
    assert "opinion" in found


def test_a_saved_model_alone_is_enough(small_run: Path, predictor: Predictor, tmp_path: Path) -> None:
    shutil.copytree(small_run / "model", tmp_path / "elsewhere")
    alone = Predictor(tmp_path / "elsewhere")
    assert next(alone.predict(["a fine film"])) == next(predictor.predict(["a fine film"]))


def test_only_what_the_outputs_need_is_run(small_run: Path) -> None:
    predictor = Predictor(small_run, outputs=["opinion"])
    run: list[str] = []
    for name in predictor.plan.fusion.modules | predictor.plan.fusion.losses:
        predictor.model.nodes[name].register_forward_hook(lambda *_, name=name: run.append(name))
    assert list(next(predictor.predict(["a fine film"]))) == ["opinion"]
    assert run == ["encoder", "opinion"]


def test_other_outputs_are_given_as_lists(small_run: Path) -> None:
    predictor = Predictor(small_run, outputs=["opinion.logits", "encoder", "tokens.ids", "opinion"])
    [found] = predictor.predict(["a fine film"])
    assert list(found) == ["opinion.logits", "encoder", "tokens.ids", "opinion"]
    assert torch.tensor(found["opinion.logits"]).softmax(-1).tolist() == pytest.approx(
        list(found["opinion"]["probabilities"].values())
    )
    assert len(found["encoder"]["pooled"]) == 16
    assert len(found["encoder"]["hidden"]) == len(found["tokens.ids"]) == 5


def test_a_bad_example_stops_predict_and_stands_in_its_place_in_predict_each(predictor: Predictor) -> None:
    with pytest.raises(RunError, match="CN807"):
        list(predictor.predict(["a fine film", ""]))
    first, bad, last = predictor.predict_each(["a fine film", "", "the dull plot"])
    assert isinstance(bad, RunError)
    assert [first, last] == list(predictor.predict(["a fine film", "the dull plot"]))


@pytest.mark.parametrize(
    ("example", "text"),
    [
        (5, 'CN802 at example (example:1)|a number|a text, or a mapping from field to value|{"text": "..."}'),
        ({}, 'CN803 at text (example:1)|no text|a text|"text": "..."'),
        ({"text": 3}, 'CN804 at text (example:1)|3, which is a number|a text, or a list of its words|"text": "..."'),
        ({"text": [1]}, 'CN804 at text (example:1)|[1], which is a list|a text, or a list of its words|"text": "..."'),
        (
            {"text": "a", "txt": "b"},
            "CN805 at txt (example:1)|the unknown field txt|"
            'one of the fields mood, sentiment, stars, text, topics|"text": ...',
        ),
        (
            "a \ud800",
            "CN806 at text (example:1)|a lone surrogate, which stands for no character|Unicode text|"
            '"text": "a \\ufffd"',
        ),
        (" \n", 'CN807 at text (example:1)|an empty text|a text with a letter in it|"text": "..."'),
        ({"text": []}, 'CN804 at text (example:1)|[], which is a list|a text, or a list of its words|"text": "..."'),
    ],
)
def test_what_is_wrong_with_an_example(refusal: Callable[[object], str], example: object, text: str) -> None:
    head, found, expected, fix = text.split("|")
    assert refusal(example) == f"error {head}\n  found     {found}\n  expected  {expected}\n  fix       {fix}"


def test_every_fault_of_an_example_is_told(refusal: Callable[[object], str]) -> None:
    told = refusal({"txt": "x", "text": math.nan})
    assert "CN805" in told
    assert "NaN, which is a number" in told


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (
            "opinio",
            "the unknown output opinio|one of opinion, rating, about, feeling, tokens, encoder|--output opinion",
        ),
        (
            "encoder.pool",
            "the unknown output encoder.pool|one of encoder.hidden, encoder.pooled|--output encoder.pooled",
        ),
        (
            "opinion_loss",
            "the unknown output opinion_loss|one of opinion, rating, about, feeling, tokens, encoder|--output opinion",
        ),
    ],
)
def test_an_unknown_output_is_told(small_run: Path, output: str, text: str) -> None:
    with pytest.raises(RunError) as caught:
        Predictor(small_run, outputs=[output])
    found, expected, fix = text.split("|")
    assert str(caught.value) == (
        f"error CN809 at outputs\n  found     {found}\n  expected  {expected}\n  fix       {fix}"
    )


def test_answers_stand_in_the_order_of_the_file(small_run: Path, tmp_path: Path) -> None:
    in_order = ["opinion", "rating", "about", "feeling"]
    for path in (small_run, small_run / "model"):
        [result] = Predictor(path).predict(["a fine film"])
        assert list(result) == in_order
    shutil.copytree(small_run / "model", tmp_path / "model")
    (tmp_path / "model" / "fusion.yaml").unlink()
    [result] = Predictor(tmp_path / "model").predict(["a fine film"])
    assert sorted(result) == sorted(in_order)


def test_no_output_is_told(small_run: Path) -> None:
    with pytest.raises(RunError, match="CN810"):
        Predictor(small_run, outputs=[])


def test_a_directory_without_a_model_is_told(tmp_path: Path) -> None:
    fix = "consilience train FILE  # prints the directory of its run at the end"
    expected = "the directory of a finished run, or of a saved model"
    for path, what in ((tmp_path, "no model in it"), (tmp_path / "no", "no such directory")):
        with pytest.raises(RunError) as caught:
            Predictor(path)
        assert str(caught.value) == (
            f"error CN704 at the file\n  found     {path}: {what}\n  expected  {expected}\n  fix       {fix}"
        )


def test_another_librarys_model_is_told(tiny: Path) -> None:
    with pytest.raises(RunError, match=r"config\.json: the model_type bert"):
        Predictor(tiny)
