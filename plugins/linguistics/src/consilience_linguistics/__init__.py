"""Declares what linguistics offers to a fusion."""

from __future__ import annotations

from consilience.declare import Component, LabelSpace, hookimpl
from consilience_linguistics._acceptability import MinimalPairAccuracy, ParadigmAccuracy, PseudoLogLikelihood
from consilience_linguistics._entities import EntityScore
from consilience_linguistics._language_model import Mask, MaskedLMHead, MaskedLMLoss, Perplexity
from consilience_linguistics._next_sentence import NextSentence, Texts
from consilience_linguistics._parsing import (
    ArcLoss,
    BiaffineParser,
    LabeledAttachment,
    RelationLoss,
    UfeatsAccuracy,
    UnlabeledAttachment,
)
from consilience_linguistics._pretraining import (
    GeneratorSamples,
    MaskSpans,
    ReplacedTokenHead,
    ReplacedTokenLoss,
    ReplaceTokens,
    SentenceOrder,
    SimCSELoss,
)
from consilience_linguistics._probing import (
    DepthLoss,
    DepthProbe,
    DepthSpearman,
    DistanceLoss,
    DistanceSpearman,
    StructuralProbe,
    UndirectedAttachment,
)
from consilience_linguistics._sources import Columns, Conllu, MinimalPairs
from consilience_linguistics._spaces import SPACES
from consilience_linguistics._style import NEGATION, READABILITY, Negation, Readability
from consilience_linguistics._words import Morphology, MorphologyHead, Tree, WordLabels, Words, WordStates

__all__ = [
    "ArcLoss",
    "BiaffineParser",
    "Columns",
    "Conllu",
    "DepthLoss",
    "DepthProbe",
    "DepthSpearman",
    "DistanceLoss",
    "DistanceSpearman",
    "EntityScore",
    "GeneratorSamples",
    "LabeledAttachment",
    "Mask",
    "MaskSpans",
    "MaskedLMHead",
    "MaskedLMLoss",
    "MinimalPairAccuracy",
    "MinimalPairs",
    "Morphology",
    "MorphologyHead",
    "Negation",
    "NextSentence",
    "ParadigmAccuracy",
    "Perplexity",
    "PseudoLogLikelihood",
    "Readability",
    "RelationLoss",
    "ReplaceTokens",
    "ReplacedTokenHead",
    "ReplacedTokenLoss",
    "SentenceOrder",
    "SimCSELoss",
    "StructuralProbe",
    "Texts",
    "Tree",
    "UfeatsAccuracy",
    "UndirectedAttachment",
    "UnlabeledAttachment",
    "WordLabels",
    "WordStates",
    "Words",
    "consilience_components",
    "consilience_label_spaces",
]

COMPONENTS: list[type[Component]] = [
    Conllu,
    Columns,
    MinimalPairs,
    Words,
    WordStates,
    WordLabels,
    Morphology,
    MorphologyHead,
    UfeatsAccuracy,
    Tree,
    BiaffineParser,
    ArcLoss,
    RelationLoss,
    UnlabeledAttachment,
    LabeledAttachment,
    StructuralProbe,
    DepthProbe,
    DistanceLoss,
    DepthLoss,
    UndirectedAttachment,
    DistanceSpearman,
    DepthSpearman,
    EntityScore,
    Mask,
    MaskSpans,
    MaskedLMHead,
    MaskedLMLoss,
    Perplexity,
    PseudoLogLikelihood,
    MinimalPairAccuracy,
    ParadigmAccuracy,
    ReplaceTokens,
    GeneratorSamples,
    ReplacedTokenHead,
    ReplacedTokenLoss,
    SentenceOrder,
    Texts,
    NextSentence,
    SimCSELoss,
    Negation,
    Readability,
]


@hookimpl
def consilience_components() -> list[type[Component]]:
    return list(COMPONENTS)


@hookimpl
def consilience_label_spaces() -> list[LabelSpace]:
    return [*SPACES, NEGATION, READABILITY]
