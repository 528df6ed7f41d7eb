"""The networks that a saved generator's config.json may name: the entry point that pyproject.toml gives out."""

from gan.networks.classifying_discriminator import ClassifyingDiscriminator
from gan.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan.networks.discriminator import Discriminator, Verdict, verdict_of
from gan.networks.generator import Generator

__all__ = [
    "ClassifyingDiscriminator",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "Discriminator",
    "Generator",
    "Verdict",
    "verdict_of",
]
