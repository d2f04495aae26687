"""What a tokenizer's files tell is held to what transformers loads from them."""

import inspect
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import SPECIAL, WORDS
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES, tokenizer_class_from_name

from consilience.declare import Dims, Use
from consilience.errors import DeclarationError
from consilience.standard import Checkpoint, Tokens
from consilience.standard._checkpoint import tokenizer_files
from consilience.standard._tokenizer import _CLASS_OF, _CLASSES, _SLOW, BrokenTokenizer, TokenizerFiles

Change = Callable[[Path], object]


def edit(file: str, **changes: Any) -> Change:
    """Sets keys of a JSON file; None removes one."""

    def change(folder: Path) -> None:
        path = folder / file
        read = json.loads(path.read_text()) if path.exists() else {}
        kept = {key: value for key, value in (read | changes).items() if value is not ...}
        path.write_text(json.dumps(kept))

    return change


def vocabulary(change: Callable[[dict[str, int]], object], drop: tuple[str, ...] = ()) -> Change:
    """Changes the vocabulary of tokenizer.json, and drops tokens from those that were added."""

    def edited(folder: Path) -> None:
        read = json.loads((folder / "tokenizer.json").read_text())
        change(read["model"]["vocab"])
        read["added_tokens"] = [token for token in read["added_tokens"] if token["content"] not in drop]
        (folder / "tokenizer.json").write_text(json.dumps(read))

    return edited


