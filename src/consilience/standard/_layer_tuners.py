"""The standard tuners that add to the linear layers of a module: low-rank products, scales, bottlenecks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

from consilience.declare import Dims, Fault, Field, Module, Tuner, nearest, paste
from consilience.standard._tuners import raise_fault

__all__ = ["Adalora", "Bottleneck", "Ia3", "Lora"]

_ALL: Literal["all-linear"] = "all-linear"
Targets = Literal["all-linear"] | Annotated[list[str], Field(min_length=1)]
_KEYS_AND_VALUES = re.compile(r"(^|\.)(key|value|k|v|k_lin|v_lin|k_proj|v_proj|Wqkv)$")
_AFTER_ATTENTION = re.compile(r"(^|\.)(attention\.output\.dense|out_lin|attn\.Wo|attn\.o|o_proj|out_proj)$")
_AFTER_FEED_FORWARD = re.compile(r"(^|\.)((?<!attention\.)output\.dense|lin2|mlp\.Wo|wo|fc2|down_proj)$")


class _OnLinearLayers(Tuner):
    """Adds something to chosen linear layers, and trains that alone."""

    usual: ClassVar[tuple[re.Pattern[str], ...]] = ()
    """What the names look like of the layers that are chosen when the file names none."""
    purpose: ClassVar[str] = "with linear layers"

    def chosen(self) -> str | list[str] | None:
        """Gives what the file says of the layers: all, some names, or nothing."""
        return getattr(self, "targets", None)

    def faults_on(self, module: Module, dims: Dims) -> Iterable[Fault]:
        """Tells of a module without linear layers, and of targets that name none, where the module says its layers."""
        layers = module.linear_layers(dims)
        return [] if layers is None else self._faults_among(list(layers))

    def _faults_among(self, layers: Sequence[str]) -> Iterator[Fault]:
        targets = self.chosen()
        known = list(dict.fromkeys(name.rpartition(".")[2] for name in layers))
        if not known:
            expected = "a module with linear layers, such as a text_encoder"
            yield Fault("CN450", "", "a module without linear layers inside", expected, "tune: full")
        elif targets is None:
            if not self.layers_among(layers):
                found = f"{', '.join(known)}: no linear layer {self.purpose}"
                yield Fault("CN450", "targets", found, "targets that name some of them", f"targets: {_ALL}")
        elif lost := [target for target, names in self._matching(layers).items() if not names]:
            meant = [nearest(target, known) if target in lost else target for target in targets]
            written = list(dict.fromkeys(filter(None, meant))) or known[:1]
            found, expected = f"{', '.join(lost)}: no linear layer", f"one of {', '.join(known)}"
            yield Fault("CN450", "targets", found, expected, f"targets: {paste(written)}")

    def _matching(self, layers: Sequence[str]) -> dict[str, list[str]]:
        """Gives for every target the layers that it names: by full name, or by the last words of it."""
        targets = self.chosen()
        if targets == _ALL:
            return {name: [name] for name in layers}
        if targets is None:
            return {name: [name] for name in layers if any(look.search(name) for look in self.usual)}
        return {target: [name for name in layers if _is_named(name, target)] for target in targets}

    def layers_among(self, layers: Sequence[str]) -> list[str]:
        """Gives the layers that are chosen, once each."""
        return list(dict.fromkeys(name for found in self._matching(layers).values() for name in found))

    def _found_in(self, module: Any) -> list[str]:
        """Gives the layers of a built module that are chosen; raises `DeclarationError` when a target names none."""
        from consilience.standard.built.lora import linear_layers

        layers = linear_layers(module)
        for fault in self._faults_among(layers):
            raise_fault(fault)
        return self.layers_among(layers)


class Lora(_OnLinearLayers):
    """Trains low-rank additions to linear layers (Hu et al. 2021, arXiv:2106.09685), and nothing else of the module.

    But for a gate that starts closed, as that of `cross_attention`: frozen at zero, it would keep the additions dead.
    """

    r: int = Field(8, ge=1, le=4096)
    """The rank of the additions."""
    alpha: int = Field(16, ge=1, le=65_536)
    """The additions are scaled by alpha / r."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """The share of a layer's inputs that the addition drops while training."""
    targets: Targets = _ALL
    """The linear layers that get one: all, or those whose name is, or ends in, one of these, such as [query, value]."""

    def apply(self, module: Any) -> None:
        """Freezes the module and adds the low-rank layers; raises `DeclarationError` when a target names no layer."""
        from consilience.standard.built.lora import add_lora

        add_lora(module, self._found_in(module), self.r, self.alpha, self.dropout)


