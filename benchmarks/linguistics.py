"""Measures what linguists measure: tagging and parsing, structural probes, acceptability and minimal pairs, on MiniLM.

Reads ../shared/data. `--quick` takes few rows and steps, to see that all works; the figures of docs/benchmarks.md say
with which settings they were taken. With `--results FILE` what was measured before is not measured again.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linguistics_fusions import MINILM, acceptability, minimal_pairs, probe, treebank
from measuring import machine

from consilience import Fusion
from consilience.evidence import evaluate
from consilience.train import train

DATA = Path(__file__).parents[2] / "shared" / "data"
PARTS = ("treebank", "probe", "cola", "blimp")
LAYERS = 6
"""How many layers MiniLM-L6 has."""
Scores = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """How much is read and learnt; a number of rows of 0 is all."""

    rows: int
    test_rows: int
    steps: int
    encoder: str = MINILM
    layers: tuple[int, ...] = tuple(range(LAYERS + 1))

    def keys(self, seed: int, rate: float, batch: int = 16) -> dict[str, Any]:
        """Gives the keys of a training."""
        return {
            "seed": seed,
            "max_steps": self.steps,
            "batch_size": batch,
            "learning_rate": rate,
            "warmup_steps": 0.1,
            "logging_steps": 50,
        }


def sentences(split: str) -> list[str]:
    """Reads the sentences of the treebank as they are written in CoNLL-U."""
    name = {"train": "train", "validation": "dev", "test": "test"}[split]
    with gzip.open(DATA / "ud_english_ewt" / f"en_ewt-ud-{name}.conllu.gz", "rt", encoding="utf-8") as stream:
        return [block for block in stream.read().split("\n\n") if block.strip()]


def _words(block: str) -> str:
    lines = (line.split("\t") for line in block.splitlines() if not line.startswith("#"))
    return " ".join(cells[1] for cells in lines if cells[0].isdecimal()).lower()


def write_trees(folder: Path, setting: Setting) -> int:
    """Writes the splits, and gives how many sentences of the training were left out because they are tested on."""
    tested: set[str] = set()
    left_out = 0
    for split, most in (("test", setting.test_rows), ("train", setting.rows)):
        blocks = sentences(split)
        kept = [block for block in blocks if _words(block) not in tested]
        left_out += (len(blocks) - len(kept)) if split == "train" else 0
        kept = _evenly(kept, most)
        tested |= {_words(block) for block in kept} if split == "test" else set()
        (folder / f"{split}.conllu").write_text("\n\n".join(kept) + "\n\n", encoding="utf-8")
    return left_out


def write_cola(folder: Path, setting: Setting) -> None:
    """Writes CoLA's sentences; those that are tested on stand in no training."""
    tested: set[str] = set()
    files = {"test": ["in_domain_dev.tsv", "out_of_domain_dev.tsv"], "train": ["in_domain_train.tsv.gz"]}
    for split, names in files.items():
        rows = [row for name in names for row in _rows(DATA / "cola" / name)]
        kept = {row[3].lower(): row for row in rows if row[3].lower() not in tested}
        tested |= kept.keys() if split == "test" else set()
        most = setting.test_rows if split == "test" else setting.rows
        told = [(row[3], "yes" if row[1] == "1" else "no") for row in _evenly(list(kept.values()), most)]
        _write(folder / f"cola-{split}.csv", ("text", "acceptable"), told)


