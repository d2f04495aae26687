"""Writes plugins that use torch, as they lie in an environment once pip has installed them."""

from __future__ import annotations

from importlib.metadata import distributions
from importlib.resources import files
from pathlib import Path

__all__ = ["write_environment", "write_plugin", "write_plugins"]

CORE = "consilience"
GROUP = "consilience.plugins"

METADATA = """\
Metadata-Version: 2.4
Name: consilience-{name}
Version: 0.1.0
Requires-Dist: consilience<0.2,>=0.1
Requires-Dist: torch>=2.6
"""

ENTRY_POINTS = """\
[consilience.plugins]
{name} = consilience_{name}
"""

DECLARATIONS = '''\
"""What {name} offers to a fusion."""

from consilience.declare import Bool, Field, Float, Input, Int, LabelSpace, Loss, Module, Ports, Text, hookimpl


class Measures(Input):
    """Measures a text."""

    inputs = Ports(text=Text["batch"])
    outputs = Ports(measures=Float["batch measure"], present=Bool["batch"])

    def dims(self, known):
        return {{"measure": 3}}

    def build(self, dims):
        from consilience_{name}.modules import measure

        return measure


class Head(Module):
    """Scores classes from one vector an example."""

    dropout: float = Field(0.1, ge=0, lt=1)
    """The share of values that are dropped while training."""

    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(logits=Float["batch classes"].logits())

    def build(self, dims):
        from consilience_{name}.modules import Head

        return Head(dims["hidden"], dims["classes"], self.dropout)


class HeadLoss(Loss):
    """The cross-entropy of the classes."""

    smoothing: float = Field(0.0, ge=0, lt=1)
    """How much of each target is spread over all classes."""

    inputs = Ports(logits=Float["batch classes"].logits())
    target = Int["batch"].below("classes")

    def build(self, dims):
        from consilience_{name}.modules import HeadLoss

        return HeadLoss(self.smoothing)


@hookimpl
def consilience_components():
    return [Measures, Head, HeadLoss]


@hookimpl
def consilience_label_spaces():
    return [LabelSpace(name="classes", labels=("low", "middle", "high"))]
'''

MODULES = '''\
"""The work of {name}, in plain PyTorch."""

import torch
from torch import nn


def measure(text):
    return torch.tensor([[len(one), one.count(","), one.count("!")] for one in text]).float(), torch.ones(len(text)) > 0


class Head(nn.Module):
    def __init__(self, hidden, classes, dropout):
        super().__init__()
        self.layers = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, classes))

    def forward(self, features):
        return self.layers(features)


class HeadLoss(nn.Module):
    def __init__(self, smoothing):
        super().__init__()
        self.smoothing = smoothing

    def forward(self, logits, target):
        return nn.functional.cross_entropy(logits, target, reduction="none", label_smoothing=self.smoothing)
'''


def write_plugin(site: Path, name: str, declarations: str = DECLARATIONS) -> None:
    """Writes one plugin into a folder of packages: its metadata, its declarations, and its modules of torch."""
    metadata = site / f"consilience_{name}-0.1.0.dist-info"
    package = site / f"consilience_{name}"
    for folder in (metadata, package):
        folder.mkdir(parents=True)
    written = {metadata / "METADATA": METADATA, metadata / "entry_points.txt": ENTRY_POINTS}
    written |= {package / "__init__.py": declarations, package / "modules.py": MODULES}
    for path, text in written.items():
        path.write_text(text.format(name=name), encoding="utf-8")


def write_plugins(site: Path, count: int) -> Path:
    """Writes so many plugins into a folder of packages."""
    site.mkdir()
    for number in range(count):
        write_plugin(site, f"discipline_{number:02}")
    return site


def write_environment(site: Path) -> Path:
    """Fills a folder with links to all that is installed here, the core too, except plugins.

    On the path of a Python that looks into no other folder of packages, it is an environment without plugins.
    """
    site.mkdir()
    for found in distributions():
        if found.metadata["Name"] != CORE and found.entry_points.select(group=GROUP):
            continue
        for name in {file.parts[0] for file in found.files or ()}:
            entry = Path(str(found.locate_file(name)))
            if name != ".." and entry.suffix != ".pth" and entry.exists() and not (site / name).exists():
                (site / name).symlink_to(entry)
    if not (site / CORE).exists():  # its installation is editable
        (site / CORE).symlink_to(str(files(CORE)))
    return site
