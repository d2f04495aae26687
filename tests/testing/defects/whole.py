"""Plugins that misbehave as a whole: packages, written into a folder, and components that only a fusion finds out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn

from consilience.declare import Dims, Float, Loss, Ports
from defects.defect import Defect
from defects.learning import Passing

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "0.1.0"

[tool.hatch.build.targets.wheel]
packages = ["{name}"]
{more}
"""
INIT = '''\
"""Declares a module."""

{first}
from consilience.declare import Float, Module, Ports, hookimpl


class Same(Module):
    """Gives what it reads."""

    has_parameters = False
    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(features=Float["batch hidden"])

    def build(self, dims):
        from {name}.modules import Same

        return Same()


@hookimpl
def consilience_components():
    return [Same]
'''
MODULES = '''\
"""The module."""

from torch import nn
{first}

class Same(nn.Identity):
    """Gives what it reads."""

    def forward(self, features):
        return features
'''


@dataclass(frozen=True)
class Package:
    """A package with one thing wrong; what is `good` has nothing wrong."""

    name: str
    says: str
    caught_by: str
    init: str = ""
    modules: str = ""
    project: str = ""
    files: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Writes it, with its pyproject.toml, into a folder."""
        package = folder / self.name
        package.mkdir()
        (folder / "pyproject.toml").write_text(PROJECT.format(name=self.name, more=self.project))
        (package / "__init__.py").write_text(INIT.format(first=self.init, name=self.name))
        (package / "modules.py").write_text(MODULES.format(first=self.modules))
        for name, text in self.files.items():
            (folder / name).write_text(text)


class Infinite(Loss):
    """Is fine by itself, and infinite for a number of the fusion."""

    inputs = Ports(value=Float["batch"])
    target = Float["batch"]

    def build(self, dims: Dims) -> nn.Module:
        """Builds it."""

        class Quotient(nn.Module):
            def forward(self, value: Tensor, target: Tensor) -> Tensor:
                return (value - target).square() / (target - 1 / 12).abs()

        return Quotient()


GOOD = Package("whole_good", "nothing", "")
PACKAGES = (
    Package("whole_torch", "torch imported beside the declarations", "imports_light", "import torch"),
    Package(
        "whole_thread",
        "a thread started by the import",
        "imports_light",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(3,), daemon=True).start()",
    ),
    Package(
        "whole_network",
        "a look-up in the network by the import",
        "imports_light",
        "import socket\ntry:\n    socket.getaddrinfo('localhost', 80)\nexcept OSError:\n    pass",
    ),
    Package("whole_dice", "Python's generator seeded by the import", "imports_light", "import random\nrandom.seed(0)"),
    Package(
        "whole_environ",
        "an environment variable set",
        "imports_light",
        "import os\nos.environ['WHOLE'] = str(os.getpid())",
    ),
    Package(
        "whole_slow",
        "an import of many seconds",
        "imports_light",
        "import sys, time\ntime.sleep(0 if 'torch' in sys.modules else 8)",  # the tests' own process need not wait
    ),
    Package(
        "whole_patch",
        "a class of torch's patched",
        "absent_when_unused",
        modules="nn.Linear.reset_parameters = lambda self: [nn.init.constant_(p, 0.1) for p in self.parameters()]\n",
    ),
    Package(
        "whole_lost",
        "a data file that the wheel leaves out",
        "wheel_whole",
        project='exclude = ["*.txt"]',
        files={"whole_lost/words.txt": "film"},
    ),
    Package(
        "whole_outside",
        "a file outside the package that its code reads",
        "wheel_whole",
        modules="from pathlib import Path\nWORDS = (Path(__file__).parents[1] / 'words.txt').read_text()\n",
        files={"words.txt": "film"},
    ),
)
COMPONENTS = (
    Defect("a loss that is infinite for some target of the fusion", Infinite, "composes"),
    Defect("a drawn buffer that a saved model lacks", Passing, "saved_and_loaded"),
)
