"""Gives a growing fusion what it learns from: fields, heads, losses, metrics and tuners; and prunes the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
from tests.soundness.growth import Field, Growth, Sequence, Vector
from tests.soundness.settings import draw_settings
from tests.soundness.world import MOST_LABELS, SPACES

__all__ = ["add_answer", "finish", "gradients_of", "graph_of", "is_still"]

_LABELS = ("negative", "positive", "no", "1", "true", "a b", "é", "日本", "O", "B-PER", "neutral", "x:y", "it's", "#1")
_STILL = ("concat", "regroup", "probabilities")
"""The modules without parameters."""
_HANDING_ON = ("cross_attention", "gated", "knowledge.injection")
"""The modules that give what is as wide as what they read."""
_COARSER = {
    "psychology.goemotions": ("psychology.ekman", "psychology.sentiment"),
    "psychology.ekman": ("psychology.sentiment",),
}
"""The label spaces that a declared mapping leads to."""
_BY_LABEL = ("accuracy", "f1", "confusion", "matthews")


def add_answer(growth: Growth) -> None:
    """Adds a head with its loss, sometimes with a metric, for one of the things that can be learnt here."""
    able: list[Callable[[Growth], None]] = []
    if growth.vectors:
        able += [_categories, _category, _category, _number, _numbers]
        able += [_valence] if growth.valences else []
        able += [_width_as_answer] if _as_wide_as_labels(growth) else []
    if len(growth.texts) == 1 and any(sequence.along in growth.tokens for sequence in growth.sequences):
        able += [_words]
    if _guessable(growth):
        able += [_masked_words] * 2
    if growth.encoders:
        able += [_sparsity] if growth.random.random() < 0.3 else []
    growth.random.choice(able)(growth)


def _field(growth: Growth, kind: str, size: int = 0, text: str = "", space: str = "") -> Field:
    """Takes a field of a type, or declares one: with labels of its own, or with a plugin's label space."""
    known = [
        field
        for field in growth.labelled
        if field.kind == kind and size in (0, field.size) and field.text == text and space in ("", field.space)
    ]
    if known and growth.random.random() < 0.4:
        return growth.random.choice(known)
    name = growth.name(f"{kind}_of")
    if kind == "number":
        field = Field(name, kind)
        growth.fields[name] = kind
    elif space or (not size and growth.random.random() < 0.3):
        space = space or growth.random.choice(list(SPACES))
        field = Field(name, kind, space, SPACES[space], text)
        growth.fields[name] = {kind: space}
    else:
        count = size or growth.random.randint(2, MOST_LABELS)
        field = Field(name, kind, count, count, text)
        growth.fields[name] = {kind: growth.random.sample(_LABELS, count)}
    growth.labelled.append(field)
    growth.outputs[name] = ("",)
    return field


def _loss(growth: Growth, use: str, port: str, ref: str, target: str, **settings: Any) -> str:
    random = growth.random
    keys: dict[str, Any] = {"target": target}
    if random.random() < 0.4:
        keys["weight"] = random.choice([0.5, 1.0, 2, 0.1, 1, 3.7])
    if random.random() < 0.15:
        keys["discipline"] = random.choice(["task", "criticism", "psychology", "Sprache"])
    if random.random() < 0.15:
        keys["example_weight"] = growth.example_weight()
    name = growth.add(growth.losses, f"{use.rpartition('.')[2]}_of", use, {port: ref}, **keys, **settings)
    growth.reads[name].add(target.partition(".")[0])
    return name


def _metric(growth: Growth, use: str, port: str, ref: str, target: str) -> None:
    if growth.random.random() < 0.4:
        name = growth.add(growth.metrics, "measured", use, {port: ref}, target=target)
        growth.reads[name].add(target.partition(".")[0])


