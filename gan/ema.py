"""The averaged generator: what is sampled, judged and saved."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import nn

from fooling.options.settings import Settings

Network = TypeVar("Network", bound=nn.Module)


@dataclass
class EmaConfig(Settings):
    """The averaged generator; see gan.ema.ExponentialMovingAverage."""

    half_life_kimg: float = 10.0
    """Thousands of images after which a weight's share in the average has halved."""

    final_half_life_kimg: float | None = None
    """The half-life at the end. Default: as at the start."""

    ramp_up: float = 0.05
    """While training is young, the half-life is this share of the images seen; 0 turns that off."""


class ExponentialMovingAverage(Generic[Network]):
    """A running average of a network's weights, its memory counted in images.

    After every `half_life` images the weight of what came before has halved. Early on the half-life is `ramp_up` times
    the images seen so far, so that the first, random weights are soon forgotten (Karras et al. 2020, StyleGAN2-ADA,
    appendix B; ramp_up = 0 turns this off). Buffers, such as BatchNorm's statistics, are copied.

    network: the averaged copy, in evaluation mode, its parameters without gradients.
    """

    def __init__(self, network: Network, *, half_life: float, ramp_up: float = 0.05):
        self.network: Network = copy.deepcopy(network).eval().requires_grad_(False)
        self.half_life, self.ramp_up = half_life, ramp_up

    def half_life_after(self, images_seen: int) -> float:
        """The half-life in force when so many images have been seen."""
        return min(self.half_life, self.ramp_up * images_seen) if self.ramp_up else self.half_life

    @torch.no_grad()
    def update(self, network: nn.Module, *, images_seen: int, batch_size: int) -> None:
        """Move towards `network`, of which `batch_size` more images have been seen, `images_seen` in all."""
        new = 1 - 0.5 ** (batch_size / max(self.half_life_after(images_seen), 1e-8))
        torch._foreach_lerp_(list(self.network.parameters()), list(network.parameters()), new)
        for average, current in zip(self.network.buffers(), network.buffers(), strict=True):
            average.copy_(current)
