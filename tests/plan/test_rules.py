"""The rules of wiring and of types, one by one, on light components."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from consilience import Fusion, Plan, check
from consilience.declare import (
    Bool,
    Dims,
    Fault,
    Field,
    Float,
    Input,
    Int,
    LabelSpace,
    Loss,
    Many,
    Module,
    Ports,
    Resource,
    Source,
    Text,
    Use,
    upstream,
)
from consilience.errors import DeclarationError, Diagnostic
from consilience.host import Registry


class Rows(Source):
    """Is empty."""


class Vault(Resource):
    """Knows a width."""

    width: int = 8


class Shelf(Resource):
    """Stands on another resource."""

    on: Use[Resource]


class Words(Input):
    """Gives numbers for words."""

    vault: Use[Vault] | None = None
    inputs = Ports(text=Text["batch"])
    outputs = Ports(ids=Int["batch seq"], mask=Bool["batch seq"])


class Encoder(Module):
    """Encodes numbers; its mask is optional."""

    vault: Use[Vault] = upstream()
    inputs = Ports(ids=Int["batch seq"], mask=Bool["batch seq"] | None)
    outputs = Ports(states=Float["batch seq hidden"], vector=Float["batch hidden"])

    def dims(self, known: Dims) -> Mapping[str, int]:
        """States the vault's width."""
        return {"hidden": self.vault.declared.width}


class Head(Module):
    """Scores classes."""

    inputs = Ports(vector=Float["batch hidden"])
    outputs = Ports(logits=Float["batch classes"])


class Three(Module):
    """Takes vectors of three numbers."""

    inputs = Ports(vector=Float["batch 3"])
    outputs = Ports(vector=Float["batch 3"])


class Join(Module):
    """Joins vectors."""

    inputs = Ports(parts=Many(Float["batch part"], each=("part",)))
    outputs = Ports(joined=Float["batch whole"])

    def dims(self, known: Dims) -> Mapping[str, int]:
        """States the sum."""
        return {"whole": sum(known.each("part"))}


class Add(Module):
    """Adds vectors of one size."""

    inputs = Ports(parts=Many(Float["batch hidden"]))
    outputs = Ports(vector=Float["batch hidden"])


class Prompt(Module):
    """Reads nothing."""

    width: int = Field(8, ge=1)
    outputs = Ports(vector=Float["batch hidden"])

    def dims(self, known: Dims) -> Mapping[str, int]:
        """States its width."""
        return {"hidden": self.width}


class Sink(Module):
    """Gives nothing."""

    inputs = Ports(vector=Float["batch hidden"])


class Shaped(Module):
    """Keeps any shape."""

    inputs = Ports(value=Float["batch *rest hidden"])
    outputs = Ports(value=Float["batch *rest hidden"])


class Entropy(Loss):
    """Compares scores with a class."""

    inputs = Ports(logits=Float["batch *more classes"])
    target = Int["batch *more"].below("classes")


class Size(Loss):
    """Measures a module."""

    of: Use[Module]
    value = Float[""]


KINDS = (Rows, Vault, Shelf, Words, Encoder, Head, Three, Join, Add, Prompt, Sink, Shaped, Entropy, Size)
Make = Callable[..., Registry]


@pytest.fixture
def kinds(toy: Make) -> Registry:
    return toy(*KINDS)


def declared(modules: Mapping[str, Any], losses: Mapping[str, Any] | None = None, **sections: Any) -> Fusion:
    """Declares a fusion around some modules; every section may be replaced."""
    given: dict[str, Any] = {
        "resources": {"vault": {"use": "toy.vault"}},
        "fields": {"text": "text", "mood": {"category": ["dull", "fine"]}, "taste": {"category": ["fine", "dull"]}},
        "sources": {"rows": {"use": "toy.rows", "map": {"text": "t", "mood": "m", "taste": "a"}}},
        "inputs": {"words": {"use": "toy.words", "in": "text", "vault": "vault"}},
        "modules": {"encoder": {"use": "toy.encoder", "in": "words"}, **modules},
        "losses": losses or {"loss": {"use": "toy.entropy", "in": "head", "target": "mood"}},
    }
    return Fusion(name="toy", **{**given, **sections})


