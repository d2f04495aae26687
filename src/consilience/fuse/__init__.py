"""Builds a plan as one transformers model; saves and loads it."""

from consilience.fuse._build import attribute, build_collator, misnamed, node_seed
from consilience.fuse._called import check_called
from consilience.fuse._config import FusedConfig
from consilience.fuse._count import count_parameters
from consilience.fuse._files import check_savable
from consilience.fuse._model import FusedModel, FusedOutput, fuse
from consilience.fuse._provenance import fingerprints, provenance
from consilience.fuse._recorded import check_as_saved
from consilience.fuse._states import restore_states, write_states

__all__ = [
    "FusedConfig",
    "FusedModel",
    "FusedOutput",
    "attribute",
    "build_collator",
    "check_as_saved",
    "check_called",
    "check_savable",
    "count_parameters",
    "fingerprints",
    "fuse",
    "misnamed",
    "node_seed",
    "provenance",
    "restore_states",
    "write_states",
]
