from typing import Any

import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, matthews_corrcoef

from consilience.declare import Dims, Metric
from consilience.standard import F1, Accuracy, Confusion, Matthews, MultilabelF1, MultioutputPearson, Pearson

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(40, 3, generator=GENERATOR)
TARGET = torch.randint(0, 3, (40,), generator=GENERATOR)


def measure(metric: Metric, preds: torch.Tensor, target: torch.Tensor, batches: int = 3) -> Any:
    built = metric.build(Dims({"classes": 3, "numbers": 2}))
    for some, wanted in zip(preds.chunk(batches), target.chunk(batches), strict=True):
        built.update(preds=some, target=wanted)
    return built.compute()


def test_accuracy_and_confusion_are_scikit_learns() -> None:
    guess = LOGITS.argmax(dim=1)
    assert measure(Accuracy(), LOGITS, TARGET).item() == pytest.approx(accuracy_score(TARGET, guess))
    assert measure(Confusion(), LOGITS, TARGET).tolist() == confusion_matrix(TARGET, guess).tolist()
    shares = measure(Confusion(normalize="true"), LOGITS, TARGET)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(3))


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
def test_f1_is_scikit_learns(average: str) -> None:
    wanted = f1_score(TARGET, LOGITS.argmax(dim=1), average=average)
    assert measure(F1.model_validate({"average": average}), LOGITS, TARGET).item() == pytest.approx(wanted)


def test_matthews_is_scikit_learns() -> None:
    wanted = matthews_corrcoef(TARGET, LOGITS.argmax(dim=1))
    assert measure(Matthews(), LOGITS, TARGET).item() == pytest.approx(wanted)


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@pytest.mark.parametrize("threshold", [0.5, 0.7])
def test_multilabel_f1_is_scikit_learns(average: str, threshold: float) -> None:
    target = LOGITS + torch.randn(40, 3, generator=torch.Generator().manual_seed(1)) > 0
    metric = MultilabelF1.model_validate({"average": average, "threshold": threshold})
    wanted = f1_score(target, LOGITS.sigmoid() >= threshold, average=average)
    assert measure(metric, LOGITS, target).item() == pytest.approx(wanted)


def test_logits_between_0_and_1_are_not_probabilities() -> None:
    logits = torch.tensor([[0.3, -0.0, 0.2]])
    assert measure(MultilabelF1(), logits, torch.ones(1, 3).bool(), batches=1).item() == 1.0


def test_metrics_of_tokens_pass_over_ignored_labels() -> None:
    logits, target = LOGITS.reshape(4, 10, 3), TARGET.reshape(4, 10).clone()
    target[:, ::2] = -100
    kept = target != -100
    guess = logits.argmax(dim=-1)[kept]
    for metric, wanted in (
        (Accuracy(), accuracy_score(target[kept], guess)),
        (F1(), f1_score(target[kept], guess, average="macro")),
    ):
        assert measure(metric, logits, target, batches=2).item() == pytest.approx(wanted)
    assert measure(Confusion(), logits, target, batches=2).tolist() == confusion_matrix(target[kept], guess).tolist()


def test_pearson_is_torchs() -> None:
    value, target = LOGITS[:, 0], LOGITS[:, 0] + LOGITS[:, 1]
    wanted = torch.corrcoef(torch.stack([value, target]))[0, 1]
    torch.testing.assert_close(measure(Pearson(), value, target), wanted)
    both, targets = LOGITS[:, :2], torch.stack([target, LOGITS[:, 2]], dim=1)
    second = torch.corrcoef(torch.stack([LOGITS[:, 1], LOGITS[:, 2]]))[0, 1]
    torch.testing.assert_close(measure(MultioutputPearson(), both, targets), (wanted + second) / 2)


def test_a_metric_starts_anew_after_a_reset() -> None:
    built = Accuracy().build(Dims({"classes": 3}))
    built.update(preds=LOGITS, target=TARGET)
    built.reset()
    built.update(preds=torch.eye(3), target=torch.arange(3))
    assert built.compute().item() == 1.0
