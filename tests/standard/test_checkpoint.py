import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from consilience.declare import Fault, Use
from consilience.errors import DeclarationError
from consilience.standard import Checkpoint, Tokens
from consilience.standard._checkpoint import longest_text, sizes


def read(path: object, base: Path | None = None, **keys: object) -> Checkpoint:
    return Checkpoint.model_validate({"path": str(path), **keys}, context={"base": base} if base else None)


def only_fault(checkpoint: Checkpoint) -> Fault:
    [fault] = checkpoint.faults()
    return fault


def hub(tmp_path: Path, source: Path, name: str = "models--org--tiny", commit: str = "a1b2c3") -> Path:
    """Lays a folder out as the hub's cache does: blobs, links to them in the snapshot, and a branch's reference."""
    repository = tmp_path / "hub" / name
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for index, file in enumerate(sorted(source.iterdir())):
        shutil.copyfile(file, repository / "blobs" / str(index))
        (snapshot / file.name).symlink_to(Path("../../blobs") / str(index))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    return repository


@pytest.fixture
def no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def test_a_folder_states_its_sizes(tiny: Path) -> None:
    checkpoint = read(tiny.name, base=tiny.parent)
    assert list(checkpoint.faults()) == []
    assert sizes(checkpoint, "hidden", "vocab") == {"hidden": 16, "vocab": 21}
    assert longest_text(checkpoint) == 32


@pytest.mark.parametrize("key", ["hidden_size", "d_model", "dim", "n_embd"])
def test_the_families_name_their_width_differently(tmp_path: Path, key: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "x", "vocab_size": 9, key: 5}))
    assert sizes(read(tmp_path), "hidden") == {"hidden": 5}


def test_roberta_has_fewer_positions_than_its_config_says(tmp_path: Path) -> None:
    config = {
        "model_type": "roberta",
        "vocab_size": 9,
        "hidden_size": 5,
        "max_position_embeddings": 514,
    }
    for pads, longest in (({"pad_token_id": 1}, 512), ({}, 512), ({"pad_token_id": 0}, 513)):
        (tmp_path / "config.json").write_text(json.dumps(config | pads))
        assert longest_text(read(tmp_path)) == longest
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "mpnet", "pad_token_id": 0}))
    assert longest_text(read(tmp_path)) == 512


@pytest.mark.parametrize("padding", ["x", 1.5, True, [1], {}])
def test_a_padding_that_is_no_index_is_told_where_positions_are_counted_from_it(
    tmp_path: Path, padding: object
) -> None:
    sizes_of = {"vocab_size": 9, "hidden_size": 5, "max_position_embeddings": 514}
    for kind in ("longformer", "data2vec-text", "roberta"):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind, **sizes_of, "pad_token_id": padding}))
        checkpoint = read(tmp_path, weights="fresh")
        fault = only_fault(checkpoint)
        assert fault.code == "CN606"
        if kind != "roberta":
            assert fault.found == f"{tmp_path / 'config.json'}: pad_token_id is {padding!r}"
        assert longest_text(checkpoint) == 512
        tokens = Tokens(checkpoint=Use("tiny", checkpoint))
        assert [told.code for told in tokens.faults()] == ["CN609"]  # it has no tokenizer, and no more is told


@pytest.mark.usefixtures("no_cache")
def test_a_hub_id_is_read_from_the_cache(tmp_path: Path, tiny: Path) -> None:
    hub(tmp_path, tiny)
    checkpoint = read("org/tiny")
    assert list(checkpoint.faults()) == []
    assert checkpoint.config()["hidden_size"] == 16
    assert list(read("org/tiny", revision="a1b2c3").faults()) == []
    assert only_fault(read("org/tiny", revision="v2")).fix == "hf download org/tiny --revision v2"
    assert checkpoint.model().config.hidden_size == 16


