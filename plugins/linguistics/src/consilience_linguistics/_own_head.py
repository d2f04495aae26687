"""Finds the masked-LM head that a checkpoint brings among its tensors, by its model's family; without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["NotBrought", "OwnHead", "find_own_head"]

_ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish")
_NEEDED = ("dense.weight", "norm.weight", "bias")

Shape = tuple[int, ...]


class NotBrought(ValueError):
    """A checkpoint brings no head that can be started from; its text says why."""


class OwnHead(NamedTuple):
    """The head that a checkpoint brings; `names` are those of its tensors, by the names of the head's parameters."""

    activation: str
    epsilon: float
    names: Mapping[str, str]


class _Layout(NamedTuple):
    """Where a family's models keep their head's layers, and what these are like.

    `activation` and `epsilon` are keys of config.json with what they are when left out; an activation that no key sets
    has the empty one.
    """

    dense: str
    norm: str
    biases: tuple[str, ...]
    activation: tuple[str, str] = ("hidden_act", "gelu")
    epsilon: tuple[str, float] = ("layer_norm_eps", 1e-12)

    def settings(self, config: Mapping[str, Any]) -> tuple[str, float]:
        """Gives the activation and the layer norm's epsilon by a config.json."""
        (key, activation), (other, epsilon) = self.activation, self.epsilon
        return str(config.get(key, activation)), float(config.get(other, epsilon))

    def find(self, tensors: Mapping[str, Shape]) -> dict[str, str]:
        """Gives the names of its tensors by those of the head's parameters; what is not there is left out."""
        wanted = {
            "dense.weight": (f"{self.dense}.weight",),
            "dense.bias": (f"{self.dense}.bias",),
            "norm.weight": (f"{self.norm}.weight", f"{self.norm}.gamma"),  # as older files have it
            "norm.bias": (f"{self.norm}.bias", f"{self.norm}.beta"),
            "bias": self.biases,
        }
        found = {own: next((name for name in names if name in tensors), None) for own, names in wanted.items()}
        return {own: name for own, name in found.items() if name is not None}


_LM_HEAD = _Layout("lm_head.dense", "lm_head.layer_norm", ("lm_head.bias", "lm_head.decoder.bias"), ("", "gelu"))
_PREDICTIONS = ("predictions.bias", "predictions.decoder.bias")
_LAYOUTS = {
    "bert": _Layout(
        "cls.predictions.transform.dense",
        "cls.predictions.transform.LayerNorm",
        tuple(f"cls.{name}" for name in _PREDICTIONS),
    ),
    "albert": _Layout("predictions.dense", "predictions.LayerNorm", _PREDICTIONS, ("hidden_act", "gelu_new")),
    "distilbert": _Layout(
        "vocab_transform", "vocab_layer_norm", ("vocab_projector.bias",), ("activation", "gelu"), ("", 1e-12)
    ),
    "electra": _Layout(
        "generator_predictions.dense", "generator_predictions.LayerNorm", ("generator_lm_head.bias",), ("", "gelu")
    ),
    **dict.fromkeys(("roberta", "xlm-roberta", "camembert", "mpnet"), _LM_HEAD),
    "modernbert": _Layout(
        "head.dense", "head.norm", ("decoder.bias",), ("classifier_activation", "gelu"), ("norm_eps", 1e-5)
    ),
}


def find_own_head(name: str, config: Mapping[str, Any], tensors: Mapping[str, Shape]) -> OwnHead:
    """Finds the head that the checkpoint of this name brings; raises `NotBrought` when there is none to start from.

    Without tensors it has no names: then what it is like is all that the config.json tells.
    """
    layout = _LAYOUTS.get(str(config.get("model_type")))
    if layout is None:
        raise NotBrought(f"{name}, a {config.get('model_type')}: where such keep a head is not known")
    activation, epsilon = layout.settings(config)
    if activation not in _ACTIVATIONS:
        raise NotBrought(f"{name}, whose head has the activation {activation}")
    if config.get("tie_word_embeddings") is False:
        raise NotBrought(f"{name}, whose head has output weights of its own")
    names = layout.find(tensors)
    if tensors and any(parameter not in names for parameter in _NEEDED):
        raise NotBrought(f"{name}, among whose weights there is no head for masked words")
    return OwnHead(activation, epsilon, names)