def lines(*tokens: str) -> Change:
    """Writes vocab.txt in the place of tokenizer.json."""

    def change(folder: Path) -> None:
        (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
        (folder / "tokenizer.json").unlink()

    return change


def both(first: Change, second: Change) -> Change:
    return lambda folder: (first(folder), second(folder))


NEW = {"content": "<new>", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
SETTINGS = "tokenizer_config.json"
VARIANTS: dict[str, Change] = {
    "as it is saved": lambda folder: None,
    "the mask token left to the class": edit(SETTINGS, mask_token=...),
    "no mask token": edit(SETTINGS, mask_token=None),
    "the mask token left to a class without one": edit(SETTINGS, mask_token=..., tokenizer_class="TokenizersBackend"),
    "a class without defaults by its old name": edit(
        SETTINGS, mask_token=..., tokenizer_class="PreTrainedTokenizerFast"
    ),
    "a fast class by its old name": edit(SETTINGS, tokenizer_class="BertTokenizerFast"),
    "an unknown class": edit(SETTINGS, tokenizer_class="OwnTokenizer"),
    "the class in config.json": both(edit(SETTINGS, tokenizer_class=...), edit("config.json", tokenizer_class="Bert")),
    "no settings": lambda folder: (folder / SETTINGS).unlink(),
    "a mask token that is not in the vocabulary": edit(SETTINGS, mask_token="<hidden>"),
    "a mask token in the map of roles": edit("special_tokens_map.json", mask_token="<hidden>"),
    "a map of roles that is not read": both(
        edit("special_tokens_map.json", mask_token="<hidden>"), edit(SETTINGS, added_tokens_decoder={"21": NEW})
    ),
    "an added token": edit("added_tokens.json", **{"<new>": 40}),
    "an added token that is in the vocabulary": edit("added_tokens.json", fine=6),
    "a decoder of added tokens": edit(SETTINGS, added_tokens_decoder={"40": NEW}),
    "special tokens without a role": edit(SETTINGS, extra_special_tokens=["<a>", "<b>", "film"]),
    "special tokens by their old key": edit(SETTINGS, additional_special_tokens=["<a>"]),
    "a vocabulary that lacks the mask token": vocabulary(lambda ids: ids.pop("[MASK]"), ("[MASK]",)),
    "a larger vocabulary": vocabulary(lambda ids: ids.update(more=21, most=22)),
    "an id beyond a gap": vocabulary(lambda ids: ids.update(more=90)),
    "lines": lines(*SPECIAL, *WORDS),
    "more lines": lines(*SPECIAL, *WORDS, "more", "most"),
    "lines without the mask token": lines(*SPECIAL[:-1], *WORDS),
    "lines without the mask token and with more words": lines(*SPECIAL[:-1], *WORDS, "more", "most"),
}


@pytest.fixture
def varied(tiny: Path, tmp_path: Path) -> Callable[[Change], Checkpoint]:
    def make(change: Change) -> Checkpoint:
        shutil.copytree(tiny, tmp_path / "model")
        change(tmp_path / "model")
        return Checkpoint.model_validate({"path": str(tmp_path / "model")})

    return make


@pytest.mark.parametrize("change", VARIANTS.values(), ids=VARIANTS.keys())
def test_mask_token_and_ids_are_those_of_transformers(varied: Callable[[Change], Checkpoint], change: Change) -> None:
    checkpoint = varied(change)
    loaded = checkpoint.tokenizer()
    needed = max(loaded.get_vocab().values()) + 1
    told = checkpoint.special_tokens()
    if "mask_token" in told:
        assert told["mask_token"] == loaded.mask_token
    else:
        assert tokenizer_files(checkpoint).name == "OwnTokenizer"
    for size in (needed - 1, needed, 21, 1000):
        assert tokenizer_files(checkpoint).ids_beyond(size) == (needed if needed > size else None), size


@pytest.mark.parametrize("change", VARIANTS.values(), ids=VARIANTS.keys())
def test_what_the_check_lets_pass_is_built(varied: Callable[[Change], Checkpoint], change: Change) -> None:
    checkpoint = varied(change)
    tokens = Tokens.model_validate({"checkpoint": Use("tiny", checkpoint), "max_length": 8})
    faults = [fault.code for fault in tokens.faults()]
    if faults:
        assert faults == ["CN609"]
        with pytest.raises(DeclarationError, match="CN609"):
            tokens.build(Dims({"vocab": 21}))
    else:
        ids = tokens.build(Dims({"vocab": 21}))(text=["a fine film", "unheard"])["ids"]
        assert int(ids.max()) < 21


def test_a_vocabulary_is_looked_into_once_a_size(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint.model_validate({"path": str(tiny)})
    assert tokenizer_files(checkpoint).ids_beyond(21) is None
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("read again"))
    assert tokenizer_files(checkpoint).ids_beyond(21) is None


def test_a_listed_vocabulary_counts_its_entries(tmp_path: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import Unigram

    pieces = [("<unk>", 0.0), ('a",-1.5]', -1.5), ("[", -2.0), ("b", -3e-05), ('"', -4.0)]
    Tokenizer(Unigram(pieces, 0, False)).save(str(tmp_path / "tokenizer.json"))
    files = TokenizerFiles({"tokenizer.json": tmp_path / "tokenizer.json"}, {"model_type": "unheard of"})
    assert [files.ids_beyond(size) for size in (4, 5, 6)] == [5, None, None]


@pytest.mark.parametrize("indent", [None, 2])
def test_ids_are_compared_as_numbers(tmp_path: Path, indent: int | None) -> None:
    file = tmp_path / "tokenizer.json"
    for highest in (0, 8, 9, 10, 98, 99, 100, 101, 999, 1000, 1999, 2000):
        read = {"added_tokens": [], "model": {"vocab": {'":5000': highest, "x": 0}}, "truncation": {"max": 9}}
        file.write_text(json.dumps(read, indent=indent))
        files = TokenizerFiles({file.name: file}, {"model_type": "unheard of"})
        for size in (2, 9, 10, 11, 99, 100, 101, 999, 1000, 1001, 1999, 2000, 2001):
            assert files.ids_beyond(size) == (highest + 1 if highest >= size else None), (highest, size)


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("tokenizer.json", '{"model": {"vocab": {"a": 0, "b"', "tokenizer.json: no JSON, or cut off"),
        ("tokenizer.json", "version https://git-lfs.github.com/spec/v1\n", "tokenizer.json: no JSON, or cut off"),
        ("tokenizer.json", "{}", "tokenizer.json: not as tokenizers are written"),
        ("tokenizer.json", '{"model": {"vocab": 99}}', "tokenizer.json: not as tokenizers are written"),
        ("tokenizer.json", '{"model": {"vocab": [3, 99]}, "x": 99}', "tokenizer.json: not as tokenizers are written"),
        ("tokenizer_config.json", "{", "tokenizer_config.json: no JSON, or cut off"),
        ("tokenizer_config.json", "[]", "tokenizer_config.json: not a mapping"),
    ],
)
def test_files_that_cannot_be_read_are_told(tiny: Path, tmp_path: Path, file: str, text: str, reason: str) -> None:
    shutil.copytree(tiny, tmp_path / "model")
    (tmp_path / "model" / file).write_text(text)
    checkpoint = Checkpoint.model_validate({"path": str(tmp_path / "model")})
    [fault] = Tokens.model_validate({"checkpoint": Use("tiny", checkpoint), "max_length": 8}).faults()
    assert (fault.code, fault.key, fault.found) == ("CN609", "checkpoint", f"tiny: {reason}")


def test_settings_alone_are_no_vocabulary(tiny: Path, tmp_path: Path) -> None:
    """transformers would take them for a tokenizer of five tokens, and every word for the unknown one."""
    shutil.copytree(tiny, tmp_path / "model")
    (tmp_path / "model" / "tokenizer.json").unlink()
    (tmp_path / "model" / "vocab.json").write_text("{}")  # which a BERT does not read
    checkpoint = Checkpoint.model_validate({"path": str(tmp_path / "model")})
    [fault] = Tokens.model_validate({"checkpoint": Use("tiny", checkpoint), "max_length": 8}).faults()
    assert fault.found == "tiny: no file of a tokenizer's vocabulary, such as tokenizer.json"


def test_a_slow_tokenizer_is_told_by_its_class(varied: Callable[[Change], Checkpoint]) -> None:
    checkpoint = varied(edit(SETTINGS, tokenizer_class="BertJapaneseTokenizer"))
    [fault] = Tokens.model_validate({"checkpoint": Use("tiny", checkpoint), "max_length": 8}).faults()
    assert fault.found.startswith("tiny: a slow tokenizer (BertJapaneseTokenizer)")


@pytest.mark.parametrize("name", sorted(_SLOW))
def test_the_slow_classes_are_slow(name: str) -> None:
    from transformers import TokenizersBackend

    found = tokenizer_class_from_name(name)
    assert found is not None
    assert not issubclass(found, TokenizersBackend)


@pytest.mark.parametrize("name", sorted(_CLASSES))
def test_the_special_tokens_of_a_class_are_its_defaults(name: str) -> None:
    from transformers import TokenizersBackend

    found = tokenizer_class_from_name(name)
    assert issubclass(found, TokenizersBackend)
    signatures = [inspect.signature(vars(kind)["__init__"]) for kind in found.__mro__ if "__init__" in vars(kind)]
    roles = [{role: one.default for role, one in signature.parameters.items()} for signature in signatures]
    own = next((one for one in roles if "unk_token" in one), {})
    assert _CLASSES[name][0] == {role: token for role, token in own.items() if role.endswith("_token") and token}
    assert _CLASSES[name][1] in {"tokenizer.json", *found.vocab_files_names.values()}


def test_the_class_of_a_model_type_is_that_of_transformers() -> None:
    assert {name: TOKENIZER_MAPPING_NAMES[name] for name in _CLASS_OF} == _CLASS_OF


def test_a_broken_tokenizer_has_no_special_tokens_that_are_known(varied: Callable[[Change], Checkpoint]) -> None:
    checkpoint = varied(lambda folder: (folder / SETTINGS).write_text("{"))
    assert checkpoint.special_tokens() == {}
    with pytest.raises(BrokenTokenizer):
        tokenizer_files(checkpoint).special_tokens  # noqa: B018