HEAD = {"head": {"use": "toy.head", "in": "encoder.vector"}}


def told(fusion: Fusion, registry: Registry) -> list[tuple[str, str, str, str]]:
    """Gives code, place, found and fix of every fault, none when the check passes."""
    try:
        check(fusion, registry)
    except DeclarationError as error:
        return [(fault.code, fault.where, fault.found, fault.fix) for fault in error.diagnostics]
    return []


def passed(fusion: Fusion, registry: Registry) -> Plan:
    return check(fusion, registry)


def test_sizes_flow_forward_from_a_resource_and_back_from_a_target(kinds: Registry) -> None:
    plan = passed(declared(HEAD), kinds)
    assert dict(plan.solved["encoder"]) == {"hidden": 8}
    assert dict(plan.solved["head"]) == {"hidden": 8, "classes": 2}
    assert plan.solved["head"].labels("classes").labels == ("dull", "fine")
    assert plan.wiring("encoder") == {
        "ids": (plan.wiring("encoder")["ids"][0],),
        "mask": (plan.wiring("encoder")["mask"][0],),
    }


def test_an_optional_port_may_stay_open(kinds: Registry) -> None:
    inputs = {"words": {"use": "toy.words", "in": "text", "vault": "vault"}}
    plan = passed(declared(HEAD | {"encoder": {"use": "toy.encoder", "in": "words.ids"}}, inputs=inputs), kinds)
    assert list(plan.wiring("encoder")) == ["ids"]


def test_upstream_takes_what_feeds_the_node_and_says_so_in_the_plan(kinds: Registry) -> None:
    [encoder] = [node for node in passed(declared(HEAD), kinds).to_dict()["nodes"] if node["name"] == "encoder"]
    assert encoder["settings"] == {"vault": "vault"}


def test_upstream_finds_nothing(kinds: Registry) -> None:
    fusion = declared(HEAD, inputs={"words": {"use": "toy.words", "in": "text"}})
    found = "no key vault, and nothing that feeds the node has one"
    assert told(fusion, kinds) == [("CN121", "modules.encoder", found, "vault: vault")]


def test_labels_in_two_orders(kinds: Registry) -> None:
    losses = {f"{name}_loss": {"use": "toy.entropy", "in": "head", "target": name} for name in ("mood", "taste")}
    [(code, where, found, fix)] = told(declared(HEAD, losses), kinds)
    assert (code, where) == ("CN307", "losses.taste_loss.target")
    assert fix == "taste: {category: [dull, fine]}  # under fields"
    assert "[fine, dull] from the field taste" in found


def test_a_fixed_size(kinds: Registry) -> None:
    modules = HEAD | {"three": {"use": "toy.three", "in": "encoder.vector"}, "more": {"use": "toy.head", "in": "three"}}
    losses = {"loss": {"use": "toy.entropy", "in": "head", "target": "mood"}, "size": {"use": "toy.size", "of": "more"}}
    found = [fault for fault in told(declared(modules, losses), kinds) if fault[0] == "CN301"]
    [(_, where, text, _)] = found
    assert where == "modules.three.in"
    assert "8 from encoder, by its vault vault" in text


def test_many_with_each_takes_any_sizes_and_without_one(kinds: Registry) -> None:
    prompt = {"prompt": {"use": "toy.prompt", "width": 5}}
    joined = {
        "join": {"use": "toy.join", "in": ["encoder.vector", "prompt"]},
        "head": {"use": "toy.head", "in": "join"},
    }
    plan = passed(declared(prompt | joined), kinds)
    assert plan.solved["join"].each("part") == (8, 5)
    assert plan.solved["head"]["hidden"] == 13
    added = {"add": {"use": "toy.add", "in": ["encoder.vector", "prompt"]}, "head": {"use": "toy.head", "in": "add"}}
    assert [(code, where) for code, where, *_ in told(declared(prompt | added), kinds)] == [
        ("CN301", "modules.add.in.1")
    ]


def test_a_variadic_dim_has_one_meaning_in_a_component(kinds: Registry) -> None:
    modules = {"shaped": {"use": "toy.shaped", "in": "encoder.vector"}, "head": {"use": "toy.head", "in": "shaped"}}
    assert passed(declared(modules), kinds).solved["head"]["hidden"] == 8
    modules = {"shaped": {"use": "toy.shaped", "in": "encoder.states"}, "head": {"use": "toy.head", "in": "shaped"}}
    assert [fault[:2] for fault in told(declared(modules), kinds)] == [("CN301", "modules.head.in")]


