"""The networks that a saved generator's config.json may name: the entry point that pyproject.toml gives out."""

from gan.networks.dcgan import Discriminator, Generator

__all__ = ["Discriminator", "Generator"]
