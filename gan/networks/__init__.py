"""The networks that a saved folder's config.json may name: the entry point that pyproject.toml gives out."""

from gan.networks.adapted import AdaptedDiscriminator, AdaptedGenerator
from gan.networks.classifying_discriminator import ClassifyingDiscriminator
from gan.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan.networks.discriminator import Discriminator, Verdict, verdict_of
from gan.networks.generator import Generator
from gan.networks.residual import ResidualDiscriminator, ResidualGenerator
from gan.networks.sngan import SNGANDiscriminator, SNGANGenerator

__all__ = [
    "AdaptedDiscriminator", "AdaptedGenerator", "ClassifyingDiscriminator", "DCGANDiscriminator", "DCGANGenerator",
    "Discriminator", "Generator", "ResidualDiscriminator", "ResidualGenerator", "SNGANDiscriminator", "SNGANGenerator",
    "Verdict", "verdict_of",
]  # fmt: skip
