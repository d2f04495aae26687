"""Shards a training over the processes as a launcher wishes, also on CPUs, where accelerate would not."""

from __future__ import annotations

import os

import torch
from accelerate import Accelerator, DistributedType, PartialState
from accelerate.utils import FullyShardedDataParallelPlugin
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from transformers import TrainingArguments

from consilience.errors import Diagnostic, RunError

__all__ = ["gathered", "reshard", "shard"]


def shard(accelerator: Accelerator, arguments: TrainingArguments) -> bool:
    """Tells whether the training is sharded, and sees to it that one on CPUs is, of which that is wished.

    accelerate 1.15 reads the wish on every device but the CPU, where it would copy the model into each process and say
    nothing. Raises `RunError` for what cannot be sharded.
    """
    state = accelerator.state
    wished = os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"
    if wished and state.distributed_type == DistributedType.MULTI_CPU:
        if torch.accelerator.is_available():
            raise RunError(_hidden())
        plugin = FullyShardedDataParallelPlugin(**(arguments.fsdp_plugin_args or {}))
        if accelerator.mixed_precision != "no":
            plugin.set_mixed_precision(accelerator.mixed_precision)
        state.fsdp_plugin, state.distributed_type = plugin, DistributedType.FSDP
        PartialState._shared_state["distributed_type"] = state.distributed_type  # as accelerate does it elsewhere
    plugin = getattr(state, "fsdp_plugin", None)
    if plugin is not None and plugin.fsdp_version != 2:
        raise RunError(_of_old(plugin.fsdp_version))
    return plugin is not None


def gathered(tensor: Tensor) -> Tensor:
    """Gives the whole of a tensor of which each process may hold a part; all of them call it then."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def reshard(model: nn.Module) -> None:
    """Leaves each process its part again: after a forward pass that no backward pass follows it holds the whole."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def _hidden() -> Diagnostic:
    kind = torch.accelerator.current_accelerator()
    found = f"FSDP on CPUs, on a machine with {kind.type if kind is not None else 'an accelerator'}"
    expected = "the accelerator, or a machine that shows none: torch would put the shards there"
    return Diagnostic("CN739", ("train", "use_cpu"), found, expected, "CUDA_VISIBLE_DEVICES= accelerate launch ...")


def _of_old(version: int) -> Diagnostic:
    found = f"FSDP of version {version}"
    expected = "version 2: the first flattens the parameters, and no rate, tuner or checkpoint finds its own"
    return Diagnostic("CN740", (), found, expected, "fsdp_config: {fsdp_version: 2}  # in the launcher's configuration")
