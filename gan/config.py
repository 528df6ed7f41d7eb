"""The typed configuration of a GAN: what the YAML files in configs/ and the command line set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fooling.data.load import DataConfig
from fooling.errors import UserError, require_positive
from fooling.options.settings import Settings
from fooling.run.run import RunConfig
from gan.networks.dcgan import Normalization, resolutions


@dataclass
class GeneratorConfig(Settings):
    """The generator; see gan.networks.Generator."""

    latent_dim: int = 64
    """Length of a latent."""

    width: int = 32
    """Features before the image; doubled at each halving of the side."""

    kernel_size: int = 4
    """Side of the kernels in pixels: 5 in the DCGAN paper, 4 in its authors' code."""

    normalization: Normalization = "batch"
    """batch, after every layer but the last, or none."""


@dataclass
class DiscriminatorConfig(Settings):
    """The discriminator; see gan.networks.Discriminator."""

    width: int = 32
    """Features after the first layer; doubled at each halving of the side."""

    kernel_size: int = 4
    """Side of the kernels in pixels: 5 in the DCGAN paper, 4 in its authors' code."""

    normalization: Normalization = "none"
    """batch, after every layer but the first and the last, or none. Penalties need none."""


@dataclass
class PenaltyConfig(Settings):
    """R1 and R2; see gan.penalties.ZeroCentered."""

    gamma: float = 0.1
    """Their weight; 0 leaves them out."""

    final_gamma: float | None = None
    """The weight at the end, neared along a cosine over the second half. Default: as at the start."""

    every: int = 4
    """Steps from one penalty to the next, weighed up accordingly; 1 is every step."""


@dataclass
class OptimizerConfig(Settings):
    """Adam, for both networks."""

    learning_rate: float = 3e-3
    """The generator's learning rate at the start."""

    final_learning_rate: float | None = None
    """The learning rate at the end, neared along a cosine over the second half. Default: as at the start."""

    discriminator_ratio: float = 1.0
    """The discriminator's learning rate in terms of the generator's."""

    beta1: float = 0.0
    """Decay of the running mean of gradients."""

    beta2: float = 0.99
    """Decay of the running mean of squared gradients."""


@dataclass
class EmaConfig(Settings):
    """The averaged generator; see gan.ema.ExponentialMovingAverage."""

    half_life_kimg: float = 10.0
    """Thousands of images after which a weight's share in the average has halved."""

    ramp_up: float = 0.05
    """While training is young, the half-life is this share of the images seen; 0 turns that off."""


@dataclass
class SamplesConfig(Settings):
    """The pictures made along the way, from the averaged generator and always the same latents."""

    kimg: float = 50.0
    """Thousands of images between grids."""

    count: int = 64
    """Images in a grid."""


@dataclass
class TrainConfig(RunConfig):
    """Train a generator against a discriminator."""

    name: str = "gan"
    """The run's name, and that of its folder below runs/."""

    kimg: float = 1000.0
    """How long to train, in thousands of images seen by the discriminator."""

    batch_size: int = 64
    """Images in a step, over all processes."""

    micro_batches: int = 1
    """Parts that the discriminator sees a process's share of the batch in, to save memory."""

    init_from: str | None = None
    """Whose networks to go on from (fine-tuning): a run's folder, or owner/name on the Hugging Face Hub."""

    loss: Literal["relativistic", "non-saturating"] = "relativistic"
    """relativistic is RpGAN, which wants the penalties; non-saturating is the DCGAN paper's."""

    data: DataConfig = field(default_factory=DataConfig)
    """The images."""

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    """The generator."""

    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    """The discriminator."""

    penalty: PenaltyConfig = field(default_factory=PenaltyConfig)
    """The gradient penalties."""

    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """The optimisers."""

    ema: EmaConfig = field(default_factory=EmaConfig)
    """The averaged generator."""

    samples: SamplesConfig = field(default_factory=SamplesConfig)
    """The pictures along the way."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data.image_size is not None:
            resolutions(self.data.image_size)
        require_positive(
            kimg=self.kimg,
            batch_size=self.batch_size,
            micro_batches=self.micro_batches,
            **{
                f"{group}.{name}": value
                for group in ("generator", "discriminator", "samples", "ema", "optimizer")
                for name, value in vars(getattr(self, group)).items()
                if name in ("width", "kernel_size", "latent_dim", "kimg", "count", "half_life_kimg", "learning_rate")
            },
            **{"penalty.every": self.penalty.every},
        )
        if self.penalty.gamma < 0 or (self.penalty.final_gamma or 0) < 0:
            raise UserError(f"penalty.gamma must not be negative, got {self.penalty.gamma}")
        if self.penalty.gamma and self.discriminator.normalization == "batch":
            raise UserError(
                "penalties need discriminator.normalization none: BatchNorm ties a batch's gradients together"
            )
        if self.micro_batches > 1 and self.discriminator.normalization == "batch":
            raise UserError(
                "micro_batches need discriminator.normalization none: BatchNorm would see each of them by itself"
            )
        if not (0 <= self.optimizer.beta1 < 1 and 0 <= self.optimizer.beta2 < 1):
            raise UserError("optimizer.beta1 and beta2 must be at least 0 and below 1")
