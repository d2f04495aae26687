"""Weaves components into the reference fusion: each reads the first ports that its types and the check admit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, product
from typing import Any

from consilience.declare import SECTIONS, Component, Loss, Many, Metric, Port
from consilience.errors import ConsilienceError
from consilience.host import Offer, Registry
from consilience.plan import survey
from consilience.testing._check import NotApplicable
from consilience.testing._lab import Lab
from consilience.testing._reference import base_settings, fusion_of
from consilience.testing._subject import Subject

__all__ = ["Weaver", "others"]

_MOST_TRIED = 60
"""How many ways of wiring are tried for one component."""
_EACH = 6
"""How many ports are tried for one port."""
_PROVISIONAL = {"CN306", "CN401"}
"""What is told of a module until a loss reads it: that nothing gives its sizes, and that nothing trains it."""
_SECTION = {kind.kind: section for section, kind in SECTIONS.items()}
_ORDER = ("input", "module", "loss", "metric", "tuner", "balancer")
_HEADS = ("classifier", "regressor", "token_classifier")
_LOSSES = ("cross_entropy", "mse", "binary_cross_entropy")


class Weaver:
    """A fusion that grows by one component after another, each of which the check accepts."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.registry = lab, lab.registry
        self.settings = base_settings()
        self.woven: dict[str, str] = {}
        """The component of each node that was added."""
        self.left_out: dict[str, str] = {}
        """Why a component could not be added."""

    def weave(self, offers: Iterable[Offer]) -> None:
        """Adds as many of the components as fit, and a loss to each of their modules that has none."""
        ordered = sorted((offer for offer in offers if offer.component.kind in _ORDER), key=_rank)
        for offer in ordered:
            try:
                if not self._add(self.lab.subjects(offer)[0]):
                    self.left_out[offer.name] = "nothing in the reference fusion fits its ports"
            except NotApplicable as error:
                self.left_out[offer.name] = str(error)
        for name in [name for name in self.woven if name in self.settings["modules"]]:
            self._close(name)
        self._prune()

    def _add(self, subject: Subject, reads: str | None = None) -> str | None:
        """Adds a component in the first way that the check accepts; gives its node's name."""
        name = f"the_{subject.name.replace('.', '_')}"
        while name in self.woven:
            name += "_again"
        for changed in islice(self._ways(subject, name, reads), _MOST_TRIED):
            if self._is_sound(changed):
                self.settings = changed
                self.woven[name] = subject.name
                return name
        return None

    def _is_sound(self, settings: dict[str, Any]) -> bool:
        try:
            errors = survey(fusion_of(settings), self.registry).errors
            return all(error.code in _PROVISIONAL for error in errors)
        except ConsilienceError:
            return False

    def _prune(self) -> None:
        """Takes out again what no loss could be found for."""
        while errors := survey(fusion_of(self.settings), self.registry).errors:
            section, name = (str(part) for part in (*errors[0].path, "", "")[:2])
            if name not in self.woven:
                return
            self.left_out[self.woven.pop(name)] = f"{errors[0].code}: {errors[0].found}"
            nodes = {one: node for one, node in self.settings[section].items() if one != name}
            self.settings = {**self.settings, section: nodes}

    def _ways(self, subject: Subject, name: str, reads: str | None) -> Iterator[dict[str, Any]]:
        kind = subject.component.kind
        node: dict[str, Any] = {"use": subject.name, **subject.settings}
        base = self._with_uses(subject, node)
        if kind == "tuner":
            for module in reversed(base["modules"]):
                yield _changed(base, "modules", module, {**base["modules"][module], "tune": node})
            return
        if kind == "balancer":
            yield {**base, "objective": {"balance": node}}
            return
        for wired in self._wirings(subject, base, reads):
            yield _changed(base, _SECTION[kind], name, {**node, **wired})

    def _with_uses(self, subject: Subject, node: dict[str, Any]) -> dict[str, Any]:
        """Fills the keys that name nodes: with one that is there, or with one that is added for it."""
        base = self.settings
        for key, other in subject.uses.items():
            section = _SECTION[other.component.kind]
            there = next((name for name, one in base[section].items() if one["use"] == other.name), None)
            if there is None:
                there = f"the_{other.name.replace('.', '_')}"
                base = _changed(base, section, there, {"use": other.name, **other.settings})
            node[key] = there
        return base

    def _wirings(self, subject: Subject, base: dict[str, Any], reads: str | None) -> Iterator[dict[str, Any]]:
        ports = dict(subject.reads)
        if not ports:
            yield {}
            return
        given = self._given(base, subject.component)
        choices: list[list[str | None]] = []
        for name, kind in ports.items():
            found = self._candidates(subject, name, kind, given, reads)
            choices.append([*found, *([None] if kind.is_optional else [])])
        for way in sorted(product(*map(range, map(len, choices))), key=sum):
            refs = {name: choices[place][index] for place, (name, index) in enumerate(zip(ports, way, strict=True))}
            read = [ref for ref in refs.values() if ref is not None]
            if reads is None or any(ref.partition(".")[0] == reads for ref in read):
                yield _written(subject, {name: ref for name, ref in refs.items() if ref is not None})

    def _candidates(
        self, subject: Subject, name: str, kind: Port | Many, given: dict[str, Port], reads: str | None
    ) -> list[str]:
        """Lists the ports that one port may read, the likeliest first: what is learnt from modules, a target not."""
        port = kind.port if isinstance(kind, Many) else kind
        found = [ref for ref, one in given.items() if port.takes(one)]
        if issubclass(subject.component, Loss | Metric):
            modules = self.settings["modules"]
            found = [ref for ref in found if (ref.partition(".")[0] in modules) == (name != "target")]
        return sorted(found, key=lambda ref: _nearness(ref, given[ref], name, port, subject.name, reads))[:_EACH]

    def _given(self, base: dict[str, Any], reader: type[Component]) -> dict[str, Port]:
        """Lists the ports that a component of this kind may read."""
        fusion = fusion_of(base)
        fields = {name: kind.port for name, kind in fusion.fields.items()}
        sections = {"input": ("inputs",), "module": ("inputs", "modules")}.get(reader.kind, ("inputs", "modules"))
        found = fields if issubclass(reader, Loss | Metric) or reader.kind == "input" else {}
        for section in sections:
            for name, node in base[section].items():
                offer = self.registry.component(node["use"])
                outputs = getattr(offer.component, "outputs", {}) if offer else {}
                found |= {f"{name}.{port}": kind for port, kind in outputs.items()}
        return found

    def _close(self, module: str) -> None:
        """Gives a module that no loss reads one of the standard losses, behind a standard head where it needs one."""
        if self._is_read(module):
            return
        for loss in _LOSSES:
            if self._add(self._standard(loss), module):
                return
        for head in _HEADS:
            added = self._add(self._standard(head), module)
            if added and any(self._add(self._standard(loss), added) for loss in _LOSSES):
                return

    def _is_read(self, module: str) -> bool:
        text = [str(node.get("in")) for section in ("modules", "losses") for node in self.settings[section].values()]
        return any(f"'{module}." in one or one.startswith(f"{module}.") or one == module for one in text)

    def _standard(self, name: str) -> Subject:
        offer = self.registry.component(name)
        assert offer is not None
        return Subject(offer, self.lab, {})


