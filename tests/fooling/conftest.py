"""Two classifiers trained for a second or two, and the digits to show them."""

import pytest
import torch
from torch.nn import functional as F

from fooling.classifiers import LeNet, SoftmaxRegression
from fooling.data import Batches, load, to_float


@pytest.fixture(scope="session")
def digits():
    """1,000 test digits, float32 in [0, 1], and their labels."""
    data = load("mnist", "test")
    return to_float(data.images[:1000]), data.labels[:1000]


def _trained(make, steps=120):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        classifier = make()
    batches, optimizer = Batches(load("mnist", "train")), torch.optim.Adam(classifier.parameters(), 3e-3)
    for step in range(steps):
        images, labels = batches.take(100 * step, 100)
        loss = F.cross_entropy(classifier(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return classifier.eval()


@pytest.fixture(scope="session")
def lenet():
    return _trained(LeNet)


@pytest.fixture(scope="session")
def softmax():
    return _trained(SoftmaxRegression)
