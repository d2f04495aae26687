"""Literals as features: what of them is read, how it is normalised, and what stands where nothing is."""

from __future__ import annotations

import pytest
import torch

from consilience.declare import Dims, Use
from consilience_knowledge import Literals
from consilience_knowledge.literals import value_of

XSD = "http://www.w3.org/2001/XMLSchema#"
READ = [
    ("1941", "gYear", 1941.0),
    ("1941-07", "gYearMonth", 1941.5),
    ("1941-07-01", "date", 1941.5),
    ("-0044-03-15Z", "date", -44 + 2 / 12 + 14 / 372),
    ("2024-01-01T23:59:59.5+02:00", "dateTime", 2024.0),
    ("1941-13-01", "date", None),
    ("1941-1-1", "date", None),
    ("٣٣٣٣", "gYear", None),
    (" true ", "boolean", 1.0),
    ("0", "boolean", 0.0),
    ("yes", "boolean", None),
    ("-2.5", "decimal", -2.5),
    ("1e3", "double", 1000.0),
    ("INF", "double", None),
    ("NaN", "float", None),
    ("1E999999999", "decimal", None),
    ("9" * 41, "integer", None),
    ("six", "integer", None),
    ("6", "string", None),
]
CARS = """
@prefix : <urn:x:> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
:a rdfs:label "a" ; :made "1950-01-01"^^xsd:date ; :doors 2, 4 ; :open true .
:b rdfs:label "b" ; :made "1970-01-01"^^xsd:date ; :doors 5 .
:c rdfs:label "c" ; :doors 4 .
"""


@pytest.mark.parametrize(("text", "datatype", "value"), READ)
def test_a_literal_is_the_number_that_it_stands_for(text, datatype, value):
    assert value_of(text, XSD + datatype) == (value if value is None else pytest.approx(value))


def test_literals_are_normalised_over_what_is_there_and_the_rest_is_masked(write_graph):
    graph = Use("cars", write_graph(CARS))
    declared = Literals(graph=graph, most=4)
    assert {name: int(size) for name, size in declared.dims(Dims()).items() if name != "entity"} == {
        "literal": 4,
        "told": 8,
    }
    values, held, pooled = declared.build(Dims())(torch.tensor([[1, 2, 3], [3, 0, -100], [0, 0, 0]]))
    # By how many have it: doors (3, 5 and 4), made (1950 and 1970), open (true of one), and nothing.
    doors = 1.5**0.5
    assert held[0].tolist() == [[True, True, True, False], [True, True, False, False], [True, False, False, False]]
    torch.testing.assert_close(values[0, :, 0], torch.tensor([-doors, doors, 0]))
    torch.testing.assert_close(values[0, :, 1], torch.tensor([-1.0, 1.0, 0.0]))
    assert values[0, 0, 2] == 0  # all that have it have the same
    assert not values[..., 3].any()
    torch.testing.assert_close(pooled[0], torch.tensor([0, 0, 0, 0, 1, 2 / 3, 1 / 3, 0]))
    assert pooled[1].tolist() == [0, 0, 0, 0, 1, 0, 0, 0]  # c alone: what is missing is in no share
    assert not held[1, 1:].any()
    assert not held[2].any()
    assert not pooled[2].any()


def test_a_graph_without_literals_gives_zeros(write_graph):
    graph = Use("bee", write_graph('<urn:x:bee> <http://www.w3.org/2000/01/rdf-schema#label> "bee" .'))
    values, held, pooled = Literals(graph=graph, most=2).build(Dims())(torch.tensor([[1]]))
    assert (values.tolist(), held.any().item(), pooled.tolist()) == ([[[0, 0]]], False, [[0, 0, 0, 0]])