def _head(growth: Growth, use: str, port: str, source: Vector | Sequence) -> str:
    """Adds a head, or applies one of its component to another input of its width."""
    same = [
        name
        for name, node in growth.modules.items()
        if node.get("use") == use and growth.outputs[name] and _reads_width(growth, name) == source.width
    ]
    name = growth.add(growth.modules, use.rpartition(".")[2], use, {port: source.ref})
    growth.modules[name]["#width"] = source.width
    if same and growth.random.random() < 0.15:
        owner = growth.random.choice(same)
        if "#answer" in growth.modules[owner]:
            answer = growth.modules[owner]["#answer"]
            growth.modules[name] = {"share": owner, "in": growth.modules[name]["in"], "#answer": answer}
            growth.reads[name].add(owner)
    return name


def _reads_width(growth: Growth, name: str) -> int:
    return int(growth.modules[name].get("#width", 0))


def _answer_field(growth: Growth, head: str, kind: str) -> Field:
    """Gives a field for a head: of the same label space as that of the head whose parameters it shares."""
    node = growth.modules[head]
    if "share" in node:
        field: Field = node["#answer"]
        return field
    field = _field(growth, kind)
    node["#answer"] = field
    return field


def _vector(growth: Growth) -> Vector:
    return growth.random.choice(growth.vectors)


def _category(growth: Growth) -> None:
    head = _head(growth, growth.random.choice(["classifier", "psychology.emotion_head"]), "features", _vector(growth))
    field = _answer_field(growth, head, "category")
    if field.kind == "categories":
        _some_labels(growth, head, field)
    else:
        _one_label(growth, f"{head}.logits", field)


def _categories(growth: Growth) -> None:
    head = _head(growth, growth.random.choice(["classifier", "psychology.emotion_head"]), "features", _vector(growth))
    field = _answer_field(growth, head, "categories")
    if field.kind == "category":
        _one_label(growth, f"{head}.logits", field)
    else:
        _some_labels(growth, head, field)


def _one_label(growth: Growth, ref: str, field: Field) -> None:
    weights = [round(growth.random.uniform(0.1, 4), 2) for _ in range(field.size)]
    given = {"class_weights": weights} if growth.random.random() < 0.2 else {}
    _loss(growth, "cross_entropy", "logits", ref, field.name, **given)
    _metric(growth, growth.random.choice(_BY_LABEL), "preds", ref, field.name)
    _more_of_scores(growth, ref, field)


def _more_of_scores(growth: Growth, ref: str, field: Field) -> None:
    """Makes coarser labels of scores, or shares for other modules to read."""
    coarser = _COARSER.get(str(field.space), ())
    if coarser and growth.random.random() < 0.3:
        space = growth.random.choice(coarser)
        groups = _field(growth, "category", SPACES[space], space=space)
        name = growth.add(growth.modules, "groups", "regroup", {"logits": ref})
        _loss(growth, "cross_entropy", "logits", f"{name}.logits", groups.name)
    if growth.random.random() < 0.15:
        name = growth.add(growth.modules, "shares", "probabilities", {"logits": ref})
        growth.vectors.append(Vector(f"{name}.probabilities", field.size))


def _some_labels(growth: Growth, head: str, field: Field) -> None:
    ref = f"{head}.logits"
    if growth.random.random() < 0.5:
        weights = [round(growth.random.uniform(0.1, 4), 2) for _ in range(field.size)]
        given = {"pos_weight": weights} if growth.random.random() < 0.3 else {}
        _loss(growth, "binary_cross_entropy", "logits", ref, field.name, **given)
    else:
        _loss(growth, "psychology.emotion_loss", "logits", ref, field.name)
    _metric(growth, "multilabel_f1", "preds", ref, field.name)


def _number(growth: Growth) -> None:
    _one_number(growth, _field(growth, "number").name, True)


def _valence(growth: Growth) -> None:
    _one_number(growth, f"{growth.random.choice(growth.valences)}.valence", growth.random.random() < 0.5)