def write_pairs(folder: Path, setting: Setting) -> None:
    """Writes the minimal pairs, as many of each paradigm, and sentences of the treebank to learn words from."""
    with gzip.open(DATA / "blimp" / "blimp_250.jsonl.gz", "rt", encoding="utf-8") as stream:
        pairs = [line for line in stream if line.strip()]
    by_paradigm: dict[str, list[str]] = {}
    for line in pairs:
        by_paradigm.setdefault(json.loads(line)["UID"], []).append(line)
    each = max(1, setting.test_rows // len(by_paradigm)) if setting.test_rows else len(pairs)
    (folder / "pairs.jsonl").write_text("".join(line for own in by_paradigm.values() for line in own[:each]))
    texts = dict.fromkeys(_words(block) for block in sentences("train"))
    _write(folder / "sentences-train.csv", ("text",), [(text,) for text in _evenly(list(texts), setting.rows)])


def _rows(path: Path) -> list[list[str]]:
    opened: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def _write(path: Path, names: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(names)
        writer.writerows(rows)


def _evenly(rows: list[Any], most: int) -> list[Any]:
    """Takes so many from the whole: the files stand in some order."""
    return rows if not most or most >= len(rows) else [rows[place * len(rows) // most] for place in range(most)]


def write_layers(folder: Path, encoder: str, layers: int) -> str:
    """Writes the encoder with its first layers alone, so that its last states are those of that layer."""
    from transformers import AutoModel

    from consilience.declare import Location

    source = Location(encoder).path
    target = folder / f"layers-{layers}"
    model = AutoModel.from_pretrained(source, add_pooling_layer=False)
    model.encoder.layer = model.encoder.layer[:layers]
    model.config.num_hidden_layers = layers
    model.save_pretrained(target)
    for file in source.glob("*token*"):
        shutil.copyfile(file, target / file.name)
    for name in ("vocab.txt", "special_tokens_map.json"):
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)
    return str(target)


def neighbours(folder: Path) -> float:
    """Gives the UUAS of a tree in which each word hangs on the next, the baseline of every probe."""
    import torch

    from consilience_linguistics.alignment import tree_distances
    from consilience_linguistics.conll import blocks_of, read_tree
    from consilience_linguistics.probing import UndirectedAttachment

    fields = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
    metric = UndirectedAttachment()
    for row in (read_tree(block, fields) for block in blocks_of(folder / "test.conllu")):
        if row is not None:
            true = torch.from_numpy(tree_distances([int(head) for head in row["heads"]])[0])[None]
            place = torch.arange(true.shape[1]).float()
            counted = torch.tensor([[tag != "PUNCT" for tag in row["upos"]]])
            metric.update((place[:, None] - place[None]).abs()[None], counted, true)
    return float(metric.compute())


def measured(fusion: Fusion, folder: Path) -> Scores:
    """Trains a fusion, and gives its test scores and what they took."""
    started = time.monotonic()
    run = train(fusion, folder / "runs", progress=False)
    middle = time.monotonic()
    metrics = dict(evaluate(run, "test", progress=False).metrics)
    seconds = {"training": round(middle - started), "evaluation": round(time.monotonic() - middle)}
    print(f"{fusion.name}: {seconds}", file=sys.stderr, flush=True)
    return {**metrics, "seconds": seconds}


def sides(part: str, folder: Path, setting: Setting, seed: int) -> Iterator[tuple[str, Callable[[], Scores]]]:
    """Gives what a part measures, by name, each to be run when it is asked for."""
    if part == "treebank":
        yield part, lambda: measured(treebank(folder, setting.encoder, setting.keys(seed, 2e-4)), folder)
    elif part == "cola":
        yield part, lambda: measured(acceptability(folder, setting.encoder, setting.keys(seed, 5e-5)), folder)
    elif part == "blimp":
        yield part, lambda: measured(minimal_pairs(folder, setting.encoder, setting.keys(seed, 2e-4)), folder)
    else:
        for layer in setting.layers:
            yield f"probe, layer {layer}", lambda layer=layer: _probed(folder, setting, seed, layer)  # type: ignore[misc]
        yield "probe, neighbours", lambda: {"uuas": neighbours(folder)}


def _probed(folder: Path, setting: Setting, seed: int, layer: int) -> Scores:
    encoder = write_layers(folder, setting.encoder, layer)
    return measured(probe(folder, encoder, setting.keys(seed, 1e-3)), folder)


WRITERS: Mapping[str, Callable[[Path, Setting], object]] = {
    "treebank": write_trees,
    "probe": write_trees,
    "cola": write_cola,
    "blimp": write_pairs,
}


def table(results: Iterable[Mapping[str, Any]]) -> str:
    """Writes the mean and the spread over seeds of every score of every side."""
    found: dict[str, dict[str, list[float]]] = {}
    for row in results:
        own = found.setdefault(row["side"], {})
        for name, value in row["scores"].items():
            if isinstance(value, int | float):
                own.setdefault(name, []).append(value)
    lines = ["| | score | mean | spread | seeds |", "|---|---|---|---|---|"]
    for side, scores in found.items():
        for name, values in scores.items():
            spread = f"{statistics.stdev(values):.4f}" if len(values) > 1 else ""
            lines.append(f"| {side} | {name} | {statistics.mean(values):.4f} | {spread} | {len(values)} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Runs the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all if left out")
    parser.add_argument("--quick", action="store_true", help="200 rows, 100 test rows, 20 steps, one seed")
    parser.add_argument("--rows", type=int, default=0, help="training rows (all)")
    parser.add_argument("--test-rows", type=int, default=0, help="test rows (all)")
    parser.add_argument("--steps", type=int, default=1200, help="optimizer steps of each training (1200)")
    parser.add_argument("--layers", type=int, nargs="+", default=list(range(LAYERS + 1)), help="layers to probe (all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="the seeds (0 1 2)")
    parser.add_argument("--results", type=Path, help="a file of JSON lines to add to, and to go on from")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, no table")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (1)")
    given = parser.parse_args(arguments)
    if not DATA.is_dir():
        print(f"skipped: no data at {DATA}")
        return
    parts = given.parts or list(PARTS)
    if unknown := sorted(set(parts) - set(PARTS)):
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    import torch

    torch.set_num_threads(given.threads)
    setting = Setting(given.rows, given.test_rows, given.steps, layers=tuple(given.layers))
    if given.quick:
        setting = Setting(200, 100, 20, layers=(0, 3, 6))
    results = run_all(parts, setting, [0] if given.quick else given.seeds, given.results)
    if not given.json:
        print(table(results))
        for fact in machine():
            print(f"{fact.name}: {fact.value}")


def run_all(parts: Iterable[str], setting: Setting, seeds: Iterable[int], file: Path | None) -> list[dict[str, Any]]:
    """Measures what the file of results has not, and gives all of it."""
    results = [json.loads(line) for line in file.read_text().splitlines()] if file and file.exists() else []
    settled = {"rows": setting.rows, "test_rows": setting.test_rows, "steps": setting.steps}
    done = {(row["side"], row["seed"]) for row in results}
    for part in parts:
        with tempfile.TemporaryDirectory() as path:
            WRITERS[part](Path(path), setting)
            for seed in seeds:
                for side, run in sides(part, Path(path), setting, seed):
                    if (side, seed) in done:
                        continue
                    row = {"side": side, "seed": seed, "setting": settled, "scores": run()}
                    results.append(row)
                    print(json.dumps(row), flush=True)
                    if file:
                        with file.open("a") as stream:
                            stream.write(json.dumps(row) + "\n")
    return results


if __name__ == "__main__":
    main()