def test_a_module_may_read_nothing(kinds: Registry) -> None:
    plan = passed(
        declared(
            {"prompt": {"use": "toy.prompt"}, "head": {"use": "toy.head", "in": "prompt"}}
            | {"encoder": {"use": "toy.encoder", "in": "words", "tune": "frozen"}}
        ),
        kinds,
    )
    assert plan.wiring("prompt") == {}
    dead, fault = told(declared(HEAD | {"prompt": {"use": "toy.prompt", "in": "words"}}), kinds)
    assert (dead[:2], fault[0::3]) == (("CN401", "modules.prompt"), ("CN303", "# remove the key in"))


def test_a_node_that_gives_nothing_feeds_nothing(kinds: Registry) -> None:
    modules = {"sink": {"use": "toy.sink", "in": "encoder.vector"}, "head": {"use": "toy.head", "in": "sink"}}
    assert told(declared(modules), kinds) == [
        ("CN310", "modules.head.in", "sink, which gives nothing", "in: encoder.vector")
    ]


def test_a_further_application_takes_as_many_tensors_as_its_owner(kinds: Registry) -> None:
    modules = {
        "join": {"use": "toy.join", "in": ["encoder.vector", "encoder.vector"]},
        "again": {"share": "join", "in": ["encoder.vector"]},
        "head": {"use": "toy.head", "in": "join"},
        "other": {"share": "head", "in": "again"},
    }
    assert ("CN303", "modules.again.in") in [fault[:2] for fault in told(declared(modules), kinds)]


def test_a_further_application_has_the_sizes_of_its_owner(kinds: Registry) -> None:
    modules = HEAD | {"prompt": {"use": "toy.prompt", "width": 5}, "again": {"share": "head", "in": "prompt"}}
    losses = {f"{name}_loss": {"use": "toy.entropy", "in": name, "target": "mood"} for name in ("head", "again")}
    codes = {fault[0] for fault in told(declared(modules, losses), kinds)}
    assert codes == {"CN301"}
    equal = modules | {"prompt": {"use": "toy.prompt", "width": 8}}
    assert passed(declared(equal, losses), kinds).solved["again"]["classes"] == 2


@pytest.mark.parametrize("name", ["keys", "forward", "class", "self", "values", "σύνεση", "__init__", "target", "base"])
def test_a_node_may_have_any_name(kinds: Registry, name: str) -> None:
    fusion = declared(
        {name: {"use": "toy.head", "in": "encoder.vector"}},
        {"loss": {"use": "toy.entropy", "in": name, "target": "mood"}},
    )
    assert passed(fusion, kinds).order.index(name) > 0
    fields = {name: "text", "mood": {"category": ["dull", "fine"]}}
    sources = {"rows": {"use": "toy.rows", "map": {name: "t", "mood": "m"}}}
    inputs = {"words": {"use": "toy.words", "in": name, "vault": "vault"}}
    assert name in passed(declared(HEAD, fields=fields, sources=sources, inputs=inputs), kinds).order


def test_a_resource_may_name_a_resource_below_it_in_the_file(kinds: Registry) -> None:
    resources = {
        "top": {"use": "toy.shelf", "on": "middle"},
        "middle": {"use": "toy.shelf", "on": "vault"},
        "vault": {"use": "toy.vault", "width": 4},
    }
    plan = passed(declared(HEAD, resources=resources), kinds)
    top = plan.resources["top"]
    assert isinstance(top, Shelf)
    middle = top.on.declared
    assert isinstance(middle, Shelf)
    assert middle.on.declared == plan.resources["vault"]


def test_resources_that_need_each_other(kinds: Registry) -> None:
    resources = {
        "a": {"use": "toy.shelf", "on": "b"},
        "b": {"use": "toy.shelf", "on": "a"},
        "vault": {"use": "toy.vault"},
    }
    [fault] = told(declared(HEAD, resources=resources), kinds)
    assert fault[:3] == ("CN304", "resources.a.on", "a -> b -> a")


