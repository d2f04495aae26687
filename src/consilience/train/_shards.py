"""What several processes need: batches dealt out, each row once, and a balancer that is seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from accelerate.data_loader import BatchSamplerShard

from consilience.fuse import FusedModel, FusedOutput

__all__ = ["Dealt", "deal", "is_idle", "with_balancer"]


class Dealt:
    """Gives one process every so many-th batch of a batch sampler.

    Where the last ones do not go round, a process without one gets the epoch's first row, so that it takes the step
    with the others; `is_idle` tells that it counts for nothing. No row is repeated otherwise, as accelerate's own
    dealing does to fill up an epoch's last batches: what counts twice is no mean over the rows.
    """

    def __init__(self, batches: Any, process: int, processes: int) -> None:
        self.batches = batches
        self.process, self.processes = process, processes

    def __len__(self) -> int:
        return (len(self.batches) + self.processes - 1) // self.processes

    def __iter__(self) -> Iterator[Sequence[int]]:
        first: Sequence[int] = ()
        number = -1
        for number, batch in enumerate(self.batches):
            first = first or batch[:1]
            if number % self.processes == self.process:
                yield batch
        if (number + 1) % self.processes and self.process >= (number + 1) % self.processes:
            yield first

    @property
    def sampler(self) -> Any:
        """The sampler of the rows: accelerate sets its epoch."""
        return getattr(self.batches, "sampler", None)

    @property
    def is_idle_last(self) -> bool:
        """Whether this process has no last batch of its own."""
        return 0 < len(self.batches) % self.processes <= self.process

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of a batch sampler that has one."""
        if hasattr(self.batches, "set_epoch"):
            self.batches.set_epoch(epoch)


def deal(loader: Any) -> None:
    """Deals out the batches of a loader that accelerate prepared for several processes; leaves others as they are."""
    shard = getattr(loader, "batch_sampler", None)
    if not isinstance(shard, BatchSamplerShard) or shard.num_processes == 1 or shard.drop_last or shard.split_batches:
        return
    # A loader's batch sampler cannot be replaced: accelerate's is made to pass on what it is given, of any size.
    shard.batch_sampler = Dealt(shard.batch_sampler, shard.process_index, shard.num_processes)
    shard.num_processes, shard.process_index, shard.batch_size, shard.even_batches = 1, 0, None, False


def is_idle(loader: Any) -> bool:
    """Tells whether the batch that a loader gave last is one that counts for nothing."""
    if loader is None or not loader.end_of_dataloader:
        return False
    found = loader.batch_sampler
    while found is not None and not isinstance(found, Dealt):
        found = getattr(found, "batch_sampler", None)  # a resumed epoch skips batches of another sampler
    return found is not None and found.is_idle_last


def with_balancer(model: FusedModel, arguments: Any, output: FusedOutput) -> FusedOutput:
    """Lets a forward's output depend on the balancer's parameters, which the objective uses after it.

    DistributedDataParallel takes for unused what no output depends on, and fails where a gradient comes all the same.
    """
    used = [parameter.sum() for parameter in model.balancer.parameters() if parameter.requires_grad]
    if not used:
        return output
    return FusedOutput(tensors={**(output.tensors or {}), "balancer": torch.stack(used).sum()}, losses=output.losses)
