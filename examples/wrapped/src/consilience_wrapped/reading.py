"""Makes the tensors that the wrapped modules read."""

import torch
from torch import Tensor


def join_neighbours(mask: Tensor, *, reach: int) -> Tensor:
    """Gives 1 for two tokens at most `reach` places apart, 0 for others and for padding: (batch seq seq)."""
    places = torch.arange(mask.shape[1])
    near = (places[:, None] - places[None, :]).abs() <= reach
    return (near & mask[:, :, None] & mask[:, None, :]).float()


def measure_loudness(samples: Tensor, *, window: int) -> Tensor:
    """Gives the logarithm of 1 + the magnitude of each frequency at each moment: (batch moment pitch)."""
    frames = torch.stft(
        samples,
        window,
        hop_length=window // 2,
        window=torch.hann_window(window),
        pad_mode="constant",
        return_complex=True,
    )
    return frames.abs().log1p().transpose(1, 2)