def test_the_cache_lies_where_the_hubs_library_looks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny: Path
) -> None:
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.delenv("HUGGINGFACE_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    hub(tmp_path, tiny)
    assert list(read("org/tiny").faults()) == []


def test_a_repository_folder_of_the_cache_is_a_checkpoint_too(tmp_path: Path, tiny: Path) -> None:
    assert list(read(hub(tmp_path, tiny)).faults()) == []


@pytest.mark.usefixtures("no_cache")
def test_a_hub_id_that_is_not_cached_tells_the_command(tmp_path: Path) -> None:
    assert only_fault(read("org/tiny")) == Fault(
        code="CN605",
        key="path",
        found=f"org/tiny: no folder of that path, and not cached in {tmp_path / 'hub'}",
        expected="a folder, or a hub id that is cached",
        fix="hf download org/tiny",
    )


@pytest.mark.usefixtures("no_cache")
def test_a_cached_config_without_weights_is_not_cached(tmp_path: Path, tiny: Path) -> None:
    (next((hub(tmp_path, tiny) / "snapshots").iterdir()) / "model.safetensors").unlink()
    fault = only_fault(read("org/tiny"))
    assert (fault.code, fault.fix) == ("CN605", "hf download org/tiny")


@pytest.mark.parametrize("revision", ["../../outside", "/etc", "..", ""])
@pytest.mark.usefixtures("no_cache")
def test_a_revision_cannot_leave_the_cache(tmp_path: Path, tiny: Path, revision: str) -> None:
    (hub(tmp_path, tiny).parent / "outside").write_text("a1b2c3")
    assert only_fault(read("org/tiny", revision=revision)).code == "CN605"


def test_a_misspelt_folder_beside_others_gets_the_nearest_name(tmp_path: Path, tiny: Path) -> None:
    shutil.copytree(tiny, tmp_path / "models" / "minilm")
    fault = only_fault(read("models/minlm", base=tmp_path))
    assert (fault.code, fault.fix) == ("CN601", "path: models/minilm")


def test_a_package_that_is_not_installed_is_told(tmp_path: Path) -> None:
    fault = only_fault(read("pkg:no_such_package/model"))
    assert (fault.code, fault.fix) == ("CN602", "pip install no-such-package")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, "no config.json in {folder}"),
        ("[]", "{folder}/config.json: not a mapping"),
        ('{"model_type": "bert", "vocab_size": 3}', "{folder}/config.json: no hidden_size"),
        ('{"hidden_size": true}', "{folder}/config.json: no hidden_size, vocab_size, model_type"),
        ("{", "{folder}/config.json: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    ],
)
def test_a_config_that_cannot_be_used_is_told(tmp_path: Path, text: str | None, found: str) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    checkpoint = read(tmp_path, weights="fresh")
    fault = only_fault(checkpoint)
    assert (fault.code, fault.found) == ("CN606", found.format(folder=tmp_path))
    with pytest.raises(DeclarationError, match="CN606"):
        checkpoint.config()


def test_missing_weights_are_told_and_may_be_fresh(make_bert) -> None:  # type: ignore[no-untyped-def]
    folder = make_bert(has_weights=False)
    fault = only_fault(read(folder))
    assert (fault.code, fault.key) == ("CN611", "weights")
    with pytest.raises(DeclarationError, match="CN611"):
        read(folder).model()
    assert read(folder, weights="fresh").model().config.hidden_size == 16


