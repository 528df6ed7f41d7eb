"""Spectral normalisation: every layer stretches no image by more than 1 (Miyato et al. 2018, arXiv:1802.05957)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrize import register_parametrization

Network = TypeVar("Network", bound=nn.Module)


def with_spectral_norm(network: Network) -> Network:
    """The same network, in which the weight of every linear, convolutional and embedding layer is divided by its
    largest singular value; that of a convolution is the matrix from patches to features (Miyato et al. 2018, section
    2.1 and appendix A).

    Weights have to be initialised before. What is trained is called parametrizations.weight.original afterwards; the
    singular vectors are kept beside it, and start from torch's global generator.
    """
    for module in list(network.modules()):
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.Embedding):
            outputs = 1 if isinstance(module, nn.ConvTranspose2d) else 0
            register_parametrization(module, "weight", SpectralNorm(module.weight, outputs))
    return network


@contextmanager
def one_power_iteration(network: nn.Module) -> Iterator[None]:
    """Within, the first of the network's passes alone moves its singular vectors: all of them see the same weights."""
    norms = [module for module in network.modules() if isinstance(module, SpectralNorm)]
    for norm in norms:
        norm.passes_to_move = 1
    try:
        yield
    finally:
        for norm in norms:
            norm.passes_to_move = None


class SpectralNorm(nn.Module):
    """A weight over its largest singular value, from vectors that follow it: one power iteration for each pass in
    training that has gradients for the weight (Miyato et al. 2018, algorithm 1), in full precision under autocast.

    torch's own moves them at every pass in training: then a batch in parts is not the batch as a whole, and the
    generator's step, in which the discriminator is held, moves them too.
    """

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor, outputs: int = 0):
        super().__init__()
        self.outputs = outputs  # the dimension that counts them
        self.passes_to_move: int | None = None  # how many more may move the vectors; None: all
        matrix = self._matrix(weight.detach())
        self.register_buffer("u", normalize(torch.randn_like(matrix[:, 0]), dim=0))
        self.register_buffer("v", torch.zeros_like(matrix[0]))
        for _ in range(15):  # as many as torch's own has, before any training
            self._iterate(matrix)

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):
            matrix = self._matrix(weight)
            if self.training and weight.requires_grad and self.passes_to_move != 0:
                self._iterate(matrix.detach())
                if self.passes_to_move is not None:
                    self.passes_to_move -= 1
            u, v = self.u.clone(), self.v.clone()  # the graph keeps them, and the next pass moves them
            return weight / u.dot(matrix.mv(v))

    def _matrix(self, weight: Tensor) -> Tensor:
        return weight.transpose(0, self.outputs).flatten(1)

    @torch.no_grad()
    def _iterate(self, matrix: Tensor) -> None:
        self.v.copy_(normalize(matrix.T.mv(self.u), dim=0))
        self.u.copy_(normalize(matrix.mv(self.v), dim=0))
