"""Builds a plan as one transformers model; saves and loads it."""

from consilience.fuse._balancer import in_balancer, misweighed
from consilience.fuse._build import attribute, build_collator, misnamed, node_seed
from consilience.fuse._called import check_called
from consilience.fuse._config import FusedConfig
from consilience.fuse._count import count_by_discipline, count_parameters, parameters_of
from consilience.fuse._counted import miscounted
from consilience.fuse._features import Features, WithFeatures, open_features, write_features
from consilience.fuse._files import check_savable
from consilience.fuse._kept import KeptOutputs, kept_outputs
from consilience.fuse._model import FusedModel, FusedOutput, Step, fuse
from consilience.fuse._provenance import fingerprints, provenance
from consilience.fuse._recorded import check_as_saved
from consilience.fuse._states import restore_states, states_of
from consilience.fuse._sync import sync

__all__ = [
    "Features",
    "FusedConfig",
    "FusedModel",
    "FusedOutput",
    "KeptOutputs",
    "Step",
    "WithFeatures",
    "attribute",
    "build_collator",
    "check_as_saved",
    "check_called",
    "check_savable",
    "count_by_discipline",
    "count_parameters",
    "fingerprints",
    "fuse",
    "in_balancer",
    "kept_outputs",
    "miscounted",
    "misnamed",
    "misweighed",
    "node_seed",
    "open_features",
    "parameters_of",
    "provenance",
    "restore_states",
    "states_of",
    "sync",
    "write_features",
]
