"""A classifier as the discriminator: what is fake is one class more (K + 1 classes)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fooling.classifiers.networks import MODELS, Model
from fooling.errors import UserError
from gan.networks.arguments import kept
from gan.networks.discriminator import Discriminator, Verdict


class ClassifyingDiscriminator(Discriminator):
    """Images (n, channels, image_size, image_size) in [0, 1] to a Verdict, out of a classifier with a reject class.

    With its logits l_1 ... l_K of the classes and l_0 of "none of these" the score is log sum_k exp(l_k) - l_0, so that
    an image is real with the probability that it is of any class: D(x) = Z / (Z + 1) where l_0 = 0 (Salimans et al.
    2016, arXiv:1606.03498, section 5). With the loss non-saturating it learns their L_unsupervised, and with class_loss
    their L_supervised.

    num_classes: how many classes the data has. class_names: what to call them. Default: 0, 1, 2 ...
    classifier: lenet, wide-lenet or softmax. The attribute of this name is one, as `fooling` trains, saves and fools
        them.
    """

    def __init__(
        self,
        *,
        image_size: int = 28,
        channels: int = 1,
        num_classes: int | None = None,
        class_names: Sequence[str] | None = None,
        classifier: Model = "lenet",
    ):
        super().__init__()
        class_names = None if class_names is None else list(class_names)
        self.config = kept(locals())
        if not num_classes:
            raise UserError("discriminator.network classifier needs data with classes")
        self.num_classes = num_classes
        self.classifier = MODELS[classifier](
            image_size=image_size, channels=channels, num_classes=num_classes, reject_class=True,
            class_names=class_names,
        )  # fmt: skip

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        features = self.classifier.features(images)
        with torch.autocast(images.device.type, enabled=False):  # as any discriminator's last layer: see PreciseLinear
            logits = self.classifier.logits(features.to(self.classifier.logits.weight.dtype))
        classes, none = logits[:, :-1], logits[:, -1]
        return Verdict(classes.logsumexp(1) - none, classes, features)
