"""The classifiers of ours.

A classifier is any nn.Module from images float32 (n, c, h, w) in [0, 1] to logits (n, classes). Ours say more about
themselves: `input_shape`, `num_classes`, `reject_class` and `features`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor, nn

from fooling.errors import UserError, require_positive
from fooling.pretrained import Pretrained


class Classifier(Pretrained):
    """Images float32 (n, channels, image_size, image_size) in [0, 1] to logits (n, num_classes).

    image_size: height and width in pixels.
    channels: 1 for grey, 3 for colour.
    num_classes: how many classes the data has.
    reject_class: give one more logit, the last, that says "none of these"; num_classes does not count it.
    class_names: what to call the classes, as in the data. Default: 0, 1, 2 ...

    Raises UserError where there is not a name for each class.
    """

    logits: nn.Linear  # the last layer, which every subclass has

    def __init__(
        self,
        *,
        image_size: int = 28,
        channels: int = 1,
        num_classes: int = 10,
        reject_class: bool = False,
        class_names: Sequence[str] | None = None,
    ):
        super().__init__()
        require_positive(image_size=image_size, channels=channels, num_classes=num_classes)
        self.config = {
            "image_size": image_size,
            "channels": channels,
            "num_classes": num_classes,
            "reject_class": reject_class,
        }
        names = tuple(map(str, range(num_classes))) if class_names is None else tuple(class_names)
        if len(names) != num_classes:
            raise UserError(f"{num_classes} classes need as many names, got {len(names)}: {', '.join(names)}")
        self.class_names = names
        if names != tuple(map(str, range(num_classes))):  # else a folder is as older versions wrote it
            self.config["class_names"] = list(names)
        self.input_shape: tuple[int, int, int] = (channels, image_size, image_size)
        self.num_classes = num_classes
        self.reject_class = reject_class
        self.build(channels, image_size)

    def build(self, channels: int, image_size: int) -> None:
        """Make the layers, `logits` among them, for images of that kind: what a subclass is. The constructor's end.

        Raises UserError for images that it is not made for.
        """

    @property
    def num_logits(self) -> int:
        return self.num_classes + self.reject_class

    def features(self, images: Tensor) -> Tensor:
        """What the last layer looks at: float (n, features)."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        return self.logits(self.features(images))


class SoftmaxRegression(Classifier):
    """One linear map from pixels to logits (multinomial logistic regression), starting from zero.

    It sees pixels as they are, in [0, 1], so that a pixel which is always black keeps weight zero.
    """

    def build(self, channels: int, image_size: int) -> None:
        self.logits = nn.Linear(channels * image_size**2, self.num_logits)
        nn.init.zeros_(self.logits.weight)
        nn.init.zeros_(self.logits.bias)

    def features(self, images: Tensor) -> Tensor:
        return images.flatten(1)


class LeNet(Classifier):
    """Two 5x5 convolutions with 16 and 32 channels, each followed by ReLU and 2x2 max pooling, and 128 hidden units.

    After LeCun et al. 1998, "Gradient-based learning applied to document recognition", with today's ReLU and pooling.
    Layers that an objective can name: conv1, relu1, pool1, conv2, relu2, pool2, hidden, relu3, logits.
    """

    width = 1  # how many times as many channels and hidden units

    def build(self, channels: int, image_size: int) -> None:
        side = ((image_size - 4) // 2 - 4) // 2  # each convolution takes off 4 pixels, each pooling halves
        if side < 1:
            raise UserError(f"LeNet needs images of at least 16 pixels, got image_size={image_size}")
        few, many, hidden = (self.width * count for count in (16, 32, 128))
        self.conv1, self.relu1, self.pool1 = nn.Conv2d(channels, few, 5), nn.ReLU(), nn.MaxPool2d(2)
        self.conv2, self.relu2, self.pool2 = nn.Conv2d(few, many, 5), nn.ReLU(), nn.MaxPool2d(2)
        self.hidden, self.relu3 = nn.Linear(many * side**2, hidden), nn.ReLU()
        self.logits = nn.Linear(hidden, self.num_logits)

    def features(self, images: Tensor) -> Tensor:
        x = self.pool1(self.relu1(self.conv1(2 * images - 1)))
        x = self.pool2(self.relu2(self.conv2(x)))
        return self.relu3(self.hidden(x.flatten(1)))


class WideLeNet(LeNet):
    """LeNet with 32 and 64 channels and 256 hidden units, at 2.3 times the cost: room for what is to be taught beside
    the digits."""

    width = 2


Model = Literal["lenet", "wide-lenet", "softmax"]
MODELS: dict[str, type[Classifier]] = {"lenet": LeNet, "wide-lenet": WideLeNet, "softmax": SoftmaxRegression}


def input_shape_of(classifier: nn.Module) -> tuple[int, int, int]:
    """(channels, height, width) of the images that a classifier takes. Raises UserError where it does not say."""
    return _told_by(classifier, "input_shape")


def num_classes_of(classifier: nn.Module) -> int:
    """How many classes a classifier knows, its reject class apart. Raises UserError where it does not say."""
    return _told_by(classifier, "num_classes")


def _told_by(classifier: nn.Module, name: str) -> Any:
    if not hasattr(classifier, name):
        raise UserError(f"{type(classifier).__name__} has no {name}: wrap it in fooling.Adapted, which finds out")
    return getattr(classifier, name)


def reject_index(classifier: nn.Module) -> int | None:
    """Which logit of the classifier says "none of these"; None where there is no such."""
    return num_classes_of(classifier) if getattr(classifier, "reject_class", False) else None


def class_names(classifier: nn.Module) -> tuple[str, ...]:
    """What the classifier calls its classes, 0, 1, 2 ... where it does not know, and "none" for a reject class."""
    names = getattr(classifier, "class_names", None) or map(str, range(num_classes_of(classifier)))
    return (*names, *["none"] * (reject_index(classifier) is not None))
