"""Batches: fields as tensors, inputs in their order, the same everywhere."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from consilience.data import Collator, InputStep
from consilience.declare import Bool, FieldType, Float, Int, Port, Text
from consilience.errors import DataError

FIELDS = {
    name: FieldType.model_validate(written)
    for name, written in {
        "text": "text",
        "mood": {"category": ["bad", "good"]},
        "tags": {"categories": ["x", "y", "z"]},
        "score": "number",
        "affect": {"numbers": ["valence", "arousal"]},
        "words": {"token_labels": ["O", "X"]},
    }.items()
}
SIZES = {"mood": 2, "tags": 3, "affect": 2, "words": 2}
EXAMPLES = [
    {"_row": 7, "text": "a b", "mood": 1, "tags": [0, 2], "score": 1.5, "affect": [0.5, -1.0], "words": [0, 1]},
    {"_row": 9, "text": None, "mood": None, "tags": None, "score": None, "affect": None, "words": None},
    {"_row": 1 << 41, "text": ["c"], "mood": 0, "tags": [], "score": 0.0, "affect": [0.0, 0.0], "words": [1]},
]


class Lengths:
    def __call__(self, text: list[str | list[str]]) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor([len(one) for one in text]), torch.tensor([isinstance(one, str) for one in text])


class Noise:
    def __call__(self, like: torch.Tensor, generators: list[torch.Generator]) -> dict[str, torch.Tensor]:
        assert len(like) == len(generators)
        return {"noise": torch.stack([torch.rand(3, generator=generator) for generator in generators])}


class Total:
    def __call__(self, parts: list[torch.Tensor]) -> torch.Tensor:
        return sum(part.float().sum(-1) for part in parts)  # type: ignore[return-value]


class Labels:
    def __call__(self, labels: list[list[int]], mood: torch.Tensor) -> torch.Tensor:
        return torch.tensor([sum(row) for row in labels]) + mood


STEPS = (
    InputStep("lengths", Lengths(), {"text": "text"}, ("size", "plain"), "test.lengths"),
    InputStep("noise", Noise(), {"like": "lengths.size"}, ("noise",), "test.noise", is_random=True),
    InputStep("total", Total(), {"parts": ("noise.noise", "tags")}, ("total",), "test.total"),
    InputStep("labels", Labels(), {"labels": "words", "mood": "mood"}, ("sum",), "test.labels"),
)
COLLATOR = Collator(FIELDS, SIZES, STEPS, seed=3)


def test_fields_become_tensors_and_what_is_missing_is_zero() -> None:
    batch = Collator(FIELDS, SIZES)(EXAMPLES)
    present = torch.tensor([True, False, True])
    expected = {
        "mood": torch.tensor([1, 0, 0]),
        "tags": torch.tensor([[True, False, True], [False] * 3, [False] * 3]),
        "score": torch.tensor([1.5, 0.0, 0.0]),
        "affect": torch.tensor([[0.5, -1.0], [0.0, 0.0], [0.0, 0.0]]),
    }
    assert set(batch) == {*expected, *(f"{name}.present" for name in FIELDS)}
    for name, tensor in expected.items():
        assert batch[name].dtype == tensor.dtype
        assert torch.equal(batch[name], tensor)
    for name in FIELDS:
        assert torch.equal(batch[f"{name}.present"], present)


def test_inputs_read_fields_and_each_other() -> None:
    batch = COLLATOR(EXAMPLES)
    assert batch["lengths.size"].tolist() == [3, 0, 1]
    assert batch["lengths.plain"].tolist() == [True, True, False]
    assert batch["labels.sum"].tolist() == [2, 0, 1]
    assert torch.equal(batch["total.total"], batch["noise.noise"].sum(-1) + batch["tags"].sum(-1))


def test_randomness_follows_the_seed_the_rows_and_the_input() -> None:
    noise = COLLATOR(EXAMPLES)["noise.noise"]
    assert torch.equal(COLLATOR(EXAMPLES)["noise.noise"], noise)
    assert not torch.equal(Collator(FIELDS, SIZES, STEPS, seed=4)(EXAMPLES)["noise.noise"], noise)
    assert torch.equal(COLLATOR(EXAMPLES[::-1])["noise.noise"].flip(0), noise)
    assert torch.equal(COLLATOR(EXAMPLES[1:2])["noise.noise"], noise[1:2])
    again = [{**example, "_draw": 1} for example in EXAMPLES]
    assert not (COLLATOR(again)["noise.noise"] == noise).all(dim=1).any()
    renamed = InputStep("other", Noise(), {"like": "mood"}, ("noise",), is_random=True)
    assert not torch.equal(Collator(FIELDS, SIZES, (renamed,), seed=3)(EXAMPLES)["other.noise"], noise)
    assert torch.get_rng_state().equal((COLLATOR(EXAMPLES), torch.get_rng_state())[1])


def test_the_seeds_stay_what_they_are_in_every_process() -> None:
    pinned = torch.rand(1, 3, generator=torch.Generator().manual_seed(4259717118398524280))
    noise = InputStep("noise", Noise(), {"like": "mood"}, ("noise",), is_random=True)
    assert torch.equal(Collator(FIELDS, SIZES, (noise,), seed=3)(EXAMPLES[:1])["noise.noise"], pinned)


def test_a_worker_process_makes_the_same_batches_to_the_last_bit(write, prepared) -> None:
    write("a.csv", "text,label", *(f"{'word ' * (row % 7)},{row % 2}" for row in range(40)))
    write("b.csv", "text", *(f"other {row}" for row in range(9)))
    splits = prepared(
        """
