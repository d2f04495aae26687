import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from consilience.declare import Dims, Loss
from consilience.standard import BinaryCrossEntropy, CrossEntropy, Fixed, MeanSquaredError, Uncertainty

LOGITS = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
TARGET = torch.tensor([0, 2, 1, 2])
TOKEN_LOGITS = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(1))
TOKEN_TARGET = torch.tensor([[-100, 0, 2, -100], [-100, 1, -100, -100]])


def build(loss: Loss) -> nn.Module:
    built: nn.Module = loss.build(Dims({"classes": 3, "numbers": 2}))
    return built


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"label_smoothing": 0.2},
        {"class_weights": [1.0, 2.0, 0.5]},
        {"class_weights": [1.0, 2.0, 0.5], "label_smoothing": 0.1},
    ],
)
def test_cross_entropy_is_torchs(keys: dict[str, object]) -> None:
    loss = build(CrossEntropy.model_validate(keys))
    weights = torch.tensor(keys["class_weights"]) if "class_weights" in keys else None
    smoothing = float(keys.get("label_smoothing", 0))  # type: ignore[arg-type]
    wanted = F.cross_entropy(LOGITS, TARGET, weights, label_smoothing=smoothing)
    torch.testing.assert_close(loss(logits=LOGITS, target=TARGET).sum() / loss.count(TARGET).sum(), wanted)  # type: ignore[operator]
    wanted = F.cross_entropy(TOKEN_LOGITS.transpose(1, 2), TOKEN_TARGET, weights, label_smoothing=smoothing)
    value, count = loss(logits=TOKEN_LOGITS, target=TOKEN_TARGET), loss.count(TOKEN_TARGET)  # type: ignore[operator]
    assert value.shape == count.shape == (2,)
    torch.testing.assert_close(value.sum() / count.sum(), wanted)


def test_ignored_labels_count_nothing() -> None:
    loss = build(CrossEntropy())
    assert loss.count(TOKEN_TARGET).tolist() == [2, 1]  # type: ignore[operator]
    nothing = torch.full((2, 4), -100)
    logits = TOKEN_LOGITS.clone().requires_grad_()
    value = loss(logits=logits, target=nothing)
    assert value.tolist() == loss.count(nothing).tolist() == [0, 0]  # type: ignore[operator]
    value.sum().backward()
    assert logits.grad is not None
    assert not logits.grad.any()


@pytest.mark.parametrize("weights", [None, [1.0, 4.0, 0.5]])
def test_binary_cross_entropy_is_torchs(weights: list[float] | None) -> None:
    target = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]]).bool()
    loss = build(BinaryCrossEntropy(pos_weight=weights))
    scale = None if weights is None else torch.tensor(weights)
    wanted = F.binary_cross_entropy_with_logits(LOGITS, target.float(), pos_weight=scale)
    value = loss(logits=LOGITS, target=target)
    assert value.shape == (4,)
    torch.testing.assert_close(value.mean(), wanted)


@pytest.mark.parametrize("shape", [(4,), (4, 3)])
def test_mse_is_torchs(shape: tuple[int, ...]) -> None:
    value, target = torch.randn(shape), torch.randn(shape, dtype=torch.float64)
    got = build(MeanSquaredError())(value=value, target=target)
    assert got.shape == (4,)
    torch.testing.assert_close(got.mean(), F.mse_loss(value, target.float()))


@pytest.mark.parametrize(
    ("loss", "given"),
    [
        (CrossEntropy(class_weights=[1.0, 2.0, 3.0]), {"logits": TOKEN_LOGITS, "target": TOKEN_TARGET}),
        (BinaryCrossEntropy(pos_weight=[1.0, 2.0, 3.0]), {"logits": LOGITS, "target": LOGITS > 0}),
        (MeanSquaredError(), {"value": LOGITS, "target": LOGITS}),
    ],
)
def test_a_loss_runs_on_fake_tensors_and_in_bfloat16(loss: Loss, given: dict[str, torch.Tensor]) -> None:
    built = build(loss)
    exact = built(**given)
    rough = built.to(torch.bfloat16)(
        **{k: v.bfloat16() if v.is_floating_point() and k != "target" else v for k, v in given.items()}
    )
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, atol=0.1, rtol=0.1)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert built(**{key: mode.from_tensor(value) for key, value in given.items()}).shape == exact.shape


def test_weights_state_how_many_classes_there_are() -> None:
    assert CrossEntropy(class_weights=[1.0, 2.0]).dims(Dims()) == {"classes": 2}
    assert BinaryCrossEntropy(pos_weight=[1.0, 2.0]).dims(Dims()) == {"classes": 2}
    assert CrossEntropy().dims(Dims()) == {}
    with pytest.raises(ValueError, match="greater than 0"):
        CrossEntropy.model_validate({"class_weights": [1.0, 0.0]})


def contributions(balancer: nn.Module, values: dict[str, torch.Tensor]) -> torch.Tensor:
    factors, penalties = balancer(values)
    terms = [factors[name] * value for name, value in values.items()]
    return torch.stack([*terms, *penalties.values()]).sum()


def test_fixed_leaves_the_losses_as_they_are() -> None:
    values = {"a": torch.tensor(2.0), "b": torch.tensor(3.0)}
    factors, penalties = Fixed().build(("a", "b"))(values)
    assert {name: factor.item() for name, factor in factors.items()} == {"a": 1, "b": 1}
    assert penalties == {}


def test_uncertainty_is_the_papers() -> None:
    balancer = Uncertainty().build(("a", "b"))
    values = {"a": torch.tensor(2.0), "b": torch.tensor(3.0)}
    assert contributions(balancer, values).item() == 5
    with torch.no_grad():
        balancer.log_variances.copy_(torch.tensor([0.5, -1.0]))
    factors, penalties = balancer(values)
    torch.testing.assert_close(factors, {"a": torch.tensor(0.60653066), "b": torch.tensor(2.71828183)})
    torch.testing.assert_close(penalties, {"a": torch.tensor(0.25), "b": torch.tensor(-0.5)})
    torch.testing.assert_close(balancer({"b": values["b"]})[1], {"b": torch.tensor(-0.5)})
    assert balancer({}) == ({}, {})


def test_uncertainty_settles_at_the_logarithm_of_twice_the_loss() -> None:
    """Where exp(-s) L + s / 2 is least: exp(s) = 2 L."""
    balancer = Uncertainty().build(("a", "b", "absent"))
    values = {"a": torch.tensor(2.0), "b": torch.tensor(0.1)}
    optimizer = torch.optim.SGD(balancer.parameters(), lr=0.5)
    for _ in range(300):
        optimizer.zero_grad()
        contributions(balancer, values).backward()
        optimizer.step()
    wanted = torch.tensor([4.0, 0.2, 1.0]).log()
    torch.testing.assert_close(balancer.log_variances.detach(), wanted, atol=1e-3, rtol=1e-3)


def test_uncertainty_is_kept_with_the_model() -> None:
    first, second = Uncertainty().build(("a", "b")), Uncertainty().build(("a", "b"))
    nn.init.normal_(first.log_variances)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.log_variances, second.log_variances)
