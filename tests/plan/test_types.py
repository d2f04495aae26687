"""The type system: numbers, axes that may be left out, sums and products, what varies, ranges, labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest

from consilience import Fusion, Plan, check
from consilience.declare import (
    Bool,
    Dims,
    Float,
    Input,
    Int,
    Labels,
    LabelSpace,
    Loss,
    Many,
    Metric,
    Module,
    Number,
    Ports,
    Size,
    Source,
    Text,
)
from consilience.errors import DeclarationError, Diagnostic
from consilience.host import Registry


class Rows(Source):
    """Is empty."""


class Words(Input):
    """Gives numbers for words."""

    inputs = Ports(text=Text["batch"])
    outputs = Ports(
        ids=Int["batch seq"],
        mask=Bool["batch seq"],
        pairs=Int["batch 2*seq+1"],
        shares=Float["batch seq"].within(0, 1),
        count=Int["batch"],
        valence=Float["batch"].within(-1, 1),
    )


class Thin(Input):
    """Leaves out every other word."""

    inputs = Ports(ids=Int["batch seq"], mask=Bool["batch seq"] | None)
    outputs = Ports(ids=Int["batch seq"], thin=Int["batch half"])


class Align(Input):
    """Aligns labels of words."""

    inputs = Ports(ids=Int["batch seq"], labels=Labels["batch"].below("classes"))
    outputs = Ports(labels=Int["batch seq"].below("classes"))


class Encoder(Module):
    """Encodes numbers."""

    width: int = 8
    inputs = Ports(ids=Int["batch seq"], mask=Bool["batch seq"] | None)
    outputs = Ports(states=Float["batch seq hidden"], pooled=Float["batch hidden"])

    def dims(self, known: Dims) -> Mapping[str, int]:
        """States the width."""
        return {"hidden": Size(self.width, "the book of widths")}


class Head(Module):
    """Scores classes."""

    inputs = Ports(features=Float["batch hidden"])
    outputs = Ports(logits=Float["batch classes"].logits())
    static = ("hidden", "classes")


class Tagger(Module):
    """Scores the classes of every word."""

    inputs = Ports(states=Float["batch seq hidden"])
    outputs = Ports(logits=Float["batch seq classes"].logits())
    static = ("hidden", "classes")


class Either(Module):
    """Scores the classes of an example or of every word."""

    inputs = Ports(features=Float["batch ?seq hidden"])
    outputs = Ports(logits=Float["batch ?seq classes"])


class Pair(Module):
    """Puts two vectors side by side."""

    has_parameters = False
    inputs = Ports(first=Float["batch left"], second=Float["batch right"])
    outputs = Ports(both=Float["batch left+right"])


class Split(Module):
    """Splits a vector over heads."""

    heads: int = 2
    head_width: int | None = 4
    has_parameters = False
    inputs = Ports(vector=Float["batch heads*head_width"])
    outputs = Ports(vector=Float["batch heads+head_width"])


class Halve(Module):
    """Halves a vector; its key has the name of a dim."""

    width: int = 4
    has_parameters = False
    inputs = Ports(vector=Float["batch 2*width"])
    outputs = Ports(vector=Float["batch width"])


class Scale(Module):
    """Gives one number."""

    inputs = Ports(vector=Float["batch hidden"])
    outputs = Ports(value=Float["batch"])


class Add(Module):
    """Adds vectors of one size."""

    has_parameters = False
    inputs = Ports(parts=Many(Float["batch hidden"]))
    outputs = Ports(vector=Float["batch hidden"])


class Longer(Module):
    """Doubles every state, and puts one before them."""

    has_parameters = False
    inputs = Ports(states=Float["batch seq hidden"])
    outputs = Ports(states=Float["batch 2*seq+1 hidden"])


class Beside(Module):
    """Reads two sequences of one length."""

    has_parameters = False
    inputs = Ports(states=Float["batch seq hidden"], ids=Int["batch seq"])
    outputs = Ports(pooled=Float["batch hidden"])


class Amount(Module):
    """Makes a vector of any number."""

    has_parameters = False
    inputs = Ports(amount=Number["batch"])
    outputs = Ports(pooled=Float["batch 8"])


class Share(Module):
    """Reads shares."""

    has_parameters = False
    inputs = Ports(shares=Float["batch classes"].within(0, 1))
    outputs = Ports(shares=Float["batch classes"].within(0, 1))


class Turn(Module):
    """Turns a number into a vector."""

    has_parameters = False
    inputs = Ports(value=Float["batch"].within(-1, 1))
    outputs = Ports(pooled=Float["batch 8"])


class Groups(Module):
    """Scores groups of labels."""

    has_parameters = False
    inputs = Ports(logits=Float["batch labels"].logits())
    outputs = Ports(logits=Float["batch groups"].logits())
    mapped: ClassVar[Mapping[str, str]] = {"groups": "labels"}


class Entropy(Loss):
    """Compares scores with a class."""

    inputs = Ports(logits=Float["batch *more classes"].logits())
    target = Int["batch *more"].below("classes")


class Several(Loss):
    """Compares scores with several classes."""

    inputs = Ports(logits=Float["batch classes"].logits())
    target = Bool["batch classes"]


class Error(Loss):
    """Compares a number with a number of either kind."""

    inputs = Ports(value=Float["batch"])
    target = Number["batch"]


class Hits(Metric):
    """Counts hits."""

    inputs = Ports(preds=Float["batch classes"])
    target = Int["batch"].below("classes")


GOLD = LabelSpace(name="gold", labels=("joy", "glee", "gloom"))
MOODS = LabelSpace(name="moods", labels=("good", "bad"), maps={"gold": {"joy": "good", "glee": "good", "gloom": "bad"}})
FEW = LabelSpace(name="few", labels=("yes", "no"), maps={"gold": {"joy": "yes", "gloom": None}})
MOST = LabelSpace(name="most", labels=("yes", "no"), maps={"gold": {"joy": "yes", "glee": "yes", "gloom": "yes"}})
NICE = LabelSpace(name="nice", labels=("fine", "poor"), aliases={"fine": ("good",), "poor": ("bad",)})
SPACES = (GOLD, MOODS, FEW, MOST, NICE)
KINDS = (
    *(Rows, Words, Thin, Align, Encoder, Head, Tagger, Either, Pair, Split, Longer, Beside),
    *(Halve, Scale, Add, Amount, Share, Turn, Groups, Entropy, Several, Error, Hits),
)


@pytest.fixture
def kinds(toy: Callable[..., Registry]) -> Registry:
    return toy(*KINDS, spaces=SPACES)


FIELDS: dict[str, Any] = {
    "text": "text",
    "other": "text",
    "mood": {"category": ["dull", "fine"]},
    "topics": {"categories": ["plot", "cast"]},
    "stars": "number",
    "tags": {"token_labels": ["O", "X"]},
}
INPUTS = {"words": {"use": "toy.words", "in": "text"}, "more": {"use": "toy.words", "in": "other"}}
ENCODER = {"encoder": {"use": "toy.encoder", "in": "words.ids"}}
HEAD = {"head": {"use": "toy.head", "in": "encoder.pooled"}}
LOSS = {"loss": {"use": "toy.entropy", "in": "head", "target": "mood"}}


def declared(
    modules: Mapping[str, Any],
    losses: Mapping[str, Any] | None = None,
    more: Mapping[str, Any] | None = None,
    **sections: Any,
) -> Fusion:
    """Declares a fusion around some modules; `more` are inputs besides."""
    fields = {**FIELDS, **sections.pop("fields", {})}
    given: dict[str, Any] = {
        "fields": fields,
        "sources": {"rows": {"use": "toy.rows", "map": {name: name for name in fields}}},
        "inputs": {**INPUTS, **(more or {})},
        "modules": {**ENCODER, **modules},
        "losses": LOSS if losses is None else losses,
    }
    return Fusion(name="toy", **{**given, **sections})


def faults(fusion: Fusion, registry: Registry) -> list[Diagnostic]:
    try:
        check(fusion, registry)
    except DeclarationError as error:
        return list(error.diagnostics)
    return []


def only(fusion: Fusion, registry: Registry) -> tuple[str, str, str, str, str]:
    """Gives the one fault of a fusion: code, place, found, expected, fix."""
    [fault] = faults(fusion, registry)
    return fault.code, fault.where, fault.found, fault.expected, fault.fix


def passed(fusion: Fusion, registry: Registry) -> Plan:
    return check(fusion, registry)


# Numbers of either kind.


@pytest.mark.parametrize("amount", ["words.count", "words.valence"])
def test_a_number_is_a_float_or_an_int(kinds: Registry, amount: str) -> None:
    modules = {"amount": {"use": "toy.amount", "in": amount}, "head": {"use": "toy.head", "in": "amount"}}
    plan = passed(declared(modules | {"encoder": {**ENCODER["encoder"], "tune": "frozen"}}), kinds)
    assert plan.solved["head"]["hidden"] == 8


def test_a_truth_is_no_number(kinds: Registry) -> None:
    modules = HEAD | {"amount": {"use": "toy.amount", "in": "words.mask", "tune": "frozen"}}
    code, where, found, expected, fix = only(declared(modules), kinds)
    assert (code, where) == ("CN301", "modules.amount.in")
    assert found == "words.mask: Bool[batch seq]"
    assert expected == "amount: Number[batch]"
    assert fix == "in: words.count"


def test_a_gradient_flows_through_a_number_that_a_float_feeds(kinds: Registry) -> None:
    modules = {
        "value": {"use": "toy.scale", "in": "encoder.pooled"},
        "amount": {"use": "toy.amount", "in": "value"},
        "head": {"use": "toy.head", "in": "amount"},
    }

    passed(declared(modules), kinds)
    modules["amount"]["in"] = "words.count"
    told = {(fault.code, fault.where) for fault in faults(declared(modules), kinds)}
    assert told == {("CN401", "modules.value"), ("CN401", "modules.encoder")}


def test_a_target_may_be_a_number_of_either_kind(kinds: Registry) -> None:
    modules = {"value": {"use": "toy.scale", "in": "encoder.pooled"}}
    for target in ("stars", "words.count"):
        plan = passed(declared(modules, {"loss": {"use": "toy.error", "in": "value", "target": target}}), kinds)
        assert (list(plan.answers()) == ["value"]) == (target == "stars")


# Axes that may be left out.


def test_an_axis_may_be_there_or_not(kinds: Registry) -> None:
    for features, target in (("encoder.pooled", "mood"), ("encoder.states", "align.labels")):
        modules = {"either": {"use": "toy.either", "in": features}}
        losses = {"loss": {"use": "toy.entropy", "in": "either", "target": target}}
        aligned = {"align": {"use": "toy.align", "in": {"ids": "words.ids", "labels": "tags"}}}
        assert passed(declared(modules, losses, aligned), kinds).solved["either"]["classes"] == 2


def test_an_axis_is_left_out_everywhere_or_nowhere(kinds: Registry) -> None:
    modules = {"either": {"use": "toy.either", "in": "encoder.states"}}
    fusion = declared(modules, {"loss": {"use": "toy.several", "in": "either", "target": "topics"}})
    code, where, found, expected, fix = only(fusion, kinds)
    assert (code, where) == ("CN301", "losses.loss.in")
    assert found == "either.logits: Float[batch ?seq classes]"
    assert expected == "logits: Float[batch classes]"
    assert fix == "# feed loss with a tensor of type Float[batch classes] as logits"


# Sums and products.


def test_a_sum_is_solved_with_its_reasons(kinds: Registry) -> None:
    second = {"second": {"use": "toy.encoder", "in": "words.ids", "width": 5}}
    pair = {"pair": {"use": "toy.pair", "in": {"first": "encoder.pooled", "second": "second.pooled"}}}
    modules = second | pair | {"head": {"use": "toy.head", "in": "pair"}}
    plan = passed(declared(modules), kinds)
    assert dict(plan.solved["pair"]) == {"left": 8, "right": 5, "left+right": 13}
    assert plan.solved["head"]["hidden"] == 13
    assert plan.reasons("head", "hidden") == ("13 = left 8 + right 5, in pair",)


def test_a_sum_that_does_not_fit_tells_what_it_adds(kinds: Registry) -> None:
    pair = {"pair": {"use": "toy.pair", "in": {"first": "encoder.pooled", "second": "encoder.pooled"}}}
    split = {"split": {"use": "toy.split", "in": "pair"}, "head": {"use": "toy.head", "in": "split"}}
    code, where, found, expected, fix = only(declared(pair | split), kinds)
    assert (code, where) == ("CN301", "modules.split.in")
    assert found == "pair.both: Float[batch left+right=16]   (16 = left 8 + right 8, in pair)"
    assert expected == "vector: Float[batch heads*head_width=8]   (8 = heads 2 * head_width 4, in split)"
    assert fix == "in: encoder.pooled"


def test_a_product_takes_keys(kinds: Registry) -> None:
    split = {"split": {"use": "toy.split", "in": "encoder.pooled", "heads": 4, "head_width": 2}}
    plan = passed(declared(split | {"head": {"use": "toy.head", "in": "split"}}), kinds)
    assert plan.reasons("split", "heads") == ("4 by the key heads of split",)
    assert plan.reasons("split", "heads*head_width")[-1] == "8 = heads 4 * head_width 2, in split"
    assert plan.solved["head"]["hidden"] == 6
    split["split"]["head_width"] = None
    code, where, found, *_ = only(declared(split | {"head": {"use": "toy.head", "in": "split"}}), kinds)
    assert (code, where, found) == ("CN306", "modules.split", "dim head_width of split, which nothing gives a size")


def test_a_dim_goes_before_a_key_of_its_name(kinds: Registry) -> None:
    modules = {"halve": {"use": "toy.halve", "in": "encoder.pooled"}, "head": {"use": "toy.head", "in": "halve"}}
    code, where, found, *_ = only(declared(modules), kinds)
    assert (code, where, found) == ("CN306", "modules.halve", "dim width of halve, which nothing gives a size")


def test_a_size_of_what_varies_varies_with_it(kinds: Registry) -> None:
    longer = {"longer": {"use": "toy.longer", "in": "encoder.states"}}
    beside = {"beside": {"use": "toy.beside", "in": {"states": "longer", "ids": "words.pairs"}}}
    modules = longer | beside | {"head": {"use": "toy.head", "in": "beside"}}
    plan = passed(declared(modules), kinds)
    assert plan.varying["beside"]["seq"] == plan.varying["words"]["2*seq+1"] == "2*words.seq+1"
    modules["beside"]["in"]["ids"] = "words.ids"  # type: ignore[index]
    code, where, found, expected, fix = only(declared(modules), kinds)
    assert (code, where, fix) == ("CN301", "modules.beside.in.ids", "ids: words.pairs")
    assert found == "words.ids: Int[batch seq]   (words.seq, which varies with the batch)"
    assert expected == "ids: Int[batch seq]   (2*words.seq+1, 2*seq+1 of longer)"


class Square(Module):
    """Makes of every axis its square."""

    has_parameters = False
    inputs = Ports(states=Float["batch seq hidden"])
    outputs = Ports(states=Float["batch seq*seq hidden*hidden"])


@pytest.mark.parametrize("fed", ["encoder.states", "again"])
def test_a_size_beyond_all_measure_is_told_and_not_computed(toy: Callable[..., Registry], fed: str) -> None:
    modules: dict[str, Any] = {"again": {"use": "toy.longer", "in": "encoder.states"}}
    modules["m0"] = {"use": "toy.square", "in": fed}
    modules |= {f"m{index}": {"use": "toy.square", "in": f"m{index - 1}"} for index in range(1, 60)}
    told = faults(declared(modules | HEAD), toy(*KINDS, Square))
    assert {fault.code for fault in told} == {"CN301"}
    assert told[0].expected == "a size of at most 1,099,511,627,776"
    assert "comes to more than 1,099,511,627,776" in told[0].found
    assert len(told) < 5


# What varies.


def test_a_mask_belongs_to_its_sequence(kinds: Registry) -> None:
    modules = {"encoder": {"use": "toy.encoder", "in": {"ids": "words.ids", "mask": "more.mask"}}}
    code, where, found, expected, fix = only(declared(modules | HEAD), kinds)
    assert (code, where, fix) == ("CN301", "modules.encoder.in.mask", "mask: words.mask")
    assert found == "more.mask: Bool[batch seq]   (more.seq, which varies with the batch)"
    assert expected == "mask: Bool[batch seq]   (words.seq, which varies with the batch)"


def test_an_input_that_reads_two_sequences_as_one_is_told(kinds: Registry) -> None:
    thin = {"thin": {"use": "toy.thin", "in": {"ids": "words.ids", "mask": "more.mask"}}}
    assert only(declared(HEAD, more=thin), kinds)[:2] == ("CN301", "inputs.thin.in.mask")
    thin["thin"]["in"] = {"ids": "words.ids", "mask": "words.mask"}
    plan = passed(declared(HEAD, more=thin), kinds)
    assert plan.varying["thin"] == {"batch": "batch", "seq": "words.seq", "half": "thin.half"}


def test_a_shared_module_may_read_another_sequence(kinds: Registry) -> None:
    modules = HEAD | {"again": {"share": "encoder", "in": "more.ids"}}
    plan = passed(declared(modules | {"further": {"share": "head", "in": "again.pooled"}}), kinds)
    assert (plan.varying["encoder"]["seq"], plan.varying["again"]["seq"]) == ("words.seq", "more.seq")


def test_all_rows_are_one(kinds: Registry) -> None:
    plan = passed(declared(HEAD), kinds)
    assert {names["batch"] for names in plan.varying.values()} == {"batch"}
    assert plan.reasons("head", "batch")[0] == "batch, the rows of each batch"


def test_a_size_that_varies_cannot_be_built_with(kinds: Registry) -> None:
    modules = {"head": {"use": "toy.head", "in": "words.shares"}}
    code, where, found, expected, fix = only(
        declared(modules | {"encoder": {**ENCODER["encoder"], "tune": "frozen"}}), kinds
    )
    assert (code, where) == ("CN301", "modules.head.in")
    assert found == "words.shares: Float[batch seq]   (words.seq, which varies with the batch)"
    assert expected == "features: Float[batch hidden]   (a size known before any batch, which head is built with)"
    assert fix == "in: encoder.pooled"


def test_a_size_that_an_input_is_built_with_is_told_when_nothing_gives_it(toy: Callable[..., Registry]) -> None:
    class Hide(Input):
        """Hides some words."""

        inputs = Ports(ids=Int["batch seq"].below("vocab") | None, text=Text["batch"])
        outputs = Ports(ids=Int["batch seq"])
        static = ("vocab",)

    registry = toy(*KINDS, Hide)
    code, where, found, *_ = only(declared(HEAD, more={"hide": {"use": "toy.hide", "in": "text"}}), registry)
    assert (code, where, found) == ("CN306", "inputs.hide", "dim vocab of hide, which nothing gives a size")


# Ranges.


def test_scores_are_no_shares(kinds: Registry) -> None:
    modules = HEAD | {"share": {"use": "toy.share", "in": "head"}}
    code, where, found, expected, fix = only(declared(modules), kinds)
    assert (code, where) == ("CN315", "modules.share.in")
    assert found == "head.logits: Float[batch classes] as logits"
    assert expected == "shares: Float[batch classes] within 0 to 1"
    assert fix == "# let share read {use: probabilities, in: head.logits}, which makes shares of scores"


def test_shares_are_no_scores(kinds: Registry) -> None:
    modules = HEAD | {
        "shares": {"use": "probabilities", "in": "head"},
        "share": {"use": "toy.share", "in": "shares"},
    }
    assert faults(declared(modules), kinds) == []
    losses = {"loss": {"use": "toy.entropy", "in": "share", "target": "mood"}}
    code, where, found, expected, fix = only(declared(modules, losses), kinds)
    assert (code, where) == ("CN315", "losses.loss.in")
    assert found == "share.shares: Float[batch classes] within 0 to 1"
    assert expected == "logits: Float[batch *more classes] as logits"
    assert fix == "in: head.logits"


def test_values_of_which_nothing_is_said_lie_in_no_range(kinds: Registry) -> None:
    modules = HEAD | {"turn": {"use": "toy.turn", "in": "words.valence", "tune": "frozen"}}
    assert faults(declared(modules), kinds) == []
    modules |= {"share": {"use": "toy.share", "in": "encoder.pooled"}}
    code, where, found, expected, fix = next(
        (fault.code, fault.where, fault.found, fault.expected, fault.fix) for fault in faults(declared(modules), kinds)
    )
    assert (code, where) == ("CN315", "modules.share.in")
    assert found == "encoder.pooled: Float[batch hidden=8]   (it states no range)"
    assert expected == "shares: Float[batch classes=8] within 0 to 1"
    assert fix == (
        "# feed share.shares with values within 0 to 1, "
        "or have toy.encoder say .within(0, 1) where its values lie there"
    )


def test_what_states_no_range_may_be_scores(kinds: Registry) -> None:
    assert faults(declared({}, {"loss": {"use": "toy.entropy", "in": "either", "target": "mood"}}), kinds) != []
    modules = {"either": {"use": "toy.either", "in": "encoder.pooled"}}
    assert faults(declared(modules, {"loss": {"use": "toy.entropy", "in": "either", "target": "mood"}}), kinds) == []


# Label spaces.


def labelled(mood: Any, taste: Any, kind: str = "category") -> Fusion:
    fields = {"mood": {kind: mood}, "taste": {kind: taste}}
    use = "toy.entropy" if kind == "category" else "toy.several"
    losses = {f"{name}_loss": {"use": use, "in": "head", "target": name} for name in fields}
    return declared(HEAD, losses, fields=fields)


LABELS = {
    "reordered": (
        ["dull", "fine"],
        ["fine", "dull"],
        "taste: Int[batch] below labels   ([fine, dull] from the field taste: the same labels in another order)",
        "target: Int[batch *more] below classes   ([dull, fine] from the field mood)",
        "taste: {category: [dull, fine]}  # under fields",
    ),
    "some": (
        ["dull", "fine", "odd"],
        ["fine", "dull"],
        "taste: Int[batch] below labels   ([fine, dull] from the field taste: some of the labels)",
        "target: Int[batch *more] below classes   ([dull, fine, odd] from the field mood)",
        "taste: {category: [dull, fine, odd]}  # under fields",
    ),
    "more": (
        ["dull", "fine"],
        ["odd", "fine", "dull"],
        "taste: Int[batch] below labels   ([odd, fine, dull] from the field taste: the labels and more)",
        "target: Int[batch *more] below classes   ([dull, fine] from the field mood)",
        "mood: {category: [odd, fine, dull]}  # under fields",
    ),
    "other": (
        ["dull", "fine"],
        ["sweet", "sour"],
        "taste: Int[batch] below labels   ([sweet, sour] from the field taste: other labels)",
        "target: Int[batch *more] below classes   ([dull, fine] from the field mood)",
        "# let a module of its own score [sweet, sour] for taste_loss",
    ),
    "named": (
        "toy.moods",
        ["bad", "good"],
        "taste: Int[batch] below labels   ([bad, good] from the field taste: the same labels in another order)",
        "target: Int[batch *more] below classes   ([good, bad] from the field mood)",
        "taste: {category: toy.moods}  # under fields",
    ),
    "mapped": (
        "toy.gold",
        "toy.moods",
        "taste: Int[batch] below labels   ([good, bad] from the field taste: labels that a declared mapping relates)",
        "target: Int[batch *more] below classes   ([joy, glee, gloom] from the field mood)",
        "# let taste_loss read {use: regroup, in: head}, a module that maps [joy, glee, gloom] onto [good, bad]",
    ),
    "mapped the other way": (
        "toy.moods",
        "toy.gold",
        "taste: Int[batch] below labels   "
        "([joy, glee, gloom] from the field taste: labels that a declared mapping relates)",
        "target: Int[batch *more] below classes   ([good, bad] from the field mood)",
        "# let mood_loss read {use: regroup, in: head}, a module that maps [joy, glee, gloom] onto [good, bad]",
    ),
}


@pytest.mark.parametrize(("mood", "taste", "found", "expected", "fix"), LABELS.values(), ids=LABELS)
def test_labels_that_differ_are_told_by_how_they_stand(
    kinds: Registry, mood: Any, taste: Any, found: str, expected: str, fix: str
) -> None:
    assert only(labelled(mood, taste), kinds) == ("CN307", "losses.taste_loss.target", found, expected, fix)


def test_the_fix_of_labels_mends_the_file(kinds: Registry) -> None:
    assert faults(labelled(["dull", "fine"], ["dull", "fine"]), kinds) == []
    assert faults(labelled(["dull", "fine", "odd"], ["dull", "fine", "odd"]), kinds) == []


def test_labels_by_another_name_are_the_same(kinds: Registry) -> None:
    plan = passed(labelled("toy.moods", "toy.nice"), kinds)
    assert plan.solved["head"].labels("classes").relation(NICE).is_one


def grouped(emotion: Any, mood: Any) -> Fusion:
    fields = {"emotion": {"category": emotion}, "mood": {"category": mood}}
    modules = HEAD | {"groups": {"use": "toy.groups", "in": "head"}}
    losses = {
        "emotion_loss": {"use": "toy.entropy", "in": "head", "target": "emotion"},
        "mood_loss": {"use": "toy.entropy", "in": "groups", "target": "mood"},
    }
    return declared(modules, losses, fields=fields)


def test_scores_are_regrouped_by_a_declared_mapping(kinds: Registry) -> None:
    plan = passed(grouped("toy.gold", "toy.moods"), kinds)
    assert dict(plan.solved["groups"]) == {"labels": 3, "groups": 2}


UNMAPPED = {
    "no mapping": (
        "toy.gold",
        ["odd", "even"],
        "no declared mapping from [joy, glee, gloom] to [odd, even]",
        "labels that are mapped from [joy, glee, gloom]: toy.moods",
        "mood: {category: toy.moods}  # under fields",
    ),
    "the same labels in the file": (
        "toy.gold",
        ["good", "bad"],
        "no declared mapping from [joy, glee, gloom] to [good, bad]",
        "labels that are mapped from [joy, glee, gloom]: toy.moods",
        "mood: {category: toy.moods}  # under fields",
    ),
    "the same labels by other names": (
        "toy.gold",
        "toy.nice",
        "no declared mapping from [joy, glee, gloom] to [fine, poor]",
        "labels that are mapped from [joy, glee, gloom]: toy.moods",
        "mood: {category: toy.moods}  # under fields",
    ),
    "the other way": (
        "toy.moods",
        "toy.gold",
        "no declared mapping from [good, bad] to [joy, glee, gloom]",
        "labels that are mapped from [good, bad]: none is declared",
        "# a mapping leads from [joy, glee, gloom] to [good, bad] alone: regroup the other way",
    ),
    "a label without a group": (
        "toy.gold",
        "toy.few",
        "glee, gloom of gold, which no label of few stands for",
        "a label of [yes, no] for each label of [joy, glee, gloom]",
        "# give glee, gloom an image in the mapping of few from gold, or take another space",
    ),
    "a group without a label": (
        "toy.gold",
        "toy.most",
        "no of most, which no label of gold stands for",
        "a label of [joy, glee, gloom] for each label of [yes, no]",
        "# map a label of gold to no, or take another space",
    ),
}


@pytest.mark.parametrize(("emotion", "mood", "found", "expected", "fix"), UNMAPPED.values(), ids=UNMAPPED)
def test_scores_that_cannot_be_regrouped_are_told(
    kinds: Registry, emotion: Any, mood: Any, found: str, expected: str, fix: str
) -> None:
    told = [
        (fault.code, fault.where, fault.found, fault.expected, fault.fix)
        for fault in faults(grouped(emotion, mood), kinds)
    ]
    assert ("CN316", "modules.groups", found, expected, fix) in told
    assert {code for code, *_ in told} == {"CN316"}


def test_scores_of_no_labels_cannot_be_regrouped(kinds: Registry) -> None:
    modules = {"groups": {"use": "toy.groups", "in": "encoder.pooled"}}
    losses = {"mood_loss": {"use": "toy.entropy", "in": "groups", "target": "mood"}}
    assert only(declared(modules, losses), kinds) == (
        "CN316",
        "modules.groups",
        "dim labels of groups, whose labels nothing names",
        "labels, from the target of a loss or metric",
        "# let a loss or metric with a target of labels read what has the dim labels",
    )


# Reasons.


def test_every_reason_for_a_size_is_known(kinds: Registry) -> None:
    second = {"second": {"use": "toy.encoder", "in": "words.ids"}}
    both = {"amount": {"use": "toy.amount", "in": "words.count"}}

    modules = second | both | {"add": {"use": "toy.add", "in": ["encoder.pooled", "second.pooled", "amount"]}}
    plan = passed(declared(modules | {"head": {"use": "toy.head", "in": "add"}}), kinds)
    reasons = {
        "8 from the book of widths, stated by encoder",
        "8 from the book of widths, stated by second",
        "8 in the ports of amount",
    }
    assert set(plan.reasons("head", "hidden")) == set(plan.reasons("encoder", "hidden")) == reasons
    assert plan.reasons("head", "classes") == ("[dull, fine] from the field mood",)
    assert plan.reasons("head", "nothing") == plan.reasons("nobody", "hidden") == ()


def test_a_conflict_points_at_those_who_state_it(kinds: Registry) -> None:
    second = {"second": {"use": "toy.encoder", "in": "words.ids", "width": 5}}
    beside = {"beside": {"use": "toy.pair", "in": {"first": "encoder.pooled", "second": "second.pooled"}}}

    modules = second | beside | {"add": {"use": "toy.add", "in": ["encoder.pooled", "second.pooled"]}}
    [fault] = faults(declared(modules | {"head": {"use": "toy.head", "in": "add"}}), kinds)
    assert fault.found == "second.pooled: Float[batch hidden=5]   (5 from the book of widths, stated by second)"
    assert fault.expected == "parts: Float[batch hidden=8]   (8 from the book of widths, stated by encoder)"
    assert [(one.where, one.message) for one in fault.related] == [
        ("modules.second", "5 is stated here"),
        ("modules.encoder", "8 is stated here"),
    ]


# Fields of one kind where another is asked for.

TAGS = {"align": {"use": "toy.align", "in": {"ids": "words.ids", "labels": "tags"}}}
TAGGER = {"tagger": {"use": "toy.tagger", "in": "encoder.states"}}


def fault_of(module: Any, loss: Any, kinds: Registry, more: Any = None) -> tuple[str, str, str]:
    frozen = {"encoder": {**ENCODER["encoder"], "tune": "frozen"}}
    told = faults(declared(frozen | module, {"loss": loss}, more), kinds)
    found = [(fault.code, fault.where, fault.fix) for fault in told if fault.code == "CN301"]
    assert len(found) == 1
    return found[0]


def test_a_text_is_no_score(kinds: Registry) -> None:
    loss = {"use": "toy.entropy", "in": "text", "target": "mood"}
    assert fault_of(HEAD, loss, kinds) == ("CN301", "losses.loss.in", "in: head.logits")


def test_a_text_is_no_target(kinds: Registry) -> None:
    loss = {"use": "toy.entropy", "in": "head", "target": "text"}
    assert fault_of(HEAD, loss, kinds) == ("CN301", "losses.loss.target", "target: mood")


def test_labels_of_words_are_no_class_of_an_example(kinds: Registry) -> None:
    loss = {"use": "toy.entropy", "in": "head", "target": "tags"}
    assert fault_of(HEAD, loss, kinds) == ("CN301", "losses.loss.target", "target: mood")


def test_labels_of_words_are_aligned_first(kinds: Registry) -> None:
    loss = {"use": "toy.entropy", "in": "tagger", "target": "tags"}
    assert fault_of(TAGGER, loss, kinds, TAGS) == ("CN301", "losses.loss.target", "target: align.labels")
    fields = {"mood": "text"}
    [fault] = [
        fault
        for fault in faults(declared(TAGGER, {"loss": loss}, fields=fields), kinds)
        if fault.where == "losses.loss.target"
    ]
    assert fault.fix == (
        "# align the labels of words to tokens by an input, {use: token_labels, in: {labels: tags, ...}}: "
        "name that under target"
    )


def test_a_class_an_example_is_no_class_a_word(kinds: Registry) -> None:
    loss = {"use": "toy.entropy", "in": "tagger", "target": "mood"}
    code, where, fix = fault_of(TAGGER, loss, kinds)
    assert (code, where) == ("CN301", "losses.loss.target")
    assert fix == "tagger: {use: toy.head, in: encoder.pooled}  # under modules"
    told = faults(declared(TAGGER, {"loss": loss}), kinds)
    assert told[0].found == "mood: Int[batch] below labels   (*more is no axis)"
    assert told[0].expected == "target: Int[batch *more] below classes   (*more is seq, by tagger.logits)"


def test_a_class_a_word_is_no_class_an_example(kinds: Registry) -> None:
    loss = {"use": "toy.entropy", "in": "head", "target": "align.labels"}
    assert fault_of(HEAD, loss, kinds, TAGS) == ("CN301", "losses.loss.target", "target: mood")
    told = faults(declared(HEAD, {"loss": loss}, TAGS, fields={"mood": "text"}), kinds)
    [fault] = [one for one in told if one.where == "losses.loss.target"]
    assert fault.fix == "head: {use: toy.tagger, in: encoder.states}  # under modules"


def test_a_head_that_others_read_is_not_made_another(kinds: Registry) -> None:
    losses = {
        "loss": {"use": "toy.entropy", "in": "tagger", "target": "mood"},
        "tags_loss": {"use": "toy.entropy", "in": "tagger", "target": "align.labels"},
    }
    [fault] = [one for one in faults(declared(TAGGER, losses, TAGS), kinds) if one.where == "losses.loss.target"]
    assert fault.fix == "# tagger scores no examples: let a module that reads encoder.pooled give loss its scores"


def test_one_class_is_not_several(kinds: Registry) -> None:
    loss = {"use": "toy.several", "in": "head", "target": "mood"}
    assert fault_of(HEAD, loss, kinds) == ("CN301", "losses.loss.target", "use: toy.entropy  # under losses.loss")
    loss = {"use": "toy.entropy", "in": "head", "target": "topics"}
    assert fault_of(HEAD, loss, kinds) == ("CN301", "losses.loss.target", "use: toy.several  # under losses.loss")


def test_a_number_is_no_class(kinds: Registry) -> None:
    told = faults(
        declared(
            {**HEAD, "encoder": {**ENCODER["encoder"], "tune": "frozen"}},
            {"loss": {"use": "toy.entropy", "in": "head", "target": "stars"}},
            fields={"mood": "text", "topics": "text"},
        ),
        kinds,
    )
    [fault] = [one for one in told if one.where == "losses.loss.target"]
    assert fault.fix == ("# name under target a category field, or a port of type Int[batch *more] below classes")
