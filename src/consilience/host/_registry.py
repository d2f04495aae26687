"""The registry: resolves the names in a fusion to the components and label spaces of plugins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from json import dumps as quoted
from typing import Any

import pluggy

from consilience.declare import Component, LabelSpace
from consilience.errors import DeclarationError, Diagnostic, nearest
from consilience.host import _hookspecs
from consilience.host._disabled import tell_disabled
from consilience.host._discovery import PLUGIN_ERRORS, STANDARD, Claim, claims, consilience_version
from consilience.host._failures import innermost
from consilience.host._hooks import listed, misspelt, unmarked
from consilience.host._offers import first_wrong

__all__ = ["Offer", "PluginInfo", "Registry", "default_registry", "register"]

_NAMESPACE = "a namespace of letters, digits and underscores that starts with a letter"


@dataclass(frozen=True)
class Offer:
    """A component that a plugin offers, under its full name."""

    name: str
    component: type[Component]
    namespace: str
    distribution: str
    version: str


@dataclass(frozen=True)
class PluginInfo:
    """One line of `consilience plugins`."""

    namespace: str
    distribution: str
    version: str
    requires: str = ""
    """The versions of Consilience that it is made for, as its distribution says."""
    is_disabled: bool = False
    components: tuple[str, ...] = ()
    label_spaces: tuple[str, ...] = ()
    fault: Diagnostic | None = None


class Registry:
    """Knows what is installed, imports what is named, and tells what is wrong with a plugin.

    `found` replaces the installed entry points, in tests.
    """

    def __init__(self, found: Iterable[EntryPoint] | None = None) -> None:
        self._found = list(found) if found is not None else None
        self._claimed: dict[str, list[Claim]] | None = None
        self._manager = pluggy.PluginManager("consilience")
        self._manager.add_hookspecs(_hookspecs)
        self._registered: set[str] = set()
        self._faults: dict[str, Diagnostic | None] = {}
        self._offers: dict[str, Offer] = {}
        self._spaces: dict[str, LabelSpace] = {}

    @property
    def _claims(self) -> Mapping[str, list[Claim]]:
        if self._claimed is None:
            self._claimed = claims(self._found)
        return self._claimed

    def namespaces(self) -> list[str]:
        """Lists every namespace that is installed or registered, imported or not."""
        return sorted({*self._claims, *self._registered})

    def register(self, plugin: object, namespace: str) -> None:
        """Takes in a plugin made in a script or a test: an object or module with hook implementations."""
        if not (isinstance(namespace, str) and namespace.isidentifier()):
            found = f"the namespace {namespace!r} for a registered plugin"
            fix = f"register(plugin, {quoted(_identifier(str(namespace)))})"
            raise DeclarationError(Diagnostic("CN207", (), found, _NAMESPACE, fix))
        if namespace in self.namespaces():
            found = f"a second plugin for the namespace {namespace}"
            fix = f"register(plugin, {quoted(f'{namespace}_2')})"
            raise DeclarationError(Diagnostic("CN203", (), found, "one plugin a namespace", fix))
        fault = self._take_in(plugin, namespace, f"the plugin registered as {namespace}", "")
        if fault:
            raise DeclarationError(fault)
        self._registered.add(namespace)
        self._faults[namespace] = None

    def load(self, namespace: str) -> Diagnostic | None:
        """Imports the plugin of a namespace, once; gives what is wrong with it, or None. One that is off is that."""
        if (off := tell_disabled(namespace)) and namespace not in self._registered:
            return off
        if namespace not in self._faults:
            self._faults[namespace] = self._load(namespace)
        return self._faults[namespace]

    def component(self, name: str) -> Offer | None:
        """Finds a component of a loaded namespace by the name that a file uses; `name@1` is `name`."""
        return self._offers.get(name.removesuffix("@1"))

    def components(self, kind: str | None = None) -> list[Offer]:
        """Lists the components of the loaded namespaces, of one kind or all."""
        return [offer for name, offer in sorted(self._offers.items()) if kind in (None, offer.component.kind)]

    def label_space(self, name: str) -> LabelSpace | None:
        """Finds a label space of a loaded namespace by its full name."""
        return self._spaces.get(name)

    def label_spaces(self) -> list[str]:
        """Lists the full names of the label spaces of the loaded namespaces."""
        return sorted(self._spaces)

    def plugins(self) -> list[PluginInfo]:
        """Imports every plugin and tells what each offers, or what is wrong with it."""
        return [self._info(namespace) for namespace in self.namespaces()]

    def call(self, hook: str, namespaces: Iterable[str], **given: Any) -> dict[str, Any]:
        """Calls a hook of the named plugins that implement it, in the order of the names; gives what each gave.

        An implementation may take fewer of the arguments. What one raises gets a note of whose hook it is.
        """
        results: dict[str, Any] = {}
        for namespace in namespaces:
            for implementation in self._implementations(hook, self._manager.get_plugin(namespace)):
                try:
                    results[namespace] = implementation.function(*(given[name] for name in implementation.argnames))
                except Exception as error:
                    error.add_note(f"in the hook {hook} of {self._owner(namespace)}")
                    raise
        return results

    def _owner(self, namespace: str) -> str:
        """Names a plugin for a person: its namespace, its distribution, and the version."""
        claimed = " and ".join(f"{claim.distribution} {claim.version}" for claim in self._claims.get(namespace, ()))
        return f"{namespace}, from {claimed or 'a plugin registered in this process'}"

    def installed(self, namespace: str) -> PluginInfo:
        """Tells of a plugin what its distribution says, without importing it."""
        claimed = self._claims.get(namespace, [])
        return PluginInfo(
            namespace,
            ", ".join(claim.distribution for claim in claimed) or "registered in this process",
            ", ".join(claim.version for claim in claimed),
            ", ".join(filter(None, (claim.made_for for claim in claimed))),
            namespace not in self._registered and tell_disabled(namespace) is not None,
        )

    def unmet(self, namespace: str) -> Iterator[Diagnostic]:
        """Tells the packages that a plugin requires and that are not installed, or in another version."""
        for claim in self._claims.get(namespace, []):
            for wanted, here in claim.unmet_others().items():
                found = f"{claim.distribution} {claim.version} requires {wanted}, {here}"
                fix = f"pip install {quoted(wanted)}"
                yield Diagnostic("CN218", (), found, "every package that the plugin requires", fix)

    def commands(self, namespace: str) -> Sequence[Any]:
        """Imports a plugin, and gives the click commands that it offers; raises `DeclarationError` where it cannot."""
        fault = self.load(namespace)
        if fault is not None:
            raise DeclarationError(fault)
        hook, owner = "consilience_commands", self.installed(namespace).distribution
        try:
            found = self._implementations(hook, self._manager.get_plugin(namespace))
            return [command for implementation in found for command in listed(hook, implementation, owner)]
        except DeclarationError:
            raise
        except PLUGIN_ERRORS as error:
            raise _bad_offer(owner, f"no commands: {innermost(error)}") from error

    def _info(self, namespace: str) -> PluginInfo:
        fault = self.load(namespace)
        return replace(
            self.installed(namespace),
            fault=fault,
            components=tuple(offer.name for offer in self.components() if offer.namespace == namespace),
            label_spaces=tuple(name for name in self.label_spaces() if name.partition(".")[0] == namespace),
        )

    def _load(self, namespace: str) -> Diagnostic | None:
        claimed = self._claims.get(namespace, [])
        if not claimed:
            return self._unknown(namespace)
        if len(claimed) > 1:
            names = " and ".join(sorted(claim.distribution for claim in claimed))
            fix = f"pip uninstall {names.split(' and ')[-1]}"
            return Diagnostic("CN203", (), f"{namespace}, claimed by {names}", "one distribution a namespace", fix)
        [claim] = claimed
        if not namespace.isidentifier():
            found = f"{claim.distribution} claims the namespace {quoted(namespace)}"
            fix = f"# mend the name of {claim.distribution}'s entry point: {_identifier(namespace)} = ..."
            return Diagnostic("CN207", (), found, _NAMESPACE, fix)
        unmet = claim.unmet_requirement()
        if unmet:
            here = f"this is consilience {consilience_version()}"
            found = f"{claim.distribution} {claim.version} requires {unmet}, and {here}"
            fix = f"pip install --upgrade {claim.distribution} consilience"
            return Diagnostic("CN206", (), found, "a plugin made for this Consilience", fix)
        try:
            plugin = claim.entry_point.load()
        except PLUGIN_ERRORS as error:
            found = f"{claim.distribution} {claim.version} fails to import: {innermost(error)}"
            fix = f"pip install --upgrade {claim.distribution}  # or mend that line, if the plugin is yours"
            return Diagnostic("CN204", (), found, f"the plugin {namespace} to import", fix)
        return self._take_in(plugin, namespace, claim.distribution, claim.version)

    def _unknown(self, namespace: str) -> Diagnostic:
        installed = [name for name in self.namespaces() if name != STANDARD]
        near = nearest(namespace, installed)
        known = ", ".join(installed) or "none is"
        fix = f"# write {near}. instead of {namespace}." if near else f"pip install consilience-{namespace}"
        if not namespace.isidentifier():
            fix = "# write the namespace of an installed plugin before the dot, or no dot for a standard component"
        found = f"the plugin {namespace}, which is not installed"
        return Diagnostic("CN202", (), found, f"an installed plugin: {known}", fix)

    def _take_in(self, plugin: object, namespace: str, distribution: str, plugin_version: str) -> Diagnostic | None:
        if self._manager.is_registered(plugin):  # two entry points of one object
            other = self._manager.get_name(plugin)
            found = f"{distribution} offers as {namespace} the plugin that is {other} already"
            return Diagnostic("CN207", (), found, "a plugin of its own a namespace", f"# mend {distribution}")
        without_mark = unmarked(plugin, distribution)
        if without_mark:
            return without_mark
        try:
            self._manager.register(plugin, namespace)
            self._manager.check_pending()
            offers = self._offers_of(plugin, namespace, distribution, plugin_version)
            spaces = self._spaces_of(plugin, namespace, distribution)
        except pluggy.PluginValidationError as error:
            self._drop(plugin)
            return misspelt(error, plugin, distribution)
        except DeclarationError as error:
            self._drop(plugin)
            return error.diagnostics[0]
        except PLUGIN_ERRORS as error:
            self._drop(plugin)
            found = f"{distribution} fails to tell what it offers: {innermost(error)}"
            return Diagnostic("CN207", (), found, "hooks that return lists", f"# mend {distribution}, or upgrade it")
        self._offers.update(offers)
        self._spaces.update(spaces)
        return None

    def _drop(self, plugin: object) -> None:
        if self._manager.is_registered(plugin):
            self._manager.unregister(plugin)

    def _implementations(self, hook: str, plugin: object) -> list[Any]:
        return [found for found in getattr(self._manager.hook, hook).get_hookimpls() if found.plugin is plugin]

    def _offers_of(self, plugin: object, namespace: str, distribution: str, plugin_version: str) -> dict[str, Offer]:
        offers: dict[str, Offer] = {}
        hook = "consilience_components"
        for implementation in self._implementations(hook, plugin):
            for component in listed(hook, implementation, distribution):
                wrong = first_wrong(component)
                if wrong:
                    fix = f"# mend {distribution}: {wrong.fix}"
                    found = f"{distribution} offers {wrong.found}"
                    raise DeclarationError(Diagnostic("CN207", (), found, wrong.expected, fix))
                name = component.component if namespace == STANDARD else f"{namespace}.{component.component}"
                if name in offers:
                    raise _bad_offer(distribution, f"two components named {name}")
                offers[name] = Offer(name, component, namespace, distribution, plugin_version)
        return offers

    def _spaces_of(self, plugin: object, namespace: str, distribution: str) -> dict[str, LabelSpace]:
        spaces: dict[str, LabelSpace] = {}
        hook = "consilience_label_spaces"
        for implementation in self._implementations(hook, plugin):
            for space in listed(hook, implementation, distribution):
                if not isinstance(space, LabelSpace):
                    raise _bad_offer(distribution, f"{_shown(space)}, which is no LabelSpace")
                name = f"{namespace}.{space.name}"
                if name in spaces:
                    raise _bad_offer(distribution, f"two label spaces named {name}")
                spaces[name] = space
        return spaces


def _identifier(text: str) -> str:
    name = "".join(letter if f"a{letter}".isidentifier() else "_" for letter in text).strip("_")
    return name if name.isidentifier() else "my_plugin"


def _shown(value: object) -> str:
    return value.__qualname__ if isinstance(value, type) else f"a value of type {type(value).__qualname__}"


def _bad_offer(distribution: str, what: str) -> DeclarationError:
    expected = "component classes and label spaces, each under its own name"
    return DeclarationError(
        Diagnostic("CN207", (), f"{distribution} offers {what}", expected, f"# mend {distribution}")
    )


_default: Registry | None = None


def default_registry() -> Registry:
    """Gives the process's registry of installed and registered plugins."""
    global _default  # noqa: PLW0603 - the one registry of the process, made when it is first asked for
    if _default is None:
        _default = Registry()
    return _default


def register(plugin: object, namespace: str) -> None:
    """Registers a plugin made in a script with the process's registry; a fault of it raises `DeclarationError`."""
    default_registry().register(plugin, namespace)
