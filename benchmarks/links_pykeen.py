"""Trains link prediction in PyKEEN, an epoch whenever it is asked: the other side of `knowledge.py links`.

It runs under an interpreter that has PyKEEN. A line of the standard input is a job; each further line asks for an
epoch, which is answered by its seconds, and the scores follow the last one.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch
from pykeen.pipeline import pipeline
from pykeen.training.callbacks import TrainingCallback
from pykeen.triples import CoreTriplesFactory

MODELS = {
    "transe": "TransE",
    "distmult": "DistMult",
    "complex": "ComplEx",
    "rotate": "RotatE",
    "rgcn": "RGCN",
    "compgcn": "CompGCN",
}


class Turns(TrainingCallback):  # type: ignore[misc]  # PyKEEN is not there when types are checked
    """Tells what an epoch took, and waits for the next line before another."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs
        self.begin()

    def begin(self) -> None:
        """Waits for its turn."""
        if not sys.stdin.readline():
            raise SystemExit("nobody asks any more")
        self.started = time.perf_counter(), time.process_time()

    def post_epoch(self, epoch: int, epoch_loss: float, **kwargs: Any) -> None:
        """Tells the seconds by the wall and by the processor, all that PyKEEN does between two epochs among them."""
        tell([time.perf_counter() - self.started[0], time.process_time() - self.started[1]])
        if epoch < self.epochs:
            self.begin()


def tell(what: Any) -> None:
    """Answers with a line."""
    sys.__stdout__.write(json.dumps(what) + "\n")  # type: ignore[union-attr]  # it has one
    sys.__stdout__.flush()  # type: ignore[union-attr]


def model_of(job: dict[str, Any]) -> dict[str, Any]:
    """Chooses PyKEEN's model: ours have neither constraint nor regularizer, and as many real numbers a vector."""
    side, width = job["side"], job["width"]
    plain: dict[str, Any] = {"embedding_dim": width // 2 if side in ("complex", "rotate") else width}
    if side == "rgcn":
        return plain | {"num_layers": job["layers"], "decomposition_kwargs": {"num_bases": job["bases"]}}
    if side == "compgcn":
        layer = {"composition": "multiplication", "activation": "relu"}
        return plain | {"encoder_kwargs": {"num_layers": job["layers"], "layer_kwargs": layer}}
    own: dict[str, dict[str, Any]] = {
        "transe": {"scoring_fct_norm": 2, "entity_constrainer": None},
        "distmult": {"entity_constrainer": None, "regularizer": None},
        "complex": {"regularizer": None},
        "rotate": {},
    }
    drawn = {"entity_initializer": start_of(width)}
    if side != "rotate":  # whose relations are angles
        drawn["relation_initializer"] = start_of(width)
    return plain | own[side] | drawn


def start_of(width: int) -> Any:
    """Gives what draws vectors as ours are drawn, whose squares sum to about 1."""

    def start(tensor: torch.Tensor) -> torch.Tensor:
        (torch.view_as_real(tensor) if tensor.is_complex() else tensor).normal_(std=width**-0.5)
        return tensor

    return start


def has_inverse_of(job: dict[str, Any]) -> bool:
    """Tells whether relations have inverses with vectors of their own, as ours have; PyKEEN's R-GCN cannot."""
    return bool(job["side"] != "rgcn")


def regime_of(job: dict[str, Any]) -> dict[str, Any]:
    """Chooses PyKEEN's loop, loss and batch, so that a step asks the same of its model as one of ours."""
    has_inverse = has_inverse_of(job)
    if job["method"] == "one_to_n":
        loop = "lcwa" if has_inverse else "symmetriclcwa"
        return {"training_loop": loop, "loss": "crossentropy", "batch": None if has_inverse else job["batch"]}
    share = 1 if has_inverse else 2
    sampler = {"num_negs_per_pos": job["negatives"] * share}
    sampler |= {"corruption_scheme": ("tail",)} if has_inverse else {}
    loss = {"margin": job["margin"], "adversarial_temperature": job["temperature"]}
    told = {"training_loop": "slcwa", "negative_sampler": "basic", "negative_sampler_kwargs": sampler}
    return told | {"loss": "nssa", "loss_kwargs": loss, "batch": job["batch"] * 2 // share}


def run(job: dict[str, Any]) -> None:
    """Trains and measures what a job says."""
    regime = regime_of(job)
    inverse = has_inverse_of(job)
    sizes = {"num_entities": job["entities"], "num_relations": job["relations"]}
    train = CoreTriplesFactory(torch.tensor(job["train"]), create_inverse_triples=inverse, **sizes)
    valid, asked = (CoreTriplesFactory(torch.tensor(job[name]), **sizes) for name in ("valid", "asked"))
    batch = regime.pop("batch")
    if batch is None:  # as many steps an epoch as ours, of questions that have all their answers
        head, kind, tail = train.mapped_triples.T
        both = torch.cat([torch.stack([head, kind], 1), torch.stack([tail, kind + 1_000_000], 1)])
        steps = -(-len(train.mapped_triples) // job["batch"])
        batch = -(-len(both.unique(dim=0)) // steps)
    began = time.process_time()
    result = pipeline(
        training=train,
        validation=valid,
        testing=asked,
        model=MODELS[job["side"]],
        model_kwargs=model_of(job),
        optimizer="adam",
        optimizer_kwargs={"lr": job["rate"]},
        training_kwargs={
            "num_epochs": job["epochs"],
            "batch_size": batch,
            "use_tqdm": False,
            "callbacks": Turns(job["epochs"]),
        },
        evaluation_kwargs={
            "use_tqdm": False,
            "batch_size": 32,
            "additional_filter_triples": [torch.tensor(job[name]) for name in ("train", "valid", "test")],
        },
        random_seed=job["seed"],
        device="cpu",
        **regime,
    )
    keys = {"mrr": "inverse_harmonic_mean_rank", "hits@1": "hits_at_1", "hits@10": "hits_at_10"}
    told = {name: result.get_metric(f"both.realistic.{key}") for name, key in keys.items()}
    tell(told | {"cpu": time.process_time() - began, "evaluation": result.evaluate_seconds})


def main() -> None:
    """Takes jobs until there are no more."""
    torch.set_num_threads(1)
    sys.stdout = sys.stderr
    for line in iter(sys.stdin.readline, ""):
        run(json.loads(line))


if __name__ == "__main__":
    main()
