from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest

from consilience import Fusion, check
from consilience.declare import Dims, Float, Module, Ports, hookimpl
from consilience.errors import DeclarationError, Diagnostic
from consilience.host import Registry, consilience_version
from consilience.host._hooks import hook_names

Install = Callable[..., None]
Make = Callable[[], Registry]

GOOD = """
    from consilience.declare import Float, LabelSpace, Module, Ports, hookimpl

    class Doubler(Module):
        inputs = Ports(x=Float["batch width"])
        outputs = Ports(y=Float["batch width"])

        def build(self, dims):
            return None

    @hookimpl
    def consilience_components():
        return [Doubler]

    @hookimpl
    def consilience_label_spaces():
        return [LabelSpace(name="moods", labels=("dull", "fine"))]
"""


def told(fault: Diagnostic | None, site: Path) -> str:
    """Writes a diagnostic without the machine's paths."""
    assert fault is not None
    return str(fault).replace(str(site), "SITE")


def test_a_plugin_offers_components_and_label_spaces_under_its_namespace(install: Install, registry: Make) -> None:
    install("own", GOOD)
    host = registry()
    assert host.load("own") is None
    offer = host.component("own.doubler")
    assert offer is not None
    assert (offer.name, offer.namespace, offer.distribution, offer.version) == ("own.doubler", "own", "own-own", "1.2")
    assert host.label_spaces() == ["own.moods"]
    space = host.label_space("own.moods")
    assert space is not None
    assert space.labels == ("dull", "fine")
    assert host.component("doubler") is None


def test_a_component_needs_no_docstring_to_be_offered(install: Install, registry: Make) -> None:
    install("own", GOOD)
    host = registry()
    host.load("own")
    assert [offer.component.__doc__ for offer in host.components("module")] == [None]


def test_only_the_namespaces_that_are_named_are_imported(install: Install, registry: Make) -> None:
    install("wanted", GOOD)
    install("other", "raise RuntimeError('nobody asked for me')")
    host = registry()
    host.load("wanted")
    assert "consilience_own_own_wanted" in sys.modules
    assert "consilience_own_own_other" not in sys.modules
    assert host.namespaces() == ["other", "wanted"]


def test_a_plugin_is_imported_once(install: Install, registry: Make, site: Path) -> None:
    install("own", f"open({str(site / 'log')!r}, 'a').write('imported ')\n")
    host = registry()
    assert [host.load("own"), host.load("own")] == [None, None]
    assert (site / "log").read_text() == "imported "


def test_two_distributions_claim_one_namespace(install: Install, registry: Make, site: Path) -> None:
    install("own", GOOD, name="first-own")
    install("own", GOOD, name="second-own")
    assert told(registry().load("own"), site) == (
        "error CN203 at the file\n"
        "  found     own, claimed by first-own and second-own\n"
        "  expected  one distribution a namespace\n"
        "  fix       pip uninstall second-own"
    )
    assert not [name for name in sys.modules if name.startswith("consilience_own_")]


def test_a_plugin_that_is_not_installed_has_a_near_name(install: Install, registry: Make, site: Path) -> None:
    install("psychology", GOOD)
    assert told(registry().load("psycology"), site) == (
        "error CN202 at the file\n"
        "  found     the plugin psycology, which is not installed\n"
        "  expected  an installed plugin: psychology\n"
        "  fix       # write psychology. instead of psycology."
    )


def test_a_plugin_that_is_not_installed_has_a_command(registry: Make, site: Path) -> None:
    assert told(registry().load("biology"), site) == (
        "error CN202 at the file\n"
        "  found     the plugin biology, which is not installed\n"
        "  expected  an installed plugin: none is\n"
        "  fix       pip install consilience-biology"
    )


def test_no_text_of_the_file_enters_a_command(registry: Make) -> None:
    fault = registry().load("x; rm -rf ~")
    assert fault is not None
    assert fault.fix.startswith("# ")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
        ("raise ValueError", "ValueError: no message"),
        ("raise ValueError('first\\n  second')", "ValueError: first second"),
    ],
)
def test_a_plugin_fails_to_import(install: Install, registry: Make, site: Path, code: str, error: str) -> None:
    install("own", code)
    line = code.count("\n") + 1
    assert told(registry().load("own"), site) == (
        "error CN204 at the file\n"
        f"  found     own-own 1.2 fails to import: {error} (SITE/consilience_own_own_own.py:{line})\n"
        "  expected  the plugin own to import\n"
        "  fix       pip install --upgrade own-own  # or mend that line, if the plugin is yours"
    )


