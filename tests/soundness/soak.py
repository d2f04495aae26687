"""Tries thousands of mutants, one a seed, in as many processes as there are cores, and prints the tally.

    python -m tests.soundness.soak --mutants 10000 --first 0

Each seed gives one mutant; every fifth also its fusion as it was before. The results stream into a file of JSON lines,
named after the code that is tried: a soak that was stopped goes on where it stood, and another code begins anew.
`--seed N` tries one seed alone, and prints its file.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

from tests.soundness.trial import Verdict

__all__ = ["main"]

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_EACH_VALID = 5
_LONGEST = 60
"""Seconds after which a trial is given up."""
_MEMORY = 12 * 2**30


def tried(seed: int, world: Path) -> Iterator[dict[str, Any]]:
    """Tries what one seed gives."""
    from tests.soundness.fusions import grow
    from tests.soundness.mutants import mutate
    from tests.soundness.properties import try_mutant, try_valid
    from tests.soundness.spelling import to_yaml
    from tests.soundness.step import registry_of_all

    registry = registry_of_all()
    random = Random(seed)
    written = grow(random, registry)
    if seed % _EACH_VALID == 0:
        text = to_yaml(Random(seed), written)
        yield _timed(seed, "valid", (), text, lambda: try_valid(Random(seed), text, world, registry))
    mutant = mutate(random, registry, written)
    yield _timed(
        seed, "mutant", mutant.changes, mutant.text, lambda: try_mutant(Random(seed), mutant.text, world, registry)
    )


def _timed(seed: int, kind: str, changes: tuple[str, ...], text: str, try_it: Any) -> dict[str, Any]:
    started = time.process_time()
    trial = try_it()
    record = {"seed": seed, "kind": kind, "changes": list(changes), "verdict": trial.verdict.value}
    record |= {"codes": list(trial.codes), "warnings": list(trial.warnings)}
    record |= {} if trial.mended is None else {"mended": trial.mended}
    record["seconds"] = round(time.process_time() - started, 4)
    return record | ({"found": trial.found, "text": text} if trial.verdict.is_finding else {})


def _begin(world: str) -> None:
    """Prepares a process: nothing of what it keeps is looked at again by the garbage collector."""
    import resource

    from tests.soundness.step import keep_what_is_read

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    keeping = keep_what_is_read()
    keeping.__enter__()
    _STATE.update(world=Path(world), keeping=keeping)
    for seed in range(-5, 0):
        list(tried(seed, Path(world)))
    gc.collect()
    gc.freeze()


_STATE: dict[str, Any] = {}


def _one(seed: int) -> list[dict[str, Any]]:
    import signal

    def give_up(*_: object) -> None:
        raise TimeoutError(f"more than {_LONGEST} seconds")

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(_LONGEST)
    try:
        return list(tried(seed, _STATE["world"]))
    finally:
        signal.alarm(0)


def _results() -> Path:
    """Names the file of results after all code that a trial runs."""
    digest = hashlib.sha256()
    for path in sorted([*_ROOT.glob("src/**/*.py"), *_ROOT.glob("plugins/*/src/**/*.py"), *_HERE.glob("*.py")]):
        digest.update(path.read_bytes())
    return Path("runs") / f"soak-{digest.hexdigest()[:12]}.jsonl"


def main() -> None:
    """Runs a soak, or one seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=int(os.environ.get("MUTANTS", "10000")))
    parser.add_argument("--first", type=int, default=int(os.environ.get("SEED", "0")), help="the first seed")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--results", type=Path, default=_results(), help="where the results stream to")
    parser.add_argument("--seed", type=int, help="tries this one seed, and prints its file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        import transformers
        from tests.soundness.world import write_world

        transformers.logging.disable_progress_bar()
        world = write_world(Path(folder))
        os.environ["HF_DATASETS_CACHE"] = str(world / "cache")
        if options.seed is not None:
            _begin(str(world))
            for record in tried(options.seed, world):
                sys.stdout.write(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
            return
        sys.exit(_soak(options, str(world)))


def _soak(options: argparse.Namespace, world: str) -> int:
    from tqdm import tqdm

    options.results.parent.mkdir(parents=True, exist_ok=True)
    wanted = range(options.first, options.first + options.mutants)
    done = [record for record in _read(options.results) if record["seed"] in wanted]
    left = sorted(set(wanted) - {record["seed"] for record in done if record["kind"] == "mutant"})
    context = multiprocessing.get_context("spawn")
    with (
        options.results.open("a", encoding="utf-8") as stream,
        context.Pool(options.processes, _begin, (world,)) as pool,
        tqdm(total=len(wanted), initial=len(wanted) - len(left), unit="mutant", disable=None) as bar,
    ):
        for records in pool.imap_unordered(_one, left, chunksize=4):
            for record in records:
                done.append(record)
                stream.write(json.dumps(record, ensure_ascii=False) + "\n")
                if Verdict(record["verdict"]).is_finding:
                    tqdm.write(_finding(record))
            stream.flush()
            bar.update()
        pool.close()
        pool.join()
    sys.stdout.write(tally(done) + "\n")
    return int(any(Verdict(record["verdict"]).is_finding for record in done))


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


def _finding(record: dict[str, Any]) -> str:
    made = f" ({', '.join(record['changes'])})" if record["changes"] else ""
    return (
        f"--- seed {record['seed']}, {record['kind']}{made}: {record['verdict']}\n{record['found']}\n{record['text']}"
    )


def tally(records: list[dict[str, Any]]) -> str:
    """Counts the verdicts of mutants and of valid fusions, the codes and the warnings; names the seeds of findings."""
    lines = []
    for kind in ("valid", "mutant"):
        chosen = [record for record in records if record["kind"] == kind]
        verdicts = Counter(record["verdict"] for record in chosen)
        seconds = sum(record["seconds"] for record in chosen)
        lines.append(f"{len(chosen):,} {kind}, {seconds:,.0f} CPU seconds, {seconds / max(1, len(chosen)):.3f} each")
        for verdict in Verdict:
            seeds = sorted(record["seed"] for record in chosen if record["verdict"] == verdict.value)
            named = f"  seeds {', '.join(map(str, seeds[:20]))}" if verdict.is_finding and seeds else ""
            if seeds or kind == "mutant":
                lines.append(f"  {verdicts[verdict.value]:>7,}  {verdict.value}{named}")
        pasted = Counter(max(-1, min(1, record["mended"])) for record in chosen if "mended" in record)
        if pasted:
            lines.append(
                f"  fixes pasted {sum(pasted.values()):,}: fewer faults {pasted[1]:,}, "
                f"as many {pasted[0]:,}, more {pasted[-1]:,}"
            )
        for what in ("codes", "warnings"):
            counted = Counter(code for record in chosen for code in set(record[what]))
            shown = ", ".join(f"{code} {count:,}" for code, count in sorted(counted.items()))
            if shown:
                lines.append(f"  {what}: {shown}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
