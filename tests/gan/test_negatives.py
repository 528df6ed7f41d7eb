"""Negatives in a GAN: the classifier learns to reject them, and no real image with them."""

from contextlib import nullcontext

import torch

from fooling.classifiers.networks import MODELS
from fooling.data.load import DataConfig, load_config
from fooling.images import to_float
from fooling.run.processes import Processes
from fooling.teach.negatives import NegativesConfig
from gan.negatives import Negatives


def test_what_shows_nothing_is_rejected_and_real_images_stay_any_class_at_all():
    data = load_config(DataConfig())
    images = to_float(data.images[:64])
    negatives = Negatives(NegativesConfig(noise=64, kinds=["uniform", "black"]), data, Processes(), weight=1.0)
    torch.manual_seed(0)
    classifier = MODELS["lenet"](num_classes=10, reject_class=True)
    adam = torch.optim.Adam(classifier.parameters(), 1e-3)
    for seed in range(60):
        adam.zero_grad()
        figures = negatives.step(classifier, images, seed, scale=lambda loss: loss, autocast=nullcontext)
        adam.step()
    assert figures["negatives_loss"] < 0.1 and figures["admission_loss"] < 0.1
    with torch.no_grad():
        none = classifier(torch.cat([to_float(data.images[64:128]), torch.rand(64, 1, 28, 28)])).softmax(1)[:, -1]
    assert none[:64].mean() < 0.1 and none[64:].mean() > 0.9
    weighed = Negatives(NegativesConfig(noise=64), data, Processes(), weight=0.0)
    adam.zero_grad()
    weighed.step(classifier, images, 0, scale=lambda loss: loss, autocast=nullcontext)
    assert all(p.grad is None or not p.grad.any() for p in classifier.parameters())
