"""The built-in components, registered through the same hooks as anybody's."""

from __future__ import annotations

from consilience.declare import Component, hookimpl
from consilience.standard._balancers import DynamicWeightAverage, Fixed, GradNorm, RandomWeighting, Uncertainty
from consilience.standard._checkpoint import Checkpoint
from consilience.standard._inputs import TokenLabels, Tokens
from consilience.standard._layer_tuners import Adalora, Bottleneck, Ia3, Lora
from consilience.standard._losses import BinaryCrossEntropy, CrossEntropy, MeanSquaredError
from consilience.standard._metrics import F1, Accuracy, Confusion, Matthews, MultilabelF1, MultioutputPearson, Pearson
from consilience.standard._modules import (
    Classifier,
    Concat,
    CrossAttention,
    Gated,
    MultioutputRegressor,
    Regressor,
    TextEncoder,
    TokenClassifier,
)
from consilience.standard._scores import Probabilities, Regroup
from consilience.standard._sources import Hub, Table
from consilience.standard._tuners import Bitfit, Frozen, Full, LastN
from consilience.standard._virtual_tokens import Prefix, Prompt

COMPONENTS: tuple[type[Component], ...] = (
    Checkpoint,
    *(Table, Hub),
    *(Tokens, TokenLabels),
    *(TextEncoder, Classifier, TokenClassifier, Regressor, MultioutputRegressor, Concat, Gated, CrossAttention),
    *(Regroup, Probabilities),
    *(CrossEntropy, BinaryCrossEntropy, MeanSquaredError),
    *(Accuracy, F1, Matthews, MultilabelF1, Confusion, Pearson, MultioutputPearson),
    *(Full, Frozen, LastN, Bitfit, Lora, Adalora, Ia3, Bottleneck, Prefix, Prompt),
    *(Fixed, Uncertainty, DynamicWeightAverage, GradNorm, RandomWeighting),
)


@hookimpl
def consilience_components() -> list[type[Component]]:
    return list(COMPONENTS)
