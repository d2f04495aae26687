"""Measures knowledge: link prediction, a relational layer, the reading of a million triples, and linking.

`links` trains each encoder and scorer on the splits of a data set and tells filtered MRR and Hits@10 of both sides,
with the seconds of an epoch, beside PyKEEN by the same regime where `--pykeen PYTHON` names an interpreter that has it;
`layer` times R-GCN beside torch-geometric's; `reading` reads generated triples beside rdflib; `linking` finds 50,000
names in sentences beside a naive matcher.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from links import SETS, SIDES, links
from measuring import Row, in_turns, machine, median, ratio, show


def layer(edges: int, rounds: int) -> Iterator[Row]:
    """Times a layer, forward and backward, beside torch-geometric's, of the same weights and with equal results."""
    import torch

    from consilience_knowledge.rgcn import Messages, RelationalLayer

    try:
        from torch_geometric.nn import RGCNConv
    except ImportError:
        yield Row("R-GCN", "skipped", "torch-geometric is not installed")
        return
    torch.manual_seed(0)
    nodes, relations, width = max(10, edges // 5), 40, 64
    heads, tails, kinds = torch.randint(nodes, (edges,)), torch.randint(nodes, (edges,)), torch.randint(20, (edges,))
    messages = Messages.along(heads.tolist(), kinds.tolist(), tails.tolist(), relations // 2)
    mine, other = RelationalLayer(width, relations), RGCNConv(width, width, relations)
    with torch.no_grad():
        other.weight.copy_(mine.weights)
        other.root.copy_(mine.itself.weight.T)
        other.bias.copy_(mine.itself.bias)
    columns = [torch.tensor(getattr(messages, name)) for name in ("senders", "groups", "counts", "receivers")]
    kind = torch.repeat_interleave(torch.arange(relations), torch.tensor(messages.sizes))[columns[1]]
    index = torch.stack([columns[0], columns[3][columns[1]]])
    states = torch.randn(nodes, width, requires_grad=True)
    sides: dict[str, Callable[[], torch.Tensor]] = {
        "ours": lambda: mine(states, *columns, messages.sizes),
        "torch-geometric": lambda: other(states, index, kind),
    }
    torch.testing.assert_close(sides["ours"](), sides["torch-geometric"](), atol=1e-3, rtol=1e-3)
    times = in_turns({name: lambda _, run=run: run().sum().backward() for name, run in sides.items()}, rounds, 1)
    for name, taken in times.items():
        yield median(f"R-GCN, {edges:,} edges, forward and backward, {name}", taken)
    yield from ratio("R-GCN forward and backward", times["ours"], times["torch-geometric"], "torch-geometric RGCNConv")


def reading(count: int, plain: int) -> Iterator[Row]:
    """Times the reading of generated N-Triples, and then of what was kept; rdflib reads fewer, and is scaled up."""
    import rdflib

    from consilience_knowledge.reading import read_graph

    with tempfile.TemporaryDirectory() as folder:
        os.environ["CONSILIENCE_CACHE"] = folder
        path, few = Path(folder) / "all.nt", Path(folder) / "few.nt"
        drawn = random.Random(0)
        entity = count // 5
        edges = [(drawn.randrange(entity), drawn.randrange(40), drawn.randrange(entity)) for _ in range(count)]
        lines = [f"<urn:x:e{head}> <urn:x:r{kind}> <urn:x:e{tail}> .\n" for head, kind, tail in edges]
        path.write_text("".join(lines))
        few.write_text("".join(lines[:plain]))
        sides = {
            "first": lambda _: read_graph(path, ("rdfs:label",)),
            "kept": lambda _: read_graph(path, ("rdfs:label",)),
        }
        for name, run in sides.items():
            taken = in_turns({name: run}, 1, 0)[name]
            yield Row(f"{count:,} triples to a graph, {name}", round(taken.cpu[0], 3), "CPU seconds")
        taken = in_turns({"rdflib": lambda _: rdflib.Graph().parse(few, format="nt")}, 1, 0)["rdflib"]
        yield Row(f"{plain:,} triples parsed by rdflib", round(taken.cpu[0], 3), "CPU seconds")
        yield Row(f"rdflib, scaled to {count:,}", round(taken.cpu[0] * count / plain, 1), "CPU seconds")


def linking(names: int, sentences: int, naive: int) -> Iterator[Row]:
    """Times the finding of names in sentences, beside a search for each name by itself."""
    from consilience_knowledge.dictionary import Dictionary

    drawn = random.Random(0)
    words = ["".join(drawn.choices("abcdefghijklmnopqrstuvwxyz", k=drawn.randint(3, 9))) for _ in range(20_000)]
    # Names of one word are none that every sentence holds; those of several begin with any word.
    several = [" ".join(drawn.choices(words, k=drawn.choice((2, 3)))) for _ in range(names + names // 50)]
    aliases = [f"{one.replace(' ', '')}x" if at % 4 == 0 else one for at, one in enumerate(dict.fromkeys(several))]
    aliases = aliases[:names]
    texts = [" ".join([*drawn.choices(words, k=18), drawn.choice(aliases)]) for _ in range(sentences)]
    dictionary = Dictionary((at, (name,)) for at, name in enumerate(aliases, start=1))
    started = time.process_time()
    found = sum(len(dictionary.find(text)) for text in texts)
    ours = sentences / (time.process_time() - started)
    bounded = [f" {name} " for name in aliases]
    started = time.process_time()
    for text in texts[:naive]:
        _ = [name for name in bounded if name in f" {text} "]
    slow = naive / (time.process_time() - started)
    yield Row(f"{len(aliases):,} names in sentences of about 20 words", round(ours), "sentences a CPU second")
    yield Row("a search for each name", round(slow, 1), "sentences a CPU second")
    yield Row("linking", round(ours / slow, 1), "ratio", "a search for each name")
    yield Row("mentions a sentence", round(found / sentences, 2), "mentions")


def rows(given: argparse.Namespace) -> Iterator[Row]:
    """Gives what was asked for."""
    quick = given.quick
    if "links" in given.parts:
        yield from links(given)
    if "layer" in given.parts:
        yield from layer(2_000 if quick else 100_000, 1 if quick else 5)
    if "reading" in given.parts:
        yield from reading(2_000 if quick else 1_000_000, 1_000 if quick else 100_000)
    if "linking" in given.parts:
        yield from linking(*((500, 200, 2) if quick else (50_000, 20_000, 20)))
    yield from machine()


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark."""
    parts = ["links", "layer", "reading", "linking"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(parts)}; all if left out")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=["umls", "kinships"])
    parser.add_argument("--sides", nargs="+", choices=list(SIDES), default=list(SIDES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--regime", type=json.loads, default={}, metavar="JSON", help="what is otherwise for all sides")
    parser.add_argument("--pykeen", metavar="PYTHON", help="an interpreter that has PyKEEN, to measure beside")
    parser.add_argument("--results", type=Path, help="a file of JSON lines to add to, and to go on from")
    parser.add_argument("--quick", action="store_true", help="small, to see that it works")
    parser.add_argument("--json", action="store_true", help="one object a line")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.parts) - set(parts)):
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(parts)}")
    given.parts = given.parts or parts
    import torch

    torch.set_num_threads(1)
    if given.quick:
        given.sets, given.regime = ["umls"], {"epochs": 1, "width": 8}
    show(rows(given), given.json)


if __name__ == "__main__":
    main()
