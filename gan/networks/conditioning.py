"""How a class reaches a network: a few small layers, of which every family takes those that suit it.

In a generator the class is joined to the latent, or gives each feature a gain and a bias of its own behind every
normalisation. A discriminator scores an image as one of its class (projection), or says itself what class it is of
(auxiliary, as AC-GAN).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn

from fooling.errors import UserError
from gan.networks.discriminator import PreciseLinear, Verdict

GeneratorConditioning = Literal["concatenation", "normalization"]
DiscriminatorConditioning = Literal["projection", "auxiliary"]


class Concatenation(nn.Module):
    """Latents (n, latent_dim) and labels (n,) to both (n, 2 latent_dim): a class is a learned vector (Mirza & Osindero
    2014, arXiv:1411.1784, section 3.2), as long as the latent and, to begin with, drawn from the same distribution."""

    def __init__(self, num_classes: int, latent_dim: int):
        super().__init__()
        self.embedding = nn.Embedding(num_classes, latent_dim)  # from N(0, 1)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return torch.cat([latents, self.embedding(labels)], 1)


class TakesLabels(nn.Module):
    """A layer that is called with the labels too, which are None where there are no classes."""


class ClassAffine(TakesLabels):
    """Features (n, c, h, w) to (1 + gain) x + bias, with a gain and a bias (c,) for each class, 0 to begin with.

    Behind a batch normalisation it makes that class-conditional (Dumoulin et al. 2017, arXiv:1610.07629, eq. 5), in the
    form of de Vries et al. 2017 (arXiv:1707.00683, eq. 5): what is learned for a class is how it differs from the rest.
    An image's depends on that image alone, so the step on several processes stays that on the whole batch.
    """

    def __init__(self, num_classes: int, features: int):
        super().__init__()
        self.gain, self.bias = nn.Embedding(num_classes, features), nn.Embedding(num_classes, features)
        nn.init.zeros_(self.gain.weight)
        nn.init.zeros_(self.bias.weight)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        gain, bias = (part(labels).to(x.dtype)[:, :, None, None] for part in (self.gain, self.bias))
        return torch.addcmul(x + bias, x, gain)


def through(layers: Iterable[nn.Module], x: Tensor, labels: Tensor | None) -> Tensor:
    """What nn.Sequential does, with the labels for the layers that want them."""
    for layer in layers:
        x = layer(x, labels) if isinstance(layer, TakesLabels) else layer(x)
    return x


class Head(nn.Module):
    """What a discriminator says of features (n, features), in float32: scores (n,), which are logits.

    projection: the score of an image as one of its class, psi(phi) + <v_y, phi> (Miyato & Koyama 2018,
        arXiv:1802.05637, eq. 3), where v_y is learned. Needs labels.
    auxiliary: a Verdict with the logits of the classes, for a loss of their own (AC-GAN, Odena et al. 2017,
        arXiv:1610.09585, section 3). Labels are not looked at.
    """

    def __init__(self, features: int, num_classes: int, conditioning: DiscriminatorConditioning | None):
        super().__init__()
        self.conditioning = conditioning
        self.score = PreciseLinear(features, 1)
        self.classes = PreciseLinear(features, num_classes, bias=conditioning == "auxiliary") if conditioning else None

    def forward(self, features: Tensor, labels: Tensor | None) -> Tensor | Verdict:
        scores = self.score(features).flatten()
        if self.classes is None:
            return scores
        if self.conditioning == "auxiliary":
            return Verdict(scores, self.classes(features), features)
        if labels is None:
            raise UserError("this discriminator scores images as of their class: it needs their labels")
        return scores + self.classes(features).gather(1, labels[:, None]).flatten()