JUNK: dict[str, Callable[[Any, Dims], Any]] = {
    "raises": lambda self, known: 1 // 0,
    "exits": lambda self, known: sys.exit(),
    "gives nothing": lambda self, known: None,
    "a number": lambda self, known: 3,
    "text": lambda self, known: {"hidden": "8"},
    "a negative size": lambda self, known: {"hidden": -8},
    "zero": lambda self, known: {"hidden": 0},
    "a truth": lambda self, known: {"hidden": True},
    "no number": lambda self, known: {"hidden": float("nan")},
}


@pytest.mark.parametrize("dims", JUNK.values(), ids=JUNK)
def test_a_component_that_states_junk_is_named_with_its_distribution(toy: Make, dims: Any) -> None:
    wrong = type("Wrong", (Prompt,), {"dims": dims, "__module__": __name__})
    registry = toy(*KINDS, wrong)
    fusion = declared(HEAD | {"wrong": {"use": "toy.wrong"}, "other": {"share": "head", "in": "wrong"}})
    (code, where, found, fix), dead = told(fusion, registry)
    assert (code, where, fix) == ("CN207", "modules.wrong", "# mend the plugin registered as toy, or upgrade it")
    assert dead[:2] == ("CN401", "modules.wrong")
    assert found.startswith("the plugin registered as toy fails to state the dims of toy.wrong: ")


