"""Measures knowledge: link prediction, a relational layer, the reading of a million triples, and linking.

`links` trains each encoder and scorer on the splits of a data set and tells filtered MRR and Hits@10 of both sides,
with the seconds of an epoch; `layer` times R-GCN beside torch-geometric's; `reading` reads generated triples beside
rdflib; `linking` finds 50,000 names in sentences beside a naive matcher. PyKEEN is measured by `--pykeen PYTHON`, an
interpreter that has it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from measuring import Row, in_turns, machine, median, ratio, show

DATA = Path(__file__).parents[2] / "shared" / "data"
SETS = {"umls": "kg_umls", "kinships": "kg_kinships", "wn18rr": "kg_wn18rr", "fb15k237": "kg_fb15k237"}
SIDES: Mapping[str, Mapping[str, Any]] = {
    "transe": {"scorer": "transe", "smoothing": 0.1},
    "distmult": {"scorer": "distmult", "dropout": 0.3},
    "complex": {"scorer": "complex", "dropout": 0.3},
    "rotate": {"scorer": "rotate", "smoothing": 0.1},
    "rgcn": {"encoder": "rgcn", "scorer": "distmult", "dropout": 0.2},
    "compgcn": {"encoder": "compgcn", "scorer": "distmult", "dropout": 0.2},
}
"""What is trained; chosen before anything was measured, and the same for every data set."""
PYKEEN_BATCH = 64
"""The questions of a step in PyKEEN, each with all its answers: with 512, an epoch of UMLS has but a few steps."""
PYKEEN = """
import json, sys, time
import torch
from pykeen.pipeline import pipeline
from pykeen.triples import TriplesFactory
given = json.loads(sys.argv[1])
torch.set_num_threads(1)
train = TriplesFactory.from_path(given["train"], create_inverse_triples=True)
maps = {"entity_to_id": train.entity_to_id, "relation_to_id": train.relation_to_id}
valid, test = (TriplesFactory.from_path(given[name], **maps) for name in ("valid", "test"))
started = time.perf_counter()
result = pipeline(training=train, validation=valid, testing=test, model=given["model"],
    model_kwargs={"embedding_dim": given["width"]}, training_loop="lcwa", loss="crossentropy", optimizer="adam",
    optimizer_kwargs={"lr": given["rate"]},
    training_kwargs={"num_epochs": given["epochs"], "batch_size": given["batch"], "use_tqdm": False},
    evaluation_kwargs={"use_tqdm": False}, random_seed=given["seed"], device="cpu")
told = {name: result.get_metric(f"both.realistic.{key}") for name, key in
    (("mrr", "inverse_harmonic_mean_rank"), ("hits@10", "hits_at_10"))}
print(json.dumps(told | {"seconds an epoch": result.train_seconds / given["epochs"]}))
"""
"""Trains and measures in PyKEEN; complex models count their width in complex numbers, half as many."""


def triples_of(name: str) -> dict[str, list[list[str]]]:
    """Reads the splits of a data set."""
    found = {}
    for split in ("train", "valid", "test"):
        [path] = (DATA / SETS[name]).glob(f"{split}.*")
        opened: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8") as stream:
            found[split] = [line.rstrip("\n").split("\t") for line in stream]
    return found


def ours(name: str, side: str, seed: int, epochs: int, width: int) -> dict[str, float]:
    """Trains one of our sides on a data set, and measures it on the test split."""
    import torch

    from consilience_knowledge.pretraining import LinkPredictor, Settings, pretrain
    from consilience_knowledge.ranking import Known

    rows = triples_of(name)
    every = [triple for split in rows.values() for triple in split]
    entity = {text: at for at, text in enumerate(sorted({end for h, _, t in every for end in (h, t)}), start=1)}
    kind = {text: at for at, text in enumerate(sorted({k for _, k, _ in every}))}
    split = {s: torch.tensor([[entity[h], kind[k], entity[t]] for h, k, t in told]) for s, told in rows.items()}
    settings = Settings(**{"epochs": epochs, "width": width, "seed": seed, **SIDES[side]})
    torch.manual_seed(seed)
    model = LinkPredictor(split["train"], len(entity) + 1, len(kind), settings)
    seconds = [epoch.seconds for epoch in pretrain(model, split["train"])]
    known = Known(torch.cat(list(split.values())), len(entity) + 1, len(kind))
    told = model.evaluate(split["test"], known)
    return {"mrr": told["mrr"], "hits@10": told["hits@10"], "seconds an epoch": sum(seconds) / len(seconds)}


def theirs(python: str, name: str, side: str, seed: int, epochs: int, width: int) -> dict[str, float]:
    """Trains the same scorer in PyKEEN, on the same splits."""
    model = {"transe": "TransE", "distmult": "DistMult", "complex": "ComplEx", "rotate": "RotatE"}[side]
    with tempfile.TemporaryDirectory() as folder:
        given: dict[str, Any] = {"model": model, "seed": seed, "epochs": epochs, "rate": 0.01, "batch": PYKEEN_BATCH}
        given["width"] = width // 2 if side in ("complex", "rotate") else width
        for split, rows in triples_of(name).items():
            path = Path(folder) / f"{split}.tsv"
            path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
            given[split] = str(path)
        command = [python, "-c", PYKEEN, json.dumps(given)]
        home = {**os.environ, "PYSTOW_HOME": folder, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=home)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def links(given: argparse.Namespace) -> Iterator[Row]:
    """Gives the scores of every side; what stands in the file of results is not measured again."""
    known = given.results.read_text().splitlines() if given.results and given.results.exists() else []
    kept = {tuple(row["key"]): row["scores"] for row in map(json.loads, known)}
    for name in given.sets:
        if not (DATA / SETS[name]).is_dir():
            yield Row(f"links {name}", "skipped", f"needs ../shared/data/{SETS[name]}")
            continue
        for side in given.sides:
            for seed in given.seeds:
                fitting = bool(given.pykeen) and "encoder" not in SIDES[side]
                for whose in ("", "PyKEEN ") if fitting else ("",):
                    epochs = given.pykeen_epochs or given.epochs if whose else given.epochs
                    key = (name, whose + side, seed, epochs, given.width)
                    if key not in kept:
                        told = (name, side, seed, epochs, given.width)
                        kept[key] = theirs(given.pykeen, *told) if whose else ours(*told)
                        _add(given.results, {"key": key, "scores": kept[key]})
                    for score, value in kept[key].items():
                        yield Row(f"{name} {whose}{side} {score}", round(value, 4), f"seed {seed}")


def _add(path: Path | None, row: Mapping[str, Any]) -> None:
    if path:
        with path.open("a") as stream:
            stream.write(json.dumps(row) + "\n")


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
    parser.add_argument("--epochs", type=int, default=50, help="of every side (50)")
    parser.add_argument("--width", type=int, default=128, help="numbers of a vector (128)")
    parser.add_argument("--pykeen", metavar="PYTHON", help="an interpreter that has PyKEEN")
    parser.add_argument("--pykeen-epochs", type=int, help="its epochs, where they are others")
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
        given.sets, given.epochs, given.width = ["umls"], 1, 8
    show(rows(given), given.json)


if __name__ == "__main__":
    main()
