"""The typed configuration of a GAN: what the YAML files in configs/ and the command line set."""

from __future__ import annotations

from dataclasses import dataclass, field

from fooling.data.load import DataConfig
from fooling.errors import UserError, require_positive
from fooling.options.settings import Settings
from fooling.run.config import RunConfig
from fooling.run.schedules import ScheduleConfig
from fooling.teach.negatives import NegativesConfig
from gan.augment import AugmentConfig, refuse_flips_of_writing
from gan.class_losses import ClassLossConfig
from gan.ema import EmaConfig
from gan.losses import LossName, loss_named
from gan.metrics.ruler import MetricsConfig
from gan.networks.dcgan import resolutions
from gan.networks.make import DISCRIMINATORS, DiscriminatorConfig, GeneratorConfig
from gan.penalties import PenaltyConfig, penalty_named

__all__ = [
    "AugmentConfig", "ClassLossConfig", "DiscriminatorConfig", "EmaConfig", "GeneratorConfig", "MetricsConfig",
    "NegativesConfig", "OptimizerConfig", "PenaltyConfig", "SamplesConfig", "ScheduleConfig", "TrainConfig",
]  # fmt: skip


@dataclass
class OptimizerConfig(Settings):
    """Adam, for both networks."""

    learning_rate: float = 3e-3
    """The generator's learning rate at the start."""

    final_learning_rate: float | None = None
    """The learning rate at the end. Default: as at the start."""

    discriminator_ratio: float = 1.0
    """The discriminator's learning rate in terms of the generator's."""

    beta1: float = 0.0
    """Decay of the running mean of gradients."""

    beta2: float = 0.99
    """Decay of the running mean of squared gradients."""

    final_beta2: float | None = None
    """beta2 at the end. Default: as at the start."""


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

    discriminator_steps: int = 1
    """Steps of the discriminator, each on a batch of its own, for one of the generator."""

    init_from: str | None = None
    """Whose networks to go on from (fine-tuning): a run's folder, or owner/name on the Hugging Face Hub."""

    loss: LossName | str = "relativistic"
    """relativistic is RpGAN, which wants the penalties; non-saturating is the DCGAN paper's. Also a loss of your own as
    package.module:Class."""

    label_smoothing: float = 0.0
    """One-sided: reals are to be real with one less this. For non-saturating, saturating and least-squares."""

    data: DataConfig = field(default_factory=DataConfig)
    """The images."""

    flip_reals: bool = False
    """Mirror every second real image, at random: for pictures that mean the same either way, never for digits."""

    labels_per_class: int | None = None
    """How many images of each class keep their label, for semi-supervised learning. Default: all."""

    label_seed: int = 0
    """From which it follows which images these are."""

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    """The generator."""

    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    """The discriminator."""

    class_loss: ClassLossConfig = field(default_factory=ClassLossConfig)
    """What is learned of classes, where a discriminator tells them apart."""

    negatives: NegativesConfig = field(default_factory=NegativesConfig)
    """What a discriminator that is a classifier learns to call "none of these", beside what the generator draws."""

    penalty: PenaltyConfig = field(default_factory=PenaltyConfig)
    """The gradient penalties."""

    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """What is done to every image, real or made, that the discriminator sees."""

    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """The optimisers."""

    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    """When the numbers that have a final_ one beside them change to it."""

    ema: EmaConfig = field(default_factory=EmaConfig)
    """The averaged generator."""

    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    """How good the samples are, measured along the way."""

    samples: SamplesConfig = field(default_factory=SamplesConfig)
    """The pictures along the way."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data.image_size is not None and self.generator.network == "dcgan":
            resolutions(self.data.image_size)
        require_positive(
            kimg=self.kimg,
            batch_size=self.batch_size,
            micro_batches=self.micro_batches,
            discriminator_steps=self.discriminator_steps,
            **{
                f"{group}.{name}": value
                for group in ("generator", "discriminator", "samples", "ema", "optimizer")
                for name, value in vars(getattr(self, group)).items()
                if name in ("width", "kernel_size", "latent_dim", "kimg", "count", "half_life_kimg", "learning_rate")
            },
            **{"penalty.every": self.penalty.every},
        )
        self._check_classes()
        loss_named(self.loss, self.label_smoothing)
        penalty_named(self.penalty.kind, self.penalty.gamma)
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
        if self.flip_reals:
            refuse_flips_of_writing(self.data.name, "flip_reals")
        if "flip" in self.augment.policy:
            refuse_flips_of_writing(self.data.name, "augment.policy flip")
        self._check_schedules()

    def _check_schedules(self) -> None:
        optimizer, final = self.optimizer, self.ema.final_half_life_kimg
        if not all(0 <= beta < 1 for beta in (optimizer.beta1, optimizer.beta2, optimizer.final_beta2 or 0.0)):
            raise UserError("optimizer.beta1, beta2 and final_beta2 must be at least 0 and below 1")
        require_positive(**{"ema.final_half_life_kimg": 1.0 if final is None else final})
        for name, value in {
            "optimizer.final_learning_rate": optimizer.final_learning_rate,
            "optimizer.discriminator_ratio": optimizer.discriminator_ratio,
            "ema.ramp_up": self.ema.ramp_up,
        }.items():
            if value is not None and value < 0:
                raise UserError(f"{name} must not be negative, got {value}")

    def _check_classes(self) -> None:
        if self.micro_batches > 1 and self.class_loss.feature_matching:
            raise UserError("class_loss.feature_matching needs micro_batches 1: it matches the means of a whole batch")
        if max(self.negatives.counts) and self.discriminator.network != "classifier":
            raise UserError("negatives need a discriminator that can reject: discriminator.network classifier")
        if self.labels_per_class is None:
            return
        require_positive(labels_per_class=self.labels_per_class)
        if self.generator.conditioning != "none" or self.discriminator.conditioning == "projection":
            raise UserError("labels_per_class leaves most images without the class that a conditioning is to tell of")
        learns_none = self.discriminator.network in DISCRIMINATORS and self.discriminator.conditioning == "none"
        if learns_none and self.discriminator.network != "classifier":
            raise UserError(
                "labels_per_class needs a discriminator that learns classes, as discriminator.network classifier"
            )