@pytest.mark.parametrize("faults", [lambda self: 1 // 0, lambda self: [None], lambda self: sys.exit(1), lambda self: 3])
def test_a_component_that_fails_to_check_itself_is_named(toy: Make, faults: Any) -> None:
    wrong = type("Wrong", (Prompt,), {"faults": faults, "__module__": __name__})
    (code, where, found, _), dead = told(declared(HEAD | {"wrong": {"use": "toy.wrong"}}), toy(*KINDS, wrong))
    assert (code, where) == ("CN207", "modules.wrong")
    assert dead[:2] == ("CN401", "modules.wrong")
    assert found.startswith("the plugin registered as toy fails to check wrong: ")


def test_a_component_that_contradicts_itself(toy: Make) -> None:
    ports = {"inputs": Ports(vector=Float["batch hidden=8"]), "outputs": Ports(vector=Float["batch hidden=9"])}
    wrong = type("Wrong", (Module,), {**ports, "__module__": __name__})
    modules = HEAD | {"wrong": {"use": "toy.wrong", "in": "encoder.vector"}, "other": {"share": "head", "in": "wrong"}}
    assert "CN301" in {fault[0] for fault in told(declared(modules), toy(*KINDS, wrong))}


def test_a_component_tells_its_own_faults_once_it_knows_what_it_names(toy: Make) -> None:
    class Picky(Encoder):
        """Wants a wide vault."""

        def faults(self) -> list[Fault]:
            """Tells of a narrow one."""
            width = self.vault.declared.width
            return [Fault("CN123", "vault", f"a width of {width}", "at least 16", "vault: wide")] if width < 16 else []

    modules = HEAD | {"encoder": {"use": "toy.picky", "in": "words"}}
    assert told(declared(modules), toy(*KINDS, Picky)) == [
        ("CN123", "modules.encoder.vault", "a width of 8", "vault: wide")
    ]


def test_a_label_space_of_a_plugin_and_the_mapping_to_it(toy: Make) -> None:
    fine = LabelSpace(name="fine", labels=("dull", "fine"), maps={"stars": {"1": "dull", "2": "fine"}})
    stars = LabelSpace(name="stars", labels=("1", "2"))
    registry = toy(*KINDS, spaces=(fine, stars))
    fields = {"text": "text", "mood": {"category": "toy.fine"}}

    def fusion(space: str) -> Fusion:
        column = {"column": "m", "space": space}
        sources = {"rows": {"use": "toy.rows", "map": {"text": "t", "mood": column}}}
        return declared(HEAD, fields=fields, sources=sources)

    assert passed(fusion("toy.stars"), registry).solved["head"].labels("classes").labels == ("dull", "fine")
    [unknown] = told(fusion("toy.star"), registry)
    assert unknown[0::3] == ("CN208", "space: toy.stars")
    fields["mood"] = {"category": "toy.stars"}
    [unmapped] = told(fusion("toy.fine"), registry)
    assert unmapped[0::3] == (
        "CN208",
        "# remove the key space, and write values: which label of mood each of [dull, fine] is",
    )


@pytest.mark.parametrize("weights", [{"weight": 1e308, "lambda": 1e308}, {"weight": 0.0, "lambda": 1.0}])
def test_the_product_of_weights_is_finite_and_not_all_zero(kinds: Registry, weights: dict[str, float]) -> None:
    losses = {"loss": {"use": "toy.entropy", "in": "head", "target": "mood", "weight": weights["weight"]}}
    fusion = declared(HEAD, losses, objective={"weights": {"toy": weights["lambda"]}})
    assert [fault[0] for fault in told(fusion, kinds)] == ["CN403"]


def test_a_loss_on_parameters_alone_reaches_what_it_measures(kinds: Registry) -> None:
    assert passed(declared({}, {"size": {"use": "toy.size", "of": "encoder"}}), kinds).order[-1] == "size"
    frozen = {"encoder": {"use": "toy.encoder", "in": "words", "tune": "frozen"}}
    [fault] = told(declared(frozen, {"size": {"use": "toy.size", "of": "encoder"}}), kinds)
    assert fault[0::3] == ("CN402", "tune: full  # under modules.encoder")


def steps(length: int, registry: Registry) -> int:
    """Counts the Python calls that checking a chain of modules takes."""
    modules = {"m0": {"use": "toy.shaped", "in": "encoder.vector"}}
    modules |= {f"m{index}": {"use": "toy.shaped", "in": f"m{index - 1}"} for index in range(1, length)}
    fusion = declared(modules | {"head": {"use": "toy.head", "in": f"m{length - 1}"}})
    count = 0

    def counting(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(counting)
    try:
        check(fusion, registry)
    finally:
        sys.setprofile(None)
    return count


def test_the_work_grows_as_the_fusion_does(kinds: Registry) -> None:
    steps(10, kinds)
    assert steps(1000, kinds) < 7 * steps(200, kinds)


def test_the_faults_of_components_are_told_for_every_node(kinds: Registry) -> None:
    diagnostics: list[Diagnostic] = []
    try:
        check(declared({f"n{index}": {"use": "toy.prompt", "width": 0} for index in range(20)}), kinds)
    except DeclarationError as error:
        diagnostics = list(error.diagnostics)
    assert sum(fault.code == "CN123" for fault in diagnostics) == 20


class Chapters(Resource):
    """Has so many chapters, which nobody knows before it is read."""


class Cites(Input):
    """Gives the cited chapters of a book."""

    book: Use[Chapters]
    inputs = Ports(text=Text["batch"])
    outputs = Ports(cited=Int["batch cite"].below("chapter"))

    def dims(self, known: Dims) -> Mapping[str, str | int]:
        """States whose chapters these are."""
        return {"chapter": self.book.name} if self.book.name else {}


class Lookup(Module):
    """Gives a vector of what is cited."""

    book: Use[Chapters]
    inputs = Ports(cited=Int["batch cite"].below("chapter"))
    outputs = Ports(vector=Float["batch hidden"])

    def dims(self, known: Dims) -> Mapping[str, str | int]:
        """States its width, and whose chapters it knows."""
        return {"hidden": 8, "chapter": self.book.name or ""}


def cited(book: str, other: str | None = None) -> Fusion:
    inputs = {
        "words": {"use": "toy.words", "in": "text", "vault": "vault"},
        "cites": {"use": "toy.cites", "in": "text", "book": "first"},
    } | ({"more": {"use": "toy.cites", "in": "text", "book": other}} if other else {})
    resources = {name: {"use": "toy.chapters"} for name in ("first", "second")}
    modules = {
        "lookup": {"use": "toy.lookup", "in": "cites", "book": book},
        "head": {"use": "toy.head", "in": "lookup"},
    }
    if other:
        modules |= {
            "again": {"share": "lookup", "in": "more"},
            "both": {"use": "toy.add", "in": ["lookup", "again"]},
            "head": {"use": "toy.head", "in": "both"},
        }
    modules["encoder"] = {"use": "toy.encoder", "in": "words", "tune": "frozen"}
    return declared(modules, inputs=inputs, resources={"vault": {"use": "toy.vault"}, **resources})


def test_two_nodes_that_count_different_things_do_not_fit(toy: Make) -> None:
    registry = toy(*KINDS, Chapters, Cites, Lookup)
    assert told(cited("first"), registry) == []
    with pytest.raises(DeclarationError) as caught:
        check(cited("second"), registry)
    [fault] = caught.value.diagnostics
    assert fault.where == "modules.lookup.in"
    assert fault.found == "chapter = second from lookup, by its book second"
    assert fault.expected == "chapter = first from cites, by its book first"
    assert fault.fix == "# make dim chapter of lookup one thing: change what feeds it, or its keys"


def test_a_shared_module_counts_the_same_everywhere(toy: Make) -> None:
    registry = toy(*KINDS, Chapters, Cites, Lookup)
    assert told(cited("first", "first"), registry) == []
    assert [fault[:2] for fault in told(cited("first", "second"), registry)] == [("CN301", "modules.again.in")]


def test_an_identity_that_is_unknown_is_told_once(toy: Make) -> None:
    assert [fault[0] for fault in told(cited("third"), toy(*KINDS, Chapters, Cites, Lookup))] == ["CN210"]


class Pull(Loss):
    """Pulls vectors of one class together."""

    inputs = Ports(vector=Float["batch hidden"])
    target = Int["batch"].below("classes")


class Scale(Module):
    """Gives one number."""

    inputs = Ports(vector=Float["batch hidden"])
    outputs = Ports(value=Float["batch"])


class Rank(Loss):
    """Compares one number with the index of a class, or with a number."""

    inputs = Ports(value=Float["batch"])
    target = Int["batch"]


class Distance(Loss):
    """Compares numbers with numbers."""

    inputs = Ports(value=Float["batch *numbers"])
    target = Float["batch *numbers"]


class Each(Loss):
    """Compares scores with any number of classes; takes a weight an example too."""

    inputs = Ports(logits=Float["batch labels"], weight=Float["batch"] | None)
    target = Bool["batch labels"]


def test_a_model_answers_by_the_ports_that_speak_of_the_fields_alone(toy: Make) -> None:
    registry = toy(*KINDS, Pull, Scale, Rank, Distance, Each)
    fields = {
        "text": "text",
        "mood": {"category": ["dull", "fine"]},
        "stars": "number",
        "topics": {"categories": ["plot", "cast", "score"]},
    }
    sources = {"rows": {"use": "toy.rows", "map": {name: name for name in fields}}}
    modules = HEAD | {
        "topic": {"use": "toy.head", "in": "encoder.vector"},
        "rank": {"use": "toy.scale", "in": "encoder.vector"},
        "stars_of": {"use": "toy.scale", "in": "encoder.vector"},
    }
    losses = {
        "pull": {"use": "toy.pull", "in": "encoder.vector", "target": "mood"},
        "ranked": {"use": "toy.rank", "in": "rank", "target": "mood"},
        "entropy": {"use": "toy.entropy", "in": "head", "target": "mood"},
        "distance": {"use": "toy.distance", "in": "stars_of", "target": "stars"},
        "each": {"use": "toy.each", "in": {"logits": "topic", "weight": "rank"}, "target": "topics"},
    }
    plan = passed(declared(modules, losses, fields=fields, sources=sources), registry)
    answers = {name: (str(ref), field) for name, (ref, field) in plan.answers().items()}
    assert answers == {
        "head": ("head.logits", "mood"),
        "topic": ("topic.logits", "topics"),
        "stars_of": ("stars_of.value", "stars"),
    }


def test_a_plugin_from_elsewhere_tells_its_faults_by_codes_of_its_own(toy: Make) -> None:
    class Folk(Prompt):
        """Wants to be wide."""

        def faults(self) -> list[Fault]:
            """Tells that it is not."""
            return [Fault("FOLK001", "width", "8", "at least 9", "width: 9")]

    modules = HEAD | {"folk": {"use": "toy.folk", "tune": "frozen"}}
    assert ("FOLK001", "modules.folk.width", "8", "width: 9") in told(declared(modules), toy(*KINDS, Folk))
