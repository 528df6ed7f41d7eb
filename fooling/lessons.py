"""What a classifier is taught about rubbish, and how that is said: the settings of `harden`, and its losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from fooling.data import DataConfig, load_config
from fooling.errors import UserError, require_positive
from fooling.fresh_attack import AttackConfig
from fooling.negatives import Generated, Mix, Noise, Others, Persistent, Pool, Source, Worst, check_shape
from fooling.pretrained import Pretrained
from fooling.rubbish import STARTS
from fooling.run import RunConfig
from fooling.train import MODELS, Model

Target = Literal["reject", "uniform", "confidence", "both"]


@dataclass
class ClimbConfig:
    """The short climbs that make negatives inside a batch."""

    steps: int = 10
    """Steps of each climb."""

    smallest: float = 0.01
    """The smallest step; each image's is drawn log-uniformly between the two."""

    largest: float = 0.2
    """The largest step."""

    varied: bool = True
    """Draw the rule, the momentum, the objective and the target class anew for each image. Else: sign steps up the
    likeliest class's log-probability, as ACET takes them."""

    ball: float | None = None
    """Stay within an L-inf ball of this radius around the start. Default: anywhere in [0, 1]."""


@dataclass
class NegativesConfig:
    """How many negatives of each kind go into a batch, over all processes."""

    climbed: int = 0
    """Ends of short climbs from fresh noise, made against the network as it is at this step."""

    persistent: int = 0
    """Ends of short climbs that go on where earlier ones ended."""

    noise: int = 0
    """Noise as it is."""

    pool: int = 0
    """Fooling images of all past rounds."""

    others: int = 0
    """Images of another data set, named in others_data."""

    generated: int = 0
    """What the generator in generator_folder draws."""

    kinds: list[str] = field(default_factory=lambda: list(STARTS))
    """The kinds of noise (fooling/rubbish.py) that are used as they are and climbed from."""

    climb: ClimbConfig = field(default_factory=ClimbConfig)
    """The climbs."""

    reseed: float = 0.05
    """The share of persistent climbs that start afresh."""

    others_data: DataConfig = field(default_factory=lambda: DataConfig(name="fashion-mnist"))
    """The other data set."""

    generator_folder: str | None = None
    """A generator saved by save_pretrained."""

    @property
    def counts(self) -> tuple[int, ...]:
        return (self.climbed, self.persistent, self.noise, self.pool, self.others, self.generated)

    def __post_init__(self) -> None:
        if min(self.counts) < 0:
            raise UserError("negatives are counted from 0 up")
        if self.generated and self.generator_folder is None:
            raise UserError("negatives.generated needs negatives.generator_folder")


@dataclass
class HardenConfig(RunConfig):
    """Teach a classifier what is nothing."""

    name: str = "harden"
    """The run's name, and that of its folder below runs/."""

    model: Model = "lenet"
    """lenet or softmax, as for train."""

    target: Target = "reject"
    """What negatives shall be: reject, a class of their own; uniform, all classes alike (outlier exposure);
    confidence, no class likely (CEDA and ACET); both, a class of their own and the others alike."""

    kimg: float = 240.0
    """How long to train in each round, in thousands of images seen (negatives not counted)."""

    rounds: int = 1
    """How many times to train and attack; the images of each attack join the pool."""

    from_scratch: bool = True
    """Begin each round with new weights; else go on with those of the round before."""

    batch_size: int = 128
    """Real images in a step, over all processes."""

    learning_rate: float = 3e-3
    """Adam's learning rate at its peak, a third of the way through a round."""

    weight: float = 1.0
    """Of the negatives' loss, beside 1 for that of the real images."""

    ramp_kimg: float = 20.0
    """Thousands of images over which that weight grows from 0, in each round."""

    evaluate_kimg: float = 60.0
    """Thousands of images between fresh attacks and measurements of the accuracy on the test images."""

    shift: int = 0
    """Move each real image by up to so many pixels."""

    perturb: float = 0.0
    """Move every second real image against its label, in an L-inf ball whose radius is drawn from 0 to this."""

    negatives: NegativesConfig = field(default_factory=NegativesConfig)
    """Where the negatives come from: at least one count must be above 0."""

    attack: AttackConfig = field(default_factory=AttackConfig)
    """The fresh attack."""

    data: DataConfig = field(default_factory=DataConfig)
    """The images and their labels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(
            kimg=self.kimg,
            rounds=self.rounds,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight=self.weight,
            evaluate_kimg=self.evaluate_kimg,
        )
        if self.shift < 0 or self.perturb < 0:
            raise UserError(f"shift and perturb must be at least 0, got {self.shift} and {self.perturb}")
        if self.model not in MODELS:
            raise UserError(f"unknown model {self.model!r}: expected one of {', '.join(MODELS)}")
        if self.ramp_kimg < 0:
            raise UserError(f"ramp_kimg must be at least 0, got {self.ramp_kimg}")
        if self.kimg * 1000 < self.batch_size:
            raise UserError(f"a round of {self.kimg} kimg is shorter than a batch of {self.batch_size} images")
        if self.rounds == 1 and sum(self.negatives.counts) == self.negatives.pool > 0:
            raise UserError("the pool is empty until a round has ended: give --rounds 2 or more, or other negatives")
        if max(self.negatives.counts) == 0:
            raise UserError("say what to teach, such as --config configs/harden.yaml or --negatives.climbed 32")


def make_negatives(config: NegativesConfig, pool: Pool, shape: Sequence[int]) -> Mix:
    """The sources that are asked for, mixed. Raises UserError where one gives no images of `shape` (c, h, w)."""
    noise, climb = Noise(config.kinds), config.climb
    settings = {
        "steps": climb.steps,
        "sizes": (climb.smallest, climb.largest),
        "varied": climb.varied,
        "ball": climb.ball,
    }
    parts: list[tuple[Source, int]] = [(noise, config.noise), (pool, config.pool)]
    if config.climbed:
        parts.append((Worst(noise, **settings), config.climbed))
    if config.persistent:
        parts.append((Worst(Persistent(noise, reseed=config.reseed), **settings), config.persistent))
    if config.others:
        others = load_config(config.others_data)
        check_shape(others.images.shape[1:], shape)
        parts.append((Others(others), config.others))
    if config.generated:
        generator = Pretrained.from_pretrained(config.generator_folder)
        if not hasattr(generator, "latent_dim"):
            raise UserError(f"{config.generator_folder} holds a {type(generator).__name__}, which is no generator")
        with torch.no_grad():
            check_shape(generator.eval()(torch.zeros(1, generator.latent_dim)).shape[1:], shape)
        parts.append((Generated(generator), config.generated))
    return Mix(*[(source, count) for source, count in parts if count])


def negatives_loss(logits: Tensor, target: Target) -> Tensor:
    """The mean loss of negatives' logits (n, classes); for reject and both, the reject class is the last.

    uniform: cross-entropy to the uniform distribution (Hendrycks et al. 2019, arXiv:1812.04606, section 3).
    confidence: the largest log-probability (Hein et al. 2019, arXiv:1812.05720, equation 4).
    """
    if target == "reject":
        return -logits.log_softmax(1)[:, -1].mean()
    if target == "uniform":
        return -logits.log_softmax(1).mean()
    if target == "confidence":
        return logits.log_softmax(1).amax(1).mean()
    return -logits.log_softmax(1)[:, -1].mean() - logits[:, :-1].log_softmax(1).mean()