def test_an_entry_point_names_what_its_module_lacks(install: Install, registry: Make, site: Path) -> None:
    install("own", GOOD, attribute=":plugin")
    text = told(registry().load("own"), site)
    assert "error CN204" in text
    assert "own-own 1.2 fails to import: AttributeError" in text


def test_a_syntax_error_is_placed(install: Install, registry: Make, site: Path) -> None:
    install("own", "def broken(:\n")
    text = told(registry().load("own"), site)
    assert "error CN204" in text
    assert "SyntaxError: invalid syntax (SITE/consilience_own_own_own.py:1)" in text


def test_a_hook_is_misspelt(install: Install, registry: Make, site: Path) -> None:
    install("own", GOOD.replace("consilience_components", "consilience_component"))
    host = registry()
    assert told(host.load("own"), site) == (
        "error CN205 at the file\n"
        "  found     own-own implements consilience_component, which is no hook\n"
        f"  expected  one of {', '.join(hook_names())}\n"
        "  fix       def consilience_components("
    )
    assert host.label_spaces() == []


def test_a_hook_asks_for_what_it_is_not_given(install: Install, registry: Make, site: Path) -> None:
    install("own", GOOD.replace("consilience_components()", "consilience_components(torch)"))
    assert told(registry().load("own"), site) == (
        "error CN205 at the file\n"
        "  found     own-own: Argument(s) {'torch'} are declared in the hookimpl but can not be found in the hookspec\n"
        "  expected  hooks with the arguments that they are given\n"
        "  fix       # consilience_components(), consilience_label_spaces(), consilience_commands(), "
        "consilience_model_built(model), consilience_step_ended(model, step), "
        "consilience_report_section(model, batch), consilience_state(model), "
        "consilience_state_restored(model, state)"
    )


def test_a_misspelt_hook_does_not_hurt_the_next_plugin(install: Install, registry: Make) -> None:
    install("bad", GOOD.replace("consilience_components", "consilience_component"))
    install("good", GOOD)
    host = registry()
    assert host.load("bad") is not None
    assert host.load("good") is None


@pytest.mark.parametrize("requirement", ["consilience>=99", "Consilience >= 99", 'consilience>=99; python_version>"3"'])
def test_a_plugin_requires_another_consilience(install: Install, registry: Make, site: Path, requirement: str) -> None:
    install("own", "raise RuntimeError('imported')", requires=("numpy", "not a requirement !", requirement))
    assert told(registry().load("own"), site) == (
        "error CN206 at the file\n"
        f"  found     own-own 1.2 requires consilience>=99, and this is consilience {consilience_version()}\n"
        "  expected  a plugin made for this Consilience\n"
        "  fix       pip install --upgrade own-own consilience"
    )


@pytest.mark.parametrize(
    "requirement",
    [
        *("consilience>=0.1", "consilience", 'consilience>=99; extra=="dev"', "consilience-tools>=99"),
        *("consilience>=99; python_version ~= 'x'", "consilience>=99; 'a' < 'b'"),
    ],
)
def test_a_plugin_requires_this_consilience(install: Install, registry: Make, requirement: str) -> None:
    install("own", GOOD, requires=(requirement,))
    assert registry().load("own") is None


OFFERS = {
    "an instance": ("return [3]", "own-own offers 3, which is no component class", ": return [First, Second]"),
    "another class": (
        "return [dict]",
        "own-own offers dict, which is no component class",
        ": return [First, Second]",
    ),
    "one name twice": ("return [Doubler, Doubler]", "own-own offers two components named own.doubler", ""),
}


