"""Tells from a config.json alone which weights and which linear layers the encoders of the common families have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from consilience.declare import nearest

__all__ = ["Family", "Layer", "family_of", "unknown_model_type"]

_TYPE_FILES = ("auto_mappings.py", "configuration_auto.py")
_TYPE = r'\("([\w.-]+)", "\w+Config"\)'

Sizes = Mapping[str, int]

_MOST_LAYERS = 4096
"""Each has names of its own, of which the check makes lists; the deepest encoders have a hundred."""

_ACTIVATION_KEYS = {"hidden_act", "activation", "hidden_activation"}
_ACTIVATIONS = {
    *("gelu", "gelu_10", "gelu_accurate", "gelu_fast", "gelu_new", "gelu_python", "gelu_python_tanh"),
    *("gelu_pytorch_tanh", "hardswish", "laplace", "leaky_relu", "linear", "mish", "prelu", "quick_gelu", "relu"),
    *("relu2", "relu6", "sigmoid", "silu", "sqrtsoftplus", "swish", "tanh", "xielu"),
}
_DROPOUT_KEYS = {
    *("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout"),
    *("embedding_dropout", "mlp_dropout"),
}
_SWITCHES = ("add_cross_attention", "is_decoder", "tie_word_embeddings", "use_cache", "sinusoidal_pos_embds")
_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(_SWITCHES, (bool,)),
    **dict.fromkeys(_DROPOUT_KEYS, (float, int)),
    **dict.fromkeys(_ACTIVATION_KEYS, (str,)),
    **dict.fromkeys(("initializer_range", "layer_norm_eps", "norm_eps"), (float,)),
    **dict.fromkeys(("qa_dropout", "seq_classif_dropout"), (float, int)),
    "classifier_dropout": (float, int, type(None)),
    **dict.fromkeys(("pad_token_id", "bos_token_id"), (int, type(None))),
    "eos_token_id": (int, list, type(None)),
}
"""The types of other values: transformers takes no whole number for a broken one."""


class Layer(NamedTuple):
    """One layer with weights: its name, the shape of `weight`, whether it is linear, and whether it has a `bias`."""

    name: str
    shape: tuple[int, ...]
    is_linear: bool = False
    has_bias: bool = True


class Family(NamedTuple):
    """Encoders of one architecture.

    `prefix` is the name that models with heads keep the encoder under; `defaults` are what transformers takes for the
    keys that a config.json leaves out.
    """

    prefix: str
    layers: Callable[[Sizes], Iterator[Layer]]
    defaults: Sizes
    hidden: str = "hidden_size"
    heads: str = "num_attention_heads"

    def sizes(self, config: Mapping[str, Any]) -> Sizes:
        """Gives the sizes that a config.json means, the defaults included."""
        return {key: config.get(key, default) for key, default in self.defaults.items()}

    def fault(self, config: Mapping[str, Any]) -> str | None:
        """Tells which value of a config.json no encoder of the family can be built with, or None."""
        sizes = self.sizes(config)
        for key, size in sizes.items():
            least = 0 if isinstance(self.defaults[key], bool) or "layers" in key else 1
            if type(size) is not type(self.defaults[key]) or size < least:
                return f"{key} is {size!r}"
            if "layers" in key and size > _MOST_LAYERS:
                return f"{key} is {size!r}, and {_MOST_LAYERS} are many"
        if sizes[self.hidden] % sizes[self.heads]:
            return f"{self.hidden} is {sizes[self.hidden]}, no multiple of {self.heads}, {sizes[self.heads]}"
        return self._other_fault(config, sizes["vocab_size"])

    def _other_fault(self, config: Mapping[str, Any], vocabulary: int) -> str | None:
        for key, types in _TYPES.items():
            if key not in config:
                continue
            value = config[key]
            if type(value) not in types:
                return f"{key} is {value!r}"
            if key in _ACTIVATION_KEYS and value not in _ACTIVATIONS:
                return f"{key} is {value!r}, which is no activation"
            if key in _DROPOUT_KEYS and not 0 <= value <= 1:
                return f"{key} is {value!r}, which is no share"
        if config.get("add_cross_attention"):
            return "add_cross_attention is True, and is_decoder is not"
        padding = config.get("pad_token_id", 0)
        if padding is None and self.prefix == "roberta":  # its positions are counted from there
            return "pad_token_id is None"
        if padding is not None and not -vocabulary <= padding < vocabulary:
            return f"pad_token_id is {padding!r}, beyond vocab_size, {vocabulary}"
        return None

    def linear_layers(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Names the linear layers of the encoder, in its order."""
        return tuple(layer.name for layer in self.layers(self.sizes(config)) if layer.is_linear)

    def weights(self, config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
        """Gives the shape of each parameter of the encoder, without a pooler, by its name."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in self.layers(self.sizes(config)):
            shapes[f"{layer.name}.weight"] = layer.shape
            if layer.has_bias:
                shapes[f"{layer.name}.bias"] = layer.shape[:1]
        return shapes

    def own_name(self, tensor: str) -> str:
        """Gives the name of a tensor in a file as the encoder has it: without the prefix, and by its newer word."""
        name = tensor.removeprefix(f"{self.prefix}.")
        for old, new in ((".gamma", ".weight"), (".beta", ".bias")):
            if name.endswith(f"LayerNorm{old}"):
                return name.removesuffix(old) + new
        return name


def family_of(config: Mapping[str, Any]) -> Family | None:
    """Finds the family of a config.json, or None where the layers do not follow from what is known here."""
    is_plain = config.get("position_embedding_type") in (None, "absolute")
    is_crossed = config.get("add_cross_attention") is True and config.get("is_decoder") is True
    is_other = config.get("quantization_config") or is_crossed or config.get("pruned_heads")
    family = _FAMILIES.get(config["model_type"]) if is_plain and not is_other else None
    if family is not None and "dim" in family.defaults and not config.keys().isdisjoint(_OTHER_NAMES):
        return None  # DistilBERT's sizes by BERT's names: transformers takes whichever comes last
    return family


def unknown_model_type(name: str) -> str | None:
    """Tells that the installed transformers has no model of a type, or None when it has, or is not there to ask."""
    found = find_spec("transformers")
    if found is None or not found.submodule_search_locations:
        return None
    folder = Path(found.submodule_search_locations[0]) / "models" / "auto"
    try:
        text = "".join((folder / file).read_text("utf-8") for file in _TYPE_FILES if (folder / file).is_file())
    except (OSError, ValueError):
        return None
    if not text or f'"{name}"' in text:
        return None
    near = nearest(name, re.findall(_TYPE, text))
    return f"model_type is {name!r}, which transformers has not" + (f"; {near!r} it has" if near else "")


def _tables(sizes: Sizes, names: Mapping[str, str], width: int) -> Iterator[Layer]:
    for name, key in names.items():
        yield Layer(f"embeddings.{name}", (sizes[key], width), has_bias=False)
    yield Layer("embeddings.LayerNorm", (width,))


_WORDS = {"word_embeddings": "vocab_size", "position_embeddings": "max_position_embeddings"}


def _bert(sizes: Sizes) -> Iterator[Layer]:
    hidden, inner = sizes["hidden_size"], sizes["intermediate_size"]
    width = sizes.get("embedding_size", hidden)
    yield from _tables(sizes, {**_WORDS, "token_type_embeddings": "type_vocab_size"}, width)
    if width != hidden:  # ELECTRA's
        yield Layer("embeddings_project", (hidden, width), True)
    for number in range(sizes["num_hidden_layers"]):
        at = f"encoder.layer.{number}"
        for name in ("query", "key", "value"):
            yield Layer(f"{at}.attention.self.{name}", (hidden, hidden), True)
        yield Layer(f"{at}.attention.output.dense", (hidden, hidden), True)
        yield Layer(f"{at}.attention.output.LayerNorm", (hidden,))
        yield from _feed_forward(at, hidden, inner)


def _feed_forward(at: str, hidden: int, inner: int) -> Iterator[Layer]:
    yield Layer(f"{at}.intermediate.dense", (inner, hidden), True)
    yield Layer(f"{at}.output.dense", (hidden, inner), True)
    yield Layer(f"{at}.output.LayerNorm", (hidden,))


def _mpnet(sizes: Sizes) -> Iterator[Layer]:
    hidden, inner = sizes["hidden_size"], sizes["intermediate_size"]
    yield from _tables(sizes, _WORDS, hidden)
    for number in range(sizes["num_hidden_layers"]):
        at = f"encoder.layer.{number}"
        for name in "qkvo":
            yield Layer(f"{at}.attention.attn.{name}", (hidden, hidden), True)
        yield Layer(f"{at}.attention.LayerNorm", (hidden,))
        yield from _feed_forward(at, hidden, inner)
    shape = (sizes["relative_attention_num_buckets"], sizes["num_attention_heads"])
    yield Layer("encoder.relative_attention_bias", shape, has_bias=False)


def _distilbert(sizes: Sizes) -> Iterator[Layer]:
    hidden, inner = sizes["dim"], sizes["hidden_dim"]
    yield from _tables(sizes, _WORDS, hidden)
    for number in range(sizes["n_layers"]):
        at = f"transformer.layer.{number}"
        for name in ("q_lin", "k_lin", "v_lin", "out_lin"):
            yield Layer(f"{at}.attention.{name}", (hidden, hidden), True)
        yield Layer(f"{at}.sa_layer_norm", (hidden,))
        yield Layer(f"{at}.ffn.lin1", (inner, hidden), True)
        yield Layer(f"{at}.ffn.lin2", (hidden, inner), True)
        yield Layer(f"{at}.output_layer_norm", (hidden,))


def _modernbert(sizes: Sizes) -> Iterator[Layer]:
    hidden, inner = sizes["hidden_size"], sizes["intermediate_size"]
    normed, attending, feeding = (bool(sizes[key]) for key in ("norm_bias", "attention_bias", "mlp_bias"))
    yield Layer("embeddings.tok_embeddings", (sizes["vocab_size"], hidden), has_bias=False)
    yield Layer("embeddings.norm", (hidden,), has_bias=normed)
    for number in range(sizes["num_hidden_layers"]):
        at = f"layers.{number}"
        if number:
            yield Layer(f"{at}.attn_norm", (hidden,), has_bias=normed)
        yield Layer(f"{at}.attn.Wqkv", (3 * hidden, hidden), True, attending)
        yield Layer(f"{at}.attn.Wo", (hidden, hidden), True, attending)
        yield Layer(f"{at}.mlp_norm", (hidden,), has_bias=normed)
        yield Layer(f"{at}.mlp.Wi", (2 * inner, hidden), True, feeding)
        yield Layer(f"{at}.mlp.Wo", (hidden, inner), True, feeding)
    yield Layer("final_norm", (hidden,), has_bias=normed)


_SIZES = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
_OTHER_NAMES = ("hidden_size", "num_hidden_layers", "num_attention_heads")
_BERT = {"vocab_size": 30522, **_SIZES, "max_position_embeddings": 512, "type_vocab_size": 2}
_ELECTRA = {"hidden_size": 256, "num_attention_heads": 4, "intermediate_size": 1024, "embedding_size": 128}
_MPNET = {"vocab_size": 30527, **_SIZES, "max_position_embeddings": 512, "relative_attention_num_buckets": 32}
_DISTILBERT = {"dim": 768, "n_layers": 6, "n_heads": 12, "hidden_dim": 3072, "max_position_embeddings": 512}
_MODERNBERT = {
    "vocab_size": 50368,
    "hidden_size": 768,
    "num_hidden_layers": 22,
    "num_attention_heads": 12,
    "intermediate_size": 1152,
    "attention_bias": False,
    "mlp_bias": False,
    "norm_bias": False,
}

_FAMILIES = {
    "bert": Family("bert", _bert, _BERT),
    "roberta": Family("roberta", _bert, _BERT | {"vocab_size": 50265}),
    "xlm-roberta": Family("roberta", _bert, _BERT),
    "camembert": Family("roberta", _bert, _BERT),
    "electra": Family("electra", _bert, _BERT | _ELECTRA),
    "mpnet": Family("mpnet", _mpnet, _MPNET),
    "distilbert": Family("distilbert", _distilbert, {"vocab_size": 30522, **_DISTILBERT}, "dim", "n_heads"),
    "modernbert": Family("model", _modernbert, _MODERNBERT),
}