def _one_number(growth: Growth, target: str, is_regressor: bool) -> None:
    use, port = ("regressor", "value") if is_regressor else ("psychology.affect_head", "valence")
    ref = f"{_head(growth, use, 'features', _vector(growth))}.{port}"
    use, port = growth.random.choice([("mse", "value"), ("psychology.affect_loss", "valence")])
    _loss(growth, use, port, ref, target)
    _metric(growth, "pearson", "preds", ref, target)


def _numbers(growth: Growth) -> None:
    head = _head(growth, "multioutput_regressor", "features", _vector(growth))
    field = _answer_field(growth, head, "numbers")
    _loss(growth, "mse", "value", f"{head}.value", field.name)
    _metric(growth, "multioutput_pearson", "preds", f"{head}.value", field.name)


def _as_wide_as_labels(growth: Growth) -> list[Vector]:
    """Lists the vectors that could be scores of a label space: what has their width is scores of no other."""
    taken = {ref for name in growth.losses for ref in growth.reads[name]}
    for alike in nx.connected_components(_of_one_width(growth)):
        taken |= alike if alike & taken else set()
    known = [vector for vector in growth.vectors if vector.ref.partition(".")[0] not in taken and _is_free(vector)]
    return [vector for vector in dict.fromkeys(known) if 2 <= vector.width <= MOST_LABELS]


def _is_free(vector: Vector) -> bool:
    """Tells whether no label space is behind a vector yet."""
    return not vector.ref.endswith(".probabilities")


def _of_one_width(growth: Growth) -> nx.Graph[str]:
    """Joins the modules that hand on the width of what they read to what they give: it has one label space."""
    graph: nx.Graph[str] = nx.Graph()
    for name, node in growth.modules.items():
        if node.get("use") in _HANDING_ON or "share" in node:
            graph.add_edges_from((source, name) for source in growth.reads[name] if source in growth.modules)
    return graph


def _width_as_answer(growth: Growth) -> None:
    """Takes a vector that is as wide as a label space for scores, without a head."""
    vector = growth.random.choice(_as_wide_as_labels(growth))
    kind = growth.random.choice(["category", "categories", "numbers"])
    field = _field(growth, kind, vector.width)
    if kind == "numbers":
        _loss(growth, "mse", "value", vector.ref, field.name)
    elif kind == "categories":
        _loss(growth, "binary_cross_entropy", "logits", vector.ref, field.name)
    else:
        _loss(growth, "cross_entropy", "logits", vector.ref, field.name)


def _words(growth: Growth) -> None:
    """Labels words: the labels are those of one text, whose words are what stands between white space."""
    sequences = [sequence for sequence in growth.sequences if sequence.along in growth.tokens]
    states = growth.random.choice(sequences)
    text = growth.tokens[states.along][0]
    head = _head(growth, "token_classifier", "hidden", states)
    node = growth.modules[head]
    field = node["#answer"] if "share" in node else _field(growth, "token_labels", text=text)
    node["#answer"] = field
    wanted = {"words": f"{states.along}.words", "labels": field.name}
    aligned = growth.add(growth.inputs, "aligned", "token_labels", wanted)
    _loss(growth, "cross_entropy", "logits", f"{head}.logits", f"{aligned}.labels")
    _metric(growth, growth.random.choice(_BY_LABEL), "preds", f"{head}.logits", f"{aligned}.labels")


def _guessable(growth: Growth) -> list[tuple[str, Sequence]]:
    return [
        (masked, sequence)
        for masked, tokens in growth.masked.items()
        for sequence in growth.sequences
        if sequence.along == tokens and growth.encoders
    ]