@pytest.mark.parametrize(("code", "found", "fix"), OFFERS.values(), ids=OFFERS)
def test_a_plugin_offers_what_is_no_component(
    install: Install, registry: Make, site: Path, code: str, found: str, fix: str
) -> None:
    install("own", GOOD.replace("return [Doubler]", code))
    host = registry()
    assert told(host.load("own"), site) == (
        "error CN207 at the file\n"
        f"  found     {found}\n"
        "  expected  component classes and label spaces, each under its own name\n"
        f"  fix       # mend own-own{fix}"
    )
    assert host.components() == []


SPACES = {
    "a dictionary": ('[{"name": "moods"}]', "own-own offers a value of type dict, which is no LabelSpace"),
    "one name twice": ('[LabelSpace(name="m", labels=("a", "b"))] * 2', "own-own offers two label spaces named own.m"),
}


@pytest.mark.parametrize(("code", "found"), SPACES.values(), ids=SPACES)
def test_a_plugin_offers_what_is_no_label_space(install: Install, registry: Make, code: str, found: str) -> None:
    install("own", GOOD.replace('[LabelSpace(name="moods", labels=("dull", "fine"))]', code))
    fault = registry().load("own")
    assert fault is not None
    assert (fault.code, fault.found) == ("CN207", found)


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ('LabelSpace(name="m", labels={"a", "b"})', "labels in a fixed order, a list or a tuple of them, and no set"),
        ('LabelSpace(name="m", labels=["a", "b"], maps={"n": {"x": "c"}})', "is 'c', which is no label of m"),
    ],
)
def test_a_label_space_that_cannot_be_is_told_with_its_distribution(
    install: Install, registry: Make, space: str, says: str
) -> None:
    install("own", GOOD.replace('LabelSpace(name="moods", labels=("dull", "fine"))', space))
    fault = registry().load("own")
    assert fault is not None
    assert fault.code == "CN207"
    assert fault.found.startswith("own-own fails to tell what it offers: LabelSpace")
    assert says in fault.found
    assert re.search(r"consilience_own_own_own\.py:\d+\)$", fault.found)  # the plugin's line, and none of pydantic's
    assert "type=" not in fault.found


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("raise KeyError('lost')", "KeyError: 'lost' (SITE/consilience_own_own_own.py:13)"),
        ("import sys; sys.exit('gone')", "SystemExit: gone (SITE/consilience_own_own_own.py:13)"),
    ],
)
def test_a_hook_fails(install: Install, registry: Make, site: Path, code: str, error: str) -> None:
    install("own", GOOD.replace("return [Doubler]", code))
    host = registry()
    text = told(host.load("own"), site)
    assert text.startswith(f"error CN207 at the file\n  found     own-own fails to tell what it offers: {error}")
    assert text.endswith("\n  expected  hooks that return lists\n  fix       # mend own-own, or upgrade it")
    assert host.components() == []
    assert host.label_spaces() == []


@pytest.mark.parametrize(
    ("code", "shown", "fix"),
    [
        ("return None", "nothing", "..."),
        ("return Doubler", "Doubler", "Doubler"),
        ("return {'doubler': Doubler}", "a value of type dict", "..."),
        ("return 'Doubler'", "a value of type str", "..."),
    ],
)
def test_a_hook_that_gives_no_list(
    install: Install, registry: Make, site: Path, code: str, shown: str, fix: str
) -> None:
    install("own", GOOD.replace("return [Doubler]", code))
    assert told(registry().load("own"), site) == (
        "error CN207 at the file\n"
        f"  found     own-own gives {shown} from consilience_components\n"
        "  expected  hooks that return lists\n"
        f"  fix       # mend own-own: return [{fix}]"
    )


WRONG_LINES = {
    "dims in several texts": (
        'OUT = Float["batch", 2]',
        'TypeError: the dims of a port are one text: write Float["batch 2"]',
    ),
    "a dim that is none": ('OUT = Float["batch, classes"]', "ValueError: 'batch,' is not a dim: write a name"),
    "a key without a type": (
        'class Own(Doubler, name="own"):\n    dropout = 0.1',
        "PydanticUserError: A non-annotated attribute was detected: `dropout = 0.1`",
    ),
}


