"""What can be known of a checkpoint from its files is told unloaded: and what is not told can be loaded."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from safetensors.torch import load_file, save_file

from consilience.declare import Dims, Fault, Use
from consilience.errors import DeclarationError
from consilience.standard import Checkpoint, TextEncoder, Tokens
from consilience.standard._json import MOST_BYTES

WEIGHTS = "model.safetensors"


def read(path: object, base: Path | None = None, **keys: object) -> Checkpoint:
    return Checkpoint.model_validate({"path": str(path), **keys}, context={"base": base} if base else None)


def only(checkpoint: Checkpoint) -> Fault:
    [fault] = checkpoint.faults()
    return fault


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "model"))


def change(folder: Path, **keys: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | keys))


def rename(folder: Path, of: Callable[[str], str | None]) -> None:
    weights = {new: value for name, value in load_file(folder / WEIGHTS).items() if (new := of(name))}
    save_file(weights, folder / WEIGHTS, {"format": "pt"})


MISFITS: dict[str, tuple[Callable[[Path], None], str]] = {
    "more words": (
        lambda folder: change(folder, vocab_size=99),
        "embeddings.word_embeddings.weight of 21 x 16, and 99 x 16 by config.json",
    ),
    "fewer positions": (
        lambda folder: change(folder, max_position_embeddings=16),
        "embeddings.position_embeddings.weight of 32 x 16, and 16 x 16 by config.json",
    ),
    "another width": (
        lambda folder: change(folder, hidden_size=32),
        "embeddings.word_embeddings.weight of 21 x 16, and 21 x 32 by config.json",
    ),
    "more layers": (
        lambda folder: change(folder, num_hidden_layers=3),
        "no weights for 16 parameters, such as encoder.layer.2.attention.self.query.weight",
    ),
    "one tensor less": (
        lambda folder: rename(folder, lambda name: None if name.endswith("1.output.dense.bias") else name),
        "no weights for 1 parameters, such as encoder.layer.1.output.dense.bias",
    ),
    "another family": (
        lambda folder: (
            change(folder, model_type="distilbert", dim=16, n_layers=2, n_heads=2, hidden_dim=32)
            or drop(folder, "hidden_size", "num_attention_heads", "num_hidden_layers")
        ),
        "no weights for 32 parameters, such as transformer.layer.0.attention.q_lin.weight",
    ),
    "another prefix": (
        lambda folder: rename(folder, lambda name: f"0.auto_model.{name}"),
        "no weights for 37 parameters, such as embeddings.word_embeddings.weight",
    ),
}


def drop(folder: Path, *keys: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({key: config[key] for key in config if key not in keys}))


@pytest.mark.parametrize(("spoil", "found"), MISFITS.values(), ids=MISFITS.keys())
def test_weights_of_another_model_are_told_by_their_header(
    copy: Path, spoil: Callable[[Path], None], found: str
) -> None:
    spoil(copy)
    fault = only(read(copy))
    assert (fault.code, fault.key, fault.found) == ("CN612", "weights", f"{found}, in {copy}")
    assert fault.fix == "weights: fresh   # to start from random ones"
    from consilience.standard.built.pretrained import load_model

    with pytest.raises((ValueError, RuntimeError)):  # as transformers says it
        load_model(copy, True)
    assert list(read(copy, weights="fresh").faults()) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: rename(folder, lambda name: f"bert.{name}"),
        lambda folder: rename(
            folder,
            lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
                "LayerNorm.bias", "LayerNorm.beta"
            ),
        ),
        lambda folder: change(folder, num_hidden_layers=1),
        lambda folder: change(folder, hidden_act="relu", hidden_dropout_prob=0.5),
    ],
    ids=["a prefix", "older names", "fewer layers", "other settings"],
)
def test_weights_that_are_loaded_are_not_told(copy: Path, spoil: Callable[[Path], None]) -> None:
    spoil(copy)
    assert list(read(copy).faults()) == []
    assert isinstance(read(copy).model(), torch.nn.Module)


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:-7]), "model.safetensors: cut off: "),
        (lambda file: file.write_bytes(b"\x00" * 100), "model.safetensors: "),
        (lambda file: file.write_text("version https://git-lfs\n"), "model.safetensors: a pointer that git-lfs left"),
        (lambda file: file.write_text("<!DOCTYPE html><html></html>"), "model.safetensors: "),
    ],
)
def test_weights_that_cannot_be_read_are_told(copy: Path, spoil: Callable[[Path], object], found: str) -> None:
    spoil(copy / WEIGHTS)
    fault = only(read(copy))
    assert (fault.code, fault.key) == ("CN606", "path")
    assert fault.found.startswith(f"{copy}: {found}")
    assert fault.fix.startswith(f"# put whole files into {copy}")
    assert read(copy).tensors() is None


def sharded(folder: Path, index: object = None) -> None:
    weights = load_file(folder / WEIGHTS)
    names = sorted(weights)
    place = {name: f"model-0000{1 + number % 2}-of-00002.safetensors" for number, name in enumerate(names)}
    for shard in set(place.values()):
        save_file({name: weights[name] for name in names if place[name] == shard}, folder / shard, {"format": "pt"})
    (folder / WEIGHTS).unlink()
    written = {"metadata": {}, "weight_map": place} if index is None else index
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(written))


def test_weights_in_several_files_are_read_together(copy: Path, tiny: Path) -> None:
    sharded(copy)
    assert list(read(copy).faults()) == []
    assert read(copy).tensors() == read(tiny).tensors()
    name = "encoder.layer.0.output.dense.bias"
    assert torch.equal(read(copy).load_tensors([name])[name], load_file(tiny / WEIGHTS)[name])
    change(copy, vocab_size=99)
    assert only(read(copy)).code == "CN612"


@pytest.mark.parametrize(
    "index",
    [
        {},
        [],
        {"weight_map": {}},
        {"weight_map": {"a": "../../../etc/passwd"}},
        {"weight_map": {"a": 3}},
        {"weight_map": {"a": ".."}},
    ],
)
def test_an_index_that_names_no_files_of_the_folder_is_told(copy: Path, index: object) -> None:
    sharded(copy, index)
    assert only(read(copy)).code == "CN611"


@pytest.mark.parametrize(("name", "code"), [("config.json", "CN606"), (f"{WEIGHTS}.index.json", "CN611")])
def test_json_is_read_no_further_than_a_bound(copy: Path, name: str, code: str) -> None:
    sharded(copy)
    file = copy / name
    with file.open("a") as stream:
        stream.write(" " * (MOST_BYTES - file.stat().st_size))
    assert list(read(copy).faults()) == []
    with file.open("a") as stream:
        stream.write(" ")
    assert only(read(copy)).code == code
    if code == "CN606":
        assert only(read(copy)).found == f"{file}: more than {MOST_BYTES} bytes"


def test_a_config_that_is_a_pipe_or_nested_without_end_is_told(copy: Path) -> None:
    (copy / "config.json").write_text("[" * 100_000)
    assert only(read(copy)).code == "CN606"
    (copy / "config.json").unlink()
    os.mkfifo(copy / "config.json")
    assert only(read(copy)).found == f"{copy / 'config.json'}: no regular file"


def test_tensors_are_loaded_by_name(checkpoint: Checkpoint, tiny: Path) -> None:
    weights = load_file(tiny / WEIGHTS)
    assert checkpoint.tensors() == {name: tuple(value.shape) for name, value in weights.items()}
    loaded = checkpoint.load_tensors(["pooler.dense.bias"])
    assert torch.equal(loaded["pooler.dense.bias"], weights["pooler.dense.bias"])
    with pytest.raises(DeclarationError, match="no tensor nowhere"):
        checkpoint.load_tensors(["nowhere"])
    assert read(tiny, weights="fresh").tensors() == {}


def test_a_model_type_that_transformers_lacks_is_told(copy: Path) -> None:
    change(copy, model_type="bret")
    fault = only(read(copy))
    assert (fault.code, fault.found) == (
        "CN606",
        f"{copy / 'config.json'}: model_type is 'bret', which transformers has not; 'bert' it has",
    )
    assert fault.fix == f"# mend {copy / 'config.json'}, or take another checkpoint under path"


def test_of_other_families_the_table_of_words_is_compared(tmp_path: Path) -> None:
    from transformers import DebertaV2Config, DebertaV2Model

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    DebertaV2Model(DebertaV2Config(vocab_size=21, **sizes)).save_pretrained(str(tmp_path))
    assert list(read(tmp_path).faults()) == []
    change(tmp_path, vocab_size=30)
    fault = only(read(tmp_path))
    assert (fault.code, fault.found) == (
        "CN612",
        f"embeddings.word_embeddings.weight of 21 x 16, and vocab_size: 30, in {tmp_path}",
    )


def test_a_decoder_alone_is_an_encoder_too(tmp_path: Path) -> None:
    """Its states see what stands before them alone; they can be trained all the same."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=21, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
    GPT2LMHeadModel(config).save_pretrained(str(tmp_path))
    checkpoint = read(tmp_path)
    assert list(checkpoint.faults()) == []
    encoder = TextEncoder(checkpoint=Use("gpt", checkpoint))
    assert encoder.dims(Dims()) == {"hidden": 16, "vocab": 21}
    ids = torch.arange(4).unsqueeze(0)
    encoder.build(Dims())(ids, ids >= 0)[1].sum().backward()