fields: {text: text, mood: {category: [bad, good]}}
sources:
  a: {use: table, path: a.csv, map: {text: text, mood: label}}
  b: {use: table, path: b.csv, map: {text: text}}
"""
    )
    collator = Collator({name: FIELDS[name] for name in ("text", "mood")}, SIZES, STEPS[:2], seed=5)
    here = list(DataLoader(splits.train, 8, collate_fn=collator))
    there = list(DataLoader(splits.train, 8, collate_fn=collator, num_workers=1, multiprocessing_context="spawn"))
    assert len(here) == len(there) == 7
    for one, other in zip(here, there, strict=True):
        assert list(one) == list(other)
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_collator_is_pickled_whole() -> None:
    again = pickle.loads(pickle.dumps(COLLATOR))(EXAMPLES)
    assert all(torch.equal(tensor, again[name]) for name, tensor in COLLATOR(EXAMPLES).items())


@pytest.mark.parametrize(
    ("call", "outputs", "kind"),
    [(lambda text: text[5], ("a",), IndexError), (lambda text: torch.zeros(1), ("a", "b"), DataError)],
)
def test_a_fault_in_an_input_tells_whose_it_is(call: object, outputs: tuple[str, ...], kind: type[Exception]) -> None:
    step = InputStep("mine", call, {"text": "text"}, outputs, "plugin.thing")  # type: ignore[arg-type]
    with pytest.raises(kind) as caught:
        Collator(FIELDS, SIZES, (step,))(EXAMPLES)
    assert caught.value.__notes__ == [f"in input mine (plugin.thing), rows {[7, 9, 1 << 41]}"]


def test_examples_of_a_request_need_no_row_numbers(tmp_path: Path) -> None:
    batch = COLLATOR([{"text": "new"}])
    assert batch["mood.present"].tolist() == [False]
    assert batch["lengths.size"].tolist() == [3]


PORTS: dict[str, Port] = {"ids": Int["batch seq"], "score": Float["batch width"], "mask": Bool["batch seq"]}
KEPT = {
    "ids": torch.zeros(3, 4, dtype=torch.int64),
    "score": torch.zeros(3, 2),
    "mask": torch.ones(3, 4, dtype=torch.bool),
}
FROM = ", from lab.own"
BROKEN = {
    "a port too few": ({"mask": ...}, "the ports ids, score", "the ports ids, score, mask"),
    "a port too many": ({"more": KEPT["ids"]}, "the ports ids, score, mask, more", "the ports ids, score, mask"),
    "a list": ({"ids": [[1]]}, "ids: a value of type list", "ids: Int[batch seq]"),
    "doubles": ({"score": KEPT["score"].double()}, "score: float64[3 2]", "float32 or bfloat16[3 2]"),
    "numbers for truths": ({"mask": KEPT["ids"]}, "mask: int64[3 4]", "mask: bool[3 4], as Bool[batch seq]"),
    "truths for indexes": ({"ids": KEPT["mask"]}, "ids: bool[3 4]", "ids: int64 or int32[3 4]"),
    "a dim too few": ({"ids": KEPT["ids"][0]}, "ids: int64[4]", "ids: int64 or int32[3 seq]"),
    "fewer rows": ({"ids": KEPT["ids"][:2]}, "ids: int64[2 4]", "ids: int64 or int32[3 seq]"),
    "another size": ({"score": torch.zeros(3, 5)}, "score: float32[3 5]", "float32 or bfloat16[3 2]"),
    "two lengths": ({"mask": KEPT["mask"][:, :3]}, "mask: bool[3 3]", "mask: bool[3 4]"),
}


def honoured(given: object) -> dict[str, torch.Tensor]:
    step = InputStep(
        "own", lambda text: given, {"text": "text"}, tuple(PORTS), "lab.own", ports=PORTS, sizes={"width": 2}
    )
    return Collator(FIELDS, SIZES, (step,))(EXAMPLES)


@pytest.mark.parametrize(("change", "found", "expected"), BROKEN.values(), ids=BROKEN)
def test_an_input_that_gives_what_it_did_not_declare_is_told(
    change: dict[str, object], found: str, expected: str
) -> None:
    given = {name: value for name, value in ({**KEPT, **change}).items() if value is not ...}
    with pytest.raises(DataError) as caught:
        honoured(given)
    [fault] = caught.value.diagnostics
    assert (fault.code, fault.where, fault.found) == ("CN312", "inputs.own", found + FROM)
    assert expected in fault.expected


@pytest.mark.parametrize(
    ("given", "found"),
    [(None, "a value of type NoneType"), ((KEPT["ids"],), "1 values"), ("abc", "a value of type str")],
)
def test_an_input_that_gives_no_tensor_for_each_port_is_told(given: object, found: str) -> None:
    with pytest.raises(DataError) as caught:
        honoured(given)
    assert caught.value.diagnostics[0].found == found + FROM


def test_what_is_declared_passes_in_any_form() -> None:
    for given in (KEPT, tuple(KEPT.values()), list(KEPT.values())):
        batch = honoured(given)
        assert all(batch[f"own.{name}"] is tensor for name, tensor in KEPT.items())
    flexible = InputStep(
        "own", lambda text: torch.zeros(3, 1, 2), {"text": "text"}, ("x",), ports={"x": Float["batch *more 2"]}
    )
    assert Collator(FIELDS, SIZES, (flexible,))(EXAMPLES)["own.x"].shape == (3, 1, 2)


def stepped(given: object, sizes: dict[str, int] | None = None, **ports: Port) -> dict[str, torch.Tensor]:
    """Runs an input that reads five numbers an example, and gives tensors with these ports."""
    steps = (
        InputStep("first", lambda text: torch.arange(15).reshape(3, 5), {"text": "text"}, ("ids",)),
        InputStep(
            *("own", lambda text, given_: given, {"text": "text", "given_": "first.ids"}, tuple(ports), "lab.own"),
            ports=ports,
            sizes=sizes or {},
            reads={"text": Text["batch"], "given_": Int["batch seq"]},
        ),
    )
    return Collator(FIELDS, SIZES, steps)(EXAMPLES)


def found_of(given: object, sizes: dict[str, int] | None = None, **ports: Port) -> tuple[str, str]:
    with pytest.raises(DataError) as caught:
        stepped(given, sizes, **ports)
    [fault] = caught.value.diagnostics
    assert (fault.code, fault.where) == ("CN312", "inputs.own")
    return fault.found.removesuffix(FROM), fault.expected


def test_a_size_that_varies_is_that_of_what_was_read() -> None:
    stepped(torch.zeros(3, 5), x=Float["batch seq"])
    assert found_of(torch.zeros(3, 4), x=Float["batch seq"])[0] == "x: float32[3 4]"


def test_a_sum_is_held_to_what_it_adds() -> None:
    stepped(torch.zeros(3, 11), x=Float["batch 2*seq+1"])
    found, expected = found_of(torch.zeros(3, 10), x=Float["batch 2*seq+1"])
    assert (found, expected) == ("x: float32[3 10]", "x: float32 or bfloat16[3 11], as Float[batch 2*seq+1]")
    both = {"first": Float["batch left+right"], "left": Float["batch left"], "right": Float["batch right"]}
    given = {"first": torch.zeros(3, 3), "left": torch.zeros(3, 1), "right": torch.zeros(3, 2)}
    stepped(given, **both)
    assert found_of({**given, "first": torch.zeros(3, 4)}, **both)[0] == "first: float32[3 4]"


def test_an_axis_that_may_be_left_out_is_so_in_every_port() -> None:
    ports = {"x": Float["batch ?more"], "y": Float["batch ?more 2"]}
    stepped({"x": torch.zeros(3), "y": torch.zeros(3, 2)}, **ports)
    stepped({"x": torch.zeros(3, 7), "y": torch.zeros(3, 7, 2)}, **ports)
    assert found_of({"x": torch.zeros(3), "y": torch.zeros(3, 7, 2)}, **ports)[0] == "y: float32[3 7 2]"


STRAY = {
    "above": (Float["batch"].within(0, 1), [0.0, 1.0, 1.5], "x: a value of 1.5", "x: values within 0 to 1"),
    "below": (Float["batch"].within(-1, 1), [0.0, -1.0, -2.0], "x: a value of -2", "x: values within -1 to 1"),
    "no number": (
        Float["batch"].within(0, 1),
        [0.0, float("nan"), 1.0],
        "x: a value of nan",
        "x: values within 0 to 1",
    ),
    "an index too high": (Int["batch"].below("vocab"), [0, 3, 4], "x: a value of 4", "x: values from 0 to 3, or -100"),
    "an index below 0": (
        Int["batch"].below("vocab"),
        [0, -1, -100],
        "x: a value of -1",
        "x: values from 0 to 3, or -100",
    ),
    "a whole number": (Int["batch"].within(1, 5), [1, 5, 6], "x: a value of 6", "x: values within 1 to 5"),
}


@pytest.mark.parametrize(("port", "values", "found", "expected"), STRAY.values(), ids=STRAY)
def test_a_value_that_lies_elsewhere_is_told(port: Port, values: list[float], found: str, expected: str) -> None:
    assert found_of(torch.tensor(values), {"vocab": 4}, x=port) == (found, expected)


@pytest.mark.parametrize(
    ("port", "tensor"),
    [
        (Float["batch"].within(0, 0.1), torch.tensor([0.0, 0.1, 0.05])),
        (Float["batch"].within(0, 0.1), torch.tensor([0.0, 0.1, 0.05], dtype=torch.bfloat16)),
        (Float["batch"].logits(), torch.tensor([1e30, -1e30, 0.0])),
        (Float["batch"].within(0, float("inf")), torch.tensor([1e30, 0.0, 0.0])),
        (Int["batch"].below("vocab"), torch.tensor([3, -100, 0])),
        (Int["batch"].below("unknown"), torch.tensor([9, 9, 9])),
        (Float["batch none"].within(0, 1), torch.zeros(3, 0)),
        (Int["batch"].below("seq"), torch.tensor([4, 0, 1])),
    ],
)
def test_a_value_within_its_range_passes(port: Port, tensor: torch.Tensor) -> None:
    assert stepped(tensor, {"vocab": 4}, x=port)["own.x"] is tensor


def test_an_example_that_is_not_present_may_hold_any_value() -> None:
    ports = {"x": Float["batch seq"].within(0, 1), "present": Bool["batch"]}
    values = torch.tensor([[0.5] * 5, [-7.0] * 5, [1.0] * 5])
    stepped({"x": values, "present": torch.tensor([True, False, True])}, **ports)
    assert found_of({"x": values, "present": torch.ones(3, dtype=torch.bool)}, **ports)[0] == "x: a value of -7"
