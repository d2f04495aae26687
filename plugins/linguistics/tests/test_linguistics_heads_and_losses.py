from __future__ import annotations

import copy
import doctest
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import BertConfig, BertModel
from transformers.models.bert.modeling_bert import BertLMPredictionHead

from consilience_linguistics import masking
from consilience_linguistics.heads import MaskedLMHead
from consilience_linguistics.losses import MaskedLMLoss
from consilience_linguistics.masking import IGNORED, Masker
from consilience_linguistics.metrics import MaskedPerplexity

HIDDEN, VOCABULARY = 16, 61
CONFIG = BertConfig(
    vocab_size=VOCABULARY,
    hidden_size=HIDDEN,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=24,
)


class Fused(nn.Module):
    """An encoder and a head tied to it, as a fused model holds them."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = BertModel(CONFIG, add_pooling_layer=False)
        self.words = MaskedLMHead(self.encoder, HIDDEN, VOCABULARY)

    def forward(self, ids: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        return self.words(self.encoder(ids, mask.long()).last_hidden_state, positions)


@pytest.fixture
def fused() -> Fused:
    torch.manual_seed(0)
    return Fused().eval()


@pytest.fixture
def masked() -> dict[str, Tensor]:
    ids = torch.randint(5, VOCABULARY, (4, 12), generator=torch.Generator().manual_seed(0))
    special = torch.zeros(4, 12, dtype=torch.bool)
    special[:, 0] = special[1, 5:] = special[3, 1:] = True
    generators = [torch.Generator().manual_seed(row) for row in range(4)]
    return Masker(VOCABULARY, 4, 0.3)(ids, ~special | (torch.arange(12) == 0), special, generators)


def run(fused: Fused, masked: dict[str, Tensor]) -> Tensor:
    return fused(masked["ids"], masked["mask"], masked["positions"])


def test_equals_berts_own_head_at_the_masked_positions(fused: Fused, masked: dict[str, Tensor]) -> None:
    theirs = BertLMPredictionHead(CONFIG)
    nn.init.normal_(fused.words.bias)
    nn.init.normal_(fused.words.dense.bias)
    theirs.load_state_dict(
        {
            "transform.dense.weight": fused.words.dense.weight,
            "transform.dense.bias": fused.words.dense.bias,
            "transform.LayerNorm.weight": fused.words.norm.weight,
            "transform.LayerNorm.bias": fused.words.norm.bias,
            "decoder.weight": fused.encoder.get_input_embeddings().weight,
            "decoder.bias": fused.words.bias,
            "bias": fused.words.bias,
        }
    )
    states = fused.encoder(masked["ids"], masked["mask"].long()).last_hidden_state
    everywhere = theirs(states)
    rows = torch.arange(len(states))[:, None]
    torch.testing.assert_close(fused.words(states, masked["positions"]), everywhere[rows, masked["positions"]])


def test_a_fused_model_holds_the_embeddings_once(fused: Fused) -> None:
    embeddings = fused.encoder.get_input_embeddings().weight
    same = [name for name, value in fused.state_dict().items() if value.data_ptr() == embeddings.data_ptr()]
    assert same == ["encoder.embeddings.word_embeddings.weight"]
    assert {name.partition(".")[0] for name, _ in fused.words.named_parameters()} == {"dense", "norm", "bias"}


def test_a_copy_is_tied_to_the_copied_encoder(fused: Fused, masked: dict[str, Tensor]) -> None:
    twin = copy.deepcopy(fused)
    with torch.no_grad():
        twin.encoder.get_input_embeddings().weight.mul_(2)
    assert twin.words._tied[0] is twin.encoder
    assert not torch.allclose(run(twin, masked), run(fused, masked))


def test_a_changed_embedding_changes_the_output_weights(fused: Fused) -> None:
    states, positions = torch.randn(2, 3, HIDDEN), torch.zeros(2, 1, dtype=torch.long)
    before = fused.words(states, positions)
    with torch.no_grad():
        fused.encoder.get_input_embeddings().weight[7] = 0
    after = fused.words(states, positions)
    assert torch.equal(after[..., 7], torch.zeros(2, 1))
    assert torch.equal(after[..., 8:], before[..., 8:])


def test_gradients_reach_the_head_and_the_embeddings(fused: Fused, masked: dict[str, Tensor]) -> None:
    MaskedLMLoss()(run(fused, masked), masked["labels"]).sum().backward()
    for name, parameter in fused.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    # A word that stands nowhere in the batch is reached through the output weights alone.
    absent = next(word for word in range(VOCABULARY) if not (masked["ids"] == word).any())
    assert fused.encoder.get_input_embeddings().weight.grad[absent].abs().sum() > 0


def test_an_encoder_with_narrower_embeddings_can_be_tied() -> None:
    class Narrow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embeddings = nn.Embedding(VOCABULARY, 5)

        def get_input_embeddings(self) -> nn.Embedding:
            return self.embeddings

    head = MaskedLMHead(Narrow(), HIDDEN, VOCABULARY)
    assert head(torch.randn(2, 3, HIDDEN), torch.zeros(2, 4, dtype=torch.long)).shape == (2, 4, VOCABULARY)


def test_the_loss_equals_torchs_own(masked: dict[str, Tensor]) -> None:
    logits = torch.randn(*masked["labels"].shape, VOCABULARY)
    values, counts = MaskedLMLoss()(logits, masked["labels"]), MaskedLMLoss().count(masked["labels"])
    assert values.shape == counts.shape == (4,)
    expected = F.cross_entropy(logits.transpose(1, 2), masked["labels"])
    torch.testing.assert_close(values.sum() / counts.sum(), expected)
    assert counts.tolist() == [(row != IGNORED).sum().item() for row in masked["labels"]]
    assert values[counts == 0].tolist() == [0.0]
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(MaskedLMLoss()(logits[order], masked["labels"][order]), values[order])


def test_padding_changes_no_value(fused: Fused, masked: dict[str, Tensor]) -> None:
    padded = {
        "ids": F.pad(masked["ids"], (0, 6)),
        "mask": F.pad(masked["mask"], (0, 6)),
        "positions": F.pad(masked["positions"], (0, 3)),
        "labels": F.pad(masked["labels"], (0, 3), value=IGNORED),
    }
    loss = MaskedLMLoss()
    torch.testing.assert_close(loss(run(fused, padded), padded["labels"]), loss(run(fused, masked), masked["labels"]))
    torch.testing.assert_close(loss.count(padded["labels"]), loss.count(masked["labels"]))


def test_runs_in_bfloat16(fused: Fused, masked: dict[str, Tensor]) -> None:
    exact = MaskedLMLoss()(run(fused, masked), masked["labels"])
    logits = run(fused.bfloat16(), masked)
    values = MaskedLMLoss()(logits, masked["labels"])
    assert logits.dtype is torch.bfloat16
    assert values.dtype is torch.float32
    torch.testing.assert_close(values, exact, rtol=0.05, atol=0.05)


def test_runs_without_memory_or_graph_breaks(fused: Fused, masked: dict[str, Tensor]) -> None:
    with FakeTensorMode() as mode:
        fake = Fused()
        inputs = {port: mode.from_tensor(value) for port, value in masked.items()}
        logits = run(fake, inputs)
        assert logits.shape == (*masked["labels"].shape, VOCABULARY)
        assert MaskedLMLoss()(logits, inputs["labels"]).shape == MaskedLMLoss().count(inputs["labels"]).shape == (4,)
    states = torch.randn(4, 12, HIDDEN)
    compiled = torch.compile(fused.words, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(states, masked["positions"]), fused.words(states, masked["positions"]))


def test_perplexity_is_the_exponential_of_the_loss(masked: dict[str, Tensor]) -> None:
    metric, loss = MaskedPerplexity(), MaskedLMLoss()
    batches = [torch.randn(*masked["labels"].shape, VOCABULARY) for _ in range(2)]
    for logits in batches:
        metric.update(logits=logits, target=masked["labels"])
    summed = sum(loss(logits, masked["labels"]).sum().item() for logits in batches)
    assert metric.compute().item() == pytest.approx(
        math.exp(summed / (2 * loss.count(masked["labels"]).sum().item())), rel=1e-4
    )


def test_learns_to_guess_hidden_words() -> None:
    """In texts of one word repeated, the words that stay tell the hidden one."""
    torch.manual_seed(0)
    fused, masker, loss = Fused(), Masker(VOCABULARY, 4), MaskedLMLoss()
    optimizer, generator = torch.optim.Adam(fused.parameters(), lr=0.01), torch.Generator().manual_seed(0)
    special = torch.zeros(32, 8, dtype=torch.bool)
    means = []
    for _ in range(150):
        ids = torch.randint(5, 25, (32, 1), generator=generator).expand(-1, 8).contiguous()
        masked = masker(ids, ~special, special, [generator] * len(ids))
        values = loss(run(fused, masked), masked["labels"])
        mean = values.sum() / loss.count(masked["labels"]).sum()
        optimizer.zero_grad()
        mean.backward()
        optimizer.step()
        means.append(mean.item())
    assert sum(means[-10:]) / 10 < math.log(20) / 3, "below a third of what not reading the text can reach"


def test_the_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(masking) == (0, 4)
