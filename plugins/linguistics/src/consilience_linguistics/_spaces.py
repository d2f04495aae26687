"""The label spaces of linguistics: what Universal Dependencies and BLiMP call things."""

from __future__ import annotations

from consilience.declare import LabelSpace

__all__ = [
    "BLIMP",
    "BLIMP_PHENOMENA",
    "DEPREL",
    "FEATURES",
    "NEXT_SENTENCE",
    "POSITIONS",
    "REPLACED",
    "SENTENCE_ORDER",
    "SPACES",
    "UPOS",
]

_UPOS = "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X"
_DEPREL = (
    "acl advcl advmod amod appos aux case cc ccomp clf compound conj cop csubj dep det discourse dislocated expl "
    "fixed flat goeswith iobj list mark nmod nsubj nummod obj obl orphan parataxis punct reparandum root vocative "
    "xcomp"
)
_FEATURES = {
    "Abbr": "Yes",
    "Animacy": "Anim Hum Inan Nhum",
    "Aspect": "Hab Imp Iter Perf Prog Prosp",
    "Case": (
        "Abe Abl Abs Acc Add Ade All Ben Cau Cmp Cns Com Dat Del Dis Ela Equ Erg Ess Gen Ill Ine Ins Lat Loc Nom "
        "Par Per Sbe Sbl Spl Sub Sup Tem Ter Voc"
    ),
    "Clusivity": "Ex In",
    "Definite": "Com Cons Def Ind Spec",
    "Degree": "Abs Aug Cmp Dim Equ Pos Sup",
    "Deixis": "Abv Bel Even Med Nvis Prox Remt",
    "Evident": "Fh Nfh",
    "ExtPos": _UPOS,
    "Foreign": "Yes",
    "Gender": "Com Fem Masc Neut",
    "Mood": "Adm Cnd Des Imp Ind Int Irr Jus Nec Opt Pot Prp Qot Sub",
    "NumForm": "Combi Digit Roman Word",
    "NumType": "Card Dist Frac Mult Ord Range Sets",
    "Number": "Coll Count Dual Grpa Grpl Inv Pauc Plur Ptan Sing Tri",
    "Person": "0 1 2 3 4",
    "Polarity": "Neg Pos",
    "Polite": "Elev Form Humb Infm",
    "Poss": "Yes",
    "PronType": "Art Dem Emp Exc Ind Int Neg Prs Rcp Rel Tot",
    "Reflex": "Yes",
    "Style": "Arch Coll Expr Form Rare Slng Vrnc Vulg",
    "Tense": "Fut Imp Past Pqp Pres",
    "Typo": "Yes",
    "VerbForm": "Conv Fin Gdv Ger Inf Part Sup Vnoun",
    "Voice": "Act Antip Bfoc Cau Dir Inv Lfoc Mid Pass Rcp",
}

UPOS = LabelSpace(name="upos", labels=tuple(_UPOS.split()))
"""The 17 universal parts of speech (de Marneffe et al. 2021)."""

DEPREL = LabelSpace(name="deprel", labels=tuple(_DEPREL.split()))
"""The 37 universal dependency relations, without their subtypes (de Marneffe et al. 2021)."""

POSITIONS = LabelSpace(name="positions", labels=tuple(map(str, range(512))))
"""Places of words in a sentence, as CoNLL-U counts them: 0 is the root, 1 the first word."""

REPLACED = LabelSpace(name="replaced", labels=("original", "replaced"))
"""Whether a token is the one that was written."""

SENTENCE_ORDER = LabelSpace(name="sentence_order", labels=("swapped", "as_written"))
"""Whether two parts of a text stand as they were written."""

NEXT_SENTENCE = LabelSpace(name="next_sentence", labels=("of_another_text", "next"))
"""Whether the second part of a pair goes on with the text of the first."""

FEATURES = {name: tuple(values.split()) for name, values in _FEATURES.items()}
"""The values of each feature of words in Universal Dependencies 2, those of a few languages alone left out."""

