"""The configuration of a fused model: its fusion, as transformers keeps it in `config.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

from consilience.declare import Fusion

__all__ = ["FusedConfig"]


class FusedConfig(PreTrainedConfig):  # type: ignore[misc, unused-ignore]
    """Holds the fusion of a `FusedModel` as the file writes it, with its resources inside the model's directory."""

    model_type = "consilience"

    fusion: dict[str, Any] | None = None

    def to_fusion(self) -> Fusion:
        """Gives the fusion; relative paths start from the directory that the configuration was loaded from."""
        return Fusion(base=Path(self.name_or_path or "."), **(self.fusion or {}))