def others(registry: Registry, namespace: str, standard: str) -> list[str]:
    """Lists the other plugins that are installed and load."""
    names = [name for name in registry.namespaces() if name not in (namespace, standard)]
    return [name for name in names if registry.load(name) is None]


def _rank(offer: Offer) -> tuple[int, str]:
    return _ORDER.index(offer.component.kind), offer.name


def _changed(settings: dict[str, Any], section: str, name: str, node: dict[str, Any]) -> dict[str, Any]:
    return {**settings, section: {**settings.get(section, {}), name: node}}


def _nearness(ref: str, port: Port, name: str, wanted: Port, component: str, reads: str | None) -> tuple[bool, ...]:
    """Orders the ports that could be read: of the module that must be, of the same name, from the same plugin."""
    node, _, own = ref.partition(".")
    plugin = component.partition(".")[0] if "." in component else ""
    return (
        node != reads,
        own != name,
        not (plugin and node.startswith(f"the_{plugin}_")),
        tuple(map(str, port.dims)) != tuple(map(str, wanted.dims)),
        own != "pooled",
    )


def _written(subject: Subject, refs: dict[str, str]) -> dict[str, Any]:
    kinds = subject.reads
    written: dict[str, Any] = {
        name: [ref] if isinstance(kinds[name], Many) else ref for name, ref in refs.items() if name != "target"
    }
    found: dict[str, Any] = {"in": written} if written else {}
    return {**found, "target": refs["target"]} if "target" in refs else found
