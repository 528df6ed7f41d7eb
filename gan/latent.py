"""Latents: how they are drawn, and the ways between them."""

from __future__ import annotations

import torch
from torch import Tensor

from fooling.errors import UserError
from fooling.seeds import seed_of


def draw_latents(count: int, latent_dim: int, seed: int) -> Tensor:
    """Standard normal latents, float32 (count, latent_dim), on the CPU; those of a smaller count begin a larger one."""
    blocks = []
    for start in range(0, count, 64):  # torch.randn(n) does not begin with torch.randn(m): in blocks
        generator = torch.Generator().manual_seed(seed_of(seed, start))
        blocks.append(torch.randn(64, latent_dim, generator=generator))
    return torch.cat(blocks)[:count]


def interpolate(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Latents on the way from `start` to `end`, (steps, latent_dim), from `start` on and without `end` itself.

    Along the great circle, with the length changing evenly (White 2016, "Sampling generative networks", section 2.1):
    the straight line passes through lengths that a standard normal never has. Where there is no one circle, as from
    the zero latent, the way is that line.

    Raises UserError for latents that are not two of one length.
    """
    if start.shape != end.shape or start.ndim != 1:
        raise UserError(f"expected two latents of shape (latent_dim,), got {tuple(start.shape)} and {tuple(end.shape)}")
    t = torch.arange(steps, dtype=start.dtype, device=start.device)[:, None] / steps
    lengths = torch.lerp(start.norm(), end.norm(), t)
    a, b = start / start.norm(), end / end.norm()
    angle = torch.acos((a @ b).clamp(-1, 1))
    if not angle.sin() >= 1e-4:  # the same direction, the opposite one, or none (NaN): no circle to follow
        return torch.lerp(start, end, t)
    return lengths * (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)


def walk(latents: Tensor, steps: int = 12) -> Tensor:
    """A closed tour through latents (n, latent_dim), `steps` from each to the next: (n * steps, latent_dim)."""
    return torch.cat([interpolate(a, b, steps) for a, b in zip(latents, latents.roll(-1, 0), strict=True)])
