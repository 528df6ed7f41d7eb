"""What a climb moves: parameters with one entry for each image, and the function that makes images of them.

    Pixels      the pixels themselves, kept in [0, 1]
    Fourier     coefficients of a smooth image, squashed to (0, 1)
    CPPN        the weights of a small network from coordinates to colour
    Latent      the latents of any generator

All are interchangeable: `params` (n, ...) and `image_fn(params)` -> images (n, c, h, w) in [0, 1], as in lucid (Olah
et al. 2017, "Feature Visualization"). `.noise(n, seed=...)` makes n starts of any of them.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from typing_extensions import Self

from fooling.climb.per_image import as_target
from fooling.climb.starts import low_passed, shuffled
from fooling.climb.step_rules import RuleName
from fooling.data.load import Name, load
from fooling.errors import UserError
from fooling.images import Images, check_images, to_float
from fooling.seeds import seed_of

MNIST_SHAPE = (1, 28, 28)


class Parametrization:
    """Base: `params`, float (n, ...), and what they mean."""

    step: RuleName = "adam"  # the step rule and size that suit these parameters; see fooling/climb/step_rules.py
    step_size = 0.05
    in_pixels = False  # whether params are the images themselves, so that a blur or a ball has a meaning

    def __init__(self, params: Tensor):
        if len(params) == 0:
            raise UserError("nothing to climb: there are no images")
        self.params = params

    def __len__(self) -> int:
        return len(self.params)

    def image_fn(self, params: Tensor) -> Tensor:
        """Images (n, c, h, w) in [0, 1] of some or all of the parameters; image i depends on params[i] alone."""
        raise NotImplementedError

    def clip(self, params: Tensor) -> Tensor:
        """The parameters brought back, perhaps in place, to where they are allowed to be."""
        return params

    def select(self, which: Tensor | slice) -> Self:
        """What knows of some of the images what this knows of all: a mask (n,), indices or a slice. `image_fn` and
        `clip` of it are given the parameters of those alone. Itself, where nothing is kept of each image."""
        return self

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """Networks that image_fn runs, to be held still along with the classifier."""
        return ()


class Pixels(Parametrization):
    """The pixels themselves: images float (n, c, h, w) in [0, 1], kept there.

    Raises UserError, with the index, for an image that is outside that range.
    """

    step, step_size, in_pixels = "sign", 0.1, True

    def __init__(self, images: Tensor):
        check_images(images)
        super().__init__(images)

    def image_fn(self, params: Tensor) -> Tensor:
        return params

    def clip(self, params: Tensor) -> Tensor:
        return params.clamp_(0, 1)

    @classmethod
    def noise(cls, n: int, *, shape: Sequence[int] = MNIST_SHAPE, seed: int = 0) -> Self:
        """Every pixel uniform in [0, 1]."""
        return cls(torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed_of(seed))))

    @classmethod
    def smooth(
        cls, n: int, *, sigma: tuple[float, float] = (1.0, 2.5), shape: Sequence[int] = MNIST_SHAPE, seed: int = 0
    ) -> Self:
        """Uniform noise through a Gaussian, its width drawn for each image between the two `sigma` (in pixels), then
        stretched to fill [0, 1]: the noise of Hein et al. 2019, arXiv:1812.05720, section 4."""
        generator = torch.Generator().manual_seed(seed_of(seed))
        low, high = sigma
        widths = low + (high - low) * torch.rand(n, generator=generator)
        return cls(low_passed(torch.rand(n, *shape, generator=generator), widths))

    @classmethod
    def flat(cls, n: int, value: float, *, shape: Sequence[int] = MNIST_SHAPE) -> Self:
        """Every pixel the same: 0 is black, 1 is white."""
        return cls(torch.full((n, *shape), float(value)))

    @classmethod
    def black(cls, n: int, *, shape: Sequence[int] = MNIST_SHAPE) -> Self:
        return cls.flat(n, 0.0, shape=shape)

    @classmethod
    def grey(cls, n: int, *, shape: Sequence[int] = MNIST_SHAPE) -> Self:
        return cls.flat(n, 0.5, shape=shape)

    @classmethod
    def white(cls, n: int, *, shape: Sequence[int] = MNIST_SHAPE) -> Self:
        return cls.flat(n, 1.0, shape=shape)

    @classmethod
    def of(cls, data: Images | Name, n: int | None = None, *, seed: int = 0) -> Self:
        """n images of a data set (or of one named as in `load`: its test split), drawn without replacement."""
        data = data if isinstance(data, Images) else load(data, "test")
        n = len(data) if n is None else n
        if n > len(data):
            raise UserError(f"the data set has {len(data)} images, {n} were asked for")
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed_of(seed)))[:n]
        return cls(to_float(data.images[order]))

    def permuted(self, *, seed: int = 0) -> Self:
        """The same images with their pixels in another order, drawn anew for each: the right histogram, no digit."""
        generator = torch.Generator().manual_seed(seed_of(seed))
        return type(self)(shuffled(self.params.flatten(2), generator).view_as(self.params))


class Fourier(Parametrization):
    """Coefficients of the two-dimensional Fourier transform, high frequencies scaled down, through a sigmoid.

    coefficients: float (n, c, h, w // 2 + 1, 2), real and imaginary parts.
    width: of the images in pixels (it cannot be told from w // 2 + 1).
    decay: the power of 1 / max(f, 1 / size) by which they are scaled. 0 is white noise, 1 is that of photographs.

    The spatial decorrelation of lucid (Olah et al. 2017, "Feature Visualization", optvis/param/spatial.py).
    """

    def __init__(self, coefficients: Tensor, *, width: int, decay: float = 1.0):
        super().__init__(coefficients)
        height = coefficients.shape[2]
        self.size, self.decay = (height, width), decay
        rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
        frequency = (rows.square() + columns.square()).sqrt().clamp_min(1 / max(height, width))
        self.scale = (
            math.sqrt(height * width) / frequency**decay / 4
        )  # the 4 is lucid's, to stay off the sigmoid's ends

    @classmethod
    def noise(
        cls, n: int, *, shape: Sequence[int] = MNIST_SHAPE, std: float = 0.01, decay: float = 1.0, seed: int = 0
    ) -> Self:
        """Normal coefficients of standard deviation `std`: nearly grey images."""
        channels, height, width = shape
        generator = torch.Generator().manual_seed(seed_of(seed))
        coefficients = std * torch.randn(n, channels, height, width // 2 + 1, 2, generator=generator)
        return cls(coefficients, width=width, decay=decay)

    def image_fn(self, params: Tensor) -> Tensor:
        spectrum = torch.view_as_complex(params.contiguous()) * self.scale.to(params)
        return torch.fft.irfft2(spectrum, s=self.size).sigmoid()


class CPPN(Parametrization):
    """A compositional pattern-producing network for each image: pixel coordinates in, colour out.

    It sees x, y, the distance from the centre and a bias. Each hidden layer is one quarter sine, one quarter sigmoid,
    one quarter Gaussian and one quarter linear units, the functions of Nguyen et al. 2015, arXiv:1412.1897, section
    2.3 (Stanley 2007); the output is squashed by a sigmoid.

    weights: float (n, CPPN.count_weights(shape, hidden, layers)), every network's weights in one row.
    """

    def __init__(self, weights: Tensor, *, shape: Sequence[int] = MNIST_SHAPE, hidden: int = 16, layers: int = 3):
        super().__init__(weights)
        self.shape, self.hidden, self.layers = tuple(shape), hidden, layers
        expected = self.count_weights(shape, hidden, layers)
        if weights.dim() != 2 or weights.shape[1] != expected:
            raise UserError(f"such a CPPN has {expected} weights, got a tensor of shape {tuple(weights.shape)}")
        _, height, width = self.shape
        y = torch.linspace(-1, 1, height)[:, None].expand(height, width)
        x = torch.linspace(-1, 1, width)[None].expand(height, width)
        inputs = torch.stack([x, y, (x.square() + y.square()).sqrt(), torch.ones_like(x)])
        self.inputs = math.sqrt(3) * inputs.flatten(1).T  # (h * w, 4), about unit variance

    @classmethod
    def noise(
        cls, n: int, *, shape: Sequence[int] = MNIST_SHAPE, hidden: int = 16, layers: int = 3, seed: int = 0
    ) -> Self:
        """Networks with standard normal weights."""
        generator = torch.Generator().manual_seed(seed_of(seed))
        weights = torch.randn(n, cls.count_weights(shape, hidden, layers), generator=generator)
        return cls(weights, shape=shape, hidden=hidden, layers=layers)

    @classmethod
    def count_weights(cls, shape: Sequence[int], hidden: int, layers: int) -> int:
        """How many weights one network has."""
        return sum(fan_in * fan_out for fan_in, fan_out in cls._widths(shape, hidden, layers))

    @staticmethod
    def _widths(shape: Sequence[int], hidden: int, layers: int) -> list[tuple[int, int]]:
        if hidden % 4 or layers < 1:
            raise UserError(f"a CPPN needs layers >= 1 and hidden a multiple of 4, got {layers} and {hidden}")
        sizes = [4] + [hidden] * layers + [shape[0]]
        return list(itertools.pairwise(sizes))

    def image_fn(self, params: Tensor) -> Tensor:
        layers = self._widths(self.shape, self.hidden, self.layers)
        weights = params.split([fan_in * fan_out for fan_in, fan_out in layers], dim=1)
        x = self.inputs.to(params).expand(len(params), -1, -1)
        for k, ((fan_in, fan_out), weight) in enumerate(zip(layers, weights, strict=True)):
            x = torch.bmm(x, weight.view(-1, fan_in, fan_out)) / math.sqrt(fan_in)
            if k < self.layers:
                sine, sigmoid, gaussian, linear = x.chunk(4, dim=2)
                x = torch.cat([(2 * sine).sin(), 2 * sigmoid.sigmoid() - 1, (-gaussian.square()).exp(), linear], dim=2)
        return (2 * x).sigmoid().transpose(1, 2).reshape(-1, *self.shape)


class Latent(Parametrization):
    """The latents (n, latent_dim) of a generator that maps them to images (n, c, h, w) in [0, 1].

    labels: what a generator with classes draws, a class for all (int) or one for each (whole numbers, (n,)); it is
        called with the latents and int64 (n,). None for a generator that takes latents alone.

    The climb of Nguyen et al. 2016, arXiv:1605.09304 (DGN-AM): what comes out is what the generator can draw.
    """

    def __init__(self, generator: nn.Module, latents: Tensor, labels: int | Sequence[int] | Tensor | None = None):
        super().__init__(latents)
        self.generator = generator
        self.labels = None if labels is None else as_target(labels)
        if isinstance(self.labels, Tensor) and len(self.labels) != len(latents):
            raise UserError(f"{len(latents)} latents need as many labels, or one for all, got {len(self.labels)}")

    @classmethod
    def noise(
        cls,
        generator: nn.Module,
        n: int,
        *,
        latent_dim: int | None = None,
        labels: int | Sequence[int] | Tensor | None = None,
        seed: int = 0,
    ) -> Self:
        """Standard normal latents. latent_dim: default the generator's own `latent_dim`."""
        rng = torch.Generator().manual_seed(seed_of(seed))
        return cls(generator, torch.randn(n, latent_dim_of(generator, latent_dim), generator=rng), labels)

    def image_fn(self, params: Tensor) -> Tensor:
        if self.labels is None:
            return self.generator(params)
        return self.generator(params, torch.as_tensor(self.labels, device=params.device).expand(len(params)))

    def select(self, which: Tensor | slice) -> Self:
        if not isinstance(self.labels, Tensor):
            return self
        some = copy.copy(self)
        some.labels = self.labels[which.to(self.labels.device) if isinstance(which, Tensor) else which]
        return some

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        return (self.generator,)


def latent_dim_of(generator: nn.Module, latent_dim: int | None = None) -> int:
    """How long a generator's latents are: as given, or else its own `latent_dim`. Raises UserError for neither."""
    latent_dim = getattr(generator, "latent_dim", None) if latent_dim is None else latent_dim
    if latent_dim is None:
        raise UserError(f"{type(generator).__name__} does not tell its latent_dim: pass it")
    return latent_dim
