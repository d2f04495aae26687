from consilience.declare import Module


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
