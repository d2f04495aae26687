import pytest

from consilience.declare import Input, Loss, Metric, Module, Use, upstream


def test_a_component_is_named_by_its_class_in_snake_case():
    class MaskedLMHead(Module):
        """Scores words."""

    assert MaskedLMHead.component == "masked_lm_head"


def test_a_component_may_be_given_another_name():
    class RGCN(Module, name="rgcn"):
        """Encodes a graph."""

    class Deeper(RGCN):
        """Encodes it with more layers."""

    assert RGCN.component == "rgcn"
    assert Deeper.component == "deeper"


def test_a_key_that_would_name_several_nodes_is_refused_where_it_is_written():
    with pytest.raises(TypeError, match=r"Ensemble\.teachers: a key names one node; .* `teachers_1: Use"):

        class Ensemble(Module):
            teachers: list[Use[Module]]

    with pytest.raises(TypeError, match="a key names one node"):

        class Named(Module):
            teachers: dict[str, Use[Module]] | None = None

    class Pair(Module):
        first: Use[Module]
        second: Use[Module] | None = None
        third: Use[Module] = upstream()

    assert Pair.uses() == {"first": Module, "second": Module, "third": Module}


def test_the_class_variables_of_a_base_class_are_not_read_anew_for_every_subclass():
    for base in (*Loss.__mro__, *Module.__mro__, *Input.__mro__, *Metric.__mro__):
        if base.__module__ == Module.__module__:
            assert not any(isinstance(annotation, str) for annotation in base.__annotations__.values()), base