class Adalora(_OnLinearLayers):
    """Trains low-rank additions whose ranks shrink where they matter least (Zhang et al. 2023, arXiv:2303.10512).

    Each layer starts with `start_r` directions. From the end of the warm-up on, those that moved the loss least are
    closed, over all layers, until `r` a layer are left on average; then these are trained on for the rest.
    """

    r: int = Field(8, ge=1, le=4096)
    """The average rank that is left."""
    start_r: int = Field(12, ge=1, le=4096)
    """The rank that every layer starts with."""
    alpha: int = Field(32, ge=1, le=65_536)
    """The additions are scaled by alpha / start_r."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """The share of a layer's inputs that the addition drops while training."""
    warmup: float = Field(0.1, ge=0, le=0.5)
    """The share of all steps before the first direction is closed."""
    cooldown: float = Field(0.3, ge=0, lt=0.5)
    """The share of all steps at the end in which the ranks stay as they are."""
    every: int = Field(1, ge=1, le=100_000)
    """How many steps lie between two looks at what is to be closed."""
    sensitivity_decay: float = Field(0.85, gt=0, lt=1)
    """How much of a weight's sensitivity is kept from step to step."""
    uncertainty_decay: float = Field(0.85, gt=0, lt=1)
    """How much of the uncertainty about it is kept."""
    orthogonality: float = Field(0.5, ge=0, le=1e3)
    """How strongly the directions of a layer are kept at right angles."""
    targets: Targets = _ALL
    """The linear layers that get one: all, or those whose name is, or ends in, one of these, such as [query, value]."""

    def faults(self) -> Iterable[Fault]:
        """Tells of ranks that would have to grow."""
        if self.start_r < self.r:
            found = f"{self.start_r}, below r, {self.r}, to which it is to shrink"
            yield Fault("CN454", "start_r", found, f"at least {self.r}", f"start_r: {self.r + (self.r + 1) // 2}")

    def apply(self, module: Any) -> None:
        """Freezes the module and adds the layers; raises `DeclarationError` when a target names no layer."""
        from consilience.standard.built.adalora import add_adalora

        add_adalora(module, self._found_in(module), self.start_r, self.alpha, self.dropout)

    def before_step(self, module: Any, step: int, steps: int) -> None:
        """Pulls the directions of each layer towards right angles."""
        module.rank_schedule.straighten(module, self.orthogonality)

    def after_step(self, module: Any, step: int, steps: int) -> None:
        """Notes what moved the loss, and closes what did least, as far as the schedule has come."""
        schedule = module.rank_schedule
        schedule.note(module, self.sensitivity_decay, self.uncertainty_decay)
        start, end = int(self.warmup * steps), steps - int(self.cooldown * steps)
        if start < step < end and step % self.every == 0:
            left = (1 - (step - start) / (end - start)) ** 3
            schedule.close(module, self.r + (self.start_r - self.r) * left)
        elif step == end:
            schedule.close(module, self.r)
        schedule.keep_closed(module)


class Ia3(_OnLinearLayers):
    """Trains one factor for each number that some linear layers give or read (Liu et al. 2022, arXiv:2205.05638)."""

    usual = (_KEYS_AND_VALUES, _AFTER_FEED_FORWARD)
    purpose = "of keys and values, or at the end of a feed-forward part"

    targets: Targets | None = None
    """The linear layers that get factors; keys, values and the ends of feed-forward parts, when left out."""
    feedforward: list[str] | None = None
    """Those of them whose inputs are scaled, not what they give; the ends of feed-forward parts, when left out."""

    def _faults_among(self, layers: Sequence[str]) -> Iterator[Fault]:
        found = list(super()._faults_among(layers))
        yield from found
        chosen = [] if found else self.layers_among(layers)
        for name in self.feedforward or () if chosen else ():
            if not any(_is_named(layer, name) for layer in chosen):
                expected = f"some of the layers that get factors: {', '.join(_last_words(chosen))}"
                yield Fault("CN450", "feedforward", f"{name}: none of the targets", expected, "feedforward: []")
                return

    def apply(self, module: Any) -> None:
        """Freezes the module and adds the factors; raises `DeclarationError` when a target names no layer."""
        from consilience.standard.built.ia3 import add_ia3

        chosen = self._found_in(module)
        inner = [name for name in chosen if self._is_inner(name)]
        add_ia3(module, chosen, inner)

    def _is_inner(self, name: str) -> bool:
        if self.feedforward is None:
            return _AFTER_FEED_FORWARD.search(name) is not None
        return any(_is_named(name, end) for end in self.feedforward)


class Bottleneck(_OnLinearLayers):
    """Trains small networks, narrow in the middle, behind some linear layers, each beside a way past it.

    Behind feed-forward parts (Pfeiffer et al. 2021, arXiv:2005.00247), or behind attention too (Houlsby et al. 2019,
    arXiv:1902.00751).
    """

    purpose = "at the end of an attention or a feed-forward part"

    places: Literal["feed-forward", "both"] = "feed-forward"
    """Where they stand when no targets are named: behind feed-forward parts, or behind `both` these and attention."""
    reduction: int = Field(16, ge=1, le=4096)
    """How many times narrower the middle is."""
    activation: Literal["relu", "gelu", "silu", "tanh"] = "relu"
    """The function in the middle."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """The share of what they read that is dropped while training."""
    targets: Targets | None = None
    """The linear layers behind which they stand, in place of the usual ones: all, or those of these names."""

    def _matching(self, layers: Sequence[str]) -> dict[str, list[str]]:
        if self.targets is not None:
            return super()._matching(layers)
        looks = (_AFTER_FEED_FORWARD, _AFTER_ATTENTION)[: 1 if self.places == "feed-forward" else 2]
        return {name: [name] for name in layers if any(look.search(name) for look in looks)}

    def apply(self, module: Any) -> None:
        """Freezes the module and adds the networks; raises `DeclarationError` when a target names no layer."""
        from consilience.standard.built.bottleneck import add_bottlenecks

        add_bottlenecks(module, self._found_in(module), self.reduction, self.activation, self.dropout)


def _is_named(layer: str, target: str) -> bool:
    """Tells whether a target names a layer: by its full name, or by the last words of it."""
    return layer == target or layer.endswith(f".{target}")


def _last_words(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name.rpartition(".")[2] for name in names))
