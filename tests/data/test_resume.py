"""A run that is resumed in the middle of an epoch meets the batches that it would have met."""

from __future__ import annotations

import pytest
from accelerate.data_loader import BatchSamplerShard, DataLoaderShard, skip_first_batches
from torch.utils.data import BatchSampler

from consilience.data import Collator, InputStep, training_order
from consilience.declare import FieldType


class Noise:
    """Draws a number an example, each from its own generator."""

    def __call__(self, text, generators):
        import torch

        return {"noise": torch.stack([torch.rand(2, generator=generator) for generator in generators])}


FIELDS = {"text": FieldType.model_validate("text")}
STEPS = (InputStep("noise", Noise(), {"text": "text"}, ("noise",), "test.noise", is_random=True),)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("mixing", ["", "by: round_robin, batches: homogeneous", "by: temperature, until: shortest"])
def test_skipping_leaves_what_would_have_come(write, plan_of, prepared, mixing, processes) -> None:
    for name, count in (("a", 23), ("b", 9)):
        write(f"{name}.csv", "text", *(f"{name} {'word ' * (row % 5)}" for row in range(count)))
    text = f"""
fields: {{text: text}}
sources: {{a: {{use: table, path: a.csv, map: {{text: text}}}}, b: {{use: table, path: b.csv, map: {{text: text}}}}}}
mixing: {{{mixing}}}
"""
    plan, splits = plan_of(text), prepared(text)

    def loader(rank: int):
        order = training_order(plan, splits, 3, 0, processes)
        batches = BatchSampler(order, 3, drop_last=False)
        if processes > 1:
            batches = BatchSamplerShard(batches, processes, rank)
        return order, DataLoaderShard(splits.train, batch_sampler=batches, collate_fn=Collator(FIELDS, {}, STEPS))

    for rank in range(processes):
        order, whole = loader(rank)
        epochs = []
        for epoch in range(3):
            whole.set_epoch(epoch)
            epochs.append([batch["noise.noise"].tolist() for batch in whole])
        assert epochs[0] != epochs[1]
        order, resumed = loader(rank)
        order.set_epoch(2)  # as the trainer does when the epoch begins
        skipped = skip_first_batches(resumed, 2)
        skipped.set_epoch(2)
        assert [batch["noise.noise"].tolist() for batch in skipped] == epochs[2][2:]