def _masked_words(growth: Growth) -> None:
    masked, states = growth.random.choice(_guessable(growth))
    encoder = growth.random.choice(list(growth.encoders))
    wanted = {"hidden": states.ref, "positions": f"{masked}.positions"}
    checkpoint, width = growth.encoders[encoder]
    has_head = growth.resources[checkpoint]["path"] == "headed" and states.width == width
    given = {"start": "pretrained"} if has_head and growth.random.random() < 0.5 else {}
    head = growth.add(growth.modules, "words", "linguistics.masked_lm_head", wanted, tie=encoder, **given)
    growth.reads[head].add(encoder)
    use = growth.random.choice(["linguistics.masked_lm_loss", "linguistics.masked_lm_loss", "cross_entropy"])
    _loss(growth, use, "logits", f"{head}.logits", f"{masked}.labels")
    _metric(growth, "linguistics.perplexity", "logits", f"{head}.logits", f"{masked}.labels")


def _sparsity(growth: Growth) -> None:
    ungated = set(growth.encoders) - {node.get("of") for node in growth.losses.values()}
    if ungated:
        encoder = growth.random.choice(sorted(ungated))
        name = growth.add(growth.losses, "size", "complexity.sparsity", of=encoder)
        growth.reads[name].add(encoder)


def finish(growth: Growth) -> None:
    """Removes what no loss and no metric reads, and says what is trained, so that every loss trains something."""
    _prune(growth)
    for node in growth.modules.values():
        node.pop("#width", None)
        node.pop("#answer", None)
        if "use" in node:
            _tune(growth, node)
    _free_some(growth, _still_the_unread(growth))
    _pace(growth)


