"""Anyone's PyTorch modules as a generator and a discriminator that are saved, loaded and sampled as ours are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from fooling.errors import UserError
from gan.networks.arguments import kept
from gan.networks.discriminator import Discriminator, Verdict
from gan.networks.generator import Generator


class AdaptedGenerator(Generator):
    """Anyone's module from latents (n, latent_dim) to images (n, c, h, w) in [0, 1]. Made with num_classes,
    it is called with labels (n,) too.

    network: what makes it, as package.module:Class. The module must have been imported: no file that is loaded imports
        anything.
    options: what that is called with.

    Raises UserError where it has not been imported, cannot be called so, or gives no module.
    """

    def __init__(self, *, network: str, latent_dim: int, options: dict[str, Any]):
        super().__init__()
        self.config = kept(locals())
        self.latent_dim, self.num_classes = latent_dim, options.get("num_classes", 0)
        self.module = _made(network, options)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        self.require_labels(labels)
        return (self.module(latents) if labels is None else self.module(latents, labels)).float()


class AdaptedDiscriminator(Discriminator):
    """Anyone's module from images (n, c, h, w) in [0, 1] to scores, (n,) or (n, 1), or to a Verdict. Where it was made
    with num_classes, it is called with labels (n,) too. For the arguments, and what raises, see AdaptedGenerator."""

    def __init__(self, *, network: str, options: dict[str, Any]):
        super().__init__()
        self.config = kept(locals())
        self.num_classes = options.get("num_classes", 0)
        self.module = _made(network, options)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor | Verdict:
        said = self.module(images) if labels is None else self.module(images, labels)
        return said if isinstance(said, Verdict) else said.flatten()


def _made(network: str, options: dict[str, Any]) -> nn.Module:
    module_name, _, attribute = network.partition(":")
    if module_name not in sys.modules:
        raise UserError(f"{network} must be imported before it is loaded: import {module_name}")
    make: Callable[..., Any] = getattr(sys.modules[module_name], attribute)
    try:
        module = make(**options)
    except Exception as error:  # whatever somebody else's code raises
        raise UserError(f"{network} failed with {one_line(error)}") from error
    if not isinstance(module, nn.Module):
        raise UserError(f"{network} must give a torch.nn.Module, it gave {type(module).__name__}")
    return module


def one_line(error: Exception) -> str:
    """What an error of somebody else's code says."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
