"""A third party's plugin: built, installed into an environment of its own, found by name and trained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import pytest

PYPROJECT = """
    [build-system]
    requires = ["hatchling"]
    build-backend = "hatchling.build"

    [project]
    name = "consilience-folklore"
    version = "0.1.0"
    dependencies = ["consilience>=0.1,<0.2"]

    [project.entry-points."consilience.plugins"]
    folklore = "consilience_folklore"
"""

PLUGIN = '''
    """Proverbs are short: folklore rewards a model for saying little."""

    from consilience.declare import Field, Float, Loss, Ports, hookimpl


    class Brevity(Loss):
        """Punishes large logits, which claim more than a proverb would."""

        strength: float = Field(1.0, gt=0)
        """How much."""

        inputs = Ports(logits=Float["batch classes"])

        def build(self, dims):
            from consilience_folklore.brevity import Brevity

            return Brevity(self.strength)


    @hookimpl
    def consilience_components():
        return [Brevity]
'''

TORCH = """
    from torch import nn


    class Brevity(nn.Module):
        def __init__(self, strength):
            super().__init__()
            self.strength = strength

        def forward(self, logits):
            return self.strength * logits.square().mean(dim=1)
"""

FUSION = """
    consilience: 1
    name: folklore
    resources: {{tiny: {{use: checkpoint, path: "{tiny}"}}}}
    fields: {{text: text, mark: {{category: [bad, good]}}}}
    sources: {{rows: {{use: table, path: rows.csv, map: {{text: text, mark: mark}}}}}}
    inputs: {{tokens: {{use: tokens, in: text, checkpoint: tiny}}}}
    modules:
      encoder: {{use: text_encoder, in: tokens}}
      opinion: {{use: classifier, in: encoder.pooled}}
    losses:
      opinion_loss: {{use: cross_entropy, in: opinion, target: mark}}
      brevity: {{use: folklore.brevity, in: opinion, strength: 2.0}}
    train: {{epochs: 2, batch_size: 4, logging_steps: 2, use_cpu: true}}
"""

SCRIPT = """
    import json, sys
    from consilience import check
    from consilience.train import train

    plan = check(sys.argv[1])
    run = train(plan, sys.argv[2], progress=False)
    log = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    print(json.dumps({
        "distribution": plan.registry.component("folklore.brevity").distribution,
        "disciplines": plan.disciplines,
        "losses": [line["loss/brevity"] for line in log if "loss/brevity" in line],
        "version": run.record["plugins"]["folklore"]["version"],
    }))
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).lstrip())
    return path


def run(*command: str | Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, env=environment, cwd="/"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Makes a virtual environment that has what this one has, and the plugin's wheel besides."""
    source = tmp_path / "consilience-folklore"
    write(source / "pyproject.toml", PYPROJECT)
    write(source / "src/consilience_folklore/__init__.py", PLUGIN)
    write(source / "src/consilience_folklore/brevity.py", TORCH)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist", source)
    [wheel] = (tmp_path / "dist").glob("*.whl")
    folder = tmp_path / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    here = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # addsitedir, not a bare path: editable installs in this environment are .pth files themselves.
    (Path(here) / "_outer.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--quiet", wheel)
    return python


@pytest.mark.slow
def test_a_plugin_of_25_lines_is_found_by_name_and_trained(environment: Path, tmp_path: Path, tiny: Path) -> None:
    written = textwrap.dedent(PLUGIN).splitlines() + textwrap.dedent(TORCH).splitlines()
    assert len([line for line in written if line.strip()]) <= 25
    write(tmp_path / "rows.csv", "text,mark\n" + "a fine film,good\nthe dull plot,bad\n" * 8)
    write(tmp_path / "fusion.yaml", FUSION.format(tiny=tiny))
    script = write(tmp_path / "script.py", SCRIPT)
    told = json.loads(run(environment, script, tmp_path / "fusion.yaml", tmp_path / "runs").strip().splitlines()[-1])
    assert told["distribution"] == "consilience-folklore"
    assert told["version"] == "0.1.0"
    assert told["disciplines"] == ["folklore", "task"]
    assert len(told["losses"]) == 4
    assert all(loss > 0 for loss in told["losses"])
    outside = run(sys.executable, "-c", "from consilience.host import Registry; print(Registry().namespaces())")
    assert "folklore" not in outside
