"""Link prediction by rows of triples: their questions, the scores of all answers, and the measures of ranks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from consilience.declare import Dims, Fault, Field, Float, Input, Int, Loss, Metric, Module, Ports, Size, Text, Use
from consilience_knowledge._losses import faults_of_scorer
from consilience_knowledge._modules import Encoder
from consilience_knowledge._resources import Graph, entities_of

if TYPE_CHECKING:
    from consilience_knowledge.links import AnswerLoss, LinkScores
    from consilience_knowledge.questions import QuestionBatches
    from consilience_knowledge.ranks import MeanReciprocalRank as BuiltRank
    from consilience_knowledge.ranks import ShareOfRanks

__all__ = ["Answers", "Hits", "LinkScorer", "MeanReciprocalRank", "Questions"]


class Questions(Input):
    """Asks of each row, a triple, both of its questions: which tail has the head, and which head has the tail.

    Entities and relations are looked up as the graph names them. What the graph does not have is asked by none: its
    answer is -100. `known` are the answers that the graph knows, and those of `held`.
    """

    graph: Use[Graph]
    """The graph of the entities: that of the encoder, which should hold the edges of training alone."""
    held: Use[Graph] | None = None
    """A graph of further edges that are true, as those of the held-out splits: filtered ranks leave them out too."""

    inputs = Ports(head=Text["batch"], relation=Text["batch"], tail=Text["batch"])
    outputs = Ports(
        entities=Int["batch side"].below("entity"),
        kinds=Int["batch side"].below("link"),
        answers=Int["batch side"].below("entity"),
        known=Int["batch side known"].below("entity"),
    )

    def dims(self, known: Dims) -> Mapping[str, int | str]:
        return {"side": Size(2, "the tail's question and the head's"), **_links_of(self.graph)}

    def build(self, dims: Dims) -> QuestionBatches:
        from consilience_knowledge.questions import QuestionBatches

        graph = self.graph.declared.load()
        return QuestionBatches.of(graph, graph if self.held is None else self.held.declared.load())


class LinkScorer(Module):
    """Scores every entity of the graph as the answer of a question, and tells where the right one ranks.

    `costs` are the cross-entropies of the right answers among all entities, for `knowledge.answers`; `ranks` are among
    those that are not known to be right too, where `known` is wired. A `knowledge.rgcn` or `knowledge.compgcn` hears
    the edges that are asked for, where its graph has them: train it by `knowledge.link_prediction`, which hides them.
    """

    of: Use[Module]
    """The encoder of the entities: a `knowledge.embedding`, `knowledge.rgcn` or `knowledge.compgcn`."""
    scorer: Literal["transe", "distmult", "complex", "rotate"] = "distmult"
    """How an edge is scored; `complex` and `rotate` want an even width."""

    inputs = Ports(
        mentions=Float["batch side width"],
        kinds=Int["batch side"].below("link"),
        answers=Int["batch side"].below("entity"),
        known=Int["batch side known"].below("entity") | None,
    )
    outputs = Ports(ranks=Float["batch side"], costs=Float["batch side"])
    static = ("width",)

    def faults_with(self, dims: Dims) -> Iterable[Fault]:
        """Tells an `of` that is no encoder of a graph, and an odd width for complex numbers."""
        yield from faults_of_scorer(self.of, self.scorer)

    def dims(self, known: Dims) -> Mapping[str, int | str]:
        declared = self.of.declared
        if not isinstance(declared, Encoder):
            return {}
        return {"width": Size(declared.width, f"the width of {self.of.name}"), **_links_of(declared.graph)}

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        return []

    def build(self, dims: Dims) -> LinkScores:
        from consilience_knowledge.links import LinkScores

        declared = self.of.declared
        assert isinstance(declared, Encoder)
        relations = len(declared.graph.declared.load().relations)
        return LinkScores(dims.built(self.of), relations, declared.width, self.scorer)


class Answers(Loss):
    """Averages the costs of a row's questions: what `knowledge.link_scorer` gives as `costs`."""

    inputs = Ports(costs=Float["batch side"])
    target = Int["batch side"].below("entity")

    def build(self, dims: Dims) -> AnswerLoss:
        from consilience_knowledge.links import AnswerLoss

        return AnswerLoss()


class _OfRanks(Metric):
    inputs = Ports(ranks=Float["batch side"])
    target = Int["batch side"].below("entity")


class MeanReciprocalRank(_OfRanks):
    """The mean of 1 / rank of the right answer, over both questions of each row: 1 is best.

    Filtered where the scorer's `known` is wired; an answer among equals has the mean of their ranks, as PyKEEN's
    realistic rank (Berrendorf et al. 2020).
    """

    def build(self, dims: Dims) -> BuiltRank:
        from consilience_knowledge.ranks import MeanReciprocalRank

        return MeanReciprocalRank()


class Hits(_OfRanks):
    """The share of right answers that rank among the first `most`, as `knowledge.mean_reciprocal_rank` ranks them."""

    most: int = Field(10, ge=1, le=2**31 - 1)
    """How many are the first."""

    def build(self, dims: Dims) -> ShareOfRanks:
        from consilience_knowledge.ranks import ShareOfRanks

        return ShareOfRanks(self.most)


def _links_of(graph: Use[Graph]) -> dict[str, str]:
    """Says whose entities and relations are counted, each relation forth and back."""
    return {**entities_of(graph), "link": f"{graph.name}'s relations"} if graph.name else {}
