"""The lab: the registry, the settings and the stand-ins that one run of the kit works with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from consilience.declare import Checkpoint, Component, Input, Location, Module
from consilience.host import STANDARD, Offer, Registry
from consilience.testing._check import NotApplicable
from consilience.testing._settings import NoExample, example_of
from consilience.testing._subject import Subject
from consilience.testing._tiny import scratch, write_encoder

__all__ = ["Examples", "Lab"]

Settings = Mapping[str, Any]
Examples = Mapping[str, Sequence[Settings | Callable[[Path], Settings]]]
"""Further settings to build with, by component: keys and values as a file has them, or what makes them in a folder."""

STAND_INS: tuple[tuple[type[Component], str], ...] = (
    (Checkpoint, "checkpoint"),
    (Module, "text_encoder"),
    (Input, "tokens"),
)
"""What stands where a key may name any node of its kind."""


@dataclass
class Lab:
    """Makes subjects: components with settings, and with other nodes where their keys name some."""

    registry: Registry
    namespace: str
    plugin: object = None
    """The plugin itself, where it was handed over and not found by its name."""
    examples: Examples = field(default_factory=dict)
    build_with: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The component that a key which names a node is given, by component and key."""
    sizes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """The sizes that a component needs of its dims, by component and dim."""

    @cached_property
    def offers(self) -> list[Offer]:
        """The components of the plugin."""
        return [offer for offer in self.registry.components() if offer.namespace == self.namespace]

    @cached_property
    def label_spaces(self) -> list[str]:
        """The label spaces of the plugin."""
        return [name for name in self.registry.label_spaces() if name.partition(".")[0] == self.namespace]

    @cached_property
    def folder(self) -> Path:
        """The folder that files are made in, and that relative paths start from."""
        folder = scratch() / self.namespace
        folder.mkdir(exist_ok=True)
        return folder

    def settings_of(self, offer: Offer) -> Iterator[Settings]:
        """Gives the settings to build a component with: the defaults where they do, then the author's examples.

        Raises `NoExample` where there are none.
        """
        given = self.examples.get(offer.name, ())
        try:
            yield example_of(offer, self._known(offer.component))
        except NoExample:
            if not given:
                raise
        for one in given:
            yield one(self.folder) if callable(one) else one

    def subjects(self, offer: Offer) -> list[Subject]:
        """Gives the component with each of its settings."""
        try:
            return [Subject(offer, self, settings) for settings in self.settings_of(offer)]
        except NoExample as error:
            raise NotApplicable(str(error)) from None

    def stand_in(self, wanted: type[Component], chosen: str | None = None) -> Subject:
        """Gives a component that stands where a key names one of this class."""
        name = chosen or next((name for kind, name in STAND_INS if kind is wanted), None)
        known = [*self.offers, *self.registry.components()]
        fitting = [offer for offer in known if issubclass(offer.component, wanted) and name in (None, offer.name)]
        for offer in fitting:
            try:
                return Subject(offer, self, next(iter(self.settings_of(offer))))
            except NoExample:
                continue
        names = ", ".join(dict.fromkeys(offer.name for offer in fitting)) or f"none offers a {wanted.__name__}"
        raise NotApplicable(f"nothing stands in for a {wanted.__name__}: give examples of one of {names}")

    def tokens(self) -> Subject:
        """Gives the input whose ports tell what ids and masks are."""
        return self.stand_in(Input)

    def _known(self, component: type[Component]) -> dict[str, Any]:
        """Gives the values of keys that a component cannot be made without, where its kind tells them."""
        if not issubclass(component, Checkpoint):
            return {}
        places = [key for key, info in component.model_fields.items() if info.annotation is Location]
        return {key: str(write_encoder()) for key in places if component.model_fields[key].is_required()}

    def load_standard(self) -> None:
        """Takes in the standard components, which stand beside the plugin's."""
        self.registry.load(STANDARD)