@pytest.mark.parametrize(("code", "error"), WRONG_LINES.values(), ids=WRONG_LINES)
def test_the_line_that_is_told_is_the_plugins(
    install: Install, registry: Make, site: Path, code: str, error: str
) -> None:
    install("own", dedent(GOOD) + code + "\n")
    found = told(registry().load("own"), site).splitlines()[1]
    written = (site / "consilience_own_own_own.py").read_text().splitlines()
    starts = [number for number, line in enumerate(written, 1) if line == code.splitlines()[0]]
    assert found.startswith(f"  found     own-own 1.2 fails to import: {error}")
    assert found.endswith(f" (SITE/consilience_own_own_own.py:{starts[-1]})")
    assert "https://" not in found


def test_two_entry_points_of_one_module_are_two_claims_to_one_plugin(install: Install, registry: Make) -> None:
    install("own", GOOD)
    install(
        "also", "from consilience_own_own_own import *\nimport consilience_own_own_own as plugin", attribute=":plugin"
    )
    host = registry()
    assert host.load("own") is None
    fault = host.load("also")
    assert fault is not None
    assert (fault.code, fault.found) == ("CN207", "own-also offers as also the plugin that is own already")
    assert host.component("own.doubler") is not None


def test_names_may_be_of_any_script(install: Install, registry: Make) -> None:
    install("σύνεση", GOOD.replace("Doubler", "Διπλασιαστής").replace('"moods"', '"διαθέσεις"'))
    host = registry()
    assert host.load("σύνεση") is None
    assert [offer.name for offer in host.components()] == ["σύνεση.διπλασιαστής"]
    assert host.label_spaces() == ["σύνεση.διαθέσεις"]


def test_plugins_lists_what_each_offers_or_what_is_wrong_with_it(install: Install, registry: Make) -> None:
    install("good", GOOD)
    install("bad", "import no_such_module")
    [bad, good] = registry().plugins()
    assert (good.namespace, good.distribution, good.version, good.components, good.label_spaces, good.fault) == (
        "good",
        "own-good",
        "1.2",
        ("good.doubler",),
        ("good.moods",),
        None,
    )
    assert bad.fault is not None
    assert (bad.namespace, bad.components, bad.fault.code) == ("bad", (), "CN204")


def test_a_damaged_distribution_is_still_named_somehow(install: Install, registry: Make, site: Path) -> None:
    install("own", "import no_such_module")
    (site / "own_own-1.2.dist-info" / "METADATA").unlink()
    fault = registry().load("own")
    assert fault is not None
    assert fault.code == "CN204"


class Halver(Module):
    """Halves."""

    inputs = Ports(x=Float["batch width"])
    outputs = Ports(y=Float["batch width"])

    def build(self, dims: Dims) -> Any:
        """Halves."""
        return lambda x: x / 2


def plugin_of(*components: type) -> object:
    return SimpleNamespace(consilience_components=hookimpl(specname="consilience_components")(lambda: list(components)))


def test_a_plugin_made_in_a_script_is_registered(registry: Make) -> None:
    host = registry()
    host.register(plugin_of(Halver), "mine")
    assert [offer.name for offer in host.components()] == ["mine.halver"]
    assert [(info.namespace, info.distribution) for info in host.plugins()] == [("mine", "registered in this process")]


def test_a_namespace_is_registered_once(registry: Make, site: Path) -> None:
    host = registry()
    host.register(plugin_of(Halver), "mine")
    with pytest.raises(DeclarationError) as caught:
        host.register(plugin_of(), "mine")
    assert told(caught.value.diagnostics[0], site) == (
        "error CN203 at the file\n"
        "  found     a second plugin for the namespace mine\n"
        "  expected  one plugin a namespace\n"
        '  fix       register(plugin, "mine_2")'
    )
    assert [offer.name for offer in host.components()] == ["mine.halver"]


@pytest.mark.parametrize(
    ("namespace", "fix"),
    [(3, "my_plugin"), ("", "my_plugin"), ("a.b", "a_b"), ("a-b", "a_b"), (["a"], "a")],
)
def test_a_namespace_is_a_word(registry: Make, namespace: Any, fix: str) -> None:
    host = registry()
    with pytest.raises(DeclarationError) as caught:
        host.register(plugin_of(Halver), namespace)
    [fault] = caught.value.diagnostics
    assert (fault.code, fault.found) == ("CN207", f"the namespace {namespace!r} for a registered plugin")
    assert fault.fix == f'register(plugin, "{fix}")'
    assert host.namespaces() == []
    assert host.plugins() == []


