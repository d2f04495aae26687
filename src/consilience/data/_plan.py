"""What the data room needs of a checked fusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from consilience.declare import FieldType, Fusion, LabelSpace, Source
from consilience.host import Registry
from consilience.plan import PlanNode

__all__ = ["DataPlan"]


class DataPlan(Protocol):
    """A checked fusion, as far as data goes."""

    @property
    def fusion(self) -> Fusion:
        """The fusion that was checked."""

    @property
    def sources(self) -> Mapping[str, Source]:
        """The declaration of each source."""

    @property
    def registry(self) -> Registry:
        """The registry that the fusion was checked with."""

    @property
    def fields(self) -> Mapping[str, FieldType]:
        """The type of each field."""

    def labels(self, field: str) -> LabelSpace | None:
        """Gives the label space of a field, or None where its type has none."""

    def label_space(self, name: str) -> LabelSpace:
        """Gives the label space of a full name, a plugin's or a resource's; raises KeyError when there is none."""

    def of(self, section: str) -> Sequence[PlanNode]:
        """Lists the nodes of a section."""

    def text_of(self, field_name: str) -> str | None:
        """Gives the text whose words a field of `token_labels` labels."""

    def fields_behind(self, node: str) -> frozenset[str]:
        """Lists the fields that an example must have for a node to mean something of it."""