def graph_of(growth: Growth, has_references: bool = True) -> nx.DiGraph[str]:
    """Draws who reads whom, and who refers to whom by `tie`, `of` and `share`."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(growth.reads)
    nodes = {**growth.inputs, **growth.modules, **growth.losses, **growth.metrics}
    for name, sources in growth.reads.items():
        named = {nodes[name].get("tie"), nodes[name].get("of")} if name in nodes and not has_references else ()
        graph.add_edges_from((source, name) for source in sources if source not in named)
    return graph


def gradients_of(growth: Growth) -> nx.DiGraph[str]:
    """Draws whose tensors each reads: the ways of the gradients, but for parameters that are only referred to."""
    graph = graph_of(growth, has_references=False)
    shares = [(node["share"], name) for name, node in growth.modules.items() if "share" in node]
    graph.remove_edges_from(shares)
    return graph


def _still_the_unread(growth: Growth) -> set[str]:
    """Freezes what is only tied to, or only gated, for nothing flows through it into a loss; gives the others."""
    graph = graph_of(growth, has_references=False)
    read = {name for loss in growth.losses for name in nx.ancestors(graph, loss)}
    for name in set(growth.modules) - read:
        growth.modules[name]["tune"] = "frozen"
    return read


def _prune(growth: Growth) -> None:
    graph = graph_of(growth)
    kept = {name for loss in growth.losses for name in (loss, *nx.ancestors(graph, loss))}
    for name in [name for name in growth.metrics if not nx.ancestors(graph, name) <= kept]:
        del growth.metrics[name]
    kept |= {*growth.metrics}
    for section in (growth.inputs, growth.modules):
        for name in set(section) - kept:
            del section[name]
    read = {source for name in kept for source in growth.reads.get(name, ())}
    for section in (growth.inputs, growth.modules, growth.losses, growth.metrics):
        read |= {str(value) for node in section.values() for value in node.values()}
    for name in [name for name in growth.fields if name not in read]:
        del growth.fields[name]
    growth.labelled = [field for field in growth.labelled if field.name in growth.fields]
    growth.texts = [text for text in growth.texts if text in growth.fields]
    growth.weights = [weight for weight in growth.weights if weight in growth.fields]
    used = read | _named_graphs(growth)
    for name in [name for name in growth.resources if name not in used]:
        del growth.resources[name]
    growth.reads = {name: reads for name, reads in growth.reads.items() if name in kept}


def _named_graphs(growth: Growth) -> set[str]:
    nodes = [*growth.inputs.values(), *growth.modules.values()]
    return {str(node[key]) for node in nodes for key in ("checkpoint", "graph") if key in node}


def _tune(growth: Growth, node: dict[str, Any]) -> None:
    chance = growth.random.random()
    if chance < 0.15:
        node["tune"] = growth.random.choice(["frozen", {"use": "frozen"}])
    elif chance < (0.45 if node["use"] == "text_encoder" else 0.3) and node["use"] not in _STILL:
        node["tune"] = _addition(growth, node)
    elif chance < 0.5 and node["use"] not in _STILL:
        node["tune"] = growth.random.choice(["full", {"use": "full"}])
    if node.get("tune") == {"use": "lora"} and growth.random.random() < 0.5:
        node["tune"] = "lora"


def _addition(growth: Growth, node: dict[str, Any]) -> dict[str, Any]:
    """Draws a tuner that trains a part: any for an encoder, and for other modules one that takes every linear layer."""
    everywhere: list[dict[str, Any]] = [
        {"use": "adalora", "r": 2, "start_r": 3},
        {"use": "ia3", "targets": "all-linear", "feedforward": []},
        {"use": "bottleneck", "targets": "all-linear"},
    ]
    encoders = [{"use": use} for use in ("ia3", "bottleneck", "prefix", "prompt", "bitfit", "last_n")]
    if growth.random.random() < 0.3:
        return {"use": "lora", **_lora(growth, node)}
    tune = growth.random.choice(encoders if node["use"] == "text_encoder" else everywhere)
    offer = growth.registry.component(tune["use"])
    assert offer is not None
    return {**draw_settings(growth.random, offer.component), **tune}


def _lora(growth: Growth, node: dict[str, Any]) -> dict[str, Any]:
    offer = growth.registry.component("lora")
    assert offer is not None
    drawn = draw_settings(growth.random, offer.component)
    if node["use"] == "text_encoder" and growth.random.random() < 0.5:
        drawn["targets"] = growth.random.choice([["query", "value"], ["query"], ["dense"], "all-linear"])
    return drawn


def _free_some(growth: Growth, read: set[str]) -> None:
    """Lets go of a frozen module behind every loss that would train nothing."""
    graph = graph_of(growth)
    for loss, node in growth.losses.items():
        if node["use"] == "complexity.sparsity":
            continue
        behind = [name for name in nx.ancestors(graph, loss) if name in growth.modules]
        owners = {growth.modules[name].get("share", name) for name in behind}
        free = [name for name in owners if not is_still(growth.modules[name])]
        if not free:
            able = sorted(name for name in owners & read if growth.modules[name]["use"] not in _STILL)
            growth.modules[growth.random.choice(able)].pop("tune", None)


def _pace(growth: Growth) -> None:
    """Gives some trained modules rates of their own, and keeps what some frozen ones give."""
    random, graph = growth.random, gradients_of(growth)
    for name, node in growth.modules.items():
        if "share" in node or node["use"] in _STILL:
            continue
        if not is_still(node):
            rates: dict[str, Any] = {"learning_rate": random.choice([1e-4, 0.003]), "weight_decay": 0.01}
            rates |= {"layer_decay": 0.9} if node["use"] == "text_encoder" else {}
            node.update({key: value for key, value in rates.items() if random.random() < 0.07})
        elif _is_the_same(growth, {name, *nx.ancestors(graph, name)}) and random.random() < 0.3:
            node["tune"] = {"use": "frozen", "cache": True}


def _is_the_same(growth: Growth, before: set[str]) -> bool:
    """Tells whether what some nodes give of an example never changes: by no training, and by no chance."""
    owners = {growth.modules[name].get("share", name) for name in before if name in growth.modules}
    if owners & {node.get("of") for node in growth.losses.values()}:
        return False  # a loss may train gates inside
    return not before & {*growth.masked} and all(is_still(growth.modules[owner]) for owner in owners)


def is_still(node: dict[str, Any]) -> bool:
    """Tells whether nothing of a module is trained."""
    tune = node.get("tune")
    return (tune["use"] if isinstance(tune, dict) else tune) == "frozen" or node["use"] in _STILL
