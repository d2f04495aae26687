"""The commands about plugins: list, doctor, components, and those that plugins offer themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from zipfile import ZipFile

import click
import pytest
from click.testing import CliRunner, Result

from consilience.cli import _group, _main, main
from consilience.declare import Workshop, hookimpl
from consilience.host import GROUP, Registry, _registry

Call = Callable[..., Result]
OWN = ("standard", "complexity", "knowledge", "linguistics", "psychology", "torchjd")


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    own = [entry for entry in entry_points(group="consilience.plugins") if entry.name in OWN]

    def invoke(*arguments: object, found: list[EntryPoint] = own, plugins: dict[str, object] | None = None) -> Result:
        registry = Registry(found)
        for namespace, plugin in (plugins or {}).items():
            registry.register(plugin, namespace)
        monkeypatch.setattr(_registry, "_default", registry)
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return invoke


def test_components_are_listed_by_kind(call: Call) -> None:
    result = call("components", "--kind", "loss")
    assert result.exit_code == 0
    header, *rows = result.stdout.splitlines()
    assert header == "loss"
    assert {row.split()[0] for row in rows} >= {"cross_entropy", "psychology.emotion_loss", "complexity.sparsity"}
    listed = json.loads(call("components", "--json").stdout)
    assert {"name", "kind", "distribution", "code", "reads", "gives", "keys", "example"} <= set(listed[0])


def test_the_kinds_are_the_same_wherever_they_are_listed() -> None:
    from consilience.cli import _kinds
    from consilience.declare import SECTIONS, Balancer, Tuner

    kinds = [kind.kind for kind in SECTIONS.values()] + [Tuner.kind, Balancer.kind]
    assert sorted(_main.KINDS) == sorted(kinds)
    [offered] = [option.type for option in main.commands["new"].params if option.name == "kind"]
    assert set(offered.choices) == set(_kinds.KINDS)


def test_the_items_of_a_list_are_told(call: Call) -> None:
    assert (
        "class_weights  list of numbers, each above 0, at most 1e+06, or null"
        in call("components", "cross_entropy").stdout
    )


def test_every_component_has_a_page_whose_example_is_read(call: Call) -> None:
    from consilience.declare import Fusion

    for one in json.loads(call("components", "--json").stdout):
        result = call("components", one["name"])
        assert result.exit_code == 0
        assert result.stdout.splitlines()[-1] == f"  {one['example']}"
        assert one["help"], one["name"]
        assert all(key["help"] for key in one["keys"]), one["name"]
        text = f"consilience: 1\nname: x\n{one['section']}:\n  {one['example']}\n"
        assert not Fusion.draft_text(text).faults, one["name"]


def test_an_unknown_component_has_a_near_name(call: Call) -> None:
    result = call("components", "psychology.emotion_haed")
    assert result.exit_code == 1
    assert result.stderr == (
        "error CN201 at components.psychology.emotion_haed\n"
        "  found     the unknown component psychology.emotion_haed\n"
        "  expected  a component that is offered\n"
        "  fix       consilience components psychology.emotion_head\n"
        "\n1 error\n"
    )
    assert "pip install consilience-xyzzy" in call("components", "xyzzy.at_all").stderr


def test_a_plugin_that_is_off_is_listed_so_and_no_fault(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSILIENCE_DISABLE", "psychology")
    result = call("plugins")
    assert result.exit_code == 0
    [row] = [row for row in result.stdout.splitlines() if row.startswith("psychology")]
    assert row.endswith("(off)")
    listed = {info["namespace"]: info for info in json.loads(call("plugins", "--json").stdout)}
    assert listed["psychology"]["is_disabled"]
    assert listed["knowledge"]["requires"] == "<0.2,>=0.1"
    graph = {"name": "knowledge.graph", "kind": "resource", "code": "consilience_knowledge._resources:Graph"}
    assert graph in listed["knowledge"]["components"]


def test_safe_mode_turns_plugins_off(call: Call) -> None:
    result = call("--safe-mode", "plugins")
    assert result.stdout.count("(off)") == len(OWN) - 1
    off = call("--safe-mode", "knowledge", "mentions", "graph.ttl", "a text")
    assert off.exit_code == 1
    assert "CN215" in off.stderr
    assert "CONSILIENCE_DISABLE" not in os.environ


def plugin_with(*commands: object) -> object:
    return SimpleNamespace(consilience_commands=hookimpl(specname="consilience_commands")(lambda: list(commands)))


@click.command()
@click.argument("who")
def greet(who: str) -> None:
    """Greets WHO."""
    click.echo(f"good day, {who}")


def test_a_plugin_offers_commands_under_its_namespace(call: Call) -> None:
    plugins: dict[str, object] = {"manners": plugin_with(greet)}
    assert call("manners", "greet", "Ada", plugins=plugins).stdout == "good day, Ada\n"
    assert "Greets WHO." in call("manners", "--help", plugins=plugins).stdout
    assert "knowledge, linguistics, psychology" in call("--help").stdout
    assert _group._GROUP == GROUP
    assert call("manners", "great", plugins=plugins).exit_code == 2
    assert call("manner", plugins=plugins).exit_code == 2


def test_a_command_that_one_plugin_has_needs_no_namespace(call: Call) -> None:
    plugins: dict[str, object] = {"manners": plugin_with(greet)}
    assert call("greet", "Ada", plugins=plugins).stdout == "good day, Ada\n"
    result = call("greet", "Ada", plugins=plugins | {"customs": plugin_with(greet)})
    assert result.exit_code == 1
    assert (
        "error CN207 at plugins.greet\n"
        "  found     the command greet, which customs and manners have\n"
        "  expected  the namespace of the one meant\n"
        "  fix       consilience customs greet"
    ) in result.stderr


@click.command()
@click.argument("run")
@click.pass_obj
def weigh(workshop: Workshop, run: str) -> None:
    """Weighs a RUN."""
    click.echo(workshop.open(run).model().num_parameters())


def test_a_command_gets_what_it_works_on_runs_with(call: Call, tmp_path: Path) -> None:
    plugins: dict[str, object] = {"scales": plugin_with(weigh)}
    assert "Weighs a RUN." in call("scales", "weigh", "--help", plugins=plugins).stdout
    result = call("weigh", tmp_path, plugins=plugins)
    assert result.exit_code == 1
    assert "error CN704 at" in result.stderr


def fail() -> list[object]:
    raise ValueError("no list today")


@pytest.mark.parametrize(
    ("offer", "found"),
    [
        (lambda: ["greet"], "offers as a command a value of type str"),
        (lambda: [greet, greet], "offers two commands named greet"),
        (lambda: greet, "gives a value of type Command from consilience_commands"),
        (fail, "offers no commands: ValueError: no list today"),
    ],
)
def test_what_is_no_command_is_the_plugin_s_fault(call: Call, offer: Callable[[], object], found: str) -> None:
    plugin = SimpleNamespace(consilience_commands=hookimpl(specname="consilience_commands")(offer))
    result = call("odd", "--help", plugins={"odd": plugin})
    assert result.exit_code == 1
    assert "error CN207 at" in result.stderr
    assert f"registered in this process {found}" in result.stderr


def test_a_plugin_that_fails_is_told_when_its_commands_are_asked_for(call: Call) -> None:
    ruin = EntryPoint("ruin", "no_such_module_at_all", "consilience.plugins")
    result = call("ruin", "--help", found=[ruin])
    assert result.exit_code == 1
    assert "CN204" in result.stderr
    assert call("--help", found=[ruin]).exit_code == 0


def test_knowledge_shows_what_a_text_names(call: Call) -> None:
    graph = Path(__file__).parents[2] / "examples" / "film-reviews" / "film.ttl"
    result = call("knowledge", "mentions", graph, "A musical with a fine director.", "Nothing here.")
    assert result.exit_code == 0, result.output
    assert "2-9  musical" in result.stdout
    assert "Nothing here.\n  names nothing of the graph" in result.stdout
    assert "CN603" in call("knowledge", "mentions", __file__, "x").stderr


# Ten ways to be broken

HEAVY = "import torch\nimport time\n"
BROKEN = {
    "imports": ("import no_such_module", "CN204"),
    "exits": ("import sys\nsys.exit(3)", "CN204"),
    "dies": ("import os\nprint('a last word')\nos._exit(3)", "CN204"),
    "versions": ("", "CN206"),
    "misspelt": (
        """
        from consilience.declare import Workshop, hookimpl
        @hookimpl
        def consilience_component():
            return []
        """,
        "CN205",
    ),
    "declares": (
        """
        from consilience.declare import Module, hookimpl
        class Bad(Module):
            inputs = 3
        @hookimpl
        def consilience_components():
            return [Bad]
        """,
        "CN207",
    ),
    "slow": ("import time\nend = time.process_time() + 1.3\nwhile time.process_time() < end: pass", "CN217"),
    "recurses": ("def again():\n    again()\nagain()", "CN204"),
    "lacks": ("", "CN218"),
    "latin": (b"drink = 'caf\xe9'\n", "CN204"),
    "clashes": ("", "CN203"),
    "threads": ("import threading, time\nthreading.Thread(target=time.sleep, args=(900,)).start()", "CN217"),
}
WELL = {"fine": "", "last_word": "import atexit\natexit.register(print, 'a last word')\nprint('loading', end='')"}


@pytest.fixture
def ruins(tmp_path: Path) -> Path:
    """A folder of distributions, each broken in its own way, and one that is well."""
    for namespace, (code, _) in {**BROKEN, **{name: (code, "") for name, code in WELL.items()}}.items():
        requires = {"versions": "consilience>=99", "lacks": "no-such-distribution>=2"}.get(namespace, "")
        write(tmp_path, namespace, f"ruin-{namespace}", code, requires)
    write(tmp_path, "clashes", "ruin-clashes-too", "", "")
    return tmp_path


def write(folder: Path, namespace: str, name: str, code: str | bytes, requires: str) -> None:
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_bytes(code if isinstance(code, bytes) else dedent(code).encode())
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    needed = f"Requires-Dist: {requires}\n" if requires else ""
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needed}", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[consilience.plugins]\n{namespace} = {module}\n", encoding="utf-8")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-m", "consilience", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": path, "NO_COLOR": "1"}
    )


def test_the_doctor_names_every_broken_plugin_and_nothing_else_is_hurt(ruins: Path, small_fusion: Path) -> None:
    done = run(ruins, "plugins", "doctor")
    assert done.returncode == 1
    rows = {row.split()[0]: row.split()[-1] for row in done.stdout.splitlines()[1:]}
    assert {namespace: rows[namespace] for namespace in BROKEN} == {
        namespace: code for namespace, (_, code) in BROKEN.items()
    }
    assert {rows[namespace] for namespace in (*WELL, *OWN)} == {"well"}
    assert "Traceback" not in done.stderr
    assert done.stderr.count("  fix  ") == len(BROKEN)
    assert "ends the process with exit code 3" in done.stderr
    for command in (["--help"], ["check", str(small_fusion)], ["explain", "CN301"]):
        well = run(ruins, *command)
        assert well.returncode == 0, well.stderr
        assert well.stderr == ""


def test_the_doctor_speaks_to_machines(ruins: Path) -> None:
    found = {one["namespace"]: one for one in json.loads(run(ruins, "plugins", "doctor", "--json").stdout)}
    assert "error CN218 at plugins.lacks\n" in run(ruins, "plugins", "doctor").stderr
    assert found["lacks"]["diagnostics"] == [
        {
            "code": "CN218",
            "found": "ruin-lacks 1.0 requires no-such-distribution>=2, which is not installed",
            "expected": "every package that the plugin requires",
            "fix": 'pip install "no-such-distribution>=2"',
            "severity": "error",
        }
    ]
    assert found["slow"]["diagnostics"][0]["severity"] == "warning"


def test_the_doctor_tells_what_is_heavy_and_what_turns_nothing_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "heavy", "ruin-heavy", "import torch", "")
    monkeypatch.setenv("CONSILIENCE_DISABLE", "psychology,knowlege,complexity")
    done = run(tmp_path, "plugins", "doctor")
    assert done.returncode == 0
    assert (
        "warning CN216 at environment.CONSILIENCE_DISABLE\n"
        "  found     knowlege in CONSILIENCE_DISABLE, which is no plugin\n"
        "  expected  one of complexity, heavy, knowledge, linguistics, psychology, standard, torchjd\n"
        "  fix       export CONSILIENCE_DISABLE=complexity,knowledge,psychology\n"
    ) in done.stderr
    assert (
        "warning CN217 at plugins.heavy\n"
        "  found     ruin-heavy 1.0 imports torch when it is declared\n"
        "  expected  declarations that import no torch\n"
        "  fix       import torch  # inside build, open and apply alone\n"
    ) in done.stderr


# A clean environment


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("nothing", None, "neither a wheel nor a folder with a pyproject.toml"),
        ("folder", {}, "neither a wheel nor a folder with a pyproject.toml"),
        ("damaged-1.0-py3-none-any.whl", b"no zip", "File is not a zip file"),
        ("plain-1.0-py3-none-any.whl", "", "no entry point in the group consilience.plugins"),
        (
            "other-1.0-py3-none-any.whl",
            "[console_scripts]\nx = y:z\n",
            "no entry point in the group consilience.plugins",
        ),
    ],
)
def test_what_is_no_plugin_is_told_before_anything_is_installed(
    call: Call, tmp_path: Path, name: str, content: object, found: str
) -> None:
    path = tmp_path / name
    if isinstance(content, dict):
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, str):
        with ZipFile(path, "w") as wheel:
            wheel.writestr(f"{name.split('-')[0]}-1.0.dist-info/entry_points.txt", content)
    result = call("plugins", "check", path)
    assert result.exit_code == 1
    assert result.stderr == (
        "error CN219 at plugins.check\n"
        f"  found     {path}: {found}\n"
        "  expected  the source tree of a plugin, or its wheel\n"
        "  fix       consilience plugins check PATH\n"
        "\n1 error\n"
    )


def test_a_folder_to_keep_is_a_new_one(call: Call, tmp_path: Path) -> None:
    (tmp_path / "plugin.whl").write_bytes(b"")
    result = call("plugins", "check", tmp_path / "plugin.whl", "--keep", tmp_path)
    assert result.exit_code == 1
    assert "CN709" in result.stderr
