"""Names the machine that a run was trained on."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import torch

__all__ = ["describe_device", "machine"]

_LIBRARIES = (
    "torch",
    "transformers",
    "datasets",
    "accelerate",
    "peft",
    "torchmetrics",
    "safetensors",
    "networkx",
    "pydantic",
)


def machine(device: torch.device) -> dict[str, Any]:
    """Gives device, Python and libraries, as JSON holds them."""
    return {
        "device": describe_device(device),
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def describe_device(device: torch.device) -> str:
    """Names a device the way a person would: `cpu (2 threads)`, `cuda:0 (NVIDIA H200)`."""
    if device.type == "cpu":
        return f"cpu ({torch.get_num_threads()} threads)"
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
