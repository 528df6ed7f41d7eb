"""What the verbs can be told: their typed options."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fooling.data import DataConfig
from fooling.errors import UserError, require_positive
from fooling.tracking import WandbConfig


@dataclass
class InputConfig:
    """The images that a --model package.module:factory takes; classifiers of ours know this themselves."""

    shape: list[int] | None = None
    """Channels, height and width, such as 1 28 28."""

    range: list[float] = field(default_factory=lambda: [0.0, 1.0])
    """What black and white are to it: 0 1, or -1 1, or 0 255."""

    mean: list[float] = field(default_factory=lambda: [0.0])
    """What is subtracted after that, one number or one for each channel."""

    std: list[float] = field(default_factory=lambda: [1.0])
    """What is divided by in the end, one number or one for each channel."""


@dataclass
class VerbConfig:
    """What every verb can be told."""

    model: str = "lenet"
    """lenet or softmax, trained on first use; or a saved folder, hub:owner/name, or package.module:factory."""

    input: InputConfig = field(default_factory=InputConfig)
    """The images that a package.module:factory takes."""

    data: DataConfig = field(default_factory=DataConfig)
    """The test images, and what their classes are called."""

    seed: int = 0
    """From which all randomness follows."""

    output: str | None = None
    """The folder to write, which must not exist yet. Default: one named after the verb and its classes, in runs/."""

    wandb: WandbConfig = field(default_factory=WandbConfig)
    """Where to see the pictures besides the folder."""


@dataclass
class TrickConfig(VerbConfig):
    """Draw something meaningless that the network takes for a class."""

    target: int = 3
    """The class that the network shall see."""

    start: Literal["noise", "smooth", "black", "grey", "white"] = "noise"
    """What it begins with: uniform noise, smooth noise, or one flat shade."""

    parametrization: Literal["pixels", "fourier", "cppn"] = "pixels"
    """What is moved: the pixels, the Fourier coefficients of a smooth image, or the weights of a drawing network."""

    confidence: float = 0.99
    """Stop when the network is as sure as this."""

    steps: int = 500
    """Give up after so many steps."""

    step_size: float | None = None
    """Length of a step. Default: 0.02 of the way from black to white for every pixel, 0.05 for other parameters."""

    def __post_init__(self) -> None:
        check_climb(self.confidence, self.steps, self.step_size)
        if self.start != "noise" and self.parametrization != "pixels":
            raise UserError(f"--start {self.start} is for --parametrization pixels, not for {self.parametrization}")


@dataclass
class MorphConfig(VerbConfig):
    """Nudge a real image until the network takes it for another class."""

    from_: int | None = None
    """The class of the test image that it begins with. Default: 7."""

    to: int = 3
    """The class that the network shall see."""

    image: str | None = None
    """A file of yours to begin with, instead of a test image."""

    confidence: float = 0.99
    """Stop when the network is as sure as this."""

    steps: int = 500
    """Give up after so many steps."""

    step_size: float = 0.005
    """Standard deviation of what a step adds to the pixels, of which black is 0 and white is 1."""

    def __post_init__(self) -> None:
        check_climb(self.confidence, self.steps, self.step_size)
        if self.image is not None and self.from_ is not None:
            raise UserError("--from and --image both say what to begin with: give one of them")


@dataclass
class ExplainConfig(VerbConfig):
    """Show what the network sees in an image, and what it looks for in all."""

    digit: int | None = None
    """The class of the test image to look at, the one hardest to tell from --towards. Default: 5."""

    towards: list[int] = field(default_factory=lambda: [5, 8])
    """The classes to look for: what would make the image more of each?"""

    image: str | None = None
    """A file of yours to look at, instead of a test image."""

    layer: str | None = None
    """The layer whose channels to show. Default: the first convolution."""

    step_size: float = 0.02
    """Standard deviation of what a step adds to the pixels, of which black is 0 and white is 1."""

    def __post_init__(self) -> None:
        check_climb(step_size=self.step_size)
        if not self.towards:
            raise UserError("--towards needs at least one class")
        if self.image is not None and self.digit is not None:
            raise UserError("--digit and --image both say what to look at: give one of them")


@dataclass
class EvolveConfig(VerbConfig):
    """Breed an image for every class without looking at a gradient."""

    encoding: Literal["direct", "cppn"] = "direct"
    """What is bred: pixels, or networks that draw pictures with symmetry and structure."""

    confidence: float = 0.99
    """Stop when the network is as sure as this of every class."""

    evaluations: int = 200_000
    """Give up after asking the network about so many images."""

    def __post_init__(self) -> None:
        check_climb(self.confidence)
        require_positive(evaluations=self.evaluations)


def check_climb(confidence: float = 0.99, steps: int = 1, step_size: float | None = None) -> None:
    """Raise UserError for a climb that cannot be."""
    if not 0 < confidence < 1:
        raise UserError(f"confidence must lie between 0 and 1, got {confidence}")
    require_positive(steps=steps, step_size=1.0 if step_size is None else step_size)