def test_links_that_an_interrupted_download_left_are_told(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--org--tiny"
    snapshot = repository / "snapshots" / "a1b2c3"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a1b2c3")
    (repository / "blobs").mkdir()
    for number, file in enumerate(sorted(tiny.iterdir())):
        shutil.copyfile(file, repository / "blobs" / str(number))
        (snapshot / file.name).symlink_to(Path("../../blobs") / str(number))
    assert list(read("org/tiny").faults()) == []
    for name in ("tokenizer.json", WEIGHTS, "config.json"):
        blob = (snapshot / name).resolve()
        blob.rename(tmp_path / "away")
        fault = only(read("org/tiny"))
        assert (fault.code, fault.fix) == ("CN605", "hf download org/tiny")
        assert fault.found == f"org/tiny: {name}, a link to a file that is not there"
        (tmp_path / "away").rename(blob)


def test_a_cut_off_file_in_the_cache_is_fetched_again(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--org--tiny" / "snapshots" / "main"
    shutil.copytree(tiny, snapshot)
    (snapshot / WEIGHTS).write_bytes((snapshot / WEIGHTS).read_bytes()[:-1])
    assert only(read("org/tiny")).fix == "hf download org/tiny --force-download"


FILE = """
consilience: 1
name: small
resources: {tiny: {use: checkpoint, path: org/tiny}}
fields: {text: text, mood: {category: [dull, fine]}}
sources: {rows: {use: table, path: rows.csv, map: {text: text, mood: mood}}}
inputs: {tokens: {use: tokens, in: text, checkpoint: tiny, max_length: 16}}
modules:
  encoder: {use: text_encoder, in: tokens}
  opinion: {use: classifier, in: encoder.pooled}
losses: {mood_loss: {use: cross_entropy, in: opinion, target: mood}}
"""


@pytest.mark.parametrize("is_cached", [True, False])
def test_a_check_of_a_hub_id_opens_no_connection(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch, is_cached: bool
) -> None:
    from consilience.declare import Fusion
    from consilience.plan import survey

    def refuse(*arguments: object, **keys: object) -> NoReturn:
        raise AssertionError("a connection")

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    if is_cached:
        shutil.copytree(tiny, tmp_path / "hub" / "models--org--tiny" / "snapshots" / "main")
    (tmp_path / "rows.csv").write_text("text,mood\na fine film,fine\n")
    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    found = survey(Fusion.parse(FILE, tmp_path))
    assert [item.code for item in found.errors] == ([] if is_cached else ["CN605"])
    if is_cached:  # neither does what loads it
        assert read("org/tiny").tokenizer()("a fine film")["input_ids"]
        assert isinstance(read("org/tiny").model(), torch.nn.Module)
        assert list(read("org/tiny").examine()) == []


def test_an_examination_of_a_known_family_is_light(tiny: Path) -> None:
    code = (
        "import sys; from consilience.standard import Checkpoint\n"
        f"print(list(Checkpoint.model_validate({{'path': {str(tiny)!r}}}).examine()))\n"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


def test_an_examination_tries_the_tokenizer(copy: Path) -> None:
    broken = (copy / "tokenizer.json").read_text().replace('"type": "WordPiece"', '"type": "WordPeace"')
    (copy / "tokenizer.json").write_text(broken)
    assert list(read(copy).faults()) == []  # nothing that is seen without parsing it
    [fault] = read(copy).examine()
    assert (fault.code, fault.key) == ("CN606", "path")


def test_an_examination_finds_ids_without_embeddings(copy: Path) -> None:
    change(copy, vocab_size=3)
    checkpoint = read(copy, weights="fresh")
    [fault] = checkpoint.examine()
    assert fault.code == "CN609"
    assert fault.found.endswith(", and its model has embeddings for 3")
    [told] = Tokens.model_validate({"checkpoint": Use("tiny", checkpoint), "max_length": 8}).faults()
    assert told.code == "CN609"  # by the check already


def test_an_examination_loads_what_is_not_known(tmp_path: Path, tiny: Path) -> None:
    from transformers import DebertaV2Config, DebertaV2Model

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    DebertaV2Model(DebertaV2Config(vocab_size=21, **sizes)).save_pretrained(str(tmp_path))
    assert list(read(tmp_path).examine()) == []
    rename(tmp_path, lambda name: None if "attention.output" in name else name)
    [fault] = read(tmp_path).examine()
    assert (fault.code, "no weights for 4 parameters" in fault.found) == ("CN606", True)


def test_an_examination_reads_every_file_to_its_end(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: Path) -> str | None:
        return "Input/output error" if file.name == WEIGHTS else None

    monkeypatch.setattr("consilience.standard._checkpoint._unreadable", refuse)
    [fault] = read(copy).examine()
    assert (fault.code, fault.found) == ("CN606", f"{copy}: {WEIGHTS}: Input/output error")
