"""Names the machine that a run was trained on, and what of its environment changes what is computed."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
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


_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_TF32_OVERRIDE",
    "PYTORCH_CUDA_ALLOC_CONF",
    "PYTHONHASHSEED",
    "TOKENIZERS_PARALLELISM",
    "CONSILIENCE_DISABLE",
    "WORLD_SIZE",
)


def machine(device: torch.device) -> dict[str, Any]:
    """Gives device, processor, memory, Python, libraries, and the variables that matter, as JSON holds them."""
    return {
        "device": describe_device(device),
        "processor": {
            "model": _processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "memory_bytes": _memory(),
        },
        "environment": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def describe_device(device: torch.device) -> str:
    """Names a device the way a person would: `cpu (2 threads)`, `cuda:0 (NVIDIA H200)`."""
    if device.type == "cpu":
        return f"cpu ({torch.get_num_threads()} threads)"
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def _processor() -> str:
    """Names the processor's model; Linux tells it nowhere but here."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not told on Windows
        return None
