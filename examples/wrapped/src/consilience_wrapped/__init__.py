"""Declares two modules that others wrote, and the inputs that feed them."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from consilience.declare import Bool, Dims, Fault, Field, Float, Input, LabelSpace, Module, Ports, hookimpl

SAMPLES = LabelSpace(name="samples", labels=tuple(f"sample_{number}" for number in range(256)))
"""The names of the numbers of a short sound."""


class GraphSAGE(Module, name="graph_sage"):
    """Lets each node of a graph hear the mean of its neighbours (Hamilton et al. 2017): torch-geometric's layer."""

    width: int = Field(64, ge=1, le=16_384)
    """The size of a node's state."""

    inputs = Ports(x=Float["batch node hidden"], adj=Float["batch node node"])
    outputs = Ports(states=Float["batch node width"])
    static = ("hidden",)

    def dims(self, known: Dims) -> Mapping[str, int]:
        return {"width": self.width}

    def build(self, dims: Dims) -> Any:
        from torch_geometric.nn import DenseSAGEConv

        return DenseSAGEConv(dims["hidden"], dims["width"])


class AudioTransformer(Module):
    """Encodes a spectrogram by its patches (Gong et al. 2021): a small model of transformers, with fresh weights."""

    layers: int = Field(2, ge=1, le=48)
    """The number of layers."""
    heads: int = Field(2, ge=1, le=64)
    """The number of attention heads, each 16 wide."""
    patch: int = Field(4, ge=1, le=64)
    """The moments and pitches that a patch spans; patches do not overlap."""

    inputs = Ports(input_values=Float["batch moment pitch"])
    outputs = Ports(last_hidden_state=Float["batch patch_count width"], pooler_output=Float["batch width"])
    static = ("moment", "pitch")

    def dims(self, known: Dims) -> Mapping[str, int]:
        counted = (known["moment"] // self.patch) * (known["pitch"] // self.patch)
        return {"width": 16 * self.heads, "patch_count": counted + 2}  # two tokens stand for the whole

    def faults_with(self, dims: Dims) -> Iterable[Fault]:
        most = min(dims["moment"], dims["pitch"])
        if self.patch > most:
            found = f"{self.patch}, for {dims['moment']} moments and {dims['pitch']} pitches"
            yield Fault("CN123", "patch", found, f"at most {most}", f"patch: {most}")

    def build(self, dims: Dims) -> Any:
        from transformers import ASTConfig, ASTModel

        return ASTModel(
            ASTConfig(
                hidden_size=dims["width"],
                num_hidden_layers=self.layers,
                num_attention_heads=self.heads,
                intermediate_size=4 * dims["width"],
                patch_size=self.patch,
                time_stride=self.patch,
                frequency_stride=self.patch,
                max_length=dims["moment"],
                num_mel_bins=dims["pitch"],
            )
        )


class Neighbours(Input):
    """Joins every token to itself, and to the tokens that stand near it."""

    reach: int = Field(2, ge=1)
    """How many places away a neighbour may stand."""

    inputs = Ports(mask=Bool["batch seq"])
    outputs = Ports(adj=Float["batch seq seq"])

    def build(self, dims: Dims) -> Callable[..., Any]:
        from consilience_wrapped.reading import join_neighbours

        return partial(join_neighbours, reach=self.reach)


class Spectrogram(Input):
    """Measures how loud each pitch of a sound is at each moment, on a logarithmic scale."""

    window: int = Field(32, ge=4, multiple_of=4)
    """How many samples a moment spans; half of them are those of the next moment too."""

    inputs = Ports(samples=Float["batch sample"])
    outputs = Ports(loudness=Float["batch moment pitch"])
    static = ("sample",)

    def dims(self, known: Dims) -> Mapping[str, int]:
        return {"moment": known["sample"] // (self.window // 2) + 1, "pitch": self.window // 2 + 1}

    def build(self, dims: Dims) -> Callable[..., Any]:
        from consilience_wrapped.reading import measure_loudness

        return partial(measure_loudness, window=self.window)


@hookimpl
def consilience_components() -> list[type[Input] | type[Module]]:
    """Offers the components."""
    return [GraphSAGE, AudioTransformer, Neighbours, Spectrogram]


@hookimpl
def consilience_label_spaces() -> list[LabelSpace]:
    """Offers the names of a sound's numbers."""
    return [SAMPLES]