def test_a_missing_shard_is_told(tmp_path: Path, tiny: Path) -> None:
    shutil.copytree(tiny, tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").rename(tmp_path / "m" / "model-1-of-2.safetensors")
    index = {"weight_map": {"x": "model-1-of-2.safetensors", "y": "model-2-of-2.safetensors"}}
    (tmp_path / "m" / "model.safetensors.index.json").write_text(json.dumps(index))
    assert only_fault(read(tmp_path / "m")).found == f"{tmp_path / 'm'}: no model-2-of-2.safetensors"


def test_weights_in_a_pickle_are_refused_and_the_fix_converts_them(make_bert) -> None:  # type: ignore[no-untyped-def]
    import subprocess

    folder = make_bert()
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    fault = only_fault(read(folder))
    assert fault.code == "CN608"
    with pytest.raises(DeclarationError, match="CN608"):
        read(folder).model()
    import sys

    subprocess.run(fault.fix.replace("python -c", f"{sys.executable} -c"), shell=True, check=True)
    assert list(read(folder).faults()) == []
    assert read(folder).model().config.hidden_size == 16


def test_weights_that_do_not_cover_the_model_are_refused(make_bert) -> None:  # type: ignore[no-untyped-def]
    from safetensors.torch import save_file

    folder = make_bert()
    weights = load_file(folder / "model.safetensors")
    weights.pop("encoder.layer.1.output.dense.weight")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        DeclarationError, match=r"no weights for 1 parameters, such as .*layer\.1\.output\.dense\.weight"
    ):
        read(folder).model()


def test_damaged_weights_and_unknown_models_are_told(make_bert) -> None:  # type: ignore[no-untyped-def]
    folder = make_bert()
    (folder / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(DeclarationError, match="CN606"):
        read(folder).model()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "unheard_of"}))
    with pytest.raises(DeclarationError, match="CN606"):
        read(folder).model()


def test_code_in_a_folder_is_never_run(make_bert, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = make_bert()
    proof = tmp_path / "ran"
    (folder / "evil.py").write_text(f"open({str(proof)!r}, 'w')\nclass Config: pass\nclass Model: pass\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(DeclarationError):
        read(folder).model()
    assert not proof.exists()


def test_two_modules_on_one_checkpoint_share_nothing(checkpoint: Checkpoint) -> None:
    first, second = checkpoint.model(), checkpoint.model()
    own = {parameter.data_ptr() for parameter in first.parameters()}
    assert not own & {parameter.data_ptr() for parameter in second.parameters()}
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_loading_is_quiet_and_in_the_default_dtype(
    make_bert,
    capfd: pytest.CaptureFixture[str],  # type: ignore[no-untyped-def]
) -> None:
    folder = make_bert()
    read(folder).model().to(torch.bfloat16).save_pretrained(str(folder))
    assert json.loads((folder / "config.json").read_text())["dtype"] == "bfloat16"
    capfd.readouterr()
    model = read(folder).model()
    assert not any("pooler" in name for name, _ in model.named_parameters())
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_what_a_saved_model_needs_is_copied_without_weights(checkpoint: Checkpoint, tmp_path: Path) -> None:
    keys = checkpoint.save(tmp_path / "kept")
    assert not (tmp_path / "kept" / "model.safetensors").exists()
    kept = read(keys["path"], base=tmp_path / "kept", weights=keys["weights"])
    assert list(kept.faults()) == []
    assert kept.save(tmp_path / "kept") == keys  # where it lies already
    assert kept.config() == checkpoint.config()
    assert kept.tokenizer()("a fine film")["input_ids"] == checkpoint.tokenizer()("a fine film")["input_ids"]
    names = [name for name, _ in kept.model().named_parameters()]
    assert names == [name for name, _ in checkpoint.model().named_parameters()]


def test_the_files_of_a_checkpoint_are_listed(checkpoint: Checkpoint) -> None:
    names = {file.name for file in checkpoint.files()}
    assert {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"} == names


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_of_an_encoder_decoder_the_encoder_is_taken(tmp_path: Path, family: str) -> None:
    from transformers import BartConfig, T5Config

    layers = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    configs = {
        "t5": T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2),
        "bart": BartConfig(vocab_size=50, d_model=16, encoder_ffn_dim=32, decoder_ffn_dim=32, **layers),
    }
    configs[family].save_pretrained(str(tmp_path))
    model = read(tmp_path, weights="fresh").model().eval()
    ids = torch.arange(3, 8).unsqueeze(0)
    assert model(input_ids=ids).last_hidden_state.shape == (1, 5, sizes(read(tmp_path), "hidden")["hidden"])
    assert not any("decoder" in name for name, _ in model.named_parameters())
