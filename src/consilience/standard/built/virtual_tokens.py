"""Virtual tokens for encoders of transformers, put in by hooks and by an attention function of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

__all__ = ["add_prefix", "add_prompt", "encoder_in"]

PREFIXED = "consilience_prefixed"
"""The name of the attention function in the registries of transformers, which a model's configuration names."""
_START = 0.02
"""The spread that virtual keys and values start with: that of fresh weights."""


def encoder_in(module: nn.Module) -> PreTrainedModel | None:
    """Finds the encoder of transformers that a module runs, or is."""
    return next((inner for inner in module.modules() if isinstance(inner, PreTrainedModel)), None)


def add_prompt(module: nn.Module, encoder: Any, tokens: int) -> None:
    """Freezes a module and puts trainable vectors in front of what the first layer of its encoder reads."""
    module.requires_grad_(False)
    words = torch.randint(encoder.config.vocab_size, (tokens, 1), device=encoder.device)
    with torch.no_grad():
        was_training = encoder.training
        vectors = encoder.eval().embeddings(words).squeeze(1)  # one a text, so that each has the first position
        encoder.train(was_training)
    encoder.embeddings.register_parameter("prompt", nn.Parameter(vectors.clone()))
    encoder.embeddings.register_forward_hook(_prepend)
    encoder.register_forward_pre_hook(_lengthen, with_kwargs=True)
    encoder.register_forward_hook(_shorten)


def _prepend(embeddings: Any, given: Any, vectors: Tensor) -> Tensor:
    prompt = embeddings.prompt.to(vectors.dtype)
    return torch.cat([prompt.expand(len(vectors), *prompt.shape), vectors], dim=1)


def _lengthen(encoder: Any, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    tokens = len(encoder.embeddings.prompt)
    mask = named.get("attention_mask")
    if mask is not None:
        named["attention_mask"] = pad(mask, (tokens, 0), value=1)
    if hasattr(encoder, "rotary_emb"):  # which turns by positions, and must know as many as there are states
        ids = named["input_ids"] if "input_ids" in named else given[0]
        named["position_ids"] = torch.arange(tokens + ids.shape[1], device=ids.device).unsqueeze(0)
    return given, named


def _shorten(encoder: Any, given: Any, output: Any) -> Any:
    output.last_hidden_state = output.last_hidden_state[:, len(encoder.embeddings.prompt) :]
    return output


def add_prefix(module: nn.Module, encoder: Any, tokens: int) -> None:
    """Freezes a module and lets each layer of its encoder attend to trainable keys and values too."""
    module.requires_grad_(False)
    config = encoder.config
    heads, width = config.num_attention_heads, config.hidden_size // config.num_attention_heads
    for attention in _attentions(encoder):
        weight = next(attention.parameters())
        for name in ("prefix_key", "prefix_value"):
            start = torch.randn(heads, tokens, width, device=weight.device, dtype=weight.dtype) * _START
            attention.register_parameter(name, nn.Parameter(start))
    config._attn_implementation = PREFIXED


def _attentions(encoder: nn.Module) -> Iterator[nn.Module]:
    """Finds the modules that call an attention function: they say whether they look ahead."""
    return (inner for inner in encoder.modules() if hasattr(inner, "is_causal") and any(True for _ in inner.children()))


def _attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """Attends to the prefix and the text: query, key and value are (batch heads seq width)."""
    if not hasattr(module, "prefix_key"):  # of a twin that was built from the same configuration
        plain: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return plain
    prefix = [part.to(key.dtype).expand(len(key), *part.shape) for part in (module.prefix_key, module.prefix_value)]
    if attention_mask is not None:
        is_open = True if attention_mask.dtype is torch.bool else 0.0
        attention_mask = pad(attention_mask, (prefix[0].shape[2], 0), value=is_open)
    key, value = torch.cat([prefix[0], key], dim=2), torch.cat([prefix[1], value], dim=2)
    attended: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    return attended


AttentionInterface.register(PREFIXED, _attend)
AttentionMaskInterface.register(PREFIXED, sdpa_mask)
