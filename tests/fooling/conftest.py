"""Two classifiers trained for a second or two, and the digits to show them."""

import pytest
import torch

from fooling.classifiers import LeNet, SoftmaxRegression
from fooling.data import Images, load, to_float
from fooling.train import fit


@pytest.fixture(scope="session")
def digits():
    """1,000 test digits, float32 in [0, 1], and their labels."""
    data = load("mnist", "test")
    return to_float(data.images[:1000]), data.labels[:1000]


def _trained(make):
    data = load("mnist", "train")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return fit(make(), Images(data.images[:6000], data.labels[:6000], data.class_names), epochs=2, progress=False)


@pytest.fixture(scope="session")
def lenet():
    return _trained(LeNet)


@pytest.fixture(scope="session")
def softmax():
    return _trained(SoftmaxRegression)