_PARADIGMS: dict[str, tuple[str, ...]] = {
    "anaphor_agreement": (
        "anaphor_gender_agreement",
        "anaphor_number_agreement",
    ),
    "argument_structure": (
        "causative",
        "drop_argument",
        "inchoative",
        "intransitive",
        "passive_1",
        "passive_2",
        "transitive",
    ),
    "binding": (
        "principle_A_c_command",
        "principle_A_case_1",
        "principle_A_case_2",
        "principle_A_domain_1",
        "principle_A_domain_2",
        "principle_A_domain_3",
        "principle_A_reconstruction",
    ),
    "control_raising": (
        "existential_there_object_raising",
        "existential_there_subject_raising",
        "expletive_it_object_raising",
        "tough_vs_raising_1",
        "tough_vs_raising_2",
    ),
    "determiner_noun_agreement": (
        "determiner_noun_agreement_1",
        "determiner_noun_agreement_2",
        "determiner_noun_agreement_irregular_1",
        "determiner_noun_agreement_irregular_2",
        "determiner_noun_agreement_with_adj_2",
        "determiner_noun_agreement_with_adj_irregular_1",
        "determiner_noun_agreement_with_adj_irregular_2",
        "determiner_noun_agreement_with_adjective_1",
    ),
    "ellipsis": (
        "ellipsis_n_bar_1",
        "ellipsis_n_bar_2",
    ),
    "filler_gap_dependency": (
        "wh_questions_object_gap",
        "wh_questions_subject_gap",
        "wh_questions_subject_gap_long_distance",
        "wh_vs_that_no_gap",
        "wh_vs_that_no_gap_long_distance",
        "wh_vs_that_with_gap",
        "wh_vs_that_with_gap_long_distance",
    ),
    "irregular_forms": (
        "irregular_past_participle_adjectives",
        "irregular_past_participle_verbs",
    ),
    "island_effects": (
        "adjunct_island",
        "complex_NP_island",
        "coordinate_structure_constraint_complex_left_branch",
        "coordinate_structure_constraint_object_extraction",
        "left_branch_island_echo_question",
        "left_branch_island_simple_question",
        "sentential_subject_island",
        "wh_island",
    ),
    "npi_licensing": (
        "matrix_question_npi_licensor_present",
        "npi_present_1",
        "npi_present_2",
        "only_npi_licensor_present",
        "only_npi_scope",
        "sentential_negation_npi_licensor_present",
        "sentential_negation_npi_scope",
    ),
    "quantifiers": (
        "existential_there_quantifiers_1",
        "existential_there_quantifiers_2",
        "superlative_quantifiers_1",
        "superlative_quantifiers_2",
    ),
    "s-selection": (
        "animate_subject_passive",
        "animate_subject_trans",
    ),
    "subject_verb_agreement": (
        "distractor_agreement_relational_noun",
        "distractor_agreement_relative_clause",
        "irregular_plural_subject_verb_agreement_1",
        "irregular_plural_subject_verb_agreement_2",
        "regular_plural_subject_verb_agreement_1",
        "regular_plural_subject_verb_agreement_2",
    ),
}
_PHENOMENA = {paradigm: phenomenon for phenomenon, names in _PARADIGMS.items() for paradigm in names}

BLIMP = LabelSpace(name="blimp", labels=tuple(sorted(_PHENOMENA)))
"""The 67 paradigms of BLiMP (Warstadt et al. 2020)."""

BLIMP_PHENOMENA = LabelSpace(
    name="blimp_phenomena",
    labels=tuple(sorted(_PARADIGMS)),
    maps={"blimp": _PHENOMENA, "linguistics.blimp": _PHENOMENA},
)
"""The phenomena that BLiMP's paradigms are of, with the mapping of each paradigm onto its own."""

SPACES = [UPOS, DEPREL, POSITIONS, REPLACED, SENTENCE_ORDER, NEXT_SENTENCE, BLIMP, BLIMP_PHENOMENA]
"""Those that a file may name."""
