"""Builds a plan as one transformers model; saves and loads it."""

from consilience.fuse._build import attribute, build_collator, node_seed
from consilience.fuse._config import FusedConfig
from consilience.fuse._model import FusedModel, FusedOutput, fuse

__all__ = ["FusedConfig", "FusedModel", "FusedOutput", "attribute", "build_collator", "fuse", "node_seed"]