@pytest.mark.parametrize("namespace", ["a.b", "a-b", "2nd"])
def test_an_entry_point_s_name_is_a_word(install: Install, registry: Make, namespace: str) -> None:
    install(namespace, GOOD, name="own-own")
    [info] = registry().plugins()
    assert info.fault is not None
    assert (info.fault.code, info.fault.found) == ("CN207", f'own-own claims the namespace "{namespace}"')
    assert not [name for name in sys.modules if name.startswith("consilience_own_")]


def test_a_fault_of_a_registered_plugin_names_its_namespace(registry: Make) -> None:
    with pytest.raises(DeclarationError, match=r"# mend the plugin registered as mine: return \[First, Second\]"):
        registry().register(plugin_of(int), "mine")


def test_a_hook_that_nothing_marks_is_told(install: Install, registry: Make, site: Path) -> None:
    install("own", GOOD.replace("@hookimpl\n    def consilience_label", "def consilience_label"))
    host = registry()
    assert told(host.load("own"), site) == (
        "error CN205 at the file\n"
        "  found     own-own has a function consilience_label_spaces that nothing marks as a hook: "
        "@hookimpl is missing\n"
        "  expected  @hookimpl above each hook\n"
        "  fix       @hookimpl  # from consilience.declare, on the line above def consilience_label_spaces("
    )
    assert host.components() == []


class Lab:
    @hookimpl
    def consilience_components(self) -> list[type]:
        return [Halver]


def test_an_instance_is_registered_and_not_its_class(registry: Make) -> None:
    host = registry()
    with pytest.raises(DeclarationError) as caught:
        host.register(Lab, "lab")
    [fault] = caught.value.diagnostics
    assert (fault.code, fault.found) == ("CN205", "the plugin registered as lab is the class Lab")
    assert fault.fix == "register(Lab(), ...)  # register an instance"
    host.register(Lab(), "lab")
    assert [offer.name for offer in host.components()] == ["lab.halver"]


def test_an_installed_namespace_is_not_registered_again(install: Install, registry: Make) -> None:
    install("own", GOOD)
    with pytest.raises(DeclarationError, match="CN203"):
        registry().register(plugin_of(), "own")


def test_a_namespace_that_was_looked_for_in_vain_can_be_registered(registry: Make) -> None:
    host = registry()
    assert host.load("mine") is not None
    assert host.namespaces() == []
    host.register(plugin_of(Halver), "mine")
    assert host.load("mine") is None


def test_a_plugin_that_was_refused_can_be_registered_mended(registry: Make) -> None:
    host = registry()
    with pytest.raises(DeclarationError, match="CN207"):
        host.register(plugin_of(int), "mine")
    host.register(plugin_of(Halver), "mine")
    assert [offer.name for offer in host.components()] == ["mine.halver"]


def test_a_broken_plugin_stops_no_file_that_does_not_name_it(install: Install, site: Path) -> None:
    install("bad", "import no_such_module")
    host = Registry()  # what is installed, the folder's own included
    assert "bad" in host.namespaces()
    with pytest.raises(DeclarationError) as caught:
        check(Fusion(name="none"), host)
    assert {fault.code for fault in caught.value.diagnostics} == {"CN405", "CN406"}


def test_a_broken_plugin_is_told_once_where_the_file_first_names_it(install: Install, site: Path) -> None:
    install("bad", "import no_such_module")
    text = (
        "consilience: 1\nname: two\nfields: {text: text}\n"
        "inputs:\n  first: {use: bad.one, in: text}\n  second: {use: bad.two, in: text}\n"
    )
    with pytest.raises(DeclarationError) as caught:
        check(Fusion.parse(text), Registry())
    [fault] = [fault for fault in caught.value.diagnostics if fault.code.startswith("CN2")]
    assert (fault.code, fault.where, str(fault.place)) == ("CN204", "inputs.first.use", "<text>:5")
