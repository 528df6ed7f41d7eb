"""Which network a configuration names, and how it is made: one of ours, or anyone's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from torch import nn

from fooling.classifiers.networks import Model
from fooling.errors import UserError, require_positive
from fooling.options.imported import imported, names_an_object
from fooling.options.settings import Settings
from fooling.options.types import did_you_mean, listed
from gan.networks.adapted import AdaptedDiscriminator, AdaptedGenerator, one_line
from gan.networks.dcgan import Normalization
from gan.networks.discriminator import Discriminator, verdict_of
from gan.networks.generator import Generator

# Each as package.module:Class, so that the one that is wanted is imported.
GENERATORS = {
    "dcgan": "gan.networks.dcgan:DCGANGenerator",
    "residual": "gan.networks.residual:ResidualGenerator",
    "sngan": "gan.networks.sngan:SNGANGenerator",
}
DISCRIMINATORS = {
    "dcgan": "gan.networks.dcgan:DCGANDiscriminator",
    "residual": "gan.networks.residual:ResidualDiscriminator",
    "sngan": "gan.networks.sngan:SNGANDiscriminator",
    "classifier": "gan.networks.classifying_discriminator:ClassifyingDiscriminator",
}


@dataclass
class GeneratorConfig(Settings):
    """The generator; see gan.networks.Generator."""

    network: str = "dcgan"
    """Its family: dcgan, residual (R3GAN's manner), sngan, or package.module:Class of your own."""

    latent_dim: int = 64
    """Length of a latent."""

    width: int = 32
    """Features before the image; doubled at each halving of the side."""

    max_width: int | None = None
    """How far residual and sngan double them. Default: all the way."""

    kernel_size: int = 4
    """Side of the kernels of a dcgan in pixels: 5 in the DCGAN paper, 4 in its authors' code."""

    normalization: Normalization = "batch"
    """Of a dcgan: batch, after every layer but the last, or none."""

    blocks: int | None = None
    """Of residual: how many at each side. Default: 1; R3GAN has 2."""

    group_width: int | None = None
    """Of residual: features in each group of the 3 x 3 convolutions. Default: 16."""

    stride: int | None = None
    """Of residual: 2, the default, leaves out the blocks at the image's own side, which cost most; R3GAN has 1."""

    conditioning: Literal["none", "concatenation", "normalization"] = "none"
    """How it is told which class to draw: by a vector beside the latent, or by each feature's gain and bias."""

    def __post_init__(self) -> None:
        _check("generator", self, GENERATORS, latent_dim=self.latent_dim)


@dataclass
class DiscriminatorConfig(Settings):
    """The discriminator; see gan.networks.Discriminator."""

    network: str = "dcgan"
    """Its family: dcgan, residual (R3GAN's manner), sngan, classifier (K + 1 classes), or package.module:Class."""

    width: int = 32
    """Features after the first layer; doubled at each halving of the side."""

    max_width: int | None = None
    """How far residual and sngan double them. Default: all the way."""

    kernel_size: int = 4
    """Side of the kernels of a dcgan in pixels: 5 in the DCGAN paper, 4 in its authors' code."""

    normalization: Normalization = "none"
    """Of a dcgan: batch, after every layer but the first and the last, or none. Penalties need none."""

    spectral_norm: bool = False
    """Give every layer of a dcgan a Lipschitz constant of 1; sngan always does."""

    blocks: int | None = None
    """Of residual: how many at each side. Of a dcgan: 3 x 3 convolutions after each halving but the last."""

    group_width: int | None = None
    """Of residual: features in each group of the 3 x 3 convolutions. Default: 16."""

    stride: int | None = None
    """Of residual: 2, the default, leaves out the blocks at the image's own side, which cost most; R3GAN has 1."""

    classifier: Model | None = None
    """Of a classifier: lenet, the default, or softmax."""

    conditioning: Literal["none", "projection", "auxiliary"] = "none"
    """How it knows classes: it is told them, or says them itself (AC-GAN); a classifier always does."""

    def __post_init__(self) -> None:
        _check("discriminator", self, DISCRIMINATORS)


Config = GeneratorConfig | DiscriminatorConfig
_NUMBERS = ("width", "max_width", "kernel_size", "blocks", "group_width", "stride")


def make_generator(config: GeneratorConfig, *, image_size: int, channels: int, num_classes: int = 0) -> Generator:
    """A new generator of the family, or of the class, that a configuration names.

    num_classes: how many the data has, for one that is conditioned on them.

    Raises MissingFile or UserError for what cannot be imported, takes other settings, needs classes where there are
    none, or gives no such images.
    """
    name = config.network
    kind, options = _chosen("generator", config, GENERATORS, image_size, channels, num_classes)
    if isinstance(kind, type) and issubclass(kind, Generator):
        made: Generator = kind(**options)
    else:
        made = AdaptedGenerator(network=name, latent_dim=config.latent_dim, options=options)
    if name not in GENERATORS:
        with _trial(name, made):
            images = made.sample(2)
        if images.shape != (2, channels, image_size, image_size):
            wanted = f"(n, {channels}, {image_size}, {image_size})"
            raise UserError(f"{name} must give images of shape {wanted}, for n = 2 it gave {tuple(images.shape)}")
        if not 0 <= images.min() <= images.max() <= 1:
            found = f"from {images.min():.2g} to {images.max():.2g}"
            raise UserError(f"{name} must give images in [0, 1], it gave values {found}: let it end in a sigmoid")
    return made


def make_discriminator(
    config: DiscriminatorConfig,
    *,
    image_size: int,
    channels: int,
    num_classes: int = 0,
    class_names: Sequence[str] = (),
) -> Discriminator:
    """A new discriminator, as make_generator makes a generator.

    class_names: what to call the classes, for one that is a classifier.
    """
    name = config.network
    kind, options = _chosen("discriminator", config, DISCRIMINATORS, image_size, channels, num_classes, class_names)
    if isinstance(kind, type) and issubclass(kind, Discriminator):
        made: Discriminator = kind(**options)
    else:
        made = AdaptedDiscriminator(network=name, options=options)
    if name not in DISCRIMINATORS:
        with _trial(name, made):
            labels = torch.zeros(2, dtype=torch.int64) if made.num_classes else None
            scores = verdict_of(made, torch.full((2, channels, image_size, image_size), 0.5), labels).scores
        if scores.shape != (2,):
            raise UserError(f"{name} must give scores of shape (n,), for n = 2 it gave {tuple(scores.shape)}")
    return made


def _check(group: str, config: Config, known: dict[str, str], **numbers: int) -> None:
    if config.network not in known and not names_an_object(config.network):
        guess = did_you_mean(config.network, known)
        raise UserError(f"unknown {group}.network {config.network!r}{guess or f': expected {listed(known)}'}")
    numbers |= {name: getattr(config, name) for name in _NUMBERS}
    require_positive(**{f"{group}.{name}": number for name, number in numbers.items() if number is not None})


def _chosen(
    group: str,
    config: Config,
    known: dict[str, str],
    image_size: int,
    channels: int,
    num_classes: int,
    class_names: Sequence[str] = (),
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """What makes the network, and what it is to be called with."""
    kind = imported(known.get(config.network, config.network))
    if not callable(kind):
        raise UserError(f"{config.network} must be a class, or a function that makes a network")
    takes = inspect.signature(kind).parameters
    anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values())
    defaults = {field.name: field.default for field in fields(config)}
    settings = {k: v for k, v in vars(config).items() if k != "network" and v is not None and v is not False}
    if config.conditioning == "none":
        del settings["conditioning"]
        if "conditioning" in takes:  # one that could, and is not asked to
            num_classes = 0
    elif not num_classes:
        raise UserError(f"{group}.conditioning {config.conditioning} needs data with classes")
    for name, value in settings.items():
        # A network that has its latents' length by itself is drawn from with as many numbers.
        if not anything and name not in takes and value != defaults[name] and name != "latent_dim":
            taken = [name for name in defaults if name in takes]
            which = f"which takes {listed(taken, 'and')}" if taken else "which takes no settings"
            raise UserError(f"{group}.{name} {value} is nothing for {config.network}, {which}")
    options: dict[str, Any] = {"image_size": image_size, "channels": channels, **settings}
    options |= {"num_classes": num_classes} if num_classes else {}
    options |= {"class_names": list(class_names)} if num_classes and class_names else {}
    return kind, {name: value for name, value in options.items() if anything or name in takes}


@contextmanager
def _trial(name: str, network: nn.Module) -> Iterator[None]:
    """Somebody else's network, called for the first time: what it raises is one line, and no randomness is used up."""
    training = network.training
    try:
        with torch.no_grad(), torch.random.fork_rng([]):
            network.eval()
            yield
    except UserError:
        raise
    except Exception as error:  # whatever somebody else's code raises
        raise UserError(f"{name} failed with {one_line(error)}") from error
    finally:
        network.train(training)
