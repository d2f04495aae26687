from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

import consilience_psychology as plugin
from consilience.declare import Dims
from consilience_psychology.heads import AffectHead, EmotionHead
from consilience_psychology.losses import AffectLoss, EmotionLoss

ORDER = torch.tensor([3, 0, 4, 1, 2])
LOSSES = [EmotionLoss(), EmotionLoss(2.0), EmotionLoss(0.5, 3.0), AffectLoss(), AffectLoss(0.3)]
names = [f"{type(loss).__name__}{index}" for index, loss in enumerate(LOSSES)]


def arguments(loss: nn.Module) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    if isinstance(loss, EmotionLoss):
        return torch.randn(5, 7, generator=generator) * 3, torch.rand(5, 7, generator=generator) < 0.3
    return torch.randn(5, generator=generator), torch.tensor([0.5, 0.25, -1.0, 0.0, 0.75])


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_the_heads_are_one_hidden_layer() -> None:
    features = torch.randn(5, 12)
    for head, outputs in ((EmotionHead(12, 7, width=20), 7), (AffectHead(12, width=20), 1)):
        _, dense, _, _, out = head.eval().layers
        assert (dense.in_features, dense.out_features, out.out_features) == (12, 20, outputs)
        expected = F.linear(torch.tanh(F.linear(features, dense.weight, dense.bias)), out.weight, out.bias)
        assert torch.equal(head(features), expected if outputs > 1 else expected[:, 0])
    assert EmotionHead(12, 7).layers[1].out_features == 12


def test_dropout_drops_while_training_alone() -> None:
    head, features = EmotionHead(12, 7, dropout=0.5), torch.randn(5, 12)
    assert not torch.equal(head(features), head(features))
    head.eval()
    assert torch.equal(head(features), head(features))
    still = EmotionHead(12, 7, dropout=0.0)
    assert torch.equal(still(features), still(features))


@pytest.mark.parametrize(
    ("head", "shape"), [(EmotionHead(12, 7), (5, 7)), (AffectHead(12), (5,))], ids=["emotion", "affect"]
)
def test_heads_run_in_bfloat16_without_memory_and_without_graph_breaks(head: nn.Module, shape: tuple[int, ...]) -> None:
    features = torch.randn(5, 12)
    head.eval()
    compiled = torch.compile(head, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(features), head(features))
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert head(mode.from_tensor(features)).shape == shape
    low = type(head)(12, *shape[1:]).bfloat16()(features.bfloat16())
    assert (low.dtype, low.shape) == (torch.bfloat16, shape)


@pytest.mark.parametrize("weight", [1.0, 4.0])
def test_plain_emotion_loss_is_torchs_own(weight: float) -> None:
    logits, target = arguments(EmotionLoss())
    expected = F.binary_cross_entropy_with_logits(
        logits, target.float(), pos_weight=torch.tensor(weight), reduction="none"
    ).mean(1)
    torch.testing.assert_close(EmotionLoss(0.0, weight)(logits, target), expected)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_focal_emotion_loss_is_the_papers_formula(gamma: float) -> None:
    logits, target = arguments(EmotionLoss())
    probability = torch.sigmoid(logits.double())
    right = torch.where(target, probability, 1 - probability)
    expected = (-((1 - right) ** gamma) * right.log() * torch.where(target, 3.0, 1.0)).mean(1)
    torch.testing.assert_close(EmotionLoss(gamma, 3.0)(logits, target).double(), expected, rtol=1e-5, atol=1e-7)


def test_focal_loss_plays_down_what_is_already_right() -> None:
    logits, target = torch.tensor([[4.0], [-4.0]]), torch.tensor([[True], [True]])
    right, wrong = (EmotionLoss(2.0)(logits, target) / EmotionLoss()(logits, target)).tolist()
    assert right < 0.001
    assert wrong > 0.9


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_extreme_logits_keep_the_gradient_finite(gamma: float) -> None:
    logits = torch.tensor([[1e4, -1e4, 1e4, -1e4, 150.0, 0.0]], requires_grad=True)
    target = torch.tensor([[True, True, False, False, True, True]])
    value = EmotionLoss(gamma)(logits, target)
    value.sum().backward()
    assert value.isfinite().all()
    assert logits.grad.isfinite().all()


def test_affect_loss_is_torchs_own() -> None:
    valence, target = arguments(AffectLoss())
    torch.testing.assert_close(AffectLoss()(valence, target), F.mse_loss(valence, target, reduction="none"))
    huber = AffectLoss(0.3)(valence, target)
    torch.testing.assert_close(huber, F.huber_loss(valence, target, reduction="none", delta=0.3))
    assert not torch.allclose(huber, F.huber_loss(valence, target, reduction="none", delta=1.0))


@pytest.mark.parametrize("loss", LOSSES, ids=names)
def test_every_loss_gives_each_row_its_own_finite_value(loss: nn.Module) -> None:
    given, target = arguments(loss)
    given.requires_grad_()
    values = loss(given, target)
    assert values.shape == (5,)
    assert (values >= 0).all()
    torch.testing.assert_close(loss(given[ORDER], target[ORDER]), values[ORDER])
    torch.testing.assert_close(torch.cat([loss(given[:2], target[:2]), loss(given[2:], target[2:])]), values)
    values.sum().backward()
    assert given.grad.isfinite().all()
    assert given.grad.abs().sum() > 0


@pytest.mark.parametrize("loss", LOSSES, ids=names)
def test_every_loss_runs_in_bfloat16_without_memory_and_without_graph_breaks(loss: nn.Module) -> None:
    given, target = arguments(loss)
    values = loss(given, target)
    low = loss(given.bfloat16(), target)
    assert low.dtype is torch.float32
    torch.testing.assert_close(low, values, rtol=0.05, atol=0.02)
    torch.testing.assert_close(torch.compile(loss, backend="eager", fullgraph=True)(given, target), values)
    with FakeTensorMode() as mode:
        assert loss(mode.from_tensor(given), mode.from_tensor(target)).shape == (5,)


def test_the_heads_learn() -> None:
    features = torch.randn(64, 12)
    emotions, affect = EmotionHead(12, 3, dropout=0.0), AffectHead(12, dropout=0.0)
    target, valence = features[:, :3] > 0, features[:, 0].clone().tanh()
    optimizer = torch.optim.Adam([*emotions.parameters(), *affect.parameters()], lr=0.02)
    history = []
    for _ in range(150):
        one = EmotionLoss(1.0)(emotions(features), target).mean()
        two = AffectLoss()(affect(features), valence).mean()
        optimizer.zero_grad()
        (one + two).backward()
        optimizer.step()
        history.append((one.item(), two.item()))
    assert all(last < first / 5 for first, last in zip(history[0], history[-1], strict=True))
    assert ((emotions(features) > 0) == target).float().mean() > 0.95


@pytest.mark.parametrize("kind", [plugin.EmotionHead, plugin.AffectHead])
def test_the_heads_have_the_linear_layers_that_they_name(kind: type[plugin.EmotionHead]) -> None:
    dims = Dims({"hidden": 12, "emotion": 28})
    built = kind().build(dims)
    linear = [name for name, layer in built.named_modules() if isinstance(layer, nn.Linear)]
    assert list(kind().linear_layers(dims)) == linear
